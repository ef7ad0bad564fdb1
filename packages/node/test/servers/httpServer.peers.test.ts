/** The HTTP server asked by clients of others: curl, wrk and h2load. */
import { Copas } from "@copas/core"
import { HttpTrailers, NodeHttpServer, NodeNet } from "@copas/node"
import { HttpRouter, HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import * as Fs from "node:fs"
import { join } from "node:path"
import * as Certificates from "../certificates.js"
import { type App, portOf } from "../httpServer/serving.js"
import { until } from "../lending/streams.js"
import * as Tree from "../static/tree.js"
import * as Fixture from "../tls/fixture.js"
import { curl, run } from "./programs.js"

const network = Layer.merge(Layer.provideMerge(Copas.layer, NodeNet.layer), Fixture.layer)
const trailing: App = Effect.as(
  Effect.orDie(HttpTrailers.send({ "x-after": "all" })),
  HttpServerResponse.stream(Stream.make(Buffer.from("one"), Buffer.from("two")))
)

const app = HttpRouter.empty.pipe(
  HttpRouter.get("/hello", HttpServerResponse.text("hello")),
  HttpRouter.get("/trailing", trailing)
)

const serving = (options: Partial<NodeHttpServer.Options>) =>
  Effect.gen(function*() {
    const server = yield* NodeHttpServer.make({ listen: { host: "127.0.0.1", port: 0 }, ...options })
    yield* server.serve(app)
    return portOf(server)
  })

const secure = Effect.map(Fixture.TestPki, ({ server }) => ({
  listen: { host: "127.0.0.1", port: 0, tls: { identity: Certificates.identity(server) } }
}))

const nothingLeft = until(
  Effect.map(Copas.status, ({ threads }) => threads.every(({ name }) => !name.includes("handler")))
)

describe("the HTTP server and curl", () => {
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
      const port = yield* serving({})
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
