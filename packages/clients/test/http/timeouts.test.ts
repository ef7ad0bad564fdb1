/** Time-outs: each phase has one, the whole has one, and the error says which expired, on both networks. */
import { ConnectError } from "@copas/core/SocketError"
import { NodeHttpTransport } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Stream, TestClock } from "effect"
import { Body, Http } from "../../src/index.js"
import { HttpPeer } from "../../src/testing/index.js"
import { networks, turn, until } from "../ftp/networks.js"
import { scripted } from "./scriptedTransport.js"

const chunk = new Uint8Array(64 * 1024)

/** Lets what is under way come to rest: bytes that are on their way arrive within a few turns. */
const rest = Effect.repeatN(turn, 10)

describe.each(networks)("time-outs, %s", (_, network) => {
  const platform = Layer.provideMerge(NodeHttpTransport.layer, network)

  /** Runs a call until `begun` holds, and then until its failure, of which the last millisecond decides. */
  const expires = <A, E, R, R2>(
    call: Effect.Effect<A, E, R>,
    begun: Effect.Effect<unknown, unknown, R2>,
    millis: number
  ) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(Effect.flip(call))
      yield* begun
      yield* rest
      yield* TestClock.adjust(millis - 1)
      yield* rest
      expect((yield* Fiber.poll(fiber))._tag).toBe("None")
      // Time-outs of what stands still are late by a quarter at most.
      yield* TestClock.adjust(millis / 4 + 1)
      return yield* Fiber.join(fiber)
    })

  it.scoped("C33 connect counts until there is a connection, whatever it waits for", () =>
    Effect.gen(function*() {
      const peer = yield* HttpPeer.make()
      const http = yield* Http.make({
        timeouts: { connect: 700, response: Infinity },
        connector: () => Effect.never
      })
      const error = yield* expires(http.text(peer.url), Effect.void, 700)
      expect(error).toMatchObject({
        _tag: "HttpTimeout",
        phase: "connect",
        after: 700,
        sent: 0,
        hop: 0,
        canRetry: true
      })
    }).pipe(Effect.provide(platform)))

  it.scoped("C33 connect counts while a request waits for a free connection", () =>
    Effect.gen(function*() {
      const peer = yield* HttpPeer.make({ handler: () => Effect.never })
      const http = yield* Http.make({ timeouts: { connect: 700 }, pool: { connections: 1 } })
      yield* Effect.fork(http.text(peer.url))
      yield* until(Effect.map(peer.connections, ({ open }) => open === 1))
      yield* rest
      const error = yield* expires(http.text({ url: peer.url, method: "POST", body: "a" }), Effect.void, 700)
      expect(error).toMatchObject({ _tag: "HttpTimeout", phase: "connect", after: 700, canRetry: true, method: "POST" })
    }).pipe(Effect.provide(platform)))

  it.scoped("C33 send counts while the server takes nothing", () =>
    Effect.gen(function*() {
      const peer = yield* HttpPeer.make({
        script: (connection) => Effect.zipRight(connection.head, connection.end("deaf"))
      })
      let given = 0
      const body = Body.stream(Stream.repeatEffect(Effect.sync(() => {
        given++
        return chunk
      })))
      const http = yield* Http.make({ timeouts: { send: 800, response: Infinity } })
      let before = -1
      // It has begun when the body is not asked for more.
      const begun = until(Effect.suspend(() => {
        const isStill = given > 0 && given === before
        before = given
        return Effect.as(rest, isStill)
      }))
      const error = yield* expires(http.text({ url: peer.url, method: "PUT", body }), begun, 800)
      expect(error).toMatchObject({ _tag: "HttpTimeout", phase: "send", after: 800 })
      if (error._tag === "HttpTimeout") expect(error.sent).toBeGreaterThan(0)
    }).pipe(Effect.provide(platform)))

  it.scoped("C33 response counts from the end of the request to the head of the answer", () =>
    Effect.gen(function*() {
      const peer = yield* HttpPeer.make({
        script: (connection) =>
          Effect.gen(function*() {
            yield* connection.request
            yield* connection.send("HTTP/1.1 200 OK\r\nA: b")
            return yield* connection.end("silence")
          })
      })
      const http = yield* Http.make({ timeouts: { response: 900 } })
      const error = yield* expires(
        http.text({ url: peer.url, method: "POST", body: "abc" }),
        peer.awaitRequests(1),
        900
      )
      expect(error).toMatchObject({ _tag: "HttpTimeout", phase: "response", after: 900, canRetry: false })
      if (error._tag === "HttpTimeout") expect(error.sent).toBeGreaterThan(0)
      // The connection is gone: an answer that comes later is nobody's.
      yield* peer.awaitOpen(0)
    }).pipe(Effect.provide(platform)))

  it.scoped("C33 receive counts while the program reads and nothing comes, and not while it does not read", () =>
    Effect.gen(function*() {
      const peer = yield* HttpPeer.make({
        script: (connection) =>
          Effect.gen(function*() {
            yield* connection.request
            yield* connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
            return yield* connection.end("silence")
          })
      })
      const http = yield* Http.make({ timeouts: { receive: 800 } })
      const answer = yield* http.get(peer.url)
      yield* rest
      yield* TestClock.adjust(5000)
      yield* rest
      const error = yield* expires(answer.bytes, Effect.void, 800)
      expect(error).toMatchObject({ _tag: "HttpTimeout", phase: "receive", after: 800, canRetry: true })
    }).pipe(Effect.provide(platform)))

  it.scoped("C33 total counts over redirects, and over the body of a whole answer and of one that is read as it comes", () =>
    Effect.gen(function*() {
      const peer = yield* HttpPeer.make({
        script: (connection) =>
          Effect.gen(function*() {
            yield* connection.request
            yield* connection.answer({ status: 302, fields: { Location: "/b" } })
            yield* connection.request
            yield* connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
            return yield* connection.end("silence")
          })
      })
      const http = yield* Http.make({ timeouts: { total: 1000 } })
      const whole = yield* expires(http.text(peer.url), peer.awaitRequests(2), 1000)
      const place = { hop: 1, url: `${peer.url}/b` }
      expect(whole).toMatchObject({ _tag: "HttpTimeout", phase: "total", after: 1000, ...place })
      // It does not say how many bytes moved, as nobody counts them for it.
      expect(String(whole)).toContain(
        "(after 1 redirect): the answer was not whole within 1000 ms; raise `timeouts.total`"
      )
      yield* peer.awaitOpen(0)

      const answer = yield* http.get(peer.url)
      yield* TestClock.adjust(400)
      const error = yield* expires(answer.bytes, Effect.void, 600)
      expect(error).toMatchObject({ _tag: "HttpTimeout", phase: "total", after: 1000, ...place })
    }).pipe(Effect.provide(platform)))
})

describe("a total time-out after a redirect", () => {
  it.effect("C33 is one of the caller's method: a POST that was carried out is not taken for the GET that it led to", () =>
    Effect.gen(function*() {
      const peer = scripted(({ method }) =>
        method === "POST" ? { status: 303, fields: [["Location", "/b"]] } : Effect.never
      )
      const http = yield* Effect.provide(Http.make(), Layer.merge(peer.layer, networks[0]![1]))
      const target = { url: "http://a.test/", body: "a", redirect: "all", timeouts: { total: 1000 } } as const
      const fiber = yield* Effect.fork(Effect.flip(http.text(target)))
      yield* TestClock.adjust(1000)
      const error = yield* Fiber.join(fiber)
      expect(error).toMatchObject({
        _tag: "HttpTimeout",
        method: "POST",
        url: "http://a.test/b",
        hop: 1,
        canRetry: false
      })
    }))
})

describe("time-outs of connectors", () => {
  it.effect("C33 the system's time-out of a connection is one of the phase connect, with what was tried as its cause", () =>
    Effect.gen(function*() {
      const cause = new ConnectError({ reason: "TimedOut", target: "a.test:80", attempts: [] })
      const peer = scripted(() => Effect.fail(cause))
      const http = yield* Effect.provide(Http.make(), Layer.merge(peer.layer, networks[0]![1]))
      const error = yield* Effect.flip(http.text("http://a.test/"))
      expect(error).toMatchObject({ _tag: "HttpTimeout", phase: "connect", after: 10_000, cause })
    }))
})
