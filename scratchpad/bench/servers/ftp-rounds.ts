/** What the rounds of FTP share: the server, and the arguments of a round. */
import * as readline from "node:readline"

/** Prints READY, then does a round for each line of its input. */
export const rounds = async (round: () => Promise<number>): Promise<void> => {
  process.stdout.write("READY 0\n")
  for await (const _ of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`DONE ${await round()}\n`)
  }
}

export const mebibyte = 1 << 20

const [mode, port, size, local, big] = process.argv.slice(2) as [string, string, string, string, string]

export const told = { mode, port: Number(port), size: Number(size), local, big }
