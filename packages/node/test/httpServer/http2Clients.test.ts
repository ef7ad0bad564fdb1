/** What clients of HTTP/2 may hold open, or pile up, on the HTTP server: windows kept shut, ends left out, resets, floods. */
import { Copas } from "@copas/core"
import { HttpInformational, HttpServerStatus, NodeHttpServer, NodeSocket } from "@copas/node"
import { HttpServer, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Logger, LogLevel, Option, Scope, Stream, TestClock } from "effect"
import * as Http2 from "node:http2"
import { turns } from "../http/exchanging.js"
import { portOf } from "../portOf.js"
import { type App, connect, get, last, networks, nothingLeft, serve, statuses, talk } from "./serving.js"

const { HttpServerRequest: Request } = HttpServerRequest

const frame = (type: number, flags: number, stream: number, payload: Uint8Array = new Uint8Array()): Buffer => {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** RFC 9113, section 6: the types and flags that are used here. */
const headersFrame = 1
const dataFrame = 0
const resetFrame = 3
const goAwayFrame = 7
const windowFrame = 8
const endStream = 1
const endHeaders = 4

const settings = (...pairs: ReadonlyArray<readonly [id: number, value: number]>): Buffer => {
  const payload = Buffer.alloc(pairs.length * 6)
  pairs.forEach(([id, value], at) => {
    payload.writeUInt16BE(id, at * 6)
    payload.writeUInt32BE(value, at * 6 + 2)
  })
  return frame(4, 0, 0, payload)
}

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
const windowsShut = settings([4, 0])

/** HPACK without compression (RFC 7541, section 6.2.2). */
const fields = (given: Readonly<Record<string, string>>): Buffer =>
  Buffer.concat(
    Object.entries(given).map(([name, value]) =>
      Buffer.concat([
        Buffer.from([0, name.length]),
        Buffer.from(name),
        Buffer.from([value.length]),
        Buffer.from(value)
      ])
    )
  )

const head = (given: Readonly<Record<string, string>> = {}): Buffer =>
  fields({ ":method": "GET", ":scheme": "http", ":path": "/", ":authority": "a", ...given })

/** Lets time pass until nothing is left of the connections. */
const passes = Effect.raceFirst(
  nothingLeft,
  Effect.zipRight(
    Effect.repeatN(Effect.zipRight(TestClock.adjust("5 seconds"), turns), 60),
    Effect.die("a connection is open still, after 5 minutes")
  )
)

/** A session of Node's client. */
const session = (port: number) =>
  Effect.map(Effect.flatMap(connect(port), (socket) => NodeSocket.lend(socket)), ({ stream }) => {
    const session = Http2.connect(`http://localhost:${port}`, { createConnection: () => stream })
    session.on("error", () => {})
    return session
  })

/** The status and the body of an answer, or `reset`. */
const ask = (
  session: Http2.ClientHttp2Session,
  path: string,
  headers: Http2.OutgoingHttpHeaders = {},
  hinted: (fields: Http2.IncomingHttpHeaders) => void = () => {}
): Effect.Effect<string> =>
  Effect.async((resume) => {
    const stream = session.request({ ":path": path, ...headers })
    let status: number | undefined
    let text = ""
    stream.setEncoding("latin1")
    stream.on("headers", hinted)
    stream.on("response", (fields) => {
      status = fields[":status"]
    })
    stream.on("data", (chunk: string) => {
      text += chunk
    })
    stream.on("error", () => {})
    stream.on("close", () => resume(Effect.succeed(stream.rstCode === 0 ? `${status} ${text}` : "reset")))
  })

const small: App = HttpServerResponse.text("small")

for (const [name, network] of networks) {
  describe(`NodeHttpServer, clients of HTTP/2, on ${name}`, () => {
    const opened = (app: App, ...sent: ReadonlyArray<Buffer>) =>
      Effect.gen(function*() {
        const port = yield* serve(app, { http2: "clear" })
        const socket = yield* connect(port)
        yield* socket.send(Buffer.concat([preface, ...sent]))
        yield* socket.flush
        yield* Effect.repeatN(turns, 5)
        return socket
      })

    it.scoped("X01 a client that keeps its connection open after the server has ended it is not waited for", () =>
      Effect.gen(function*() {
        yield* opened(small, settings())
        yield* passes
      }).pipe(Effect.provide(network)))

    it.scoped("X01 an answer that the client's window keeps back does not hold the connection", () =>
      Effect.gen(function*() {
        yield* opened(small, windowsShut, frame(headersFrame, endStream | endHeaders, 1, head()))
        yield* passes
      }).pipe(Effect.provide(network)))

    it.scoped("X01 a long answer goes to a client that takes it slowly, longer than an answer may stand still", () =>
      Effect.gen(function*() {
        const size = 400_000
        const app = HttpServerResponse.uint8Array(Buffer.alloc(size, "x"))
        const socket = yield* opened(app, settings(), frame(headersFrame, endStream | endHeaders, 1, head()))
        let received = 0
        let hasEnded = false
        const reading = Effect.gen(function*() {
          while (!hasEnded) {
            const frameHead = Buffer.from(yield* socket.receiveExactly(9))
            const length = frameHead.readUIntBE(0, 3)
            if (length > 0) yield* socket.receiveExactly(length)
            if (frameHead.readUInt8(3) === resetFrame) return yield* Effect.dieMessage("the stream was reset")
            if (frameHead.readUInt8(3) !== dataFrame) continue
            received += length
            hasEnded = (frameHead.readUInt8(4) & endStream) !== 0
          }
        })
        const more = Buffer.alloc(4)
        more.writeUInt32BE(65_536)
        const taking = Effect.gen(function*() {
          yield* TestClock.adjust("12 seconds")
          yield* turns
          yield* socket.send(Buffer.concat([frame(windowFrame, 0, 0, more), frame(windowFrame, 0, 1, more)]))
        })
        yield* Effect.raceFirst(reading, Effect.forever(taking))
        expect(received).toBe(size)
      }).pipe(Effect.provide(network)))

    it.scoped("X01 a stream that was refused and is not ended by its client does not hold the connection", () =>
      Effect.gen(function*() {
        const refused = head({ ":method": "POST", ":path": "/#x" })
        yield* opened(small, settings(), frame(headersFrame, endHeaders, 1, refused))
        yield* passes
      }).pipe(Effect.provide(network)))

    it.scoped("X01 a refusal that the client's window keeps back does not hold the connection", () =>
      Effect.gen(function*() {
        const refused = head({ ":path": "/#x" })
        yield* opened(small, windowsShut, frame(headersFrame, endStream | endHeaders, 1, refused))
        yield* passes
      }).pipe(Effect.provide(network)))

    it.scoped("X01 streams that the server itself resets are not held against the client", () =>
      Effect.gen(function*() {
        yield* Copas.setErrorHandler(() => Effect.void)
        const half = HttpServerResponse.stream(Stream.concat(Stream.make(Buffer.from("half")), Stream.fail("broken")))
        const app = Effect.map(Request, ({ url }) => url === "/fails" ? half : HttpServerResponse.text("small"))
        const port = yield* serve(app, { http2: "clear", limits: { streamResets: 3 } })
        const client = yield* session(port)
        for (let at = 0; at < 6; at++) expect(yield* ask(client, "/fails")).toBe("reset")
        expect(yield* ask(client, "/")).toBe("200 small")
        client.destroy()
      }).pipe(Effect.provide(network)))

    it.scoped("X01 early hints go out with links of all forms", () =>
      Effect.gen(function*() {
        const images = "</a.png>; rel=preload; as=image; imagesrcset=\"a.png 1x, b.png 2x\""
        const app = Effect.map(
          HttpInformational.earlyHints([images], { "x-hint": "yes" }),
          (isSent) => HttpServerResponse.text(`${isSent}`)
        )
        const client = yield* session(yield* serve(app, { http2: "clear" }))
        const hints: Array<Http2.IncomingHttpHeaders> = []
        expect(yield* ask(client, "/", {}, (fields) => hints.push(fields))).toBe("200 true")
        expect(hints).toMatchObject([{ ":status": 103, link: images, "x-hint": "yes" }])
        client.destroy()
      }).pipe(Effect.provide(network)))

    it.scoped("X01 a client that ends where its version is not known yet, is not waited for", () =>
      Effect.gen(function*() {
        const port = yield* serve(small, { http2: "clear" })
        for (const said of ["", "PRI * HTTP"]) {
          const socket = yield* connect(port)
          yield* socket.send(said)
          yield* socket.shutdown("send")
          yield* turns
          yield* nothingLeft
        }
      }).pipe(Effect.provide(network)))

    it.scoped("X01 a session that begins while the server drains is told at once", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const begun = yield* Deferred.make<void>()
        const app = Effect.zipRight(Deferred.succeed(begun, undefined), Effect.interruptible(Effect.never))
        const port = yield* Scope.extend(serve(app, { http2: "clear" }), scope)
        const before = yield* session(port)
        before.request({ ":path": "/" }).on("error", () => {})
        const socket = yield* connect(port)
        yield* Deferred.await(begun)
        yield* turns
        const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
        yield* turns
        yield* socket.send(Buffer.concat([preface, settings()]))
        for (let type = -1; type !== goAwayFrame;) {
          const frameHead = Buffer.from(yield* socket.receiveExactly(9))
          type = frameHead.readUInt8(3)
          const length = frameHead.readUIntBE(0, 3)
          if (length > 0) yield* socket.receiveExactly(length)
        }
        before.destroy()
        yield* socket.close
        yield* Effect.raceFirst(
          Fiber.join(closing),
          Effect.forever(Effect.zipRight(TestClock.adjust("1 second"), turns))
        )
      }).pipe(Effect.provide(network)))

    it.scoped("X01 without TLS a request that names its host twice has the fields of HTTP alone", () =>
      Effect.gen(function*() {
        const app = Effect.map(
          Request,
          ({ headers }) => HttpServerResponse.text(Object.keys(headers).filter((name) => name.startsWith(":")).join())
        )
        const port = yield* serve(app, { http2: "clear" })
        const client = yield* session(port)
        expect(yield* ask(client, "/", { host: `localhost:${port}` })).toBe("200 ")
        client.destroy()
      }).pipe(Effect.provide(network)))

    it.scoped("X01 a failing error handler leaves no request under way", () =>
      Effect.gen(function*() {
        yield* Copas.setErrorHandler(() => Effect.die("the error handler"))
        const server = yield* NodeHttpServer.make({ listen: { port: 0 }, http2: "clear" })
        yield* server.serve(Effect.die("the handler"))
        const client = yield* session(portOf(server))
        expect(yield* ask(client, "/")).toBe("500 ")
        expect(yield* ask(client, "/")).toBe("500 ")
        const status = Effect.provideService(HttpServerStatus.current, HttpServer.HttpServer, server)
        yield* turns
        expect(Option.map(yield* status, ({ inFlight }) => inFlight)).toEqual(Option.some(0))
        client.destroy()
        yield* nothingLeft
        expect(statuses(yield* talk(portOf(server), get("/") + get("/", last)))).toEqual([500, 500])
      }).pipe(Effect.provide(network), Logger.withMinimumLogLevel(LogLevel.None)))
  })
}
