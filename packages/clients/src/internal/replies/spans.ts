/**
 * The names of what spans say, from OpenTelemetry's conventions where there is one, in one place.
 */
import * as Effect from "effect/Effect"
import type { Protocol } from "../../ReplyError.js"
import * as Command from "./command.js"

/** A span of one command and its reply (`ftp.command`). Secrets are not in it. */
export const command =
  (protocol: Protocol, { host, port }: { readonly host: string; readonly port: number }, command: Command.Command) =>
  <A extends { readonly code: number }, E, R>(
    self: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, R> =>
    Effect.useSpan(
      `${protocol}.command`,
      {
        kind: "client",
        captureStackTrace: false,
        attributes: {
          "server.address": host,
          "server.port": port,
          [`${protocol}.command.name`]: command.verb,
          [`${protocol}.command.text`]: Command.printable(command)
        }
      },
      (span) =>
        Effect.map(self, (reply) => {
          span.attribute(`${protocol}.response.status_code`, reply.code)
          return reply
        })
    )
