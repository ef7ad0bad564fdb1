/** Answers that are none, that come twice, and those that come before the answer. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { Http } from "../../src/index.js"
import { HttpPeer } from "../../src/testing/index.js"
import { text, until } from "../ftp/networks.js"
import { answering, failsWith, platforms, saying, went } from "./support.js"

const ok = (fields: string, body = "abc"): string => `HTTP/1.1 200 OK\r\n${fields}\r\n${body}`

/** None of them is an answer of HTTP/1.1 (RFC 9112). */
const malformed: ReadonlyArray<readonly [name: string, bytes: string]> = [
  ["a length and chunks", ok("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n")],
  ["chunks and a length", ok("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "3\r\nabc\r\n0\r\n\r\n")],
  ["two lengths that differ", ok("Content-Length: 3\r\nContent-Length: 4\r\n")],
  ["two lengths in one field", ok("Content-Length: 3, 4\r\n")],
  ["two equal lengths", ok("Content-Length: 3\r\nContent-Length: 3\r\n")],
  ["a length with a sign", ok("Content-Length: +3\r\n")],
  ["a negative length", ok("Content-Length: -3\r\n")],
  ["a length in hexadecimal", ok("Content-Length: 0x3\r\n")],
  ["a length that is no number", ok("Content-Length: three\r\n")],
  ["an empty length", ok("Content-Length: \r\n")],
  ["a length past every number", ok("Content-Length: 99999999999999999999999\r\n")],
  ["a bare LF after the status line", "HTTP/1.1 200 OK\nContent-Length: 3\r\n\r\nabc"],
  ["bare LFs", "HTTP/1.1 200 OK\nContent-Length: 3\n\nabc"],
  ["a bare CR in a value", ok("A: b\rC: d\r\nContent-Length: 3\r\n")],
  ["NUL in a value", ok("A: b\0c\r\nContent-Length: 3\r\n")],
  ["a name with a blank", ok("A b: c\r\nContent-Length: 3\r\n")],
  ["a blank before the colon", ok("Content-Length : 3\r\n")],
  ["a line without a colon", ok("nothing\r\nContent-Length: 3\r\n")],
  ["an empty name", ok(": x\r\nContent-Length: 3\r\n")],
  ["the status 099", "HTTP/1.1 099 x\r\nContent-Length: 3\r\n\r\nabc"],
  ["a status of two digits", "HTTP/1.1 20 x\r\nContent-Length: 3\r\n\r\nabc"],
  ["a status of letters", "HTTP/1.1 abc x\r\nContent-Length: 3\r\n\r\nabc"],
  ["no status", "HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"],
  ["another protocol's version", "HTTP/3.0 200 OK\r\nContent-Length: 3\r\n\r\nabc"],
  ["a greeting of SSH", "SSH-2.0-OpenSSH_9.2\r\n"],
  ["a greeting of SMTP", "220 mail.test ESMTP\r\n"],
  ["HTML alone", "<html><body>hello</body></html>"],
  ["an alert of TLS", "\x15\x03\x01\x00\x02\x02\x46"],
  ["a chunk size that is none", ok("Transfer-Encoding: chunked\r\n", "x\r\nabc\r\n0\r\n\r\n")],
  ["a chunk size with a sign", ok("Transfer-Encoding: chunked\r\n", "+3\r\nabc\r\n0\r\n\r\n")],
  ["a chunk size past every number", ok("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\nabc\r\n0\r\n\r\n")],
  ["a chunk longer than its size", ok("Transfer-Encoding: chunked\r\n", "2\r\nabc\r\n0\r\n\r\n")],
  ["a trailer that is none", ok("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\nno trailer\r\n\r\n")],
  ["an upgrade that was not asked for", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"]
]

describe.each(platforms)("answers, %s", (_, platform) => {
  it.scoped.each(malformed)(
    "C33 %s is HttpProtocolViolation, says what came, and the connection is gone",
    ([, bytes]) =>
      Effect.gen(function*() {
        const peer = yield* saying(Buffer.from(bytes, "latin1"), "halfClose")
        const http = yield* Http.make()
        const error = yield* failsWith(http.bytes(peer.url), "HttpProtocolViolation")
        expect(error).toMatchObject({ method: "GET", url: `${peer.url}/`, hop: 0 })
        expect(error.detail).not.toBe("")
        // The client has closed it: the peer sent its own end only.
        yield* peer.awaitOpen(0)
        yield* went(peer)
      }).pipe(Effect.provide(platform))
  )

  it.scoped.each(
    [["SSH", "SSH-2.0-OpenSSH_9.2\r\n"], ["SMTP", "220 mail.test ESMTP\r\n"], ["FTP", "220 ready\r\n"]] as const
  )(
    "C33 a server that greets before the request, as %s does, is HttpProtocolViolation, and says what came",
    ([, greeting]) =>
      Effect.gen(function*() {
        const peer = yield* HttpPeer.make({
          script: (connection) => Effect.zipRight(connection.send(greeting), connection.end("silence"))
        })
        const http = yield* Http.make()
        const error = yield* failsWith(http.bytes(peer.url), "HttpProtocolViolation")
        expect(error.detail).toContain(greeting.slice(0, 4))
      }).pipe(Effect.provide(platform))
  )

  it.scoped("C33 a head that is cut is lost, and not a violation", () =>
    Effect.gen(function*() {
      const whole = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
      const http = yield* Http.make()
      for (let length = 0; length < whole.length; length += 3) {
        const peer = yield* saying(whole.slice(0, length))
        const error = yield* failsWith(http.bytes(peer.url), "ConnectionLost")
        expect(error).toMatchObject({ phase: "response", received: length, isReused: false, canRetry: true })
      }
    }).pipe(Effect.provide(platform)))

  it.scoped("C33 a head of 100 kB, and one of too many fields, is HttpHeadTooLarge; a limit changes that", () =>
    Effect.gen(function*() {
      const peer = yield* answering({
        "/large": { fields: { A: "b".repeat(100_000) }, body: "abc" },
        "/many": { fields: Array.from({ length: 1100 }, (_, at) => [`A${at}`, "b"] as const), body: "abc" },
        "/trailers": {
          body: ["abc"],
          trailers: Array.from({ length: 1100 }, (_, at) => [`A${at}`, "b"] as const)
        }
      })
      const http = yield* Http.make()
      for (const target of ["/large", "/many", "/trailers"]) {
        const error = yield* failsWith(http.bytes(peer.url + target), "HttpHeadTooLarge")
        expect(error.url).toBe(peer.url + target)
        yield* peer.awaitOpen(0)
      }
      const limits = { head: 200_000, fields: 2000 }
      for (const target of ["/large", "/many"]) {
        expect(text(yield* http.bytes({ url: peer.url + target, limits }))).toBe("abc")
      }
    }).pipe(Effect.provide(platform)))

  it.scoped("C33 a head that never ends is HttpHeadTooLarge, with no more than the limit and a buffer in memory", () =>
    Effect.gen(function*() {
      const line = Buffer.from(`A: ${"b".repeat(1000)}\r\n`)
      const seen = { sent: 0 }
      const peer = yield* HttpPeer.make({
        script: (connection) =>
          connection.request.pipe(
            Effect.zipRight(connection.send("HTTP/1.1 200 OK\r\n")),
            Effect.zipRight(Effect.forever(Effect.tap(connection.send(line), () =>
              Effect.sync(() => {
                seen.sent += line.length
              }))))
          )
      })
      const http = yield* Http.make()
      yield* failsWith(http.bytes(peer.url), "HttpHeadTooLarge")
      yield* peer.awaitOpen(0)
      expect(seen.sent).toBeLessThan(8 << 20)
    }).pipe(Effect.provide(platform)))

  const endless: ReadonlyArray<readonly [what: string, start: string, more: string, phase: string]> = [
    ["a reason phrase", "HTTP/1.1 200 ", "O", "response"],
    ["line ends before the answer", "", "\r\n", "response"],
    ["a chunk's extension", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;", "x", "receive"],
    ["zeros before a chunk's size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "0", "receive"]
  ]
  it.scoped.each(endless)(
    "C33 %s without an end ends with the time-out of its phase",
    ([, start, more, phase]) =>
      Effect.gen(function*() {
        const seen = { sent: 0 }
        const part = more.repeat(16_384)
        const peer = yield* HttpPeer.make({
          script: (connection) =>
            Effect.gen(function*() {
              yield* connection.request
              yield* connection.send(start)
              while (seen.sent < 4 << 20) {
                yield* connection.send(part)
                seen.sent += part.length
              }
              return yield* connection.end("silence")
            })
        })
        const http = yield* Http.make()
        const fiber = yield* Effect.fork(Effect.flip(http.bytes(peer.url)))
        yield* until(Effect.sync(() => seen.sent >= 4 << 20))
        yield* TestClock.adjust("60 seconds")
        expect(yield* Fiber.join(fiber)).toMatchObject({ _tag: "HttpTimeout", phase, after: 60_000 })
      }).pipe(Effect.provide(platform))
  )

  it.scoped.each(
    [
      ["by length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"],
      ["by chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"],
      ["without a body", "HTTP/1.1 204 No Content\r\n\r\n"],
      ["of an empty body", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]
    ] as const
  )(
    "C33 an answer %s that another one follows in the same packet is the request's; the next request is not answered by it",
    ([, own]) =>
      Effect.gen(function*() {
        const surplus = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Evil: y\r\n\r\nevil"
        const peer = yield* HttpPeer.make({
          handler: () => ({ body: "right" }),
          script: [
            (connection) =>
              Effect.gen(function*() {
                yield* connection.request
                yield* connection.send(own + surplus)
                yield* connection.serve
              }),
            (connection) => connection.serve
          ]
        })
        const http = yield* Http.make({ pool: { connections: 1 } })
        const first = yield* http.request(peer.url)
        expect(first.header("x-evil")).toBeUndefined()
        expect(text(first.bytes)).toBe(/abc/.test(own) ? "abc" : "")
        expect(yield* http.text(`${peer.url}/second`)).toBe("right")
        const requests = yield* peer.requests
        // A request that went out before the surplus was seen is not repeated on it; it is answered on a new connection.
        expect(requests.at(-1)).toMatchObject({ target: "/second", connection: 2 })
        yield* went(peer)
      }).pipe(Effect.provide(platform))
  )

  it.scoped("C33 the body of an answer to HEAD, and bytes after a length, are not taken for the next answer", () =>
    Effect.gen(function*() {
      const peer = yield* HttpPeer.make({
        handler: ({ method }) =>
          method === "HEAD"
            ? "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
            : { body: "right" }
      })
      const http = yield* Http.make({ pool: { connections: 1 } })
      const head = yield* http.request({ method: "HEAD", url: peer.url })
      expect([head.status, text(yield* head.bytes)]).toEqual([200, ""])
      expect(yield* http.text(peer.url)).toBe("right")
    }).pipe(Effect.provide(platform)))

  it.scoped("C33 103 and 102 are passed over, and the answer shows them", () =>
    Effect.gen(function*() {
      const peer = yield* HttpPeer.make({
        script: (connection) =>
          Effect.gen(function*() {
            yield* connection.request
            yield* connection.answer({ status: 103, fields: { Link: "</a>" } })
            yield* connection.answer({ status: 102 })
            yield* connection.answer({ status: 103, fields: { Link: "</b>", "x-A": "y" } })
            yield* connection.answer({ body: "abc" })
            yield* connection.serve
          })
      })
      const http = yield* Http.make()
      const answer = yield* http.request(peer.url)
      expect([answer.status, text(answer.bytes)]).toEqual([200, "abc"])
      expect(answer.informational).toEqual([
        { status: 103, fields: [["Link", "</a>"]] },
        { status: 102, fields: [] },
        { status: 103, fields: [["Link", "</b>"], ["x-A", "y"]] }
      ])
      yield* went(peer)
    }).pipe(Effect.provide(platform)))

  it.scoped.each([["one 100", 1], ["a hundred", 100]] as const)(
    "C33 %s that nobody asked for is a typed error that says so",
    ([, count]) =>
      Effect.gen(function*() {
        const peer = yield* saying(`${"HTTP/1.1 100 Continue\r\n\r\n".repeat(count)}${ok("Content-Length: 3\r\n")}`)
        const http = yield* Http.make()
        const error = yield* failsWith(http.bytes(peer.url), "HttpProtocolViolation")
        expect(error.detail).toContain("100")
      }).pipe(Effect.provide(platform))
  )

  it.scoped("C33 endless informational answers are a typed error within a bound", () =>
    Effect.gen(function*() {
      const hints = Buffer.from(`HTTP/1.1 103 Early Hints\r\nLink: <${"x".repeat(500)}>\r\n\r\n`)
      const peer = yield* HttpPeer.make({
        script: (connection) => Effect.zipRight(connection.request, Effect.forever(connection.send(hints)))
      })
      const http = yield* Http.make()
      yield* failsWith(http.bytes(peer.url), "HttpProtocolViolation")
      yield* peer.awaitOpen(0)
    }).pipe(Effect.provide(platform)))
})
