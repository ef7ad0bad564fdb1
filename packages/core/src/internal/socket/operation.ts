/** The operations that errors of sockets name. */
import * as Schema from "effect/Schema"

/** What a socket was doing when it failed. */
export const Operation = Schema.Literal(
  "receive",
  "send",
  "shutdown",
  "close",
  "upgrade",
  "configure",
  "connect",
  "join",
  "serve",
  "lend"
)
export type Operation = typeof Operation.Type
