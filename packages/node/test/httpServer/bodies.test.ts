/** The HTTP server's bodies: limits, what clients send too much or cut, and what handlers give too much or too little. */
import { Copas } from "@copas/core"
import { FileSystem, HttpIncomingMessage, HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Either, FastCheck as FC, Fiber, Option, type Scope, Stream } from "effect"
import { Chunks } from "../../src/internal/httpServer/body.js"
import { kept } from "../kept.js"
import { until } from "../turns.js"
import {
  answer,
  type App,
  connect,
  everything,
  get,
  last,
  networks,
  post,
  serve,
  type Services,
  statuses,
  talk
} from "./serving.js"

const limit = 10_000
const { HttpServerRequest: Request } = HttpServerRequest

const boundary = "XX"
const asPart = (body: string): string =>
  `--${boundary}\r\nContent-Disposition: form-data; name="f"; filename="f.bin"\r\n` +
  `Content-Type: application/octet-stream\r\n\r\n${body}\r\n--${boundary}--\r\n`

/** Each way in which a handler takes a body. */
const readers: ReadonlyArray<readonly [name: string, read: Effect.Effect<unknown, unknown, any>]> = [
  ["text", Effect.flatMap(Request, (request) => request.text)],
  ["json", Effect.flatMap(Request, (request) => request.json)],
  ["urlParamsBody", Effect.flatMap(Request, (request) => request.urlParamsBody)],
  ["arrayBuffer", Effect.flatMap(Request, (request) => request.arrayBuffer)],
  ["stream", Effect.flatMap(Request, (request) => Stream.runDrain(request.stream))],
  ["multipart", Effect.flatMap(Request, (request) => Effect.scoped(request.multipart))],
  [
    "multipartStream",
    Effect.flatMap(
      Request,
      (request) =>
        Stream.runForEach(
          request.multipartStream,
          (part) => part._tag === "File" ? Stream.runDrain(part.content) : Effect.void
        )
    )
  ]
]

const reading = (read: Effect.Effect<unknown, unknown, any>): App =>
  Effect.provide(Effect.as(read, HttpServerResponse.text("taken")), NodeContext.layer) as App

const chunked = (body: string): string => {
  let text = ""
  for (let at = 0; at < body.length; at += 1000) {
    const piece = body.slice(at, at + 1000)
    text += `${piece.length.toString(16)}\r\n${piece}\r\n`
  }
  return `${text}0\r\n\r\n`
}

const multipart = `Content-Type: multipart/form-data; boundary=${boundary}\r\n`

describe("chunks of a body", () => {
  it("X01 they become what came, and may be gathered again", () => {
    FC.assert(FC.property(FC.array(FC.uint8Array({ maxLength: 3 }), { maxLength: 2000 }), (all) => {
      const chunks = new Chunks()
      for (const whole of [Buffer.concat(all), Buffer.alloc(0)]) {
        expect(chunks.take().length).toBe(0)
        if (whole.length > 0) { for (const chunk of all) chunks.add(chunk) }
        expect(chunks.take().equals(whole)).toBe(true)
      }
    }))
  })

  it.live("X01 a body that comes a byte at a time takes little more than its bytes", () =>
    Effect.gen(function*() {
      const chunks = new Chunks()
      const block = Buffer.alloc(1000, "x")
      const before = yield* kept
      for (let at = 0; at < 500_000; at++) chunks.add(block.subarray(at % 1000, at % 1000 + 1))
      const after = yield* kept
      expect(after.heap - before.heap + after.buffers - before.buffers).toBeLessThan(4_000_000)
      expect(chunks.take().equals(Buffer.alloc(500_000, "x"))).toBe(true)
    }))
})

for (const [name, network] of networks) {
  describe(`NodeHttpServer on ${name}`, () => {
    const test = (title: string, effect: Effect.Effect<void, unknown, Services | Scope.Scope>) =>
      it.scopedLive(title, () => Effect.provide(effect, network))

    for (const [reader, read] of readers) {
      const isMultipart = reader.startsWith("multipart")
      const fields = isMultipart ? multipart : ""
      const large = isMultipart ? asPart("x".repeat(2_000_000)) : `"${"x".repeat(2_000_000)}"`
      const small = isMultipart ? asPart("x") : `"x"`

      test(
        `X01 a body past the limit is 413, taken by ${reader}, also to a client that sends it all before it reads`,
        Effect.gen(function*() {
          const port = yield* serve(reading(read), { limits: { body: limit } })
          const announced = post("/", large, fields)
          const inChunks = `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n${fields}\r\n${chunked(large)}`
          for (const text of [announced, inChunks]) {
            const socket = yield* connect(port)
            const sending = yield* Effect.fork(Effect.ignore(socket.send(text)))
            const { body, fields, status } = yield* answer(socket)
            expect([status, body, fields["connection"]]).toEqual([413, "", "close"])
            yield* Fiber.interrupt(sending)
            yield* socket.abort
          }
          expect(statuses(yield* talk(port, post("/", small, fields + last)))).toEqual([200])
        })
      )
    }

    test(
      "X01 a route has a limit of its own by withMaxBodySize, larger or smaller",
      Effect.gen(function*() {
        const text = Effect.map(
          Effect.flatMap(Request, (request) => request.text),
          (text) => HttpServerResponse.text(String(text.length))
        )
        const sized = (size: number) => HttpIncomingMessage.withMaxBodySize(text, Option.some(FileSystem.Size(size)))
        const port = yield* serve(
          HttpRouter.empty.pipe(HttpRouter.post("/small", sized(3)), HttpRouter.post("/large", sized(50_000))),
          { limits: { body: limit } }
        )
        expect(statuses(yield* talk(port, post("/small", "four", last)))).toEqual([413])
        expect(yield* talk(port, post("/large", "x".repeat(50_000), last))).toMatch(/50000$/)
        expect(statuses(yield* talk(port, post("/large", "x".repeat(50_001), last)))).toEqual([413])
      })
    )

    test(
      "X01 a body that no handler reads: a short one is dropped and the connection kept, a long one ends it after the answer",
      Effect.gen(function*() {
        const port = yield* serve(Effect.succeed(HttpServerResponse.text("unread")))
        const socket = yield* connect(port)
        yield* socket.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\nx")
        expect(yield* answer(socket)).toMatchObject({ status: 200, body: "unread" })
        yield* socket.send("x".repeat(49_999) + get("/", last))
        expect(yield* everything(socket)).toMatch(/Connection: close[^]*unread$/)
        const second = yield* connect(port)
        yield* second.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\nx")
        expect(yield* everything(second)).toMatch(/Connection: close[^]*unread$/)
      })
    )

    test(
      "X01 what is behind a body that no handler read is no request",
      Effect.gen(function*() {
        const seen: Array<string> = []
        const port = yield* serve(Effect.map(Request, ({ url }) => {
          seen.push(url)
          return HttpServerResponse.text("unread")
        }))
        const hidden = get("/hidden", last)
        yield* talk(port, `POST /open HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n${hidden}`)
        expect(seen).toEqual(["/open"])
      })
    )

    test(
      "X01 a body is read twice as a whole, and in pieces where it was read as a whole before",
      Effect.gen(function*() {
        const port = yield* serve(Effect.gen(function*() {
          const request = yield* Request
          const [one, two] = yield* Effect.all([request.text, request.json], { concurrency: 2 })
          const three = yield* Stream.mkString(Stream.decodeText(request.stream))
          return HttpServerResponse.unsafeJson([one, two, three])
        }))
        expect(yield* talk(port, post("/", `{"a":1}`, last))).toContain(
          JSON.stringify([`{"a":1}`, { a: 1 }, `{"a":1}`])
        )
      })
    )

    test(
      "X01 a client that leaves within its body interrupts the handler that reads it",
      Effect.gen(function*() {
        const begun = yield* Deferred.make<void>()
        const ended = yield* Deferred.make<string>()
        const port = yield* serve(HttpRouter.post(
          HttpRouter.empty,
          "/",
          Effect.gen(function*() {
            const request = yield* Request
            yield* Effect.addFinalizer((exit) => Deferred.succeed(ended, exit._tag))
            yield* Deferred.succeed(begun, undefined)
            yield* request.text
            return HttpServerResponse.text("all")
          })
        ))
        const socket = yield* connect(port)
        yield* socket.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfour")
        yield* Deferred.await(begun)
        yield* socket.abort
        expect(yield* Deferred.await(ended)).toBe("Failure")
      })
    )

    const broken: ReadonlyArray<
      readonly [what: string, response: HttpServerResponse.HttpServerResponse, told: RegExp]
    > = [
      [
        "fails in the middle",
        HttpServerResponse.stream(Stream.concat(Stream.make(Buffer.from("half")), Stream.fail("broken"))),
        /broken/
      ],
      [
        "dies in the middle",
        HttpServerResponse.stream(Stream.concat(Stream.make(Buffer.from("half")), Stream.dieMessage("broken"))),
        /broken/
      ],
      [
        "gives less than its Content-Length",
        HttpServerResponse.stream(Stream.make(Buffer.from("half")), { contentLength: 8 }),
        /gave 4 bytes where its Content-Length is 8/
      ],
      [
        "gives more than its Content-Length",
        HttpServerResponse.stream(Stream.make(Buffer.from("half"), Buffer.from("and more")), { contentLength: 8 }),
        /more bytes than its Content-Length of 8/
      ]
    ]
    for (const [what, response, told] of broken) {
      test(
        `X01 a stream that ${what} cuts the connection: the client does not take the answer for whole, and it is reported`,
        Effect.gen(function*() {
          const failures: Array<string> = []
          yield* Copas.setErrorHandler((cause) => Effect.sync(() => failures.push(String(cause))))
          const port = yield* serve(Effect.succeed(response))
          for (const version of ["1.1", "1.0"]) {
            const said = yield* Effect.either(
              talk(port, `GET / HTTP/${version}\r\nHost: a\r\n\r\n${get("/next", last)}`)
            )
            // Whether some of it arrives before the reset is not for the server to say.
            expect(said._tag).toBe("Left")
          }
          yield* until(Effect.sync(() => failures.length === 2))
          expect(failures[0]).toMatch(told)
        })
      )
    }

    test(
      "X01 a stream that fails before it gave anything is answered 500, or cut",
      Effect.gen(function*() {
        yield* Copas.setErrorHandler(() => Effect.void)
        const port = yield* serve(Effect.succeed(HttpServerResponse.stream(Stream.fail("broken"))))
        const said = yield* Effect.either(talk(port, get("/") + get("/", last)))
        // Where the machine was too slow, the head was on its way, and the connection was cut.
        if (Either.isRight(said)) expect(statuses(said.right)).toEqual([500, 500])
      })
    )

    test(
      "X06 204, 205, 304 and answers to HEAD have no body on the wire, whatever the handler gives",
      Effect.gen(function*() {
        const port = yield* serve(Effect.map(Request, ({ url }) => {
          const options = { status: Number(url.slice(1)) }
          return url.endsWith("0") || url.endsWith("4")
            ? HttpServerResponse.text("a body", options)
            : HttpServerResponse.stream(Stream.make(Buffer.from("a body")), options)
        }))
        for (const status of [204, 205, 304]) {
          const said = yield* talk(port, get(`/${status}`) + get("/200", last))
          expect(said).toMatch(new RegExp(`^HTTP/1.1 ${status} [^]*?\r\n\r\nHTTP/1.1 200 OK`))
          if (status !== 304) {
            expect(said.slice(0, said.indexOf("\r\n\r\n"))).not.toMatch(/content-length: [1-9]|chunked/i)
          }
        }
        const said = yield* talk(port, `HEAD /200 HTTP/1.1\r\nHost: a\r\n\r\n${get("/200", last)}`)
        expect(said).toMatch(/^HTTP\/1.1 200 OK[^]*?content-length: 6[^]*?\r\n\r\nHTTP\/1.1 200 OK/i)
      })
    )

    test(
      "X01 a field that would break out of the head, a status that is none, and a body of another length are 500 and reported",
      Effect.gen(function*() {
        const failures: Array<string> = []
        yield* Copas.setErrorHandler((cause) => Effect.sync(() => failures.push(String(cause))))
        const answers: Readonly<Record<string, HttpServerResponse.HttpServerResponse>> = {
          "/crlf": HttpServerResponse.text("x", { headers: { "x-a": "b\r\nx-c: d" } }),
          "/nul": HttpServerResponse.text("x", { headers: { "x-a": "b\u0000" } }),
          "/wide": HttpServerResponse.text("x", { headers: { "x-a": "\u4e2d" } }),
          "/name": HttpServerResponse.text("x", { headers: { "x a": "b" } }),
          "/cookie": HttpServerResponse.empty({ headers: { "set-cookie": "a=b\r\nx-c: d" } }),
          "/100": HttpServerResponse.empty({ status: 100 }),
          "/1000": HttpServerResponse.empty({ status: 1000 }),
          "/length": HttpServerResponse.empty({ status: 200, headers: { "content-length": "5" } }),
          "/raw": HttpServerResponse.raw("body", { headers: { "content-length": "5" } }),
          "/object": HttpServerResponse.raw({ no: "body" })
        }
        const port = yield* serve(Effect.map(Request, ({ url }) => answers[url]!))
        for (const target of Object.keys(answers)) {
          const said = yield* talk(port, get(target) + get(target, last))
          expect([target, ...statuses(said)]).toEqual([target, 500, 500])
          expect(said).not.toMatch(/x-c: d/)
        }
        // The answer goes out before the failure is reported.
        yield* until(Effect.sync(() => failures.length === 2 * Object.keys(answers).length))
      })
    )

    test(
      "X06 requests that come while one is answered wait, in order, and no more of them is read",
      Effect.gen(function*() {
        const go = yield* Deferred.make<void>()
        const begun = yield* Deferred.make<void>()
        const seen: Array<string> = []
        const port = yield* serve(Effect.gen(function*() {
          const { url } = yield* Request
          seen.push(url)
          if (url === "/0") {
            yield* Deferred.succeed(begun, undefined)
            yield* Deferred.await(go)
          }
          return HttpServerResponse.text(url)
        }))
        const socket = yield* connect(port)
        yield* socket.send(get("/0"))
        yield* Deferred.await(begun)
        const count = 10_000
        const padding = `X-Padding: ${"x".repeat(900)}\r\n`
        const all = Array.from(
          { length: count },
          (_, at) => get(`/${at + 1}`, at + 1 === count ? padding + last : padding)
        )
        const sending = yield* Effect.fork(Effect.forEach(all, (one) => socket.send(one), { discard: true }))
        // Nothing reads the 10 MB: they wait in the systems' buffers and at the client.
        const unsent = Effect.map(socket.stats, ({ bytesSent, sendBuffered }) => sendBuffered > 0 ? bytesSent : 0)
        let before = 0
        yield* until(Effect.zipRight(
          Effect.repeatN(Effect.yieldNow(), 50),
          Effect.map(unsent, (sent) => {
            const stands = sent > 0 && sent === before
            before = sent
            return stands
          })
        ))
        expect(before).toBeLessThan(9_000_000)
        expect(seen).toEqual(["/0"])
        yield* Deferred.succeed(go, undefined)
        const said = yield* everything(socket)
        yield* Fiber.join(sending)
        expect(statuses(said).length).toBe(count + 1)
        expect(seen).toEqual(Array.from({ length: count + 1 }, (_, at) => `/${at}`))
      })
    )
  })
}
