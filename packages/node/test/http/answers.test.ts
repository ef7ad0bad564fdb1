/** Answers that are cut, malformed, surplus or too long: which failure they are, and that the connection is gone. */
import { Net } from "@copas/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { inspect } from "node:util"
import { turn } from "../turns.js"
import { exchange, failureOf, fetched, networks, ok, request, route, serve, whole } from "./exchanging.js"

/** A server whose n-th connection answers its first request with the n-th text and closes, or, after a `…`, stays open. */
const saying = (...texts: ReadonlyArray<string>) =>
  serve((peer) =>
    Effect.gen(function*() {
      yield* peer.head
      const text = texts[Math.min(peer.number, texts.length) - 1]!
      yield* peer.send(text.replace(/…$/, ""))
      if (text.endsWith("…")) yield* peer.socket.receive()
    })
  )

const malformed: ReadonlyArray<readonly [what: string, text: string]> = [
  ["a length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc"],
  [
    "chunks and a length",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
  ],
  ["lengths that differ", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"],
  ["two equal lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc"],
  ["a list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc"],
  ["a length with a sign", "HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc"],
  ["a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc"],
  ["a length of twenty digits", `HTTP/1.1 200 OK\r\nContent-Length: ${"9".repeat(20)}\r\n\r\nabc`],
  ["a length that is no number", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nabc"],
  ["lines that end in LF alone", "HTTP/1.1 200 OK\nContent-Length: 3\n\nabc"],
  ["a field that ends in LF alone", "HTTP/1.1 200 OK\r\nX: y\nContent-Length: 3\r\n\r\nabc"],
  ["a bare CR in a value", "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n"],
  ["NUL in a value", "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n"],
  ["a blank in a name", "HTTP/1.1 200 OK\r\nX Y: 1\r\nContent-Length: 0\r\n\r\n"],
  ["a blank before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n"],
  ["an empty name", "HTTP/1.1 200 OK\r\n: 1\r\nContent-Length: 0\r\n\r\n"],
  ["a folded field", "HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\nContent-Length: 0\r\n\r\n"],
  ["a status of 099", "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n"],
  ["a status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"],
  ["no status", "HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n"],
  ["HTTP/3.7", "HTTP/3.7 200 OK\r\nContent-Length: 0\r\n\r\n"],
  ["an answer without a head", "hello\r\n\r\n"],
  ["the greeting of SSH", "SSH-2.0-OpenSSH_9.6\r\n"],
  ["a record of TLS", "\x15\x03\x01\0\x02\x02\x46"],
  ["a preface of HTTP/2", "\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80\0\x04\0\x01\0\0\0\x05\0\xff\xff\xff"],
  ["an unasked 100", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"],
  ["an unasked 101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"],
  ["a hundred 103", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100) + ok("x")]
]

/** They begin well, and go wrong in the body. */
const brokenBodies: ReadonlyArray<readonly [what: string, text: string]> = [
  ["a size that is no number", "zz\r\nabc\r\n0\r\n\r\n"],
  ["a size with a sign", "+3\r\nabc\r\n0\r\n\r\n"],
  ["a size with 0x", "0x3\r\nabc\r\n0\r\n\r\n"],
  ["a size of seventeen digits", `${"f".repeat(17)}\r\nabc\r\n`],
  ["a size that ends in LF alone", "3\nabc\r\n0\r\n\r\n"],
  ["a chunk longer than its size", "3\r\nabcd\r\n0\r\n\r\n"],
  ["a chunk that ends in LF alone", "3\r\nabc\n0\r\n\r\n"],
  ["a trailer without a colon", "3\r\nabc\r\n0\r\nx\r\n\r\n"]
]

const cutBodies: ReadonlyArray<readonly [what: string, text: string, announced: number | undefined]> = [
  ["a length", "Content-Length: 10\r\n\r\nabc", 10],
  ["a length and no byte", "Content-Length: 10\r\n\r\n", 10],
  ["a length, and a connection that is to close", "Connection: close\r\nContent-Length: 10\r\n\r\nabc", 10],
  ["a chunk that is cut", "Transfer-Encoding: chunked\r\n\r\n5\r\nabc", undefined],
  ["no last chunk", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", undefined],
  ["half of the last chunk", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", undefined],
  ["no chunk", "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n", undefined]
]

for (const [name, network] of networks) {
  describe(`NodeHttpTransport on ${name}`, () => {
    it.scoped("C33 malformed answers are a Violation before a head is given, and close the connection", () =>
      Effect.gen(function*() {
        for (const [what, text] of malformed) {
          const server = yield* saying(text + "…", ok("next"))
          const to = yield* route(server.port)
          const failure = yield* failureOf(fetched(to))
          expect([what, failure.kind, failure.phase]).toEqual([what, "Violation", "response"])
          expect(failure.received).toBeGreaterThan(0)
          expect(failure.detail).not.toBe("")
          yield* server.awaitNone
          expect((yield* fetched(to)).body).toBe("next")
        }
      }).pipe(Effect.provide(network)))

    it.scoped("C33 what a server says in place of a status line is shown, and that of fields is not, nor is it in the cause", () =>
      Effect.gen(function*() {
        const server = yield* saying(
          "SSH-2.0-OpenSSH_9.6\r\n…",
          "HTTP/1.1 200 OK\r\nSet-Cookie: secret\0value\r\nX-Key: secret\r\n\r\n…",
          "HTTP/1.1 100 Continue\r\n\r\n…"
        )
        const to = yield* route(server.port)
        expect((yield* failureOf(fetched(to))).detail).toContain("SSH-2.0-OpenSSH")
        const secret = yield* failureOf(fetched(to))
        expect(inspect(secret)).not.toContain("secret")
        expect((yield* failureOf(fetched(to))).detail).toContain("100")
      }).pipe(Effect.provide(network)))

    it.scoped("C33 a malformed body is a Violation after the bytes that came well", () =>
      Effect.gen(function*() {
        for (const [what, body] of brokenBodies) {
          const server = yield* saying(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body}…`)
          const answer = yield* exchange(yield* route(server.port))
          const failure = yield* failureOf(whole(answer.read))
          expect([what, failure.kind, failure.phase]).toEqual([what, "Violation", "receive"])
          yield* server.awaitNone
          expect((yield* failureOf(answer.read)).kind).toBe("Violation")
        }
      }).pipe(Effect.provide(network)))

    it.scoped("C33 a body that is cut is Truncated, with the length that it announced: never a short success", () =>
      Effect.gen(function*() {
        for (const [what, rest, announced] of cutBodies) {
          const server = yield* saying(`HTTP/1.1 200 OK\r\n${rest}`)
          const failure = yield* failureOf(
            Effect.flatMap(exchange(yield* route(server.port)), ({ read }) => whole(read))
          )
          expect([what, failure.kind, failure.phase, failure.expected]).toEqual([
            what,
            "Truncated",
            "receive",
            announced
          ])
        }
      }).pipe(Effect.provide(network)))

    it.scoped("C33 what had come of a body is given before the failure", () =>
      Effect.gen(function*() {
        const server = yield* saying("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        const { read } = yield* exchange(yield* route(server.port))
        expect(Buffer.from((yield* read)!).toString()).toBe("abc")
        expect((yield* failureOf(read)).kind).toBe("Truncated")
        expect((yield* failureOf(read)).kind).toBe("Truncated")
      }).pipe(Effect.provide(network)))

    it.scoped("C33 a body without a length ends with the connection; a connection that breaks there is Lost", () =>
      Effect.gen(function*() {
        const server = yield* serve((peer) =>
          Effect.gen(function*() {
            yield* peer.head
            yield* peer.send("HTTP/1.1 200 OK\r\n\r\nall of it")
            if (peer.number === 1) return
            yield* peer.socket.flush
            yield* peer.head.pipe(Effect.timeout("1 minute"), Effect.ignore)
          })
        )
        const to = yield* route(server.port)
        expect((yield* fetched(to)).body).toBe("all of it")
        const { connection, read } = yield* exchange(to)
        expect(Buffer.from((yield* read)!).toString()).toBe("all of it")
        const { sockets } = yield* Net.Net
        const own = (yield* sockets).filter((socket) => socket.remoteAddress === connection.remoteAddress)
        yield* Effect.forEach(own, (socket) => socket.abort, { discard: true })
        expect((yield* failureOf(whole(read))).kind).toBe("Lost")
      }).pipe(Effect.provide(network)))

    it.scoped("C33 HEAD, 204 and 304 have no body, whatever their fields say", () =>
      Effect.gen(function*() {
        const server = yield* saying(
          "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n",
          "HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n…",
          "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n…"
        )
        const head = yield* fetched(yield* route(server.port), { method: "HEAD" })
        expect(head).toMatchObject({ status: 200, body: "" })
        expect(head.fields).toEqual([["Content-Encoding", "gzip"], ["Content-Length", "5"]])
        for (const status of [204, 304]) {
          expect(yield* fetched(yield* route(server.port))).toMatchObject({ status, body: "" })
        }
      }).pipe(Effect.provide(network)))

    it.scoped("C33 a second answer in the packet of the first one is dropped with the connection", () =>
      Effect.gen(function*() {
        const server = yield* saying(ok("mine") + ok("surplus") + "…", ok("next"))
        const to = yield* route(server.port)
        expect((yield* fetched(to)).body).toBe("mine")
        expect(yield* fetched(to)).toMatchObject({ body: "next", isReused: false })
      }).pipe(Effect.provide(network)))

    it.scoped("C33 informational answers are collected, and the answer after them is the result", () =>
      Effect.gen(function*() {
        const hint = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        const server = yield* saying(`HTTP/1.1 102 Processing\r\n\r\n${hint.repeat(15)}${ok("x")}`)
        const answer = yield* exchange(yield* route(server.port))
        expect(answer.status).toBe(200)
        expect(answer.informational).toHaveLength(16)
        expect(answer.informational[0]).toEqual({ status: 102, fields: [] })
        expect(answer.informational[15]).toEqual({ status: 103, fields: [["Link", "</a>"]] })
        expect((yield* whole(answer.read)).toString()).toBe("x")
      }).pipe(Effect.provide(network)))

    it.scoped("C33 a head over the route's limits is HeadTooLarge: its bytes, its fields, and those of trailers", () =>
      Effect.gen(function*() {
        const fields = (count: number) => Array.from({ length: count }, (_, at) => `X-${at}: y\r\n`).join("")
        const chunked = "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
        const server = yield* saying(
          ok("x", `X: ${"y".repeat(100_000)}\r\n`),
          ok("x", fields(30)),
          `${chunked}${fields(30)}\r\n`,
          `${chunked}X: ${"y".repeat(100_000)}\r\n\r\n`,
          ok("x", fields(19))
        )
        const to = yield* route(server.port, { limits: { head: 4096, fields: 20 } })
        const kindAndPhase = Effect.map(failureOf(fetched(to)), ({ kind, phase }) => [kind, phase])
        expect(yield* kindAndPhase).toEqual(["HeadTooLarge", "response"])
        expect(yield* kindAndPhase).toEqual(["HeadTooLarge", "response"])
        expect(yield* kindAndPhase).toEqual(["HeadTooLarge", "receive"])
        expect(yield* kindAndPhase).toEqual(["HeadTooLarge", "receive"])
        expect((yield* fetched(to)).body).toBe("x")
      }).pipe(Effect.provide(network)))

    it.scoped("C33 a reason phrase without an end is HeadTooLarge, too", () =>
      Effect.gen(function*() {
        const server = yield* saying(`HTTP/1.1 200 ${"y".repeat(300_000)}\r\nContent-Length: 0\r\n\r\n…`)
        const failure = yield* failureOf(fetched(yield* route(server.port)))
        expect(failure.kind).toBe("HeadTooLarge")
      }).pipe(Effect.provide(network)))

    it.scoped("C33 a server that speaks before the request is a Violation, and is shown", () =>
      Effect.gen(function*() {
        const server = yield* serve((peer) => Effect.zipRight(peer.send("SSH-2.0-OpenSSH_9.6\r\n"), peer.head))
        const failure = yield* failureOf(fetched(yield* route(server.port)))
        expect(failure).toMatchObject({ kind: "Violation" })
        expect(failure.detail).toContain("SSH-2.0")
      }).pipe(Effect.provide(network)))

    it.scoped("C33 a body that only the connection's end ends is Lost if a reset ends it", () =>
      Effect.gen(function*() {
        const server = yield* serve((peer) =>
          Effect.gen(function*() {
            yield* peer.head
            yield* peer.send("HTTP/1.1 200 OK\r\n\r\nsome of it")
            yield* peer.socket.flush
            yield* peer.socket.receiveExactly(1)
            yield* peer.socket.abort
          })
        )
        const { read } = yield* exchange(yield* route(server.port), {
          method: "POST",
          body: { length: undefined, pull: Effect.zipRight(turn, Effect.succeed(Buffer.from("x"))) }
        })
        expect(Buffer.from((yield* read)!).toString()).toBe("some of it")
        expect((yield* failureOf(whole(read))).kind).toBe("Lost")
      }).pipe(Effect.provide(network)))

    it.scoped("C33 trailers are there after the body, and not before", () =>
      Effect.gen(function*() {
        const server = yield* saying(
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\n\r\n"
        )
        const answer = yield* exchange(yield* route(server.port))
        expect((yield* whole(answer.read)).toString()).toBe("abc")
        expect(answer.trailers()).toEqual([["X-Sum", "1"], ["x-sum", "2"]])
      }).pipe(Effect.provide(network)))

    it.scoped("C33 a request that undici cannot send is Refused, and nothing is sent", () =>
      Effect.gen(function*() {
        const server = yield* serve((peer) => Effect.forever(Effect.zipRight(peer.head, peer.send(ok("x")))))
        const to = yield* route(server.port)
        for (
          const wrong of [
            { fields: [["Expect", "100-continue"]] },
            { fields: [["Transfer-Encoding", "chunked"]] },
            { fields: [["X", "a\r\nb"]] },
            { fields: [["X Y", "a"]] },
            { method: "GET /x" }
          ] as const
        ) {
          expect(yield* failureOf(fetched(to, wrong))).toMatchObject({ kind: "Refused", phase: "connect", sent: 0 })
        }
        expect((yield* fetched(to)).body).toBe("x")
        expect(server.connections()).toBe(1)
        expect(request(to).url.pathname).toBe("/")
      }).pipe(Effect.provide(network)))
  })
}
