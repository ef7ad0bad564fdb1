/** Runs rounds of an effect, one for each line on the standard input. */
import * as Effect from "effect/Effect"
import * as readline from "node:readline"

/** Does a round for each line on standard input, and says how many operations it had; all in the fiber that runs it. */
export const rounds = <E, R>(round: Effect.Effect<number, E, R>): Effect.Effect<never, E, R> =>
  Effect.suspend(() => {
    let asked = 0
    let wake: (() => void) | undefined
    readline.createInterface({ input: process.stdin }).on("line", () => {
      asked++
      wake?.()
    })
    const next = Effect.async<void>((resume) => {
      wake = () => {
        if (asked === 0) return
        asked--
        wake = undefined
        resume(Effect.void)
      }
      wake()
    })
    console.log("READY 0")
    return Effect.forever(
      Effect.map(Effect.zipRight(next, round), (count) => console.log(`DONE ${count}`))
    )
  })
