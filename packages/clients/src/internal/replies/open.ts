/**
 * The connection that a session of commands and replies begins with.
 */
import type { Net } from "@copas/core/Net"
import type { Socket } from "@copas/core/Socket"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Connector } from "../../Connector.js"

export interface Settings {
  readonly host: string
  readonly port: number
  readonly connectMillis: number
  readonly connector: Connector
  /** The connector is `direct`, which sets the time-outs itself. */
  readonly isDirect: boolean
}

/** Connects; the socket has the time-outs whatever connector made it. */
export const openControl = (
  settings: Settings,
  timeouts: { readonly receive: number; readonly send: number }
): Effect.Effect<Socket, Effect.Effect.Error<ReturnType<Connector>>, Net | Scope.Scope> =>
  Effect.tap(
    settings.connector({
      host: settings.host,
      port: settings.port,
      purpose: "control",
      isBulk: false,
      connectTimeout: settings.connectMillis,
      timeouts
    }),
    (socket) => settings.isDirect ? Effect.void : Effect.orDie(socket.setTimeouts(timeouts))
  )
