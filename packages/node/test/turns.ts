/** Waits of tests: turns of the event loop, and until something is so. */
import * as Effect from "effect/Effect"

/** One turn of the event loop, without the clock. */
export const turn: Effect.Effect<void> = Effect.async<void>((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})

export const turns = (count: number): Effect.Effect<void> =>
  Effect.repeatN(turn, Math.max(0, count - 1)).pipe(
    (all) => count === 0 ? Effect.void : all
  )

/** What comes from this machine mostly comes within a few turns. What takes longer is waited for without spinning. */
const quickTurns = 100

const slowTurn: Effect.Effect<void> = Effect.async<void>((resume) => {
  setTimeout(() => resume(Effect.void), 1)
})

/** Goes round the event loop until something is so; the test's own time-out is the bound. */
export const until = <E, R>(condition: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> => {
  const from = (turns: number): Effect.Effect<void, E, R> =>
    Effect.flatMap(
      condition,
      (isTrue) => isTrue ? Effect.void : Effect.zipRight(turns < quickTurns ? turn : slowTurn, from(turns + 1))
    )
  return from(0)
}
