/** Races of two effects, and limits in time by a deadline. */
import * as Effect from "effect/Effect"
import { suspendCancellable, withFiber } from "./effect/suspend.js"
import { type Deadlines, Due, forClock } from "./time/deadlines.js"
import { yieldsSoon } from "./yielding.js"

/**
 * What ends first of the two, which interrupts the other.
 *
 * Both sides are interruptible also in an uninterruptible region, `acquire` of `Effect.acquireRelease` for example. There
 * the race would wait for the side that lost: for the whole time although the answer is there, or for an answer that never
 * comes.
 */
export const firstOf = <A, E, R, B, E2, R2>(
  one: Effect.Effect<A, E, R>,
  other: Effect.Effect<B, E2, R2>
): Effect.Effect<A | B, E | E2, R | R2> =>
  withFiber((fiber) =>
    // Effect makes the fibers of a race before it starts them. One interrupted between the two never ends.
    yieldsSoon(fiber)
      ? Effect.flatMap(Effect.yieldNow(), () => firstOf(one, other))
      : Effect.raceFirst(Effect.interruptible(one), Effect.interruptible(other))
  )

/**
 * Gives `effect` that many milliseconds; after them it is interrupted, and the failure is `onTimeout`'s. Unlike
 * `Effect.timeoutFail` it lets the system report what it has first: an answer that is there already wins.
 */
export const within = <A, E, R, E2>(
  effect: Effect.Effect<A, E, R>,
  deadlines: Deadlines,
  millis: number,
  onTimeout: () => E2
): Effect.Effect<A, E | E2, R> =>
  millis === Infinity ? effect : firstOf(
    effect,
    suspendCancellable<never, E2>((resume) => {
      const due = new Due(() => resume(Effect.failSync(onTimeout)))
      deadlines.schedule(due, deadlines.now() + millis)
      return Effect.sync(() => deadlines.cancel(due))
    })
  )

/** `within` by the clock of the fiber. */
export const withinOfClock = <A, E, R, E2>(
  effect: Effect.Effect<A, E, R>,
  millis: number,
  onTimeout: () => E2
): Effect.Effect<A, E | E2, R> =>
  millis === Infinity
    ? effect
    : Effect.clockWith((clock) => within(effect, forClock(clock), millis, onTimeout))
