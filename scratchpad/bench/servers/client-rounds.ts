/** Runs a client's rounds, one for each line on the standard input. */
import * as readline from "node:readline"

/** Prints READY, then does a round for each line of its input. */
export const rounds = async (round: () => Promise<number>): Promise<void> => {
  process.stdout.write("READY 0\n")
  for await (const _ of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`DONE ${await round()}\n`)
  }
}

export const mebibyte = 1 << 20
