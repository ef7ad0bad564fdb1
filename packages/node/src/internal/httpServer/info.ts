/** What a connection shows of itself, and whom it tells of failures. */
import type { Socket } from "@copas/core/Socket"
import type { Thread } from "@copas/core/Thread"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { HttpConnection } from "../../HttpConnection.js"

export const shown = (
  socket: Socket,
  thread: Option.Option<Thread>,
  version: HttpConnection["version"],
  requestNumber: number,
  waitForDrain: Effect.Effect<void>
): HttpConnection => ({
  id: socket.id,
  socketName: socket.name,
  thread,
  localAddress: socket.localAddress,
  remoteAddress: socket.remoteAddress,
  tls: socket.tls,
  version,
  requestNumber,
  waitForDrain
})

/** Gives a failure to the error handler of the thread. */
export const reportTo = (
  thread: Option.Option<Thread>,
  socket: Socket,
  cause: Cause.Cause<unknown>
): Effect.Effect<void> =>
  Option.match(thread, {
    onNone: () => Effect.logError("a handler failed", cause),
    onSome: (thread) =>
      Effect.catchAllCause(
        Effect.flatMap(thread.errorHandler, (handler) => handler(cause, { thread, socket: Option.some(socket) })),
        // The connection has to end the request all the same.
        (failure) => Effect.logError(`the error handler of ${thread.name} failed`, failure)
      )
  })
