/** The HTTP server behind nginx: TLS and HTTP/2 at the client's side, kept connections of HTTP/1.1 at the server's. */
import { Copas } from "@copas/core"
import { HttpConnection, NodeNet, ServerSentEvents } from "@copas/node"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Layer, Option, Queue, Stream } from "effect"
import * as Fs from "node:fs"
import * as Http2 from "node:http2"
import { join } from "node:path"
import WebSocket from "ws"
import * as Certificates from "../certificates.js"
import { type App, nothingLeft, serve } from "../httpServer/serving.js"
import * as Tree from "../static/tree.js"
import * as Fixture from "../tls/fixture.js"
import { until } from "../turns.js"
import { freePort } from "./freePort.js"
import { curl, nginx } from "./programs.js"

const network = Layer.merge(Layer.provideMerge(Copas.layer, NodeNet.layer), Fixture.layer)

/** nginx's configuration in docs/server.md. */
const guide = /```nginx\n([^]*?)```/.exec(
  Fs.readFileSync(new URL("../../../../docs/server.md", import.meta.url), "utf8")
)![1]!

/** Serves the app behind nginx, as the guide sets it up. */
const proxied = (app: App, options: Parameters<typeof serve>[1] = {}) =>
  Effect.gen(function*() {
    const server = yield* serve(app, { trustProxy: ["127.0.0.1"], ...options })
    const { root, server: made } = yield* Fixture.TestPki
    const files = yield* Tree.make({ ...Certificates.identity(made), root: root.pem })
    const port = yield* freePort
    const config = guide
      .replace("127.0.0.1:8080", `127.0.0.1:${server}`)
      .replace("listen 443", `listen 127.0.0.1:${port}`)
      .replace("/etc/shop/chain.pem", `${files}/certificate`)
      .replace("/etc/shop/key.pem", `${files}/key`)
    yield* nginx(() => config)
    return { port, url: `https://127.0.0.1:${port}`, ca: root.pem, caFile: join(files, "root") }
  })

/** What a handler sees of its client, and of the peer that the connection is with. */
const who: App = Effect.gen(function*() {
  const request = yield* HttpServerRequest.HttpServerRequest
  const connection = Option.getOrThrow(HttpConnection.of(request))
  return yield* HttpServerResponse.json({
    client: Option.getOrNull(request.remoteAddress),
    peer: connection.remoteAddress._tag === "InetAddress" ? connection.remoteAddress.host : "",
    url: Option.getOrThrow(HttpServerRequest.toURL(request)).href,
    connection: connection.id
  })
})

const connectionsOf = (answers: string): ReadonlyArray<number> =>
  Array.from(answers.matchAll(/"connection":(\d+)/g), ([, id]) => Number(id))

describe("the HTTP server behind nginx", () => {
  it.scopedLive("X01 many requests of a client's HTTP/2 share a kept connection, and one that the server ended is replaced", () =>
    Effect.gen(function*() {
      const { caFile, url } = yield* proxied(who, { timeouts: { idle: "100 millis" } })
      const seen = ["--cacert", caFile, "--write-out", " %{http_version} %{http_code}\n"]
      const many = Array.from({ length: 5 }, (_, at) => `${url}/${at}`)
      const first = yield* curl(...seen, ...many)
      expect(first.match(/ 2 200\n/g)?.length).toBe(5)
      // The server's idle time-out, and not nginx, ends the connection: the next request must not meet its end.
      yield* nothingLeft
      const second = yield* curl(...seen, "--data", "more", `${url}/more`)
      expect(second).toContain(" 2 200\n")
      expect(new Set([...connectionsOf(first), ...connectionsOf(second)]).size).toBe(2)
    }).pipe(Effect.provide(network)))

  it.scopedLive("X01 nginx opens another connection after the last request that the server takes on one", () =>
    Effect.gen(function*() {
      const { caFile, url } = yield* proxied(who, { limits: { maxRequestsPerConnection: 2 } })
      const [one, ...others] = connectionsOf(
        yield* curl("--cacert", caFile, "--fail", ...Array.from({ length: 6 }, () => `${url}/`))
      )
      expect([one, ...others].length).toBe(6)
      expect(new Set([one, ...others]).size).toBe(3)
    }).pipe(Effect.provide(network)))

  it.scopedLive("X01 trustProxy: the client's address, scheme and host are those that nginx saw, whatever the client says", () =>
    Effect.gen(function*() {
      const { caFile, url } = yield* proxied(who)
      const lies = [
        "X-Forwarded-For: 192.0.2.7",
        "X-Forwarded-Host: evil.test",
        "X-Forwarded-Proto: http",
        "Forwarded: for=192.0.2.7;host=evil.test"
      ]
      const seen = JSON.parse(
        yield* curl(
          "--cacert",
          caFile,
          "--interface",
          "127.0.0.2",
          ...lies.map((field) => `-H${field}`),
          `${url}/a?b`
        )
      )
      expect(seen).toMatchObject({ client: "127.0.0.2", peer: "127.0.0.1", url: `${url}/a?b` })
    }).pipe(Effect.provide(network)))

  it.scopedLive("X01 a WebSocket goes through, of its own site alone, with the code that ends it, and ends with its client", () =>
    Effect.gen(function*() {
      const ended = yield* Queue.unbounded<string>()
      const echo: App = Effect.gen(function*() {
        const { upgrade } = yield* HttpServerRequest.HttpServerRequest
        yield* Effect.addFinalizer(() => Queue.offer(ended, "ended"))
        const socket = yield* upgrade
        const write = yield* socket.writer
        yield* socket.runRaw((data) => write(data))
        return HttpServerResponse.empty()
      })
      const { ca, port, url } = yield* proxied(HttpRouter.get(HttpRouter.empty, "/socket", Effect.scoped(echo)))
      const open = (origin: string) =>
        Effect.gen(function*() {
          const told = yield* Queue.unbounded<string>()
          const client = new WebSocket(`wss://127.0.0.1:${port}/socket`, { ca, origin })
          client.on("open", () => told.unsafeOffer("open"))
          client.on("message", (data: Buffer) => told.unsafeOffer(data.toString()))
          client.on("error", ({ message }) => told.unsafeOffer(message))
          client.on("close", (code) => told.unsafeOffer(`closed ${code}`))
          yield* Effect.addFinalizer(() => Effect.sync(() => client.terminate()))
          return { client, next: Queue.take(told) }
        })
      const { client, next } = yield* open(url)
      expect(yield* next).toBe("open")
      for (const message of ["one", "x".repeat(300_000)]) {
        client.send(message)
        expect(yield* next).toBe(message)
      }
      client.close(4001)
      expect(yield* next).toBe("closed 4001")
      expect(yield* Queue.take(ended)).toBe("ended")
      const gone = yield* open(url)
      expect(yield* gone.next).toBe("open")
      gone.client.terminate()
      expect(yield* Queue.take(ended)).toBe("ended")
      const other = yield* open("https://evil.test")
      expect(yield* other.next).toBe("Unexpected server response: 403")
    }).pipe(Effect.provide(network)))

  it.scopedLive("X01 each event of a stream arrives when it is sent, and the stream ends when its client leaves", () =>
    Effect.gen(function*() {
      const events = yield* Queue.unbounded<string>()
      const left = yield* Deferred.make<void>()
      const stream: App = Effect.zipRight(
        Effect.addFinalizer(() => Deferred.succeed(left, undefined)),
        ServerSentEvents.response(Stream.fromQueue(events))
      )
      const { ca, url } = yield* proxied(HttpRouter.get(HttpRouter.empty, "/events", stream))
      const session = yield* Effect.acquireRelease(
        Effect.sync(() => Http2.connect(url, { ca })),
        (session) => Effect.sync(() => session.destroy())
      )
      const request = session.request({ ":path": "/events" })
      let text = ""
      request.on("data", (chunk: Buffer) => text += chunk)
      for (const event of ["one", "two"]) {
        yield* Queue.offer(events, event)
        yield* until(Effect.sync(() => text.includes(`data: ${event}\n\n`)))
      }
      request.close(Http2.constants.NGHTTP2_CANCEL)
      yield* Deferred.await(left)
      yield* nothingLeft
    }).pipe(Effect.provide(network)))
})
