/** The runner, `copas run`: scripts, command lines, signals, exit codes. */
import { Sampling } from "@copas/core/testing"
import { afterAll, describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { join } from "node:path"
import { parse } from "../src/internal/runner/commandLine.js"
import * as Program from "./program.js"
import * as Packages from "./runnerPackages.js"

const packages = Packages.make()
afterAll(() => rmSync(packages.folder, { recursive: true }))

/** A script in a folder where it finds the packages, and the runner as a child process. */
const withScript = (name: string, text: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const folder = mkdtempSync(join(packages.folder, "script-"))
      const script = join(folder, name)
      writeFileSync(script, text)
      return { folder, script }
    }),
    ({ folder }) => Effect.sync(() => rmSync(folder, { recursive: true }))
  )

const start = (...args: ReadonlyArray<string>) => Program.start(packages.folder, packages.bin, ...args)

const server = `
import * as Copas from "@copas/core/Copas"
import * as Net from "@copas/core/Net"
import type * as Socket from "@copas/core/Socket"
import * as Effect from "effect/Effect"
export default Effect.gen(function*() {
  const listener = yield* Net.listen({ host: "127.0.0.1", port: 0 })
  yield* Copas.addServer(listener, (socket: Socket.Socket) => socket.forEachLine((line) => socket.send(line + "\\n")))
  console.log("port=" + listener.port + ".")
})
`

it.scopedLive("C37 the runner runs a script's Effect on the dispatcher, and ends with 0 when nothing is left", () =>
  Effect.gen(function*() {
    const { script } = yield* withScript(
      "end.ts",
      `import * as Copas from "@copas/core/Copas"
       import * as Thread from "@copas/core/Thread"
       import * as Effect from "effect/Effect"
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
      `import * as Thread from "@copas/core/Thread"
       export default Thread.pauseForever`
    )
    const run = yield* start("run", script)
    expect(yield* run.code).toBe(0)
    expect(run.output()).toBe("")
  }))

it.scopedLive("C37 a script that fails ends the runner with 1, and its failure is logged", () =>
  Effect.gen(function*() {
    const { script } = yield* withScript(
      "fail.mjs",
      `import * as Effect from "effect/Effect"
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

/** A script's text for CommonJS, or for an ES module with types, and what it prints. */
const greeting = {
  typed: `import { Copas, Thread } from "@copas/core"
    import { Effect } from "effect"
    enum Word { hello = "hello" }
    const main: Effect.Effect<void, never, Copas.Copas> = Effect.asVoid(Copas.addThread(
      Effect.zipRight(Thread.pause(1), Effect.sync(() => console.log(Word.hello, ...process.argv.slice(2))))))
    export default main`,
  module: `import { Copas } from "@copas/core"
    import { Effect } from "effect"
    export default Copas.addThread(Effect.sync(() => console.log("hello", ...process.argv.slice(2))))`,
  common: `const { Copas } = require("@copas/core")
    const { Effect } = require("effect")
    module.exports = Copas.addThread(Effect.sync(() => console.log("hello", ...process.argv.slice(2))))`
} as const

describe("C37 the runner runs a script wherever tsx does", () => {
  const files = [
    ["a.ts", greeting.typed],
    ["a.mts", greeting.typed],
    ["a.cts", greeting.typed],
    ["a.js", greeting.module],
    ["a.mjs", greeting.module],
    ["a.cjs", greeting.common]
  ] as const
  const types = ["module", "commonjs", undefined]
  for (const [index, type] of types.entries()) {
    // A process each: by default every file and every type, and by `COPAS_TEST=long` every pair of them.
    for (const [name, text] of files.filter((_, place) => Sampling.isLong() || place % types.length === index)) {
      it.scopedLive(`${name} beside a package.json with type ${type ?? "left out"}`, () =>
        Effect.gen(function*() {
          const { folder, script } = yield* withScript(name, text)
          writeFileSync(join(folder, "package.json"), JSON.stringify({ type }))
          const run = yield* start("run", script, "a", "--b")
          expect(yield* run.code, run.output()).toBe(0)
          expect(run.output()).toBe("hello a --b\n")
        }))
    }
  }
})

it.scopedLive("C37 process.exitCode is kept, and all output arrives on a pipe that is read late", () =>
  Effect.gen(function*() {
    const { script } = yield* withScript(
      "code.mjs",
      `import * as Effect from "effect/Effect"
       export default Effect.sync(() => {
         process.exitCode = 7
         process.stdout.write("x".repeat(3_000_000) + "end")
         process.stderr.write("y".repeat(3_000_000) + "end")
       })`
    )
    const run = yield* start("run", script)
    expect(yield* run.code).toBe(7)
    expect(run.stdout().length).toBe(3_000_003)
    expect(run.output().length).toBe(6_000_006)
  }))

it.scopedLive("C37 the script sees process.argv as if Node had been started with it", () =>
  Effect.gen(function*() {
    const { script } = yield* withScript(
      "argv.mjs",
      `import * as Effect from "effect/Effect"
       import { argv } from "node:process"
       const atLoad = process.argv.slice(1)
       export default Effect.sync(() => console.log(JSON.stringify([atLoad, argv.slice(1)])))`
    )
    const cases: ReadonlyArray<readonly [ReadonlyArray<string>, ReadonlyArray<string>]> = [
      [["run", script, "a", "--help", "-v"], ["a", "--help", "-v"]],
      [["run", script, "--drain", "1 second", "--", "--drain", "x"], ["--drain", "x"]],
      [["run", "--drain=1 second", script, "run"], ["run"]],
      [[script, "--", "a"], ["--", "a"]],
      [["--", script, "--drain"], ["--drain"]]
    ]
    yield* Effect.forEach(cases, ([args, seen]) =>
      Effect.gen(function*() {
        const run = yield* start(...args)
        expect(yield* run.code, run.output()).toBe(0)
        expect(JSON.parse(run.output())).toEqual([[script, ...seen], [script, ...seen]])
      }), { concurrency: "unbounded" })
  }))

describe("C37 what the command line asks for is done in its order, as in Copas's runner", () => {
  const cases: ReadonlyArray<{
    readonly args: ReadonlyArray<string>
    readonly stdin?: string
    readonly says: string
    readonly code?: number
  }> = [
    {
      args: ["-e", "yield* Thread.pause(1); console.log('chunk', ...process.argv.slice(1))", "--", "a"],
      says: "chunk a\n"
    },
    { args: ["-e", "console.log(1)", "-e", "console.log(2)"], says: "1\n2\n" },
    { args: ["--eval=let n: number = 3; console.log(n)"], says: "3\n" },
    { args: ["-e", "import { Console } from 'effect'\nexport default Console.log('module')"], says: "module\n" },
    {
      args: ["-e", "globalThis.x = 1", "-e", "yield* Copas.addThread(Effect.sync(() => console.log(x)))"],
      says: "1\n"
    },
    { args: [], stdin: "console.log('from stdin', process.argv.length)", says: "from stdin 1\n" },
    { args: ["-", "a"], stdin: "console.log(...process.argv.slice(1))", says: "- a\n" },
    { args: [], stdin: "export default 1", says: "must export an Effect or a Layer", code: 2 },
    {
      args: ["-e", "yield* Effect.fail(new Error('on purpose'))", "-e", "console.log('never')"],
      says: "on purpose",
      code: 1
    },
    { args: ["-e", "throw new Error('on purpose')"], says: "on purpose", code: 1 },
    { args: ["-e", "console.log(1"], says: "could not be loaded", code: 1 },
    { args: ["-l", "no-such-module"], says: "no-such-module", code: 1 },
    { args: ["--help"], says: "usage: copas run SCRIPT" },
    { args: ["-h", "run"], says: "usage: copas run SCRIPT" },
    { args: ["run", "no-such.ts"], says: "there is no", code: 2 },
    { args: ["walk"], says: "usage: copas run SCRIPT", code: 2 },
    { args: ["run"], says: "usage: copas run SCRIPT", code: 2 },
    { args: ["--wrong"], says: "unknown option --wrong", code: 2 },
    { args: ["-e"], says: "-e requires a value", code: 2 }
  ]
  it.effect("each command line is read, or refused with what it says", () =>
    Effect.gen(function*() {
      for (const { args, code, says } of cases) {
        const read = yield* Effect.either(parse(args))
        // "copas walk" is read as a script's path, and "copas run" has none: both show the usage later or here.
        if (code === 2 && says.startsWith("usage")) continue
        const isRefused = code === 2 && /^unknown|requires a value$/.test(says)
        expect([args, read._tag]).toEqual([args, isRefused ? "Left" : "Right"])
        if (read._tag === "Left") expect(read.left.message).toContain(says)
      }
    }))

  // A process each.
  for (const row of Sampling.range("command lines", { to: cases.length, stride: 2 })) {
    const { args, code = 0, says, stdin } = cases[row]!
    const title = `copas ${args.map((arg) => JSON.stringify(arg)).join(" ")}${
      stdin === undefined ? "" : ` <<< ${stdin}`
    }`
    it.scopedLive(`${title}: ${code}`, () =>
      Effect.gen(function*() {
        const run = yield* start(...args)
        run.child.stdin!.end(stdin ?? "")
        expect(yield* run.code, run.output()).toBe(code)
        if (code === 0 && says.endsWith("\n")) expect(run.output()).toBe(says)
        else expect(run.output()).toContain(says)
        // What went wrong is said on stderr, what was asked for on stdout.
        expect(run.stdout() === "").toBe(code !== 0)
      }))
  }
})

it.scopedLive("C37 --version names the packages' versions and Node's, and -l imports first", () =>
  Effect.gen(function*() {
    const { script } = yield* withScript("first.mjs", "console.log('first')")
    const run = yield* start("-l", script, "-v", "-e", "console.log('last')")
    expect(yield* run.code).toBe(0)
    expect(run.stdout()).toMatch(
      /^first\n@copas\/node \d+\.\d+\.\d+\n@copas\/core \d+\.\d+\.\d+\neffect 3\.\d+\.\d+\nnode v\d+.*\nlast\n$/
    )
  }))

describe("C37 an idle program stays until a signal, and ends at once then with 0", () => {
  const up = "Effect.acquireRelease(Console.log('up.'), () => Console.log('down'))"
  const programs = {
    "Layer.launch": `Layer.launch(Layer.scopedDiscard(${up}))`,
    "a Layer": `Layer.scopedDiscard(${up})`,
    "Effect.never": `Effect.zipRight(${up}, Effect.never)`,
    "a loop that sleeps": `Effect.zipRight(${up}, Effect.forever(Effect.sleep("1 hour")))`,
    "a Layer that serves":
      `Layer.merge(Layer.scopedDiscard(${up}), Copas.serve(() => Effect.void, { host: "127.0.0.1", port: 0 }))`,
    "Layer.launch of an HTTP server": `Layer.launch(Layer.merge(Layer.scopedDiscard(${up}), Http))`,
    "an HTTP server's Layer": `Layer.merge(Layer.scopedDiscard(${up}), Http)`
  }
  const http = `
    import * as HttpServer from "@effect/platform/HttpServer"
    import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
    import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
    import { createServer } from "node:http"
    const Http = Layer.provide(HttpServer.serve(HttpServerResponse.text("hi")),
      NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 }))`
  const all = Object.entries(programs)
  for (const index of Sampling.range("idle programs", { to: all.length, stride: 2 })) {
    const [name, program] = all[index]!
    const signal = (["SIGTERM", "SIGINT", "SIGHUP"] as const)[index % 3]!
    it.scopedLive(`${name}, ${signal}`, () =>
      Effect.gen(function*() {
        const { script } = yield* withScript(
          "idle.mjs",
          `import * as Copas from "@copas/core/Copas"
           import * as Console from "effect/Console"
           import * as Effect from "effect/Effect"
           import * as Layer from "effect/Layer"
           ${program.includes("Http") ? http : ""}
           export default ${program}`
        )
        // The drain time is longer than this test may take.
        const run = yield* start("run", "--drain", "1 hour", script)
        yield* run.says("up.")
        run.child.kill(signal)
        expect(yield* run.code, run.output()).toBe(0)
        expect(run.stdout()).toContain("down")
      }))
  }
})

it.scopedLive("C37 a layer's services last until the connections that use them have ended", () =>
  Effect.gen(function*() {
    const { script } = yield* withScript(
      "served.ts",
      `import * as Copas from "@copas/core/Copas"
       import * as Net from "@copas/core/Net"
       import type * as Socket from "@copas/core/Socket"
       import * as Console from "effect/Console"
       import * as Effect from "effect/Effect"
       import * as Layer from "effect/Layer"
       const up = Effect.acquireRelease(Effect.void, () => Console.log("down"))
       const serving = Layer.scopedDiscard(Effect.gen(function*() {
         yield* up
         const listener = yield* Net.listen({ host: "127.0.0.1", port: 0 })
         yield* Copas.addServer(listener, (socket: Socket.Socket) =>
           Effect.ensuring(socket.forEachLine((line) => socket.send(line + "\\n")), Console.log("served")))
         console.log("port=" + listener.port + ".")
       }))
       export default serving`
    )
    const run = yield* start("run", script)
    yield* run.says(".")
    const client = connect(Number(/port=(\d+)/.exec(run.output())![1]), "127.0.0.1")
    yield* Effect.addFinalizer(() => Effect.sync(() => client.destroy()))
    const line = (text: string) =>
      Effect.async<string>((resume) => {
        client.once("data", (data) => resume(Effect.succeed(data.toString())))
        client.write(text)
      })
    yield* line("hello\n")
    run.child.kill("SIGTERM")
    yield* run.says("stopped accepting")
    expect(yield* line("still\n")).toBe("still\n")
    client.end()
    expect(yield* run.code).toBe(0)
    expect(run.stdout()).toMatch(/served\ndown\n$/)
  }))

it.scopedLive("C37 Copas.exit ends a layer, as a signal does", () =>
  Effect.gen(function*() {
    const { script } = yield* withScript(
      "exit.mjs",
      `import * as Copas from "@copas/core/Copas"
       import * as Thread from "@copas/core/Thread"
       import * as Console from "effect/Console"
       import * as Effect from "effect/Effect"
       import * as Layer from "effect/Layer"
       export default Layer.scopedDiscard(Effect.zipRight(
         Effect.acquireRelease(Effect.void, () => Console.log("down")),
         Copas.addThread(Effect.zipRight(Thread.pause(1), Copas.exit))))`
    )
    const run = yield* start("run", script)
    expect(yield* run.code).toBe(0)
    expect(run.output()).toBe("down\n")
  }))

it.scopedLive("C37 a program that is about to wait for the exit when the signal comes is waited for", () =>
  Effect.gen(function*() {
    const { script } = yield* withScript(
      "aboutTo.mjs",
      `import * as Copas from "@copas/core/Copas"
       import * as Net from "@copas/core/Net"
       import * as Console from "effect/Console"
       import * as Effect from "effect/Effect"
       const work = Effect.sync(() => { const began = Date.now(); while (Date.now() - began < 5); })
       export default Effect.gen(function*() {
         const listener = yield* Net.listen({ host: "127.0.0.1", port: 0 })
         yield* Copas.addServer(listener, () => Effect.void)
         process.once("SIGTERM", () => console.log("told"))
         process.kill(process.pid, "SIGTERM")
         for (let piece = 0; piece < 20; piece++) yield* Effect.zipRight(work, Effect.yieldNow())
         yield* Console.log("about to wait")
         yield* Copas.waitForExit
         yield* Effect.promise(() => new Promise(setImmediate))
         yield* Console.log("goodbye")
       })`
    )
    const run = yield* start("run", script)
    expect(yield* run.code).toBe(0)
    expect(run.stdout()).toBe("told\nabout to wait\ngoodbye\n")
  }))

it.scopedLive("C37 a program that waits for the exit continues at a signal, and is waited for", () =>
  Effect.gen(function*() {
    const { script } = yield* withScript(
      "goodbye.mjs",
      `import * as Copas from "@copas/core/Copas"
       import * as Net from "@copas/core/Net"
       import * as Console from "effect/Console"
       import * as Effect from "effect/Effect"
       export default Effect.gen(function*() {
         const listener = yield* Net.listen({ host: "127.0.0.1", port: 0 })
         yield* Copas.addServer(listener, () => Effect.void)
         yield* Console.log("up.")
         yield* Copas.waitForExit
         yield* Effect.promise(() => new Promise(setImmediate))
         yield* Console.log("goodbye")
       })`
    )
    const run = yield* start("run", script)
    yield* run.says("up.")
    run.child.kill("SIGTERM")
    expect(yield* run.code).toBe(0)
    expect(run.stdout()).toContain("goodbye")
  }))

it.scopedLive("C37 a second signal ends at once, even what cannot be interrupted", () =>
  Effect.gen(function*() {
    const { script } = yield* withScript(
      "stubborn.mjs",
      `import * as Console from "effect/Console"
       import * as Effect from "effect/Effect"
       export default Effect.uninterruptible(Effect.zipRight(Console.log("up."), Effect.never))`
    )
    const run = yield* start("run", script)
    yield* run.says("up.")
    run.child.kill("SIGTERM")
    yield* run.says("stopped accepting")
    run.child.kill("SIGTERM")
    expect(yield* run.code).toBe(143)
  }))

it.scopedLive("C37 a program that listens for SIGHUP itself is not ended by it", () =>
  Effect.gen(function*() {
    const { script } = yield* withScript(
      "hangup.mjs",
      `import * as Console from "effect/Console"
       import * as Effect from "effect/Effect"
       export default Effect.zipRight(
         Effect.async((resume) => {
           process.once("SIGHUP", () => resume(Effect.void))
           console.log("up.")
         }),
         Console.log("read anew"))`
    )
    const run = yield* start("run", script)
    yield* run.says("up.")
    run.child.kill("SIGHUP")
    expect(yield* run.code).toBe(0)
    expect(run.output()).toBe("up.\nread anew\n")
  }))

it.scopedLive("C37 a script without an Effect or a Layer, or that is no file, ends the runner with 2", () =>
  Effect.gen(function*() {
    const { folder, script } = yield* withScript("nothing.mjs", "export const main = 1")
    for (const [path, says] of [[script, "must export an Effect or a Layer"], [folder, "is not a file"]] as const) {
      const run = yield* start("run", path)
      expect(yield* run.code).toBe(2)
      expect(run.output()).toContain(says)
    }
  }))

it.scopedLive("C37 a main thread that computes for ever is cut after the drain time, and its finalizers run to their end", () =>
  Effect.gen(function*() {
    const { script } = yield* withScript(
      "computing.mjs",
      `import * as Effect from "effect/Effect"
       const release = Effect.zipRight(Effect.sleep(200), Effect.sync(() => console.log("released")))
       export default Effect.scoped(Effect.zipRight(
         Effect.acquireRelease(Effect.sync(() => console.log("begun.")), () => release),
         Effect.forever(Effect.yieldNow())
       ))`
    )
    const run = yield* start("run", script, "--drain", "50 millis")
    yield* run.says(".")
    run.child.kill("SIGTERM")
    expect(yield* run.code).toBe(143)
    expect(run.output()).toContain("released")
  }))

it.effect("C37 a drain time that is no duration is refused, and is named", () =>
  Effect.forEach(
    ["soon", "", "-5 seconds", "10", "5 secs"],
    (drain) =>
      Effect.map(Effect.flip(parse(["run", "script.ts", "--drain", drain])), (error) =>
        expect(error.message).toContain(`--drain is "${drain}", but must be a duration such as "10 seconds"`))
  ))
