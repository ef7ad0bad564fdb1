/**
 * The names of what spans say, from OpenTelemetry's conventions where there is one, in one place.
 */
import * as Effect from "effect/Effect"
import * as Command from "../command.js"
import type { Settings } from "./settings.js"

/** A span of one command and its reply. Secrets are not in it. */
export const command = (settings: Settings, command: Command.Command) =>
<A extends { readonly code: number }, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.useSpan(
    "ftp.command",
    {
      kind: "client",
      captureStackTrace: false,
      attributes: {
        "server.address": settings.host,
        "server.port": settings.port,
        "ftp.command.name": command.verb,
        "ftp.command.text": Command.printable(command)
      }
    },
    (span) =>
      Effect.map(self, (reply) => {
        span.attribute("ftp.response.status_code", reply.code)
        return reply
      })
  )
