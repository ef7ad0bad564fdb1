/** The HTTP server asked by clients of others: curl, wrk, h2load and slowhttptest. */
import { Copas } from "@copas/core"
import { HttpTrailers, NodeNet, StaticFiles } from "@copas/node"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import * as Certificates from "../certificates.js"
import { type App, nothingLeft, serve } from "../httpServer/serving.js"
import * as Tree from "../static/tree.js"
import * as Fixture from "../tls/fixture.js"
import { until } from "../turns.js"
import { curl, run } from "./programs.js"

const network = Layer.merge(Layer.provideMerge(Copas.layer, NodeNet.layer), Fixture.layer)
const size = 64 * 1024 * 1024
const { HttpServerRequest: Request } = HttpServerRequest

const sha1 = (bytes: Uint8Array): string => Crypto.createHash("sha1").update(bytes).digest("hex")

/** What came, without keeping it. */
const digest: App = Effect.gen(function*() {
  const { headers, stream } = yield* Request
  const hash = Crypto.createHash("sha1")
  yield* Stream.runForEach(stream, (bytes) => Effect.sync(() => hash.update(bytes)))
  const trailers = yield* HttpTrailers.received
  const framing = headers["content-length"] ?? headers["transfer-encoding"] ?? "none"
  return HttpServerResponse.text([framing, hash.digest("hex"), trailers["x-sum"] ?? ""].join(" ").trim())
})

const trailing: App = Effect.as(
  Effect.orDie(HttpTrailers.send({ "x-after": "all" })),
  HttpServerResponse.stream(Stream.make(Buffer.from("one"), Buffer.from("two")))
)

const endless = HttpServerResponse.stream(Stream.repeatValue(Buffer.alloc(65_536)))

const app = HttpRouter.empty.pipe(
  HttpRouter.get("/hello", HttpServerResponse.text("hello")),
  HttpRouter.put("/digest", digest),
  HttpRouter.post("/digest", digest),
  HttpRouter.get("/trailing", trailing),
  HttpRouter.get("/endless", endless)
)

const serving = (options: Parameters<typeof serve>[1] = {}) => serve(app, options)

const secure = Effect.map(Fixture.TestPki, ({ server }) => ({
  listen: { host: "127.0.0.1", port: 0, tls: { identity: Certificates.identity(server) } }
}))

describe("the HTTP server and curl", () => {
  it.scopedLive("X01 every version: HTTP/1.0, 1.1, HTTP/2 by ALPN and by prior knowledge, and connections that are kept", () =>
    Effect.gen(function*() {
      const clear = `http://127.0.0.1:${yield* serving({ http2: "clear" })}/hello`
      const tls = `https://127.0.0.1:${yield* serving(yield* secure)}/hello`
      const seen = ["--write-out", " %{http_version} %{http_code} %{num_connects}\n"]
      expect(yield* curl("--http1.0", ...seen, clear)).toBe("hello 1.1 200 1\n")
      expect(yield* curl("--http1.1", ...seen, clear, clear)).toBe("hello 1.1 200 1\nhello 1.1 200 0\n")
      // Of two in one run curl 7.88.1 fails the second, with every server.
      expect(yield* curl("--http2-prior-knowledge", ...seen, clear)).toBe("hello 2 200 1\n")
      // An offer to upgrade is passed over.
      expect(yield* curl("--http2", ...seen, clear)).toBe("hello 1.1 200 1\n")
      expect(yield* curl("--insecure", ...seen, tls, tls)).toBe("hello 2 200 1\nhello 2 200 0\n")
      expect(yield* curl("--insecure", "--http1.1", ...seen, tls)).toBe("hello 1.1 200 1\n")
      expect(yield* curl("--head", clear)).toMatch(/^HTTP\/1.1 200 OK\r\n[^]*content-length: 5\r\n/i)
      yield* nothingLeft
    }).pipe(Effect.provide(network)))

  it.scopedLive(
    "X01 64 MiB come whole: with a length, in chunks, by HTTP/2, and after 100 Continue",
    () =>
      Effect.gen(function*() {
        const limits = { body: size }
        const clear = `http://127.0.0.1:${yield* serving({ http2: "clear", limits })}/digest`
        const tls = `https://127.0.0.1:${yield* serving({ ...yield* secure, limits })}/digest`
        const upload = Crypto.randomBytes(size)
        const file = join(yield* Tree.make({ upload }), "upload")
        const sum = sha1(upload)
        const put = (...args: ReadonlyArray<string>) => curl("--insecure", "--upload-file", file, ...args)
        expect(yield* put("--http1.1", clear)).toBe(`${size} ${sum}`)
        expect(yield* put("--http1.1", "--header", "Transfer-Encoding: chunked", clear)).toBe(`chunked ${sum}`)
        expect(yield* put("--http1.1", tls)).toBe(`${size} ${sum}`)
        expect(yield* put("--http2", tls)).toBe(`${size} ${sum}`)
        expect(yield* put("--http2-prior-knowledge", clear)).toBe(`${size} ${sum}`)
        // curl waits for it, for as long as a minute here.
        const expecting = ["--http1.1", "--header", "Expect: 100-continue", "--expect100-timeout", "60", "--include"]
        expect(yield* put(...expecting, clear)).toMatch(
          new RegExp(`^HTTP/1.1 100 Continue\\r\\n[^]* 200 OK[^]*${sum}$`)
        )
        // Past the limit the answer arrives, although curl is still sending.
        Fs.appendFileSync(file, "x")
        const status = ["--output", "/dev/null", "--write-out", "%{http_code}"]
        expect(yield* put("--http1.1", ...expecting.slice(1, 5), ...status, clear)).toBe("413")
        yield* nothingLeft
      }).pipe(Effect.provide(network)),
    120_000
  )

  it.scopedLive("X01 trailers arrive after an answer that says them", () =>
    Effect.gen(function*() {
      const port = yield* serving({ http2: "clear" })
      const url = `http://127.0.0.1:${port}/trailing`
      const chunked = yield* curl("--http1.1", "--raw", url)
      expect(chunked.toLowerCase()).toMatch(/one[^]*two[^]*\r\n0\r\nx-after: all\r\n\r\n$/)
      const headers = join(yield* Tree.make({}), "headers")
      for (const version of ["--http1.1", "--http2-prior-knowledge"]) {
        expect(yield* curl(version, "--dump-header", headers, url)).toBe("onetwo")
        expect(Fs.readFileSync(headers, "latin1").toLowerCase()).toMatch(/\r\n\r\nx-after: all/)
      }
    }).pipe(Effect.provide(network)))

  it.scopedLive("X02 a file by ranges, resumed and compressed, by every version", () =>
    Effect.gen(function*() {
      const large = Crypto.randomBytes(300_000)
      const root = yield* Tree.make({
        large,
        "part": large.subarray(0, 100_000),
        "a.js": "let a = 1",
        "a.js.gz": gzipSync("let a = 1")
      })
      const files = yield* StaticFiles.make(root, { precompressed: ["gzip"] })
      const clear = `http://127.0.0.1:${yield* serve(files, { http2: "clear" })}`
      const tls = `https://127.0.0.1:${yield* serve(files, yield* secure)}`
      for (
        const [version, base] of [["--http1.1", clear], ["--http2-prior-knowledge", clear], ["--http1.1", tls], [
          "--http2",
          tls
        ]] as const
      ) {
        const target = yield* Tree.make({ part: large.subarray(0, 100_000) })
        const part = join(target, "part")
        const ask = (...args: ReadonlyArray<string>) => curl("--insecure", version, ...args)
        yield* ask("--continue-at", "-", "--output", part, `${base}/large`)
        expect(Fs.readFileSync(part).equals(large)).toBe(true)
        yield* ask("--range", "1000-1999", "--output", part, `${base}/large`)
        expect(Fs.readFileSync(part).equals(large.subarray(1000, 2000))).toBe(true)
        expect(yield* ask("--compressed", "--write-out", " %header{content-encoding}", `${base}/a.js`)).toBe(
          "let a = 1 gzip"
        )
      }
    }).pipe(Effect.provide(network)))
})

describe("the HTTP server under load", () => {
  const requests = 20_000
  const loads: ReadonlyArray<readonly [name: string, isSecure: boolean, args: ReadonlyArray<string>]> = [
    ["HTTP/1.1", false, ["--h1", "-c50"]],
    ["HTTP/1.1 over TLS", true, ["--h1", "-c20"]],
    ["HTTP/2 in clear", false, ["-c10", "-m20"]],
    ["HTTP/2 by ALPN", true, ["-c10", "-m20"]]
  ]
  for (const [name, isSecure, args] of loads) {
    it.scopedLive(`X01 h2load: ${requests} requests of ${name} are answered, each with 200, and nothing is left`, () =>
      Effect.gen(function*() {
        const port = yield* serving(isSecure ? yield* secure : { http2: "clear" })
        const url = `${isSecure ? "https" : "http"}://127.0.0.1:${port}/hello`
        const said = yield* run("h2load", [...args, `-n${requests}`, url])
        expect(said).toContain(
          `${requests} total, ${requests} started, ${requests} done, ${requests} succeeded, 0 failed, 0 errored, 0 timeout`
        )
        expect(said).toContain(`status codes: ${requests} 2xx, 0 3xx, 0 4xx, 0 5xx`)
        yield* nothingLeft
      }).pipe(Effect.provide(network)))
  }

  it.scopedLive("X06 wrk: every answer over 50 kept connections is whole and 2xx, also of pipelined requests, and nothing is left", () =>
    Effect.gen(function*() {
      const port = yield* serving()
      const root = yield* Tree.make({
        "pipeline.lua": `local all
          init = function() local r = {} for i = 1, 8 do r[i] = wrk.format("GET", "/hello") end all = table.concat(r) end
          request = function() return all end`
      })
      for (const more of [[], ["-s", join(root, "pipeline.lua")]]) {
        const said = yield* run("wrk", ["-t1", "-c50", "-d2s", ...more, `http://127.0.0.1:${port}/hello`])
        expect(Number(/(\d+) requests in/.exec(said)?.[1])).toBeGreaterThan(50)
        expect(said).not.toMatch(/Non-2xx|Socket errors/)
      }
      yield* nothingLeft
    }).pipe(Effect.provide(network)))
})

describe("the HTTP server and slowhttptest", () => {
  const attacks: ReadonlyArray<readonly [what: string, args: ReadonlyArray<string>, path: string]> = [
    ["heads that come slowly", ["-H", "-i", "1"], "/hello"],
    ["bodies that come slowly", ["-B", "-i", "5", "-s", "8192"], "/digest"],
    ["answers that are not read", ["-X", "-n", "5", "-w", "512", "-y", "1024", "-z", "32"], "/endless"]
  ]
  for (const [what, args, path] of attacks) {
    it.scopedLive(`X01 ${what} end their connections, and others are answered meanwhile`, () =>
      Effect.gen(function*() {
        const port = yield* serving({
          timeouts: { headers: "1 second", body: "1 second", request: "2 seconds", send: "1 second", idle: "2 seconds" }
        })
        const url = `http://127.0.0.1:${port}`
        const attack = run(
          "slowhttptest",
          [...args, "-c", "50", "-r", "50", "-l", "30", "-p", "3", "-u", `${url}${path}`]
        )
        const answered = Effect.map(curl(`${url}/hello`), (said) => expect(said).toBe("hello"))
        const attacked = until(
          Effect.map(Copas.status, ({ threads }) => threads.filter(({ name }) => name.includes("handler")).length >= 20)
        )
        const checks = Effect.all([attacked, answered, nothingLeft, answered], { discard: true })
        if (path === "/endless") {
          // It learns nothing of the end of a connection that it does not read to the end: the attack outlasts the checks.
          yield* Effect.raceFirst(
            checks,
            Effect.flatMap(attack, (said) => Effect.dieMessage(`ended too early: ${said}`))
          )
          return
        }
        // It ends by itself when the server has ended all connections.
        const [said] = yield* Effect.all([attack, checks], { concurrency: 2 })
        expect(said).toContain("No open connections left")
      }).pipe(Effect.provide(network)))
  }
})
