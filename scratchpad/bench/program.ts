/** Starts a program of the bench on its own core, and reads what it says. */
import { spawn, spawnSync } from "node:child_process"
import * as os from "node:os"
import * as readline from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import type { Command } from "./model.js"

export const serverCore = 0
export const loadCore = 1

/** Whether server and load can have a core each. */
export const pinned = os.availableParallelism() > 1 && spawnSync("taskset", ["--version"]).status === 0

/** 10,000 connections want more descriptors than the usual limit; beyond the hard one only root gets. */
const wanted = 20_000

/** A shell that raises its limit, then becomes the command: the process id stays the child's own. */
export const onCore = (core: number, command: Command): Command => [
  "sh",
  "-c",
  `ulimit -n ${wanted} 2>/dev/null || ulimit -n "$(ulimit -Hn)"; exec "$@"`,
  "sh",
  ...(pinned ? ["taskset", "-c", String(core)] : []),
  ...command
]

/** A peer's program, under way: it speaks in lines. */
export interface Program {
  readonly pid: number
  /** The next line it prints. Fails when it ends first, or says nothing for too long. */
  readonly line: () => Promise<string>
  /** What it has printed and was not read yet. */
  readonly rest: () => ReadonlyArray<string>
  readonly tell: (line: string) => void
  /** Why it ended too early. */
  readonly ended: () => string | undefined
  readonly stop: () => Promise<void>
}

const patience = 120_000

export const start = (core: number, command: Command): Program => {
  const [file, ...args] = onCore(core, command)
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "pipe"] })
  const pid = child.pid
  if (pid === undefined) throw new Error(`could not start ${command.join(" ")}`)
  const printed: Array<string> = []
  let waiting: (() => void) | undefined
  let ended: string | undefined
  let stopping = false
  let errors = ""
  child.stderr.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-2000)
  })
  child.stdin.on("error", () => {})
  readline.createInterface({ input: child.stdout }).on("line", (line) => {
    printed.push(line)
    waiting?.()
  })
  const gone = new Promise<void>((resolve) => {
    child.on("close", (code, signal) => {
      if (!stopping) ended = `the program ended (${signal ?? code})${errors === "" ? "" : `: ${errors.trim()}`}`
      waiting?.()
      resolve()
    })
  })
  const line = async (): Promise<string> => {
    if (printed.length === 0 && ended === undefined) {
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>((resolve) => {
        waiting = resolve
        timer = setTimeout(resolve, patience)
      })
      waiting = undefined
      clearTimeout(timer)
    }
    const next = printed.shift()
    if (next === undefined) throw new Error(ended ?? "the program said nothing for too long")
    return next
  }
  return {
    pid,
    line,
    rest: () => printed.splice(0),
    tell: (text) => child.stdin.write(`${text}\n`),
    ended: () => ended,
    stop: () => {
      stopping = true
      child.kill("SIGKILL")
      return gone
    }
  }
}

/** Waits for the line of a word and a number, and gives the number. */
export const expectLine = async (program: Program, word: "READY" | "DONE"): Promise<number> => {
  const line = await program.line()
  if (line.startsWith(`${word} `)) return Number(line.slice(word.length + 1))
  // Something failed and says so; the next lines say what.
  await sleep(200)
  throw new Error([`expected ${word}, got: ${line}`, ...program.rest().slice(0, 10)].join(" / "))
}
