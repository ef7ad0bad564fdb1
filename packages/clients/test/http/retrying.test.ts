/** Sending again: which requests are, after which failures, when, and what is released meanwhile. */
import { ConnectError } from "@copas/core/SocketError"
import { NetMemory } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Redacted, Schedule, Stream, TestClock } from "effect"
import { Body, Http, HttpError } from "../../src/index.js"
import { failure, type Reply, type Scripted, scripted, type Sent } from "./scriptedTransport.js"

const url = "http://a.test/"
const httpOn = ({ layer }: Scripted, defaults: Http.Defaults = {}) =>
  Effect.provide(Http.make(defaults), Layer.merge(layer, NetMemory.layer))

const always = Schedule.addDelay(Schedule.recurs(3), () => 100)

/** Runs it while the clock continues. */
const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    yield* TestClock.adjust("1 hours")
    return yield* Fiber.join(fiber)
  })

const connectError = new ConnectError({ reason: "Refused", target: "a.test:80", attempts: [] })

describe("requests that a redirect changed", () => {
  const afterwards: ReadonlyArray<readonly [string, () => ReturnType<Parameters<typeof scripted>[0]>]> = [
    ["a 503", () => ({ status: 503 })],
    ["a lost connection", () => failure("Lost")],
    ["a refused connection", () => Effect.fail(connectError)],
    ["a body that is cut", () => ({ body: "ab", failure: failure("Truncated", { expected: 4 }) })]
  ]
  it.effect.each(afterwards)(
    "C33 a POST that led to a GET is not carried out twice because of %s",
    ([, answer]) =>
      Effect.gen(function*() {
        const peer = scripted(({ method }) =>
          method === "POST" ? { status: 303, fields: [["Location", "/b"]] } : answer()
        )
        const http = yield* httpOn(peer, { retry: always, redirect: "all" })
        const error = yield* Effect.flip(inTime(http.text({ url, body: "a" })))
        expect(peer.sent.map(({ method }) => method)).toEqual(["POST", "GET"])
        expect(error).toMatchObject({ method: "GET", hop: 1, wasCarriedOut: true })
        expect(HttpError.canRetry(error)).toBe(false)
      })
  )
})

describe("which requests are sent again", () => {
  const failures: ReadonlyArray<
    readonly [name: string, () => ReturnType<Parameters<typeof scripted>[0]>, string, string]
  > = [
    ["a refused connection", () => Effect.fail(connectError), "GET", "POST"],
    ["a time-out of connecting", () => failure("TimedOut", { phase: "connect" }), "GET", "POST"],
    ["a connection lost before a byte went out", () => failure("Lost", { sent: 0 }), "GET", "POST"],
    ["a lost connection", () => failure("Lost"), "GET", ""],
    ["a time-out of the answer", () => failure("TimedOut"), "GET", ""],
    ["a 408", () => ({ status: 408 }), "GET", ""],
    ["a 425", () => ({ status: 425 }), "GET", ""],
    ["a 429", () => ({ status: 429 }), "GET", ""],
    ["a 500", () => ({ status: 500 }), "GET", ""],
    ["a 502", () => ({ status: 502 }), "GET", ""],
    ["a 503", () => ({ status: 503 }), "GET", ""],
    ["a 504", () => ({ status: 504 }), "GET", ""],
    ["a body that is cut", () => ({ body: "ab", failure: failure("Truncated", { expected: 4 }) }), "GET", ""],
    ["a violation", () => failure("Violation"), "", ""],
    ["a head that is too large", () => failure("HeadTooLarge"), "", ""],
    ["a refusal of the platform", () => failure("Refused"), "", ""],
    ["the end of the client", () => failure("Closed"), "", ""],
    ["a 404", () => ({ status: 404 }), "", ""],
    ["a 501", () => ({ status: 501 }), "", ""]
  ]
  const methods = ["GET", "POST"] as const
  const cases = failures.flatMap(([name, answer, get, post]) =>
    methods.map((method) => [name, method, (method === "GET" ? get : post) !== "", answer] as const)
  )
  it.effect.each(cases)(
    "C33 after %s a %s is sent again: %s",
    ([, method, isRepeated, answer]) =>
      Effect.gen(function*() {
        const peer = scripted((_, count) => count === 1 ? answer() : { body: "done" })
        const http = yield* httpOn(peer, { retry: always })
        const exit = yield* Effect.exit(inTime(http.text({ url, method, ...(method === "POST" ? { body: "a" } : {}) })))
        expect([exit._tag, peer.sent.length]).toEqual(isRepeated ? ["Success", 2] : ["Failure", 1])
        expect(peer.open()).toBe(0)
      })
  )

  it.effect("C33 no request is sent again by itself, and retry: false turns the client's off", () =>
    Effect.gen(function*() {
      const peer = scripted(() => ({ status: 503 }))
      yield* Effect.flip(inTime((yield* httpOn(peer)).text(url)))
      yield* Effect.flip(inTime((yield* httpOn(peer, { retry: true })).text({ url, retry: false })))
      expect(peer.sent.length).toBe(2)
    }))

  it.effect("C33 when the schedule ends, the last answer is the result, or the last error", () =>
    Effect.gen(function*() {
      const answers = scripted((_, count) => ({ status: 503, body: String(count) }))
      const http = yield* httpOn(answers, { retry: always })
      const answer = yield* inTime(
        Effect.scoped(
          Effect.flatMap(
            http.get(url),
            ({ bytes, status }) =>
              Effect.map(bytes, (bytes) => [status, new TextDecoder().decode(bytes), answers.open()])
          )
        )
      )
      expect(answer).toEqual([503, "4", 1])
      const error = yield* Effect.flip(inTime(http.text(url)))
      expect(error).toMatchObject({ _tag: "UnexpectedStatus", status: 503, text: "8", canRetry: true })
      const lost = yield* Effect.flip(
        inTime((yield* httpOn(scripted(() => failure("Lost")), { retry: always })).text(url))
      )
      expect(lost).toMatchObject({ _tag: "ConnectionLost", canRetry: true })
    }))

  it.effect("C33 the default is three more tries, after about 0.5, 1 and 2 seconds", () =>
    Effect.gen(function*() {
      const peer = scripted(() => ({ status: 503 }))
      const http = yield* httpOn(peer, { retry: true })
      const fiber = yield* Effect.fork(Effect.exit(http.text(url)))
      // Each is spread by a fifth either way.
      for (
        const [millis, count] of [[399, 1], [201, 2], [599, 2], [601, 3], [999, 3], [1401, 4], [9000, 4]] as const
      ) {
        yield* TestClock.adjust(millis)
        expect([millis, peer.sent.length]).toEqual([millis, count])
      }
      expect((yield* Fiber.join(fiber))._tag).toBe("Failure")
    }))

  it.effect("C33 the failed answer is released before the pause, and an interruption ends the pause", () =>
    Effect.gen(function*() {
      const peer = scripted(() => ({ status: 503, body: "later" }))
      const http = yield* httpOn(peer, { retry: always })
      for (const call of [http.text(url), Effect.scoped(http.get(url))]) {
        const before = peer.sent.length
        const fiber = yield* Effect.fork<unknown, unknown, never>(call)
        yield* TestClock.adjust(50)
        expect([peer.sent.length - before, peer.open()]).toEqual([1, 0])
        yield* Fiber.interrupt(fiber)
        yield* TestClock.adjust("1 hours")
        expect(peer.sent.length - before).toBe(1)
      }
    }))

  it.effect("C33 a retry begins at the first URL, with what the first hop says", () =>
    Effect.gen(function*() {
      const peer = scripted(({ url }, count): Reply =>
        url.endsWith("/")
          ? { status: 302, fields: [["Location", "http://b.test/x"]] }
          : { status: count < 3 ? 503 : 200 }
      )
      const http = yield* httpOn(peer, { retry: always, auth: { user: "ada" } })
      yield* inTime(http.text(url))
      expect(peer.sent.map(({ header, url }) => [url, header("authorization") !== undefined])).toEqual([
        [url, true],
        ["http://b.test/x", false],
        [url, true],
        ["http://b.test/x", false]
      ])
    }))

  it.effect("C33 a body that can be made again is, and its own failure is not tried again", () =>
    Effect.gen(function*() {
      let made = 0
      const body = Body.from(Effect.sync(() => {
        made++
        return Stream.make(new TextEncoder().encode("abc"))
      }))
      const peer = scripted((_, count) => count < 3 ? failure("Lost", { sent: 0 }) : { body: "done" })
      const http = yield* httpOn(peer, { retry: always })
      expect(yield* inTime(http.text(Http.retrying(always)({ url, method: "PUT", body })))).toBe("done")
      expect([made, peer.sent.length]).toEqual([3, 3])

      // An error with the tag of one of ours.
      const failing = Body.from(Effect.sync(() => Stream.fail(connectError)))
      const count = peer.sent.length
      const error = yield* Effect.flip(inTime(http.text({ url, method: "PUT", body: failing })))
      expect([error, peer.sent.length]).toEqual([connectError, count + 1])
    }))

  it.effect("C33 a client that retries sends a body that can be given once only once", () =>
    Effect.gen(function*() {
      const peer = scripted(() => failure("Lost", { sent: 0 }))
      const http = yield* httpOn(peer, { retry: always })
      const body = Body.stream(Stream.make(new Uint8Array(3)))
      yield* Effect.flip(inTime(http.text({ url, method: "PUT", body })))
      expect(peer.sent.length).toBe(1)
    }))
})

describe("a kept connection that is gone", () => {
  const stale = failure("Lost", { isReused: true, sent: 100 })
  const cases: ReadonlyArray<readonly [string, ReturnType<typeof failure>, string, boolean]> = [
    ["a GET", stale, "GET", true],
    ["a PUT", stale, "PUT", true],
    ["a DELETE", stale, "DELETE", true],
    ["a POST", stale, "POST", false],
    ["a PATCH", stale, "PATCH", false],
    ["a GET of which a byte of the answer came", failure("Lost", { isReused: true, received: 1 }), "GET", false],
    ["a GET on a new connection", failure("Lost"), "GET", false],
    ["a GET that timed out", failure("TimedOut", { isReused: true }), "GET", false]
  ]
  it.effect.each(cases)(
    "C33 %s is sent once more, without an option: %4$s",
    ([, lost, method, isRepeated]) =>
      Effect.gen(function*() {
        const peer = scripted((_, count) => count === 1 ? lost : {})
        const http = yield* httpOn(peer)
        const body = method === "PUT" ? { body: Body.from(Effect.succeed(Stream.make(new Uint8Array(3)))) } : {}
        const exit = yield* Effect.exit(http.text({ url, method, ...body }))
        expect([exit._tag, peer.sent.length]).toEqual(isRepeated ? ["Success", 2] : ["Failure", 1])
      })
  )

  it.effect("C33 it is sent once more at most, at each try", () =>
    Effect.gen(function*() {
      const peer = scripted(() => stale)
      const http = yield* httpOn(peer)
      expect(yield* Effect.flip(http.text(url))).toMatchObject({
        _tag: "ConnectionLost",
        isReused: true,
        canRetry: true
      })
      expect(peer.sent.length).toBe(2)
      const body = Body.stream(Stream.make(new Uint8Array(3)))
      yield* Effect.flip(http.text({ url, method: "PUT", body }))
      expect(peer.sent.length).toBe(3)
    }))
})

describe("tokens", () => {
  const counted = () => {
    let count = 0
    return { token: Effect.sync(() => Redacted.make(`t${++count}`)), count: () => count }
  }
  const bearer = ({ header }: Sent) => header("authorization")

  it.effect("C33 a token is got for each request, and once more at 401; a second 401 is the answer", () =>
    Effect.gen(function*() {
      const auth = counted()
      const peer = scripted((sent) => ({ status: bearer(sent) === "Bearer t2" ? 200 : 401 }))
      const http = yield* httpOn(peer, { auth })
      yield* http.text(url)
      expect(peer.sent.map(bearer)).toEqual(["Bearer t1", "Bearer t2"])
      const error = yield* Effect.flip(http.text(url))
      expect([error._tag, auth.count(), peer.open()]).toEqual(["UnexpectedStatus", 4, 0])
    }))

  it.effect("C33 a 401 is the answer where the token is fixed, or the body cannot be given again", () =>
    Effect.gen(function*() {
      const peer = scripted(() => ({ status: 401 }))
      const http = yield* httpOn(peer)
      yield* Effect.flip(http.text({ url, auth: { token: Redacted.make("t") } }))
      expect(peer.sent.length).toBe(1)
      const body = Body.stream(Stream.make(new Uint8Array(3)))
      yield* Effect.flip(http.text({ url, auth: counted(), body }))
      expect(peer.sent.length).toBe(2)
      yield* Effect.flip(http.text({ url, auth: counted(), body: "again" }))
      expect(peer.sent.slice(2).map(({ body }) => new TextDecoder().decode(body as Uint8Array))).toEqual([
        "again",
        "again"
      ])
    }))

  it.effect("C33 a token that cannot be had, or cannot be sent, fails the request before it is sent", () =>
    Effect.gen(function*() {
      const peer = scripted(() => ({}))
      const http = yield* httpOn(peer)
      const failed = yield* Effect.flip(http.text({ url, auth: { token: Effect.fail("no network") } }))
      expect(failed).toMatchObject({ _tag: "CredentialsFailed", method: "GET", url, cause: "no network" })
      const wrong = yield* Effect.flip(http.text({ url, auth: { token: Effect.succeed(Redacted.make("a\r\nb")) } }))
      expect(wrong).toMatchObject({ _tag: "InvalidRequest", field: "auth" })
      expect(peer.sent).toEqual([])
    }))
})
