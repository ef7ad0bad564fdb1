/** How lent sockets end where TLS or the dispatcher ends them, and what the stream over a socket has of a socket. */
import { Copas, Net } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { NodeNet, NodeSocket } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Scope, TestClock } from "effect"
import * as Http from "node:http"
import * as NodeNetModule from "node:net"
import type { Duplex } from "node:stream"
import * as NodeTls from "node:tls"
import * as Fixture from "../tls/fixture.js"
import { turn, until } from "../turns.js"
import { closed, collect, errorOf, networks, pair } from "./streams.js"

for (const [name, network] of networks) {
  describe(name, () => {
    it.scopedLive("C39 the end of the dispatcher ends lent sockets that stand idle, and their borrowers learn of it", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const dispatcher = yield* Scope.extend(Layer.build(Copas.layer), scope)
        const lent = yield* Deferred.make<Duplex>()
        const listener = yield* Net.listen({ host: "127.0.0.1", port: 0, linger: 0 })
        yield* Effect.provide(
          Copas.addServer(listener, (socket) =>
            Effect.gen(function*() {
              const { stream } = yield* NodeSocket.lend(socket)
              yield* Deferred.succeed(lent, stream)
              return yield* Effect.never
            })),
          dispatcher
        )
        const client = yield* Net.connect({ host: "127.0.0.1", port: listener.port, linger: 0 })
        const error = errorOf(yield* Deferred.await(lent))
        const mine = yield* NodeSocket.lend(client)
        const got = collect(mine.stream)
        yield* Scope.close(scope, Exit.void)
        expect(yield* error).toMatchObject({ _tag: "SocketClosed", by: "here" })
        yield* got.ended
        yield* closed(mine.stream)
      }).pipe(Effect.provide(network)))

    it.scoped("C18 the time-out of a lent socket ends what node:http reads by itself, and its server lives", () =>
      Effect.gen(function*() {
        const http = Http.createServer((request, response) => response.end(`answer to ${request.url}`))
        const listener = yield* Net.listen({
          host: "127.0.0.1",
          port: 0,
          linger: 0,
          timeouts: { receive: "1 seconds", send: "1 seconds" }
        })
        yield* Copas.addServer(listener, (socket) =>
          Effect.flatMap(NodeSocket.lend(socket), ({ stream }) => {
            http.emit("connection", stream)
            return closed(stream)
          }))
        for (const path of ["/first", "/second"]) {
          const client = yield* Net.connect({ host: "127.0.0.1", port: listener.port, linger: 0 })
          yield* client.send(`GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`)
          yield* client.receiveUntil(`answer to ${path}`)
          const end = yield* Effect.fork(Effect.flip(client.receive()))
          // The kept-alive connection has no request.
          yield* TestClock.adjust("1250 millis")
          expect((yield* Fiber.join(end))._tag).toMatch(/SocketClosed|SocketBroken/)
        }
      }).pipe(Effect.provide(Layer.provideMerge(Copas.layer, network))))

    it.scopedLive("C33 what the handler of a lent socket's server leaves behind is a failure of its own, not an end", () =>
      Effect.gen(function*() {
        const errors: Array<unknown> = []
        const listener = yield* Net.listen({ host: "127.0.0.1", port: 0, linger: 0 })
        const server = yield* Copas.addServer(
          listener,
          (socket) => Effect.zipRight(NodeSocket.lend(socket), socket.send("mistake")),
          { onError: (cause) => Effect.sync(() => errors.push(cause)) }
        )
        const client = yield* Net.connect({ host: "127.0.0.1", port: listener.port, linger: 0 })
        yield* Effect.ignore(client.receive())
        yield* until(Effect.sync(() => errors.length === 1))
        expect(String(errors[0])).toContain("is lent")
        yield* Copas.removeServer(server)
      }).pipe(Effect.provide(Layer.provideMerge(Copas.layer, network))))
  })
}

/** A client of `node:tls` on a socket of its own, connected to a server of ours, which is lent. */
const lentServer = (options: Parameters<typeof Fixture.serverContext>[0] = {}) =>
  Effect.gen(function*() {
    const { root } = yield* Fixture.TestPki
    const tls = yield* Fixture.serverContext(options)
    const listener = yield* Net.listen({ host: "127.0.0.1", port: 0, linger: 0, tls })
    const below = NodeNetModule.connect(listener.port, "127.0.0.1")
    const client = NodeTls.connect({ socket: below, ca: root.pem, servername: "localhost" })
    for (const stream of [client, below]) stream.on("error", () => {})
    yield* Effect.addFinalizer(() => Effect.sync(() => below.destroy()))
    const server = yield* listener.accept
    return { client, below, server, lent: yield* NodeSocket.lend(server) }
  })

describe("TLS on Node's network", () => {
  const network = Layer.merge(NodeNet.layer, Fixture.layer)

  it.scopedLive("T02 bytes that are no TLS end a lent server's socket with an error, and the process lives", () =>
    Effect.gen(function*() {
      const { below, lent, server } = yield* lentServer()
      const error = errorOf(lent.stream.resume())
      below.write("this is no record of TLS, and long enough to be read as one")
      expect(yield* error).toBeInstanceOf(Error)
      const net = yield* Net.Net
      yield* until(Effect.map(net.sockets, (open) => !open.includes(server)))
    }).pipe(Effect.provide(network)))

  it.scopedLive("T02 with requireCloseNotify a lent stream still tells a cut from an end", () =>
    Effect.gen(function*() {
      const { below, client, lent } = yield* lentServer({ requireCloseNotify: true })
      expect(lent.isNative).toBe(false)
      const error = errorOf(lent.stream)
      const got = collect(lent.stream)
      client.write("half of it")
      expect((yield* got.bytes(10)).toString()).toBe("half of it")
      below.end()
      expect(yield* error).toMatchObject({ _tag: "SocketBroken", reason: "Truncated" })
    }).pipe(Effect.provide(network)))
})

describe("the stream over a socket", () => {
  it.scoped("C33 it emits \"timeout\" on the clock of the test when nothing has moved, and none once it is unset", () =>
    Effect.gen(function*() {
      const { client, server } = yield* pair()
      const stream = (yield* NodeSocket.lend(server)).stream as NodeNetModule.Socket
      const got = collect(stream)
      let timeouts = 0
      expect(stream.setTimeout(1000, () => timeouts += 1)).toBe(stream)
      yield* TestClock.adjust("900 millis")
      yield* client.send("x")
      yield* got.bytes(1)
      yield* TestClock.adjust("999 millis")
      expect(timeouts).toBe(0)
      yield* TestClock.adjust("1 millis")
      expect(timeouts).toBe(1)
      stream.on("timeout", () => timeouts += 1)
      stream.setTimeout(1000)
      stream.setTimeout(0)
      yield* TestClock.adjust("1 hours")
      expect(timeouts).toBe(1)
      expect(stream.destroyed).toBe(false)
    }).pipe(Effect.provide(NetMemory.layer)))

  it.scoped("C33 it has the calls of a socket: ref, unref, setNoDelay, setKeepAlive, address, destroySoon", () =>
    Effect.gen(function*() {
      const { client, server } = yield* pair()
      const stream = (yield* NodeSocket.lend(server)).stream as NodeNetModule.Socket
      expect(stream.ref().unref().setNoDelay(false).setKeepAlive(true, 5000)).toBe(stream)
      expect(yield* server.getOption("noDelay")).toBe(false)
      expect(yield* server.getOption("keepAlive")).toBe(5000)
      expect(stream.address()).toMatchObject({ address: "127.0.0.1", family: "IPv4" })
      expect(stream).toMatchObject({ encrypted: false, alpnProtocol: false, connecting: false, remoteFamily: "IPv4" })
      stream.write("last words")
      stream.destroySoon()
      expect(new TextDecoder().decode(yield* client.receiveAll())).toBe("last words")
      yield* closed(stream)
    }).pipe(Effect.provide(NetMemory.layer)))

  it.scoped("C33 a reader that stops stops the peer, and both continue when it reads again", () =>
    Effect.gen(function*() {
      const { client, server } = yield* pair()
      const { stream } = yield* NodeSocket.lend(server)
      const whole = new Uint8Array(5_000_000).fill(7)
      const sending = yield* Effect.fork(client.send(whole))
      for (let turns = 0; turns < 50; turns += 1) yield* turn
      expect((yield* server.stats).bytesReceived).toBeLessThan(1_000_000)
      expect((yield* collect(stream).bytes(whole.length)).equals(whole)).toBe(true)
      yield* sending.await
    }).pipe(Effect.provide(NetMemory.layer)))
})
