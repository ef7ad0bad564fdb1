/** Programs of the system that the tests against real servers run. */
import { Effect } from "effect"
import { spawn } from "node:child_process"

/** What a program prints; it must end with 0. */
export const run = (command: string, args: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.async((resume) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] })
    let output = ""
    let errors = ""
    child.stdout.on("data", (chunk: Buffer) => output += chunk)
    child.stderr.on("data", (chunk: Buffer) => errors += chunk)
    child.once("error", (error) => resume(Effect.dieMessage(`${command}: ${error.message}; \`bash .ci/servers\``)))
    child.once(
      "close",
      (code) =>
        resume(code === 0 ? Effect.succeed(output) : Effect.dieMessage(`${command}: ${code}: ${output}${errors}`))
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** curl, which fails where its transfer does. */
export const curl = (...args: ReadonlyArray<string>): Effect.Effect<string> =>
  run("curl", ["--silent", "--show-error", "--max-time", "60", ...args])
