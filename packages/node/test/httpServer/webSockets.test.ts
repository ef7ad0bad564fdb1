/** WebSockets of the HTTP server, and requests that ask for another upgrade. */
import { Copas, Net } from "@copas/core"
import { type NodeHttpServer, NodeSocket } from "@copas/node"
import { HttpServerRequest, HttpServerResponse, Socket as PlatformSocket } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, FiberStatus, Queue, Scope, TestClock } from "effect"
import type { Socket as NodeStream } from "node:net"
import WebSocket from "ws"
import { isAllowed } from "../../src/internal/httpServer/webSocket.js"
import * as Fixture from "../tls/fixture.js"
import { turns } from "../turns.js"
import { answer, type App, connect, everything, get, last, networks, post, serve, statuses, talk } from "./serving.js"

/** What a client of the `ws` package tells. */
type Told =
  | { readonly what: "open"; readonly protocol: string }
  | { readonly what: "message"; readonly data: string; readonly isBinary: boolean }
  | { readonly what: "close"; readonly code: number }
  | { readonly what: "refused"; readonly status: number | undefined }

/** A client of the `ws` package over a connection of either network. */
const open = (
  port: number,
  options: WebSocket.ClientOptions & { readonly isSecure?: boolean } = {},
  protocols: Array<string> = []
) =>
  Effect.gen(function*() {
    const net = yield* Net.Net
    const tls = options.isSecure === true ? { tls: yield* Fixture.clientContext({}) } : {}
    const socket = yield* net.connect({ host: "localhost", family: "IPv4", port, linger: 0, ...tls })
    const { stream } = yield* NodeSocket.lend(socket)
    const told = yield* Queue.unbounded<Told>()
    const tell = (what: Told) => void told.unsafeOffer(what)
    const client = new WebSocket("ws://a.example/socket", protocols, {
      ...options,
      createConnection: () => stream as NodeStream
    })
    client.on("error", () => {})
    client.on("open", () => tell({ what: "open", protocol: client.protocol }))
    client.on("message", (data: Buffer, isBinary) => tell({ what: "message", data: data.toString(), isBinary }))
    client.on("close", (code) => tell({ what: "close", code }))
    client.on("unexpected-response", (request, { statusCode }) => {
      tell({ what: "refused", status: statusCode })
      request.destroy()
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => client.terminate()))
    return { client, stream, next: Queue.take(told) }
  })

const upgrade = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => request.upgrade)

/** Sends back what comes, as text or bytes, as it came. */
const echo: App = Effect.gen(function*() {
  const socket = yield* upgrade
  const write = yield* socket.writer
  yield* socket.runRaw((data) => data === "end" ? write(new PlatformSocket.CloseEvent(4001, "bye")) : write(data))
  return HttpServerResponse.empty()
}).pipe(Effect.scoped)

const handshake = (fields = "") =>
  get(
    "/socket",
    `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
      `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${fields}`
  )

for (const [name, network] of networks) {
  describe(name, () => {
    it.scopedLive.each([false, true])(
      "X01 text and bytes go both ways until one side closes; TLS: %s",
      (isSecure) =>
        Effect.gen(function*() {
          const tls = isSecure ? { tls: yield* Fixture.serverContext({ alpn: ["http/1.1"] }) } : {}
          const port = yield* serve(echo, { listen: { host: "127.0.0.1", port: 0, ...tls } })
          const { client, next } = yield* open(port, { isSecure }, ["one", "two"])
          expect(yield* next).toEqual({ what: "open", protocol: "one" })
          client.send("hello")
          expect(yield* next).toEqual({ what: "message", data: "hello", isBinary: false })
          client.send(Buffer.from("bytes"))
          expect(yield* next).toEqual({ what: "message", data: "bytes", isBinary: true })
          client.send("x".repeat(1024 * 1024))
          expect(((yield* next) as { data: string }).data.length).toBe(1024 * 1024)
          client.send("end")
          expect(yield* next).toEqual({ what: "close", code: 4001 })
        }).pipe(Effect.provide(network))
    )

    it.scopedLive("X01 a socket is opened over a connection that was used before, also with requests on their way", () =>
      Effect.gen(function*() {
        const app: App = Effect.flatMap(
          HttpServerRequest.HttpServerRequest,
          ({ headers, url }) => headers["upgrade"] === undefined ? Effect.succeed(HttpServerResponse.text(url)) : echo
        )
        const port = yield* serve(app)
        const socket = yield* connect(port)
        yield* socket.send(get("/one") + get("/two") + handshake())
        expect((yield* answer(socket)).body).toBe("/one")
        expect((yield* answer(socket)).body).toBe("/two")
        const { fields, status } = yield* answer(socket)
        expect([status, fields["sec-websocket-accept"]]).toEqual([101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="])
        // RFC 6455, section 5.7: a masked "Hello".
        yield* socket.send(Uint8Array.of(0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58))
        expect(Array.from(yield* socket.receiveExactly(7))).toEqual([0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f])
      }).pipe(Effect.provide(network)))

    it.scopedLive("X01 a socket is opened after an answer that the system takes at once, and after one that it does not", () =>
      Effect.gen(function*() {
        yield* Copas.setErrorHandler(() => Effect.void)
        const app: App = Effect.flatMap(
          HttpServerRequest.HttpServerRequest,
          ({ headers, url }) =>
            headers["upgrade"] === undefined
              ? Effect.succeed(HttpServerResponse.text("x".repeat(Number(url.slice(1)))))
              : echo
        )
        const port = yield* serve(app)
        for (const size of [0, 1, 1000, 60_000, 200_000, 3_000_000]) {
          const socket = yield* connect(port)
          yield* socket.send(get(`/${size}`) + handshake())
          expect((yield* answer(socket)).body.length).toBe(size)
          expect([size, (yield* answer(socket)).status]).toEqual([size, 101])
        }
      }).pipe(Effect.provide(network)))

    it.scopedLive("X06 an upgrade that is not served is ignored: the request is an ordinary one, with its body and what comes after", () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const app: App = Effect.gen(function*() {
          const request = yield* HttpServerRequest.HttpServerRequest
          seen.push(`${request.method} ${request.url} ${yield* request.text}`)
          return HttpServerResponse.text("served")
        })
        const port = yield* serve(app)
        const h2c = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
        const chunked =
          `POST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n${h2c}\r\n3\r\nabc\r\n0\r\n\r\n`
        const said = yield* talk(
          port,
          get("/h2c", h2c) + get("/next") + post("/body", "abc", h2c) + chunked + get("/last", last)
        )
        // From Node 25 on the body cannot be told from what comes after it: the request is refused, and ends the connection.
        const isRefused = Number(process.versions.node.split(".", 1)[0]) >= 25
        expect(statuses(said)).toEqual(isRefused ? [200, 200, 501] : [200, 200, 200, 200, 200])
        const all = ["GET /h2c ", "GET /next ", "POST /body abc", "POST /chunked abc", "GET /last "]
        expect(seen).toEqual(isRefused ? all.slice(0, 2) : all)
      }).pipe(Effect.provide(network)))

    it.scopedLive.each(
      [
        ["another version", handshake().replace(": 13", ": 7")],
        ["no version", handshake().replace("Sec-WebSocket-Version: 13\r\n", "")],
        ["a key that is none", handshake().replace("dGhl", "====")],
        ["POST", handshake().replace("GET", "POST")],
        ["HTTP/1.0", handshake().replace("HTTP/1.1", "HTTP/1.0")],
        ["no upgrade", get("/socket")],
        ["two Hosts", handshake("Host: b\r\n")]
      ] as const
    )("X01 a handshake with %s opens no socket: 400", ([, request]) =>
      Effect.gen(function*() {
        const port = yield* serve(echo)
        expect(statuses(yield* talk(port, request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")))[0]).toBe(400)
      }).pipe(Effect.provide(network)))

    it.scopedLive("X01 a handler that opens no socket answers as ever, with a long stream too, and the connection ends", () =>
      Effect.gen(function*() {
        const body = "0123456789".repeat(100_000)
        const port = yield* serve(Effect.succeed(HttpServerResponse.text(body)))
        const said = yield* talk(port, handshake() + get("/never"))
        expect(statuses(said)).toEqual([200])
        expect(said).toMatch(/^connection: close\r$/im)
        expect(said.endsWith(`\r\n\r\n${body}`)).toBe(true)
      }).pipe(Effect.provide(network)))

    it.scopedLive("X01 a page of another host may not open a socket, unless it is named", () =>
      Effect.gen(function*() {
        const same = yield* serve(echo)
        const named = yield* serve(echo, { webSocket: { origins: ["https://b.example"] } })
        const first = (port: number, origin: string) =>
          Effect.scoped(Effect.flatMap(open(port, { headers: { origin } }), ({ next }) => next))
        expect(yield* first(same, "http://a.example")).toMatchObject({ what: "open" })
        expect(yield* first(same, "https://b.example")).toEqual({ what: "refused", status: 403 })
        expect(yield* first(named, "https://b.example")).toMatchObject({ what: "open" })
        expect(yield* first(named, "http://a.example")).toEqual({ what: "refused", status: 403 })
      }).pipe(Effect.provide(network)))

    it.scopedLive("X01 a message past maxPayload ends the socket with 1009, and its handler", () =>
      Effect.gen(function*() {
        const ended = yield* Deferred.make<Exit.Exit<unknown, unknown>>()
        const app = Effect.onExit(echo, (exit) => Deferred.succeed(ended, exit))
        const port = yield* serve(app, { webSocket: { maxPayload: 1000 } })
        const { client, next } = yield* open(port)
        yield* next
        client.send("x".repeat(1000))
        expect(yield* next).toMatchObject({ what: "message" })
        client.send("x".repeat(1001))
        expect(yield* next).toEqual({ what: "close", code: 1009 })
        expect(Exit.isFailure(yield* Deferred.await(ended))).toBe(true)
      }).pipe(Effect.provide(network)))

    it.scoped("X01 a peer that answers no ping has gone, by Effect's clock; one that does stays", () =>
      Effect.gen(function*() {
        const ended = yield* Deferred.make<void>()
        const port = yield* serve(Effect.ensuring(echo, Deferred.succeed(ended, void 0)), {
          webSocket: { ping: "10 seconds" }
        })
        const socket = yield* connect(port)
        yield* socket.send(handshake())
        yield* answer(socket)
        yield* TestClock.adjust("10 seconds")
        expect(Array.from(yield* socket.receiveExactly(2))).toEqual([0x89, 0])
        // A masked pong without a payload, and what is sent back, so that the pong was read before the clock goes on.
        yield* socket.send(Uint8Array.of(0x8a, 0x80, 0, 0, 0, 0, 0x81, 0x81, 0, 0, 0, 0, 0x78))
        yield* socket.receiveExactly(3)
        yield* TestClock.adjust("10 seconds")
        expect(Array.from(yield* socket.receiveExactly(2))).toEqual([0x89, 0])
        yield* TestClock.adjust("10 seconds")
        yield* everything(socket).pipe(Effect.exit)
        yield* Deferred.await(ended)
      }).pipe(Effect.provide(network)))

    it.scopedLive("X01 messages are read no faster than their handlers end, and writes wait for the peer", () =>
      Effect.gen(function*() {
        const go = yield* Deferred.make<void>()
        const full = yield* Deferred.make<void>()
        const all = yield* Deferred.make<void>()
        const [size, count] = [16 * 1024, 1000]
        let [begun, ended, most] = [0, 0, 0]
        const app: App = Effect.gen(function*() {
          const socket = yield* upgrade
          yield* socket.run((data) =>
            Effect.gen(function*() {
              begun += 1
              most = Math.max(most, (begun - ended) * data.length)
              if (begun * data.length > 64 * 1024) yield* Deferred.succeed(full, void 0)
              yield* Deferred.await(go)
              ended += 1
              if (ended === count) yield* Deferred.succeed(all, void 0)
            })
          )
          return HttpServerResponse.empty()
        })
        const port = yield* serve(app)
        const { client, next } = yield* open(port)
        yield* next
        for (let sent = 0; sent < count; sent += 1) client.send(Buffer.alloc(size))
        yield* Deferred.await(full)
        yield* Deferred.succeed(go, void 0)
        // Handlers that run when the peer closes are interrupted, as the platform has it.
        yield* Deferred.await(all)
        client.close(1000)
        expect(yield* next).toEqual({ what: "close", code: 1000 })
        expect([begun, ended]).toEqual([count, count])
        expect(most).toBeLessThan(1024 * 1024)
      }).pipe(Effect.provide(network)))

    it.scopedLive("X01 a write waits while the peer takes nothing, and ends when it has gone", () =>
      Effect.gen(function*() {
        const waits = yield* Deferred.make<void>()
        const ended = yield* Deferred.make<void>()
        let written = 0
        const app: App = Effect.gen(function*() {
          const socket = yield* upgrade
          const write = yield* socket.writer
          const writing = Effect.forever(Effect.gen(function*() {
            const one = yield* Effect.fork(write(Buffer.alloc(64 * 1024)))
            yield* turns(10)
            if (!(yield* Effect.map(Fiber.status(one), FiberStatus.isDone))) yield* Deferred.succeed(waits, void 0)
            yield* Fiber.join(one)
            written += 1
          }))
          yield* Effect.raceFirst(socket.run(() => {}), writing)
          return HttpServerResponse.empty()
        }).pipe(Effect.scoped, Effect.ensuring(Deferred.succeed(ended, void 0)))
        const port = yield* serve(Effect.interruptible(app))
        const socket = yield* connect(port)
        yield* socket.send(handshake())
        yield* Deferred.await(waits)
        expect(written).toBeLessThan(1000)
        yield* socket.abort
        yield* Deferred.await(ended)
      }).pipe(Effect.provide(network)))

    it.scopedLive("X01 a client that vanishes ends the handler, and leaves no connection", () =>
      Effect.gen(function*() {
        const ended = yield* Deferred.make<void>()
        const port = yield* serve(Effect.ensuring(echo, Deferred.succeed(ended, void 0)))
        const { next, stream } = yield* open(port)
        yield* next
        stream.destroy()
        yield* Deferred.await(ended)
        const isEmpty = Effect.map(Copas.status, ({ servers }) => servers.every(({ active }) => active === 0))
        yield* Effect.repeat(Effect.zipRight(Effect.yieldNow(), isEmpty), { until: (is) => is })
      }).pipe(Effect.provide(network)))

    it.scopedLive("X01 the end of the server closes its sockets as going away, once the drain has passed", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const port = yield* Scope.extend(serve(echo, { drain: "1 millis" }), scope)
        const { next } = yield* open(port)
        yield* next
        yield* Scope.close(scope, Exit.void)
        expect(yield* next).toEqual({ what: "close", code: 1001 })
      }).pipe(Effect.provide(network)))
  })
}

describe("Origins", () => {
  it.each(
    [
      ["same", undefined, "a", true],
      ["same", "http://a", "a", true],
      ["same", "https://a:8443", "a:8443", true],
      ["same", "https://A.example", "a.example:443", true],
      ["same", "http://a:80", "a", true],
      ["same", "http://a", "a:8080", false],
      ["same", "http://b", "a", false],
      ["same", "http://a.evil.example", "a", false],
      ["same", "http://a@evil.example", "a", false],
      ["same", "null", "a", false],
      ["same", "", "a", false],
      ["same", "file://", "a", false],
      ["same", "http://a", undefined, false],
      ["any", "null", undefined, true],
      [["https://b.example"], "https://b.example", "a", true],
      [["https://b.example"], "https://b.example.evil", "a", false],
      [["null"], "null", "a", true]
    ] as const
  )("X01 %j: a page of %s at the host %s: %s", (origins, origin, host, is) => {
    expect(isAllowed(origins, origin, host)).toBe(is)
  })

  it.scoped.each([
    [{ origins: ["https://b.example/"] }, "webSocket.origins"],
    [{ origins: ["b.example"] }, "webSocket.origins"],
    [{ origins: "everybody" as "any" }, "webSocket.origins"],
    [{ maxPayload: 0 }, "webSocket.maxPayload"],
    [{ ping: 0 }, "webSocket.ping"],
    [{ deflate: 1 as unknown as boolean }, "webSocket.deflate"]
  ] as ReadonlyArray<readonly [NodeHttpServer.WebSocketOptions, string]>)(
    "X01 the options %j are refused",
    ([webSocket, option]) =>
      Effect.gen(function*() {
        expect(yield* Effect.flip(serve(echo, { webSocket }))).toMatchObject({ _tag: "InvalidOption", option })
      }).pipe(Effect.provide(networks[1]![1]))
  )
})
