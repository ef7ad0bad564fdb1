import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { join } from "node:path"
import { load, parse } from "../src/internal/runner.js"

const root = new URL("../../../", import.meta.url).pathname

/** A script in a folder where it finds the packages, and the runner as a child process. */
const withScript = (name: string, text: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const folder = mkdtempSync(join(root, "node_modules/.runner-"))
      const script = join(folder, name)
      writeFileSync(script, text)
      return { folder, script }
    }),
    ({ folder }) => Effect.sync(() => rmSync(folder, { recursive: true }))
  )

interface Run {
  readonly child: ChildProcess
  readonly output: () => string
  /** Waits until the output holds `text`. */
  readonly says: (text: string) => Effect.Effect<void, string>
  readonly code: Effect.Effect<number>
}

const start = (...args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync((): Run => {
      const child = spawn(
        process.execPath,
        ["--conditions=copas-source", "--import", "tsx", join(root, "packages/node/src/bin.ts"), ...args],
        { cwd: root }
      )
      let output = ""
      const listeners = new Set<() => void>()
      const hear = (data: Buffer): void => {
        output += data.toString()
        listeners.forEach((listener) => listener())
      }
      child.stdout.on("data", hear)
      child.stderr.on("data", hear)
      const ended = new Promise<number>((resolve) => child.on("close", (code) => resolve(code ?? -1)))
      return {
        child,
        output: () => output,
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

const server = `
import { Copas, Net, Socket } from "@copas/core"
import { Effect } from "effect"
export default Effect.gen(function*() {
  const listener = yield* Net.listen({ host: "127.0.0.1", port: 0 })
  yield* Copas.addServer(listener, (socket: Socket.Socket) => Socket.forEachLine(socket, (line) => socket.send(line + "\\n")))
  if (listener.address._tag === "InetAddress") console.log("port=" + listener.address.port + ".")
})
`

it.scopedLive("C37 the runner runs a script's Effect on the dispatcher, and ends with 0 when nothing is left", () =>
  Effect.gen(function*() {
    const { script } = yield* withScript(
      "end.ts",
      `import { Copas, Thread } from "@copas/core"
       import { Effect } from "effect"
       const main: Effect.Effect<void, never, Copas.Copas> = Effect.asVoid(Copas.addThread(
         Effect.zipRight(Thread.pause(10), Effect.sync(() => console.log("the thread ran")))))
       export default main`
    )
    const run = yield* start("run", script)
    expect(yield* run.code).toBe(0)
    expect(run.output()).toContain("the thread ran")
  }))

it.scopedLive("C37 a script that ends in pauseForever ends with 0 when nothing else is left, and nothing is logged", () =>
  Effect.gen(function*() {
    const { script } = yield* withScript(
      "paused.mjs",
      `import { Thread } from "@copas/core"
       export default Thread.pauseForever`
    )
    const run = yield* start("run", script)
    expect(yield* run.code).toBe(0)
    expect(run.output()).toBe("")
  }))

it.scopedLive("C37 the runner runs a script's Layer", () =>
  Effect.gen(function*() {
    const { script } = yield* withScript(
      "layer.mjs",
      `import { Console, Layer } from "effect"
       export default Layer.scopedDiscard(Console.log("the layer was built"))`
    )
    const run = yield* start("run", script)
    expect(yield* run.code).toBe(0)
    expect(run.output()).toContain("the layer was built")
  }))

it.scopedLive("C37 a script that fails ends the runner with 1, and its failure is logged", () =>
  Effect.gen(function*() {
    const { script } = yield* withScript(
      "fail.mjs",
      `import { Effect } from "effect"
       export default Effect.fail(new Error("on purpose"))`
    )
    const run = yield* start("run", script)
    expect(yield* run.code).toBe(1)
    expect(run.output()).toContain("on purpose")
  }))

it.scopedLive("C37 SIGTERM lets a server's connections end by themselves, and the runner ends with 0", () =>
  Effect.gen(function*() {
    const { script } = yield* withScript("server.ts", server)
    const run = yield* start("run", script)
    yield* run.says(".")
    const port = Number(/port=(\d+)/.exec(run.output())![1])
    const client = connect(port, "127.0.0.1")
    yield* Effect.addFinalizer(() => Effect.sync(() => client.destroy()))
    yield* Effect.async<void>((resume) => {
      client.once("data", () => resume(Effect.void))
      client.write("hello\n")
    })
    run.child.kill("SIGTERM")
    yield* run.says("stopped accepting")
    // The connection that is open still works; its end is what the runner waits for.
    const answer = yield* Effect.async<string>((resume) => {
      client.once("data", (data) => resume(Effect.succeed(data.toString())))
      client.write("still\n")
    })
    expect(answer).toBe("still\n")
    client.end()
    expect(yield* run.code).toBe(0)
  }))

it.scopedLive("C37 what is left after the drain time is cut, and the exit code tells the signal", () =>
  Effect.gen(function*() {
    const { script } = yield* withScript("server.ts", server)
    const run = yield* start("run", script, "--drain", "50 millis")
    yield* run.says(".")
    const client = connect(Number(/port=(\d+)/.exec(run.output())![1]), "127.0.0.1")
    yield* Effect.addFinalizer(() => Effect.sync(() => client.destroy()))
    yield* Effect.async<void>((resume) => {
      client.on("error", () => {})
      client.once("data", () => resume(Effect.void))
      client.write("hello\n")
    })
    run.child.kill("SIGINT")
    expect(yield* run.code).toBe(130)
  }))

it.scoped("C37 a wrong command line or script is refused, and says what is wrong", () =>
  Effect.gen(function*() {
    const { script } = yield* withScript("nothing.mjs", "export const main = 1")
    const cases = [
      { args: [], says: "copas run SCRIPT" },
      { args: ["run", "no-such.ts"], says: "there is no" },
      { args: ["run", script], says: "must export an Effect or a Layer" },
      { args: ["run", script, "--drain", "soon"], says: "must be a duration" },
      { args: ["run", script, "--wrong"], says: "--wrong" }
    ]
    for (const { args, says } of cases) {
      const error = yield* Effect.flip(Effect.flatMap(parse(args), (command) => Effect.asVoid(load(command.script))))
      expect(error.message).toContain(says)
    }
  }))

it.scopedLive("C37 wrong usage ends the runner with 2", () =>
  Effect.gen(function*() {
    const run = yield* start("walk")
    expect(yield* run.code).toBe(2)
    expect(run.output()).toContain("copas run SCRIPT")
  }))
