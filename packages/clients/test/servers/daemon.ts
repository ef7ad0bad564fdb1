/** Starts real servers for the tests: a directory, a certificate, a process that ends with its scope. */
import { Effect, type Scope } from "effect"
import { execFileSync, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as net from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { type Files, selfSignedIn } from "../ftp/selfSigned.js"

/** The login that may write. vsftpd enters its home, which must be there. */
export const owner = "daemon"

/** A directory of the daemon's own, removed after it. */
export const directory: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const made = fs.mkdtempSync(path.join(os.tmpdir(), "copas-daemon-"))
    fs.chmodSync(made, 0o755)
    return made
  }),
  (made) => Effect.sync(() => fs.rmSync(made, { recursive: true, force: true }))
)

const answers = (port: number): Effect.Effect<boolean> =>
  Effect.async((resume) => {
    const socket = net.connect({ host: "127.0.0.1", port })
    socket.on("connect", () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
    socket.on("error", () => resume(Effect.succeed(false)))
  })

const pause = Effect.async<void>((resume) => {
  setTimeout(() => resume(Effect.void), 10)
})

const ready = (port: number, alive: () => string | undefined): Effect.Effect<void> =>
  Effect.flatMap(answers(port), (isThere) => {
    const dead = alive()
    if (dead !== undefined) return Effect.dieMessage(dead)
    return isThere ? Effect.void : Effect.zipRight(pause, ready(port, alive))
  })

/** Runs a program until the scope ends, and returns when its port answers. */
export const start = (
  command: string,
  args: ReadonlyArray<string>,
  port: number
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(
    Effect.acquireRelease(
      Effect.sync(() => {
        let output = ""
        const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], detached: true })
        const ended = new Promise<void>((resolve) => child.on("close", () => resolve()))
        child.stdout.on("data", (chunk: Buffer) => output += chunk)
        child.stderr.on("data", (chunk: Buffer) => output += chunk)
        let failure: string | undefined
        child.on("error", (error: NodeJS.ErrnoException) => {
          failure = error.code === "ENOENT"
            ? `${command} is not installed: \`bash .ci/servers\`, as root, brings it where apt is`
            : error.message
        })
        child.on("exit", (code) => failure ??= `${command} ended with ${code}: ${output}`)
        return { child, ended, failure: () => failure }
      }),
      ({ child, ended }) =>
        Effect.promise(() => {
          // Its own group: the server's workers end with it.
          if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGTERM")
          return ended
        })
    ),
    ({ failure }) => ready(port, failure)
  )

/** A certificate for localhost, which everybody may read. */
export const certificate = (where: string): Files => {
  const { cert, key } = selfSignedIn(where)
  fs.chmodSync(cert, 0o644)
  return { cert, key }
}

/** Gives a file or directory to `owner`. */
export const own = (where: string): void => {
  const [uid, gid] = ["-u", "-g"].map((flag) => Number(execFileSync("id", [flag, owner], { encoding: "utf8" })))
  if (process.getuid?.() === 0) fs.chownSync(where, uid!, gid!)
}
