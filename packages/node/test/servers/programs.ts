/** Programs of the system that the tests against real servers run, and the nginx that they start. */
import { Effect, type Scope } from "effect"
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Tree from "../static/tree.js"

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

/** nginx with this configuration of its part `http`, until the scope ends. */
export const nginx = (http: (where: string) => string): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function*() {
    const where = yield* Tree.make({})
    const config = Path.join(where, "nginx.conf")
    Fs.writeFileSync(
      config,
      `daemon off; worker_processes 1; ${process.getuid?.() === 0 ? "user root;" : ""}
       pid ${where}/pid; error_log ${where}/error crit; events {}
       http {
         access_log off;
         ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${where};`).join(" ")}
         ${http(where)}
       }`
    )
    yield* Effect.acquireRelease(
      Effect.async<ReturnType<typeof spawn>>((resume) => {
        const child = spawn("nginx", ["-c", config, "-e", `${where}/error`], { stdio: ["ignore", "ignore", "pipe"] })
        let output = ""
        child.stderr.on("data", (chunk: Buffer) => output += chunk)
        child.once("error", (error) => resume(Effect.die(new Error(`nginx: ${error.message}; \`bash .ci/servers\``))))
        child.once("exit", (code) => resume(Effect.die(new Error(`nginx ended with ${code}: ${output}`))))
        const look = (): void => {
          if (Fs.existsSync(`${where}/pid`)) return resume(Effect.succeed(child))
          if (child.exitCode === null) setTimeout(look, 10)
        }
        look()
      }),
      (child) =>
        Effect.async<void>((resume) => {
          child.once("exit", () => resume(Effect.void))
          if (child.exitCode !== null || !child.kill("SIGTERM")) resume(Effect.void)
        })
    )
  })
