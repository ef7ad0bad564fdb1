/** Connections for undici: Copas sockets that are lent to it, each with a scope of its own. */
import type * as CopasSocket from "@copas/core/Socket"
import type { SocketClosed } from "@copas/core/SocketError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { type Env, start } from "../effect/fibers.js"
import { child } from "../effect/scopes.js"
import { type Awaits, type Borrowed, lend } from "../net/lending.js"

/** A lent connection. */
export interface Opened extends Borrowed {
  readonly socket: CopasSocket.Socket
}

/**
 * Opens a connection, lends it, and gives it to `use`, with nothing between that an interruption could cut. Its scope is
 * below `all`: it ends when the borrower has closed the stream, at any time, and the end of `all` ends every connection.
 */
export const open = <A, E>(
  all: Scope.Scope,
  env: Env,
  connect: Effect.Effect<CopasSocket.Socket, E, Scope.Scope>,
  use: (opened: Opened) => A,
  awaits?: Awaits
): Effect.Effect<A, E | SocketClosed> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(child(all), (scope) =>
      restore(Scope.extend(connect, scope)).pipe(
        Effect.flatMap((socket) =>
          Effect.map(lend(socket, awaits), (borrowed) => {
            borrowed.stream.once("close", () => void start(env, Scope.close(scope, Exit.void)))
            return use({ ...borrowed, socket })
          })
        ),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      ))
  )
