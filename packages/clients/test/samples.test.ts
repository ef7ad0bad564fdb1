/** LuaSocket's samples as programs of this library: each program of `scratchpad` is started, and talked to. */
import { FtpServer } from "@copas/clients/testing"
import { NodeNet } from "@copas/node"
import { afterAll, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { serve } from "../../node/test/http/httpServer.js"
import * as Program from "../../node/test/program.js"

const root = fileURLToPath(new URL("../../..", import.meta.url))
const samples = ["echo", "daytime", "forwarder", "listener", "talker", "multicast", "tftp", "check-links", "get"]
const folder = mkdtempSync(join(root, "node_modules/.samples-"))
afterAll(() => rmSync(folder, { recursive: true }))
// One compilation for all of them, Effect included: a process would spend most of its time on loading modules.
execFileSync(join(root, "node_modules/.bin/esbuild"), [
  ...samples.map((name) => join(root, "scratchpad", `${name}.ts`)),
  `--outdir=${folder}`,
  "--out-extension:.js=.mjs",
  "--bundle",
  "--splitting",
  "--format=esm",
  "--platform=node",
  "--target=node20",
  "--conditions=copas-source",
  "--banner:js=import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  "--log-level=error"
])

const start = (name: string, ...args: ReadonlyArray<string>) => Program.start(folder, `${name}.mjs`, ...args)

/** Starts a server, and gives its port as it says it. */
const startServer = (name: string, ...args: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const program = yield* start(name, ...args)
    yield* program.says("\n")
    const port = /listening on [\d.]+:(\d+)/.exec(program.output())?.[1]
    if (port === undefined) return yield* Effect.die(program.output())
    return { program, port }
  })

/** Runs a program to its end with `input` as its standard input, and gives what it printed. */
const run = (input: string, name: string, ...args: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const program = yield* start(name, ...args)
    program.child.stdin!.end(input)
    const code = yield* program.code
    return { code, output: program.output() }
  })

const stop = ({ program }: { readonly program: Program.Program }) =>
  Effect.suspend(() => {
    program.child.kill("SIGTERM")
    return program.code
  })

it.scopedLive("S21 echo sends back each line, also through the forwarder, and SIGTERM ends both", () =>
  Effect.gen(function*() {
    const echo = yield* startServer("echo", "serve", "127.0.0.1", "0")
    const forwarder = yield* startServer("forwarder", "127.0.0.1", echo.port)
    for (const { port } of [echo, forwarder]) {
      expect(yield* run("one\ntwo\n", "echo", "talk", "127.0.0.1", port)).toEqual({ code: 0, output: "one\ntwo\n" })
    }
    expect([yield* stop(forwarder), yield* stop(echo)]).toEqual([0, 0])
  }))

it.scopedLive("S21 daytime gives the time, and the server continues after it", () =>
  Effect.gen(function*() {
    const server = yield* startServer("daytime", "serve", "127.0.0.1", "0")
    for (let time = 0; time < 2; time += 1) {
      const { code, output } = yield* run("", "daytime", "get", "127.0.0.1", server.port)
      expect([code, output]).toEqual([0, expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\n$/)])
    }
    expect(yield* stop(server)).toBe(0)
  }))

it.scopedLive("S21 the listener prints what the talker sends, and ends when it hears quit", () =>
  Effect.gen(function*() {
    const { port, program } = yield* startServer("listener", "127.0.0.1", "0")
    expect(yield* run("hello\nquit\n", "talker", "127.0.0.1", port)).toEqual({ code: 0, output: "" })
    expect(yield* program.code).toBe(0)
    expect(program.output()).toMatch(/127\.0\.0\.1:\d+: hello\n127\.0\.0\.1:\d+: quit\n$/)
  }))

it.scopedLive("S21 members of a multicast group hear each other", () =>
  Effect.gen(function*() {
    const { code, output } = yield* run("", "multicast", "2")
    expect(code).toBe(0)
    for (const [hearer, heard] of [[1, 1], [1, 2], [2, 1], [2, 2]]) {
      expect(output).toContain(`member ${hearer} heard member ${heard} at 127.0.0.1:`)
    }
  }))

it.scopedLive("S21 tftp reads a file block by block, and reports one that is missing", () =>
  Effect.gen(function*() {
    const { code, output } = yield* run("", "tftp", "demo")
    expect([code, output]).toEqual([
      0,
      expect.stringContaining("got 2660 bytes, the same\nand not: no file missing.bin")
    ])
  }))

const pages: { readonly [path: string]: string } = {
  "/good": `<a href="/other">x</a> <a href='good#part'>x</a> <a href="mailto:me@example">x</a>`,
  "/bad": `<a href="/missing">x</a> <a href="/other">x</a>`,
  "/other": "no link"
}
const site = Effect.map(
  serve((request, response) => {
    const page = pages[request.url!]
    response.writeHead(page === undefined ? 404 : 200).end(page)
  }),
  ({ port }) => `http://127.0.0.1:${port}`
)

it.scopedLive("S21 check-links names the broken links of a page, and ends with 1 if there are any", () =>
  Effect.gen(function*() {
    const url = yield* site
    expect(yield* run("", "check-links", `${url}/good`)).toEqual({
      code: 0,
      output: `${url}/good: 2 links, 0 broken\n`
    })
    expect(yield* run("", "check-links", `${url}/bad`)).toEqual({
      code: 1,
      output: `${url}/bad: ${url}/missing is broken: 404\n${url}/bad: 2 links, 1 broken\n`
    })
  }))

it.scopedLive("S21 get fetches over HTTP into a file, over HTTP onto the output, and fails if the page is missing", () =>
  Effect.gen(function*() {
    const url = yield* site
    const file = join(folder, "page.html")
    writeFileSync(file, "something longer that was there before, and must go ".repeat(10))
    expect(yield* run("", "get", `${url}/other`, file)).toEqual({ code: 0, output: `${url}/other: 7 bytes\n` })
    expect(readFileSync(file, "utf8")).toBe("no link")
    expect(yield* run("", "get", `${url}/other`)).toEqual({ code: 0, output: "no link" })
    expect((yield* run("", "get", `${url}/missing`)).code).toBe(1)
  }))

it.scopedLive("S21 get fetches over FTP, too", () =>
  Effect.gen(function*() {
    const server = yield* FtpServer.make({ files: { "/pub/greeting.txt": "hello" } })
    expect(yield* run("", "get", `${server.url}/pub/greeting.txt`)).toEqual({ code: 0, output: "hello" })
    expect((yield* run("", "get", `${server.url}/pub/missing.txt`)).code).toBe(1)
  }).pipe(Effect.provide(NodeNet.layer)))
