/** A program of Node as a child process: what it says, and the code it ends with. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"

export interface Program {
  readonly child: ChildProcess
  readonly output: () => string
  readonly stdout: () => string
  /** Waits until the output holds `text`. */
  readonly says: (text: string) => Effect.Effect<void, string>
  readonly code: Effect.Effect<number>
}

/** Starts a program of Node. The scope kills it. */
export const start = (
  folder: string,
  ...args: ReadonlyArray<string>
): Effect.Effect<Program, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync((): Program => {
      const child = spawn(process.execPath, args, { cwd: folder })
      let output = ""
      let stdout = ""
      const listeners = new Set<() => void>()
      const hear = (data: Buffer): void => {
        output += data.toString()
        listeners.forEach((listener) => listener())
      }
      child.stdout.on("data", hear)
      child.stdout.on("data", (data: Buffer) => stdout += data.toString())
      child.stderr.on("data", hear)
      const ended = new Promise<number>((resolve) => child.on("close", (code) => resolve(code ?? -1)))
      return {
        child,
        output: () => output,
        stdout: () => stdout,
        says: (text) =>
          Effect.async((resume) => {
            const look = (): void => {
              if (!output.includes(text)) return
              listeners.delete(look)
              resume(Effect.void)
            }
            listeners.add(look)
            void ended.then(() => resume(Effect.fail(`it ended without saying ${text}:\n${output}`)))
            look()
          }),
        code: Effect.promise(() => ended)
      }
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )
