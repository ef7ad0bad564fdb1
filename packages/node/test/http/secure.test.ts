/** Exchanges over TLS: who is trusted, and HTTP/2. */
import { Copas, type HttpTransport, Net, type Socket, TlsError } from "@copas/core"
import { NodeSocket } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Option } from "effect"
import * as Http2 from "node:http2"
import { closed } from "../lending/streams.js"
import { pattern } from "../pattern.js"
import * as Fixture from "../tls/fixture.js"
import { turn } from "../turns.js"
import { exchange, failureOf, fetched, networks, ok, pulled, route, serving, standing, whole } from "./exchanging.js"

/** A server of node:http2 over lent sockets of either network, and its sessions. */
const http2 = (handle: (stream: Http2.ServerHttp2Stream, headers: Http2.IncomingHttpHeaders) => void) =>
  Effect.gen(function*() {
    const server = Http2.createServer()
    const sessions: Array<Http2.ServerHttp2Session> = []
    server.on("session", (session) => {
      sessions.push(session)
      session.on("error", () => {})
    })
    server.on("stream", (stream, headers) => {
      stream.on("error", () => {})
      handle(stream, headers)
    })
    const listener = yield* Net.listen({
      host: "127.0.0.1",
      port: 0,
      linger: 0,
      tls: yield* Fixture.serverContext({ alpn: ["h2", "http/1.1"] })
    })
    yield* Copas.addServer(
      listener,
      (socket: Socket.Socket) =>
        Effect.flatMap(NodeSocket.lend(socket), ({ stream }) => {
          server.emit("connection", stream)
          return closed(stream)
        })
    )
    yield* Effect.addFinalizer(() => Effect.sync(() => sessions.forEach((session) => session.destroy())))
    const tls = yield* Fixture.clientContext()
    const to = yield* route(listener.port, { isSecure: true, host: "localhost", tls, http: "2" })
    return { to, sessions, port: listener.port }
  })

const answering = (stream: Http2.ServerHttp2Stream, text: string | Buffer): void => {
  stream.respond({ ":status": 200, "x-one": "1", "set-cookie": ["a=1", "b=2"] })
  stream.end(text)
}

for (const [name, base] of networks) {
  const network = Layer.provideMerge(Copas.layer, base)

  describe(`NodeHttpTransport on ${name}`, () => {
    it.scopedLive("C33 https: the server is verified by the route's context and name, and the failure is the TlsError itself", () =>
      Effect.gen(function*() {
        const server = yield* serving(() => ok("secret"), yield* Fixture.serverContext())
        const tls = yield* Fixture.clientContext()
        const at = (options: Parameters<typeof route>[1]) => route(server.port, { isSecure: true, ...options })
        const trusting = yield* at({ tls, host: "localhost" })
        const answer = yield* exchange(trusting)
        expect((yield* whole(answer.read)).toString()).toBe("secret")
        expect(answer.version).toBe("1.1")
        expect(answer.connection.tls).toMatchObject({ alpn: Option.none(), isResumed: false })
        expect(yield* Effect.flip(fetched(yield* at({ host: "localhost" })))).toBeInstanceOf(TlsError.TlsError)
        expect(yield* Effect.flip(fetched(yield* at({ tls, serverName: "other.test" })))).toMatchObject({
          _tag: "TlsError",
          reason: "WrongHost"
        })
        const named = yield* at({ tls, serverName: "www.copas.test" })
        expect((yield* fetched(named)).body).toBe("secret")
        expect((yield* fetched(named)).isReused).toBe(true)
      }).pipe(Effect.provide(network)))

    it.scopedLive("C33 a field Host of another name keeps its connection", () =>
      Effect.gen(function*() {
        const server = yield* serving(() => ok("x"), yield* Fixture.serverContext())
        const to = yield* route(server.port, { isSecure: true, host: "localhost", tls: yield* Fixture.clientContext() })
        for (const host of ["one.test", "two.test", "localhost"]) yield* fetched(to, { fields: [["Host", host]] })
        expect(server.connections()).toBe(1)
      }).pipe(Effect.provide(network)))

    it.scopedLive("C33 HTTP/2 where the server takes it, many requests over one connection; HTTP/1.1 where it does not", () =>
      Effect.gen(function*() {
        const { sessions, to } = yield* http2((stream, headers) => answering(stream, `to ${headers[":path"]}`))
        const answer = yield* exchange(to, { path: "/a?b", fields: [["X-Sent", "1"]] })
        expect(answer).toMatchObject({ status: 200, version: "2", statusText: "" })
        expect((yield* whole(answer.read)).toString()).toBe("to /a?b")
        expect(answer.fields).toContainEqual(["x-one", "1"])
        expect(answer.fields.filter(([name]) => name === "set-cookie")).toEqual([["set-cookie", "a=1"], [
          "set-cookie",
          "b=2"
        ]])
        const all = yield* Effect.forEach(
          Array.from({ length: 30 }, (_, at) => at),
          (at) => fetched(to, { path: `/${at}` }),
          {
            concurrency: "unbounded"
          }
        )
        expect(all.map(({ body }) => body)).toEqual(Array.from({ length: 30 }, (_, at) => `to /${at}`))
        expect(sessions).toHaveLength(1)
        const old = yield* serving(() => ok("old"), yield* Fixture.serverContext())
        const toOld = yield* route(old.port, {
          isSecure: true,
          host: "localhost",
          tls: yield* Fixture.clientContext(),
          http: "2"
        })
        expect(yield* Effect.scoped(Effect.map(exchange(toOld), ({ version }) => version))).toBe("1.1")
      }).pipe(Effect.provide(network)))

    it.scopedLive("C33 requests that come together open one connection of HTTP/2, and fail with it", () =>
      Effect.gen(function*() {
        const { sessions, to } = yield* http2((stream) => answering(stream, "x"))
        yield* Effect.forEach(Array.from({ length: 10 }), () => fetched(to), { concurrency: "unbounded" })
        expect(sessions).toHaveLength(1)
        let attempts = 0
        const broken = {
          ...to,
          connect: () => Effect.zipRight(turn, Effect.suspend(() => Effect.fail(`attempt ${++attempts}`)))
        }
        const failing = Effect.forEach(Array.from({ length: 5 }), () => Effect.flip(fetched(broken)), {
          concurrency: "unbounded"
        })
        expect(new Set(yield* failing).size).toBe(1)
      }).pipe(Effect.provide(network)))

    it.scopedLive("C33 HTTP/2: a connection without a request is closed for a request that is sent again, and for a new route", () =>
      Effect.gen(function*() {
        const { port, sessions, to } = yield* http2((stream) => answering(stream, "x"))
        expect((yield* fetched(to)).isReused).toBe(false)
        expect((yield* fetched(to, { isRepeated: true })).isReused).toBe(false)
        expect((yield* fetched(to)).isReused).toBe(true)
        for (let more = 0; more < 256; more++) {
          yield* Effect.exit(fetched(yield* route(port, { connect: () => Effect.fail("no") })))
        }
        expect((yield* fetched(to)).isReused).toBe(false)
        expect(sessions).toHaveLength(3)
      }).pipe(Effect.provide(network)))

    it.scopedLive("C33 HTTP/2: bodies both ways, trailers, HEAD, and an upload beside other requests", () =>
      Effect.gen(function*() {
        const down = pattern(3_000_000)
        const { to } = yield* http2((stream, headers) => {
          let got = 0
          stream.on("data", (chunk: Buffer) => {
            got += chunk.length
          })
          stream.on("end", () => {
            if (headers[":path"] === "/up") {
              answering(stream, `${headers[":method"]} ${got} ${headers["content-length"]}`)
              return
            }
            stream.respond({ ":status": 200 }, { waitForTrailers: true })
            stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "7" }))
            stream.end(down)
          })
        })
        const answer = yield* exchange(to)
        expect((yield* whole(answer.read)).equals(down)).toBe(true)
        expect(answer.trailers()).toEqual([["x-sum", "7"]])
        const bytes = pattern(300_000)
        const post = (body: HttpTransport.WireBody<never>) =>
          Effect.map(fetched(to, { method: "POST", path: "/up", body }), ({ body }) => body)
        const results = yield* Effect.all([
          post(bytes),
          post({ length: 300_000, pull: pulled(bytes.subarray(0, 100_000), bytes.subarray(100_000)) }),
          post({ length: undefined, pull: pulled(bytes) }),
          Effect.map(fetched(to), ({ body }) => String(body.length))
        ], { concurrency: "unbounded" })
        expect(results).toEqual(["POST 300000 300000", "POST 300000 300000", "POST 300000 undefined", "3000000"])
      }).pipe(Effect.provide(network)))

    it.scopedLive("C33 HTTP/2: a reader that does not read stops its stream and no other one", () =>
      Effect.gen(function*() {
        const sent = { bytes: 0 }
        const { to } = yield* http2((stream, headers) => {
          if (headers[":path"] !== "/long") {
            answering(stream, "short")
            return
          }
          stream.respond({ ":status": 200 })
          const write = () => {
            for (;;) {
              sent.bytes += 65_536
              if (!stream.write(Buffer.alloc(65_536))) break
            }
          }
          stream.on("drain", write)
          write()
        })
        yield* exchange(to, { path: "/long" })
        expect(yield* standing(Effect.sync(() => sent.bytes))).toBeLessThan(4_000_000)
        expect((yield* fetched(to)).body).toBe("short")
      }).pipe(Effect.provide(network)))

    it.scopedLive("C33 HTTP/2: interrupting an exchange resets its stream, and the connection lives", () =>
      Effect.gen(function*() {
        const asked = yield* Deferred.make<void>()
        const reset = yield* Deferred.make<number>()
        const { sessions, to } = yield* http2((stream, headers) => {
          if (headers[":path"] !== "/never") {
            answering(stream, "x")
            return
          }
          stream.on("close", () => Effect.runSync(Deferred.succeed(reset, stream.rstCode)))
          Effect.runSync(Deferred.succeed(asked, undefined))
        })
        const fiber = yield* Effect.fork(fetched(to, { path: "/never" }))
        yield* Deferred.await(asked)
        yield* Fiber.interrupt(fiber)
        yield* Deferred.await(reset)
        expect(yield* fetched(to)).toMatchObject({ body: "x", isReused: true })
        expect(sessions).toHaveLength(1)
      }).pipe(Effect.provide(network)))

    it.scopedLive("C33 HTTP/2: a stream that the server resets, and a session that it ends, fail what was on them", () =>
      Effect.gen(function*() {
        const { sessions, to } = yield* http2((stream, headers) => {
          switch (headers[":path"]) {
            case "/reset":
              return stream.close(Http2.constants.NGHTTP2_INTERNAL_ERROR)
            case "/half":
              stream.respond({ ":status": 200, "content-length": 10 })
              stream.write("abc")
              setImmediate(() => stream.close(Http2.constants.NGHTTP2_INTERNAL_ERROR))
              return
            case "/goaway":
              return sessions.at(-1)!.goaway(Http2.constants.NGHTTP2_ENHANCE_YOUR_CALM)
            case "/cut":
              return sessions.at(-1)!.destroy()
            default:
              answering(stream, "x")
          }
        })
        expect((yield* failureOf(fetched(to, { path: "/reset" }))).kind).toBe("Lost")
        expect((yield* fetched(to)).body).toBe("x")
        expect((yield* failureOf(fetched(to, { path: "/half" }))).kind).toBe("Truncated")
        expect((yield* fetched(to)).body).toBe("x")
        expect(sessions).toHaveLength(1)
        for (const path of ["/goaway", "/cut"]) {
          const many = yield* Effect.forEach([path, path, path], (path) => failureOf(fetched(to, { path })), {
            concurrency: "unbounded"
          })
          expect(many.map(({ kind }) => kind)).toEqual(["Lost", "Lost", "Lost"])
          expect((yield* fetched(to)).body).toBe("x")
        }
      }).pipe(Effect.provide(network)))
  })
}
