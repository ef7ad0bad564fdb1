/** How a fiber waits for something that only a callback reports. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as RuntimeFlags from "effect/RuntimeFlags"
import * as RuntimeFlagsPatch from "effect/RuntimeFlagsPatch"
import { type AnyFiber, isInterruptible } from "./fibers.js"

/**
 * Suspends the fiber until `resume` is called with the effect that it continues with.
 *
 * - A wake never runs the woken fiber in the waker's call: the fiber becomes ready, and runs when its scheduler comes to
 *   it, in the order in which fibers became ready.
 * - A wake that comes too late does nothing: the first call counts, and a fiber that was interrupted meanwhile ignores it.
 *
 * `register` may call `resume` at once. Nobody learns that a waiter was interrupted: where that matters, the wait is
 * `suspendCancellable`. The type refuses a canceller here.
 */
export const suspend: <A, E = never>(
  register: (resume: (effect: Effect.Effect<A, E>) => void) => undefined
) => Effect.Effect<A, E> = Effect.async

/** Runs `use` with the fiber that runs this. The cheapest way to look at it: one operation, and no closure of its own. */
export const withFiber: <A, E = never, R = never>(
  use: (fiber: AnyFiber) => Effect.Effect<A, E, R>
) => Effect.Effect<A, E, R> = Effect.withFiberRuntime

const uninterruptible = RuntimeFlagsPatch.disable(RuntimeFlags.Interruption)
const interruptible = RuntimeFlagsPatch.enable(RuntimeFlags.Interruption)

/**
 * Waits where an interruption takes effect, and has its cause, or that of a failure, seen to by `onCause`, where none does.
 * A third of what `Effect.onInterrupt` costs. Only where the fiber may be interrupted anyhow.
 */
export const interruptibly = <A, E>(
  wait: Effect.Effect<A, E>,
  onCause: (cause: Cause.Cause<E>) => Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.withRuntimeFlagsPatch(
    Effect.catchAllCause(Effect.withRuntimeFlagsPatch(wait, interruptible), onCause),
    uninterruptible
  )

/**
 * `suspend` for a wait that holds something: what `register` returns, if anything, runs when an interruption ends the wait,
 * or what the fiber was woken with. It costs two changes of the fiber's flags more than `suspend`.
 *
 * The handler that runs the canceller is there before `register` is called. `Effect.async` installs it after, and a fiber
 * that has to yield between the two, and is interrupted there, never runs its canceller.
 */
export const suspendCancellable = <A, E = never>(
  register: (resume: (effect: Effect.Effect<A, E>) => void) => void | Effect.Effect<void>
): Effect.Effect<A, E> =>
  Effect.withFiberRuntime((fiber) => {
    if (!isInterruptible(fiber)) return Effect.async((resume) => void register(resume))
    let canceller: void | Effect.Effect<void> = undefined
    return interruptibly(
      Effect.async<A, E>((resume) => {
        canceller = register(resume)
      }),
      (cause) =>
        canceller !== undefined && Cause.isInterruptedOnly(cause)
          ? Effect.ensuring(Exit.failCause(cause), canceller)
          : Exit.failCause(cause)
    )
  })
