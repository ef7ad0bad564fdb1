/** Runs a part of a thread's work, and reports its failure to the thread's error handler. */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Causes from "../effect/causes.js"
import { withFiber } from "../effect/suspend.js"
import { threadOf } from "./thread.js"

/**
 * Runs a part of a thread's work whose failure does not end the thread: the cause goes to the thread's error handler, or
 * to the dispatcher's. An interruption of the thread itself ends both.
 */
export const reported = <A, E, R>(part: Effect.Effect<A, E, R>): Effect.Effect<void, never, R> =>
  Effect.catchAllCause(Effect.asVoid(part), (cause) =>
    // An interruption is not reported: the program asked for it.
    Causes.isInterruption(cause) ? Effect.void : report(cause))

const report = (cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  withFiber((fiber) => {
    const thread = threadOf(fiber)
    if (thread === undefined) return Effect.logError("failed", cause)
    const handler = thread.onError ?? thread.dispatcher.errorHandler
    return Effect.catchAllCause(
      Effect.suspend(() =>
        handler(cause, { thread, socket: Option.fromNullable(thread.socket ?? thread.datagramSocket) })
      ),
      (failure) => Effect.logError(`the error handler of ${thread.name} failed`, failure)
    )
  })
