/** Connections: uploads that are answered early, answers that nobody reads, kept connections that are gone, retries. */
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Schedule, Schema, Stream, TestClock } from "effect"
import { Body, Http } from "../../src/index.js"
import { HttpPeer } from "../../src/testing/index.js"
import { leavesNothing, pattern, same, text, turn, until } from "../ftp/networks.js"
import { asked, failsWith, platforms, went } from "./support.js"

const mebibyte = 1 << 20

/** Bytes without an end, a chunk at a time. */
const endless = Stream.repeatEffect(Effect.as(Effect.yieldNow(), pattern(16_384)))

describe.each(platforms)("early answers, %s", (name, platform) => {
  const bodies: ReadonlyArray<readonly [string, () => Body.Body]> = [
    ["bytes", () => pattern(32 * mebibyte)],
    ["a stream with its length", () => Body.stream(endless, { length: 1 << 30 })],
    ["a stream in chunks", () => Body.stream(endless)]
  ]
  const endings: ReadonlyArray<readonly [string, HttpPeer.Ending]> = [
    ["closes", "close"],
    ["resets", "reset"],
    ["ends its side", "halfClose"],
    ["keeps the connection", "silence"]
  ]
  it.scopedLive.each(
    bodies.flatMap(([what, body]) =>
      // A reset in memory drops what has not been read, as it does on some systems.
      endings.filter(([, ending]) => name === "on Node" || ending !== "reset").flatMap(([how, ending]) =>
        [401, 413, 417, 503].map((status) => [what, how, status, body, ending] as const)
      )
    ).filter((_, at) => Sampling.isLong() || at % 3 === 0)
  )(
    "C33 an upload of %s that the server answers at once, and %s: the answer, %i, is what the caller gets",
    ([, , status, body, ending]) =>
      leavesNothing(Effect.gen(function*() {
        const peer = yield* HttpPeer.make({
          script: [
            (connection) => Effect.zipRight(connection.head, connection.answer({ status, body: "too large", ending })),
            (connection) => connection.serve
          ]
        })
        const http = yield* Http.make()
        const answer = yield* http.request({ method: "PUT", url: peer.url, body: body() as string, redirect: false })
        expect([answer.status, text(yield* answer.bytes)]).toEqual([status, "too large"])
        // The rest of the upload is not the next request.
        expect((yield* http.request({ url: `${peer.url}/next` })).status).toBe(200)
        expect((yield* peer.requests).find(({ target }) => target === "/next")?.connection).toBe(2)
      })).pipe(Effect.provide(platform))
  )

  it.scopedLive("C33 an answer below 400 that comes early does not stop the upload", () =>
    Effect.gen(function*() {
      const sent = pattern(4 * mebibyte)
      const peer = yield* HttpPeer.make({
        script: (connection) =>
          Effect.gen(function*() {
            yield* connection.head
            yield* connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
            while ((yield* connection.read) !== undefined) yield* Effect.void
            yield* connection.send("0\r\n\r\n")
            yield* connection.serve
          })
      })
      const http = yield* Http.make()
      const answer = yield* http.request({ method: "PUT", url: peer.url, body: sent })
      expect(text(yield* answer.bytes)).toBe("ok")
      const [request] = yield* peer.awaitRequests(1)
      expect(same(request!.body, sent)).toBe(true)
      yield* went(peer)
    }).pipe(Effect.provide(platform)))
})

describe.each(platforms)("answers that nobody reads, %s", (_, platform) => {
  const count = Sampling.size({ short: 200, long: 10_000 })
  it.live(`C33 of ${count} answers on ten connections, whatever is left unread, no request waits for a connection`, () =>
    leavesNothing(Effect.gen(function*() {
      const large = pattern(300_000)
      let busy = 0
      const peer = yield* HttpPeer.make({
        memory: mebibyte,
        handler: ({ target }): HttpPeer.Reply => {
          switch (target) {
            case "/busy":
              return ++busy % 2 === 1 ? { status: 503, body: "later" } : { body: "now" }
            case "/json":
              return { body: "{}", fields: { "Content-Type": "application/json" } }
            case "/endless":
              return { body: "abc", fields: { "Content-Length": 1 << 30 }, ending: "silence" }
            default:
              return { body: target === "/large" ? large : target }
          }
        }
      })
      const http = yield* Http.make({ pool: { connections: 10 } })
      const kinds: ReadonlyArray<() => Effect.Effect<unknown, unknown>> = [
        // Status only: small, large, without an end.
        () => Effect.scoped(http.request({ url: `${peer.url}/small` })),
        () => Effect.scoped(http.request({ url: `${peer.url}/large` })),
        () => Effect.scoped(http.request({ url: `${peer.url}/endless` })),
        // A schema that the answer does not have.
        () => Effect.exit(http.json(`${peer.url}/json`, Schema.Struct({ a: Schema.String }))),
        // A reader that is interrupted, and one that stops.
        () =>
          Effect.timeoutOption(
            Effect.scoped(
              Effect.flatMap(http.request({ url: `${peer.url}/endless` }), ({ body }) => Stream.runDrain(body))
            ),
            1
          ),
        () =>
          Effect.scoped(
            Effect.flatMap(http.request({ url: `${peer.url}/large` }), ({ body }) => Stream.runHead(body))
          ),
        // A 503 that is tried again, and one that is an error.
        () => http.text({ url: `${peer.url}/busy`, retry: Schedule.recurs(1) }),
        () => Effect.exit(http.text({ url: `${peer.url}/busy`, retry: false }))
      ]
      yield* Effect.forEach(
        Array.from({ length: count }, (_, at) => kinds[at % kinds.length]!),
        (run) => Effect.exit(run()),
        { concurrency: 40, discard: true }
      )
      expect(yield* http.text(`${peer.url}/last`)).toBe("/last")
      expect((yield* peer.connections).most).toBeLessThanOrEqual(10 + kinds.length)
    })).pipe(Effect.scoped, Effect.provide(platform)))

  it.scoped("C33 what is left of a small body is drained, and its connection used again; that of a large one is cut", () =>
    Effect.gen(function*() {
      const peer = yield* HttpPeer.make({
        handler: ({ target }) => ({ body: target === "/large" ? pattern(4 * mebibyte) : pattern(10_000) })
      })
      const http = yield* Http.make({ pool: { connections: 1 } })
      for (const target of ["/small", "/small", "/large", "/small"]) {
        expect((yield* Effect.scoped(http.request({ url: peer.url + target }))).status).toBe(200)
      }
      const requests = yield* peer.requests
      expect(requests.map(({ connection }) => connection)).toEqual([1, 1, 1, 2])
    }).pipe(Effect.provide(platform)))
})

describe.each(platforms)("kept connections that are gone, %s", (_, platform) => {
  /** The first connection has one request, and then ends so; a second request on it is not answered. */
  const dying = (end: HttpPeer.Script) =>
    HttpPeer.make({
      handler: () => ({ body: "right" }),
      script: [
        (connection) =>
          Effect.gen(function*() {
            yield* connection.request
            yield* connection.answer({ body: "first" })
            yield* end(connection)
          }),
        (connection) => connection.serve
      ]
    })
  /** The next request comes, its head at least, and is not answered. */
  const unanswered = (how: "close" | "reset"): HttpPeer.Script => (connection) =>
    Effect.zipRight(connection.head, connection.end(how))
  const ends: ReadonlyArray<readonly [string, HttpPeer.Script]> = [
    ["closed when the request came", unanswered("close")],
    ["reset when the request came", unanswered("reset")]
  ]
  const cases = ends.flatMap(([how, end]) =>
    (["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] as const).map((method) => [how, method, end] as const)
  )
  it.scopedLive.each(cases)(
    "C33 a connection that was %s: %s is sent once more, on a new one",
    ([, method, end]) =>
      Effect.gen(function*() {
        const peer = yield* dying(end)
        const http = yield* Http.make({ pool: { connections: 1 } })
        expect(yield* http.text(peer.url)).toBe("first")
        const body = method === "PUT" ? { body: "content" } : {}
        const answer = yield* http.request({ method, url: `${peer.url}/again`, ...body })
        expect([answer.status, text(yield* answer.bytes)]).toEqual([200, method === "HEAD" ? "" : "right"])
        const requests = (yield* peer.requests).filter(({ target }) => target === "/again")
        expect(requests.map(({ connection }) => connection)).toEqual([1, 2])
        if (method === "PUT") expect(text(requests[1]!.body)).toBe("content")
      }).pipe(Effect.provide(platform))
  )

  it.scopedLive.each(ends)(
    "C33 a connection that was %s: a POST and a one-shot PUT are ConnectionLost, and sent once",
    ([, end]) =>
      Effect.gen(function*() {
        for (const method of ["POST", "PATCH", "PUT"]) {
          const peer = yield* dying(end)
          const http = yield* Http.make({ pool: { connections: 1 } })
          expect(yield* http.text(peer.url)).toBe("first")
          const body = method === "PUT" ? Body.stream(Stream.make(Buffer.from("content")), { length: 7 }) : "content"
          const error = yield* failsWith(
            http.request({ method, url: peer.url, body: body as string }),
            "ConnectionLost"
          )
          expect(error).toMatchObject({ method, isReused: true, received: 0 })
          if (method !== "PUT") expect(error.canRetry).toBe(false)
          expect(error.sent).toBeGreaterThan(0)
          expect(yield* asked(peer)).toEqual(["GET /", `${method} /`])
        }
      }).pipe(Effect.provide(platform))
  )

  it.scopedLive("C33 of several kept connections that are all gone, a request meets one at most", () =>
    Effect.gen(function*() {
      const count = 5
      const all = yield* Deferred.make<void>()
      let waiting = 0
      const peer = yield* HttpPeer.make({
        handler: () => ({ body: "right" }),
        script: [
          ...Array.from({ length: count }, (): HttpPeer.Script => (connection) =>
            Effect.gen(function*() {
              yield* connection.request
              waiting += 1
              if (waiting === count) yield* Deferred.succeed(all, undefined)
              yield* Deferred.await(all)
              yield* connection.answer({ body: "first" })
              yield* unanswered("close")(connection)
            })),
          (connection) => connection.serve
        ]
      })
      const http = yield* Http.make()
      yield* Effect.forEach(Array.from({ length: count }), () => http.text(peer.url), { concurrency: "unbounded" })
      expect((yield* peer.connections).open).toBe(count)
      expect(yield* http.text(`${peer.url}/again`)).toBe("right")
      expect((yield* asked(peer)).filter((line) => line === "GET /again")).toHaveLength(2)
      yield* peer.awaitOpen(1)
    }).pipe(Effect.provide(platform)))

  it.scopedLive("C33 a connection that the server closed while it was idle costs no request, of any method", () =>
    Effect.gen(function*() {
      for (const method of ["GET", "PUT", "POST"]) {
        const peer = yield* dying(() => Effect.void)
        const http = yield* Http.make({ pool: { connections: 1 } })
        expect(yield* http.text(peer.url)).toBe("first")
        yield* peer.awaitOpen(0)
        yield* turn
        const answer = yield* http.request({ method, url: peer.url, ...(method === "GET" ? {} : { body: "content" }) })
        expect([answer.status, (yield* peer.connections).total]).toEqual([200, 2])
      }
    }).pipe(Effect.provide(platform)))

  it.scopedLive("C33 the silent repeat is made at most once, and not on a new connection", () =>
    Effect.gen(function*() {
      const peer = yield* HttpPeer.make({
        script: [
          (connection) =>
            Effect.gen(function*() {
              yield* connection.request
              yield* connection.answer({ body: "first" })
              yield* unanswered("close")(connection)
            }),
          unanswered("close")
        ]
      })
      const http = yield* Http.make({ pool: { connections: 1 } })
      expect(yield* http.text(peer.url)).toBe("first")
      const again = yield* failsWith(http.text(`${peer.url}/again`), "ConnectionLost")
      expect(again).toMatchObject({ isReused: false, canRetry: true })
      expect(yield* asked(peer)).toEqual(["GET /", "GET /again", "GET /again"])
      const fresh = yield* failsWith(http.text(`${peer.url}/fresh`), "ConnectionLost")
      expect(fresh.isReused).toBe(false)
      expect((yield* asked(peer)).filter((line) => line === "GET /fresh")).toHaveLength(1)
    }).pipe(Effect.provide(platform)))

  it.scopedLive("C33 once a byte of the answer has come on a kept connection, nothing is repeated", () =>
    Effect.gen(function*() {
      const peer = yield* dying((connection) =>
        Effect.gen(function*() {
          yield* connection.request
          yield* connection.answer({ body: "second", cut: 20 })
        })
      )
      const http = yield* Http.make({ pool: { connections: 1 } })
      expect(yield* http.text(peer.url)).toBe("first")
      const exit = yield* Effect.exit(http.text(`${peer.url}/again`))
      expect(Exit.isFailure(exit)).toBe(true)
      expect((yield* asked(peer)).filter((line) => line === "GET /again")).toHaveLength(1)
    }).pipe(Effect.provide(platform)))
})

describe("retries", () => {
  const [, platform] = platforms[0]!
  const start = Date.UTC(2026, 0, 1)
  const waits: ReadonlyArray<readonly [retryAfter: string, millis: number]> = [
    ["5", 5000],
    ["0", 100],
    [new Date(start + 7000).toUTCString(), 7000],
    [new Date(start - 7000).toUTCString(), 100],
    ["1000000000", 60_000],
    // What is none is ignored: the schedule's own delay holds.
    ["-1", 100],
    ["1e9", 100],
    ["soon", 100],
    ["5.5", 100],
    ["", 100],
    ["0x5", 100]
  ]
  it.scoped.each(waits)(
    "C33 a 503 with Retry-After %j is tried again after %i ms, once its body was released",
    ([value, millis]) =>
      Effect.gen(function*() {
        yield* TestClock.setTime(start)
        const peer = yield* HttpPeer.make({
          handler: ({ number }) =>
            number === 1 ? { status: 503, fields: { "Retry-After": value }, body: "later" } : { body: "now" }
        })
        const http = yield* Http.make({
          pool: { connections: 1, idle: "1 hours" },
          retry: Schedule.recurs(1).pipe(Schedule.addDelay(() => 100))
        })
        const fiber = yield* Effect.fork(http.text(peer.url))
        yield* peer.awaitRequests(1)
        if (millis > 0) {
          yield* until(Effect.map(TestClock.sleeps(), (sleeps) => Array.from(sleeps).length > 0))
          yield* TestClock.adjust(millis - 1)
          for (let turns = 0; turns < 5; turns++) yield* turn
          expect((yield* peer.requests).length).toBe(1)
          yield* TestClock.adjust(1)
        }
        // On the same connection: the first answer was read to its end, or it would have needed another one.
        expect(yield* Fiber.join(fiber)).toBe("now")
        expect((yield* peer.connections).total).toBe(1)
      }).pipe(Effect.provide(platform))
  )
})
