import * as Effect from "effect/Effect"
import * as readline from "node:readline"

/** Does a round for each line on standard input, and says how many operations it had. */
export const rounds = (round: Effect.Effect<number>): Effect.Effect<never> =>
  Effect.async((resume) => {
    const input = readline.createInterface({ input: process.stdin })
    input.on("line", () => {
      Effect.runFork(round).addObserver((exit) => {
        if (exit._tag === "Success") console.log(`DONE ${exit.value}`)
        else resume(Effect.failCause(exit.cause))
      })
    })
    console.log("READY 0")
  })
