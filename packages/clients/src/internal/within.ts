/** Limits an effect in time. */
import * as Effect from "effect/Effect"

/**
 * Gives `effect` that many milliseconds; after them it is interrupted, and the failure is `onTimeout`'s.
 *
 * Both sides are interruptible also in an uninterruptible region. There `Effect.timeoutFail` would wait for the side that
 * lost: for the whole time although the answer is there, or for an answer that never comes.
 */
export const within = <A, E, R, E2>(
  effect: Effect.Effect<A, E, R>,
  millis: number,
  onTimeout: () => E2
): Effect.Effect<A, E | E2, R> =>
  millis === Infinity ? effect : Effect.raceFirst(
    Effect.interruptible(effect),
    Effect.interruptible(Effect.zipRight(Effect.sleep(millis), Effect.failSync(onTimeout)))
  )
