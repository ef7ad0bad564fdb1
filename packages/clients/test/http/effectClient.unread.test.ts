/** Answers of Effect's client that nobody reads, reads to the end, or waits for; and its spans. */
import { Sampling } from "@copas/core/testing"
import { NodeHttpTransport } from "@copas/node"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Schema, Scope, Stream, TestClock } from "effect"
import { Http } from "../../src/index.js"
import { HttpPeer } from "../../src/testing/index.js"
import { leavesNothing } from "../ftp/networks.js"
import { keepingTracer, type Kept } from "../keepingTracer.js"
import { platforms } from "./support.js"

const client = (defaults: Http.Defaults = {}) => Effect.map(Http.make(defaults), (http) => http.client)

const large = "x".repeat(1_000_000)
const answers: { readonly [target: string]: HttpPeer.Answer } = {
  "/large": { body: large },
  "/chunked": { body: ["a", "b"] },
  "/small": { body: "small" },
  "/json": { fields: { "Content-Type": "application/json" }, body: "{\"a\":1}" },
  "/empty": { status: 204 }
}
const answering = HttpPeer.make({ handler: ({ target }) => answers[target] ?? { status: 503, body: "not now" } })

const releasedBy = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit)
    ? (Cause.squash(exit.cause) as { readonly cause?: { readonly reason?: string } }).cause?.reason
    : exit.value

for (const [name, network] of platforms) {
  describe(`answers of Effect's client that nobody reads, ${name}`, () => {
    it.scoped("C33 an answer waits ten seconds for a reader, then its connection is released, and reading says so", () =>
      Effect.gen(function*() {
        const peer = yield* answering
        const http = yield* client()
        const unread = yield* http.get(`${peer.url}/large`)
        const read = yield* http.get(`${peer.url}/large`)
        yield* TestClock.adjust(9_999)
        expect((yield* peer.connections).open).toBe(2)
        const text = yield* Effect.fork(read.text)
        expect(yield* Fiber.join(text)).toBe(large)
        yield* TestClock.adjust(1)
        yield* peer.awaitOpen(1)
        for (const effect of [unread.text, unread.json, unread.arrayBuffer, Stream.runDrain(unread.stream)]) {
          expect(releasedBy(yield* Effect.exit(effect as Effect.Effect<unknown, unknown>))).toBe("unread")
        }
        yield* TestClock.adjust(60_000)
        expect(yield* read.text).toBe(large)
      }).pipe(Effect.provide(network)))

    it.scoped("C33 small answers that nobody reads hold no connection", () =>
      Effect.gen(function*() {
        const peer = yield* answering
        const http = yield* client({ pool: { connections: 10 } })
        const paths = ["/small", "/json", "/empty", "/503"]
        const Wrong = Schema.Struct({ b: Schema.Number })
        const count = Sampling.size({ short: 400, long: 10_000 })
        yield* Effect.forEach(
          Array.from({ length: count }, (_, index) => index),
          (index): Effect.Effect<unknown, unknown> =>
            Effect.flatMap(http.get(`${peer.url}${paths[index % 4]}`), (response) =>
              index % 8 === 1
                ? Effect.ignore(HttpClientResponse.schemaBodyJson(Wrong)(response))
                : Effect.void),
          { concurrency: 20 }
        )
        const { most, total } = yield* peer.connections
        expect(most).toBeLessThanOrEqual(10)
        expect(total).toBeLessThanOrEqual(10)
        const retried = HttpClient.retryTransient(http, { times: 50 })
        expect((yield* retried.get(`${peer.url}/503`)).status).toBe(503)
        expect((yield* peer.connections).total).toBeLessThanOrEqual(10)
      }).pipe(Effect.provide(network)))

    it.scoped("C33 a reader that stops, early or by interruption, releases the answer", () =>
      Effect.gen(function*() {
        const peer = yield* answering
        const http = yield* client()
        const first = yield* http.get(`${peer.url}/large`)
        expect(yield* Stream.runCollect(Stream.take(first.stream, 1))).toHaveLength(1)
        yield* peer.awaitOpen(0)
        const silent = yield* HttpPeer.make({
          script: (connection) =>
            Effect.zipRight(
              connection.request,
              Effect.zipRight(
                connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"),
                connection.end("silence")
              )
            )
        })
        const second = yield* http.get(silent.url)
        const reading = yield* Effect.fork(second.text)
        yield* Effect.repeatN(Effect.yieldNow(), 20)
        yield* Fiber.interrupt(reading)
        // Little of it may lack, so its end is awaited for that long.
        yield* TestClock.adjust(100)
        yield* silent.awaitOpen(0)
        expect(releasedBy(yield* Effect.exit(second.text))).toBe("read")
      }).pipe(Effect.provide(network)))

    it.scoped("C33 with HttpClient.withScope an answer lasts as long as the scope, and no longer", () =>
      Effect.gen(function*() {
        const peer = yield* answering
        const http = HttpClient.withScope(yield* client())
        const scope = yield* Scope.make()
        const read = yield* Scope.extend(http.get(`${peer.url}/large`), scope)
        const unread = yield* Scope.extend(http.get(`${peer.url}/large`), scope)
        yield* TestClock.adjust(60_000)
        expect(yield* read.text).toBe(large)
        yield* Scope.close(scope, Exit.void)
        expect(releasedBy(yield* Effect.exit(unread.text))).toBe("scope")
        yield* Effect.raceFirst(peer.awaitOpen(1), peer.awaitOpen(0))
      }).pipe(Effect.provide(network)))

    it.live("C33 interrupted at any step, a request leaves nothing behind", () => {
      const ways: ReadonlyArray<
        readonly [string, string, (response: HttpClientResponse.HttpClientResponse) => Effect.Effect<unknown, unknown>]
      > = [
        ["small", "/small", (response) => response.text],
        ["chunked", "/chunked", (response) => response.json],
        ["large", "/large", (response) => Stream.runDrain(response.stream)],
        ["unread", "/large", () => Effect.void]
      ]
      return Effect.forEach(
        ways,
        ([way, path, use]) =>
          Sampling.everyStep(`${way} ${name}`, (steps) =>
            leavesNothing(
              Effect.gen(function*() {
                const peer = yield* answering
                const http = yield* client()
                const fiber = yield* Effect.fork(Effect.flatMap(http.get(`${peer.url}${path}`), use))
                yield* Effect.repeatN(Effect.yieldNow(), steps)
                const isThrough = (yield* fiber.status)._tag === "Done"
                yield* Fiber.interrupt(fiber)
                return isThrough
              }).pipe(Effect.provide(NodeHttpTransport.layer))
            ), { stride: 61 })
      ).pipe(Effect.provide(network))
    })
  })
}

describe("spans of Effect's client", () => {
  const [, network] = platforms[0]!
  it.scoped("C33 a request has one span, and Effect's combinators decide its name, whether there is one, and who is told", () =>
    Effect.gen(function*() {
      const spans: Array<Kept> = []
      const tracer = keepingTracer(spans)
      const peer = yield* answering
      const http = yield* client()
      const told = (used: HttpClient.HttpClient, path = "/small") =>
        Effect.gen(function*() {
          spans.length = 0
          yield* Effect.withTracer(used.get(`${peer.url}${path}`), tracer)
          return [...spans.map(({ name }) => name), (yield* peer.requests).at(-1)!.header("traceparent")]
        })
      const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
      expect(yield* told(http)).toEqual(["GET", traceparent])
      expect(yield* told(HttpClient.withTracerPropagation(http, false))).toEqual(["GET", undefined])
      expect(yield* told(HttpClient.withSpanNameGenerator(http, ({ method }) => `call ${method}`))).toEqual([
        "call GET",
        traceparent
      ])
      const quiet = HttpClient.withTracerDisabledWhen(http, ({ url }) => url.endsWith("/small"))
      expect(yield* told(quiet)).toEqual([undefined])
      expect(yield* told(quiet, "/json")).toEqual(["GET", traceparent])
      spans.length = 0
      const disabled = Effect.withTracerEnabled(http.execute(HttpClientRequest.get(`${peer.url}/small`)), false)
      yield* Effect.withTracer(disabled, tracer)
      expect(spans).toEqual([])
    }).pipe(Effect.provide(network)))
})
