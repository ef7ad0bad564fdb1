/** Limits an effect in time by a deadline. */
import * as Effect from "effect/Effect"
import { suspendCancellable, withFiber } from "./effect/suspend.js"
import { type Deadlines, Due, forClock } from "./time/deadlines.js"
import { yieldsSoon } from "./yielding.js"

/**
 * Gives `effect` that many milliseconds; after them it is interrupted, and the failure is `onTimeout`'s. Unlike
 * `Effect.timeoutFail` it lets the system report what it has first: an answer that is there already wins.
 *
 * Both sides are interruptible also in an uninterruptible region, `acquire` of `Effect.acquireRelease` for example. There
 * the race would wait for the side that lost: for the whole time although the answer is there, or for an answer that never
 * comes.
 */
export const within = <A, E, R, E2>(
  effect: Effect.Effect<A, E, R>,
  deadlines: Deadlines,
  millis: number,
  onTimeout: () => E2
): Effect.Effect<A, E | E2, R> =>
  millis === Infinity ? effect : withFiber((fiber) => {
    // An interruption between the making of a race's fibers and their start would wait for their ends, which never come.
    if (yieldsSoon(fiber)) return Effect.flatMap(Effect.yieldNow(), () => within(effect, deadlines, millis, onTimeout))
    const limit = suspendCancellable<never, E2>((resume) => {
      const due = new Due(() => resume(Effect.failSync(onTimeout)))
      deadlines.schedule(due, deadlines.now() + millis)
      return Effect.sync(() => deadlines.cancel(due))
    })
    return Effect.raceFirst(Effect.interruptible(effect), Effect.interruptible(limit))
  })

/** `within` by the clock of the fiber. */
export const withinOfClock = <A, E, R, E2>(
  effect: Effect.Effect<A, E, R>,
  millis: number,
  onTimeout: () => E2
): Effect.Effect<A, E | E2, R> =>
  millis === Infinity
    ? effect
    : Effect.clockWith((clock) => within(effect, forClock(clock), millis, onTimeout))
