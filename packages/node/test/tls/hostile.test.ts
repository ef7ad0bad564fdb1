/** Peers that stay silent, flood or break off handshakes. */
import type { Listener } from "@copas/core"
import { Copas, Net, type Socket, Tls } from "@copas/core"
import { NodeCopas } from "@copas/node"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as Fs from "node:fs/promises"
import * as NodeNet from "node:net"
import * as NodeTls from "node:tls"
import * as Certificates from "../certificates.js"
import { turn } from "../turns.js"
import * as Fixture from "./fixture.js"

const silent = (port: number) => Net.connect({ host: "127.0.0.1", port, linger: 0 })

const waitFor = (
  listener: Listener.Listener,
  enough: (stats: Listener.ListenerStats) => boolean
): Effect.Effect<void> =>
  Effect.flatMap(
    listener.stats,
    (stats) => enough(stats) ? Effect.void : Effect.flatMap(turn, () => waitFor(listener, enough))
  )

layer(Layer.merge(NodeCopas.layer, Fixture.layer))((it) => {
  it.scoped("T02 a peer that opens TLS and stays silent is dropped at the handshake time-out", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({
        port: 0,
        tls: yield* Fixture.serverContext({ handshakeTimeout: "3 seconds" })
      })
      const peer = yield* silent(listener.port)
      yield* waitFor(listener, ({ handshakes }) => handshakes === 1)
      yield* TestClock.adjust("2900 millis")
      expect(yield* listener.stats).toMatchObject({ handshakes: 1, handshakeFailures: 0 })
      yield* TestClock.adjust("200 millis")
      expect(yield* Effect.flip(listener.accept)).toMatchObject({
        _tag: "AcceptError",
        reason: "Handshake",
        cause: { reason: "HandshakeTimeout" }
      })
      expect(yield* Effect.flip(peer.receive())).toMatchObject({ by: "peer" })
      expect(yield* listener.stats).toMatchObject({ handshakes: 0, handshakeFailures: 1 })
    }))

  it.scoped("T02 a server that never answers fails the client at its connect time-out, and leaves no socket", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0 })
      const connecting = yield* Effect.fork(Effect.flip(Net.connect({
        host: "127.0.0.1",
        port: listener.port,
        tls: yield* Fixture.clientContext(),
        timeouts: { connect: "2 seconds" }
      })))
      const accepted = yield* listener.accept
      yield* accepted.receiveExactly(100)
      yield* TestClock.adjust("2 seconds")
      expect(yield* connecting).toMatchObject({ _tag: "TlsError", reason: "HandshakeTimeout" })
      expect(yield* (yield* Net.Net).sockets).toEqual([accepted])
    }))

  it.scoped("T02 the handshake has ten seconds by default", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0 })
      const client = yield* silent(listener.port)
      const server = yield* listener.accept
      const upgrading = yield* Effect.fork(Effect.flip(Tls.upgrade(server, yield* Fixture.serverContext())))
      yield* client.flush
      yield* TestClock.adjust("9999 millis")
      expect(upgrading.unsafePoll()).toBe(null)
      yield* TestClock.adjust("1 millis")
      expect(yield* upgrading).toMatchObject({ reason: "HandshakeTimeout" })
    }))

  it.scoped("T02 hundreds of half-open handshakes keep nobody out, and the oldest make room for new ones", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({
        port: 0,
        linger: 0,
        tls: { context: yield* Fixture.serverContext(), maxHandshakes: 100 }
      })
      const port = listener.port
      yield* Effect.forEach(Array.from({ length: 300 }), () => silent(port), { concurrency: 50 })
      yield* waitFor(listener, ({ handshakeFailures, handshakes }) => handshakes === 100 && handshakeFailures === 200)
      const client = yield* Net.connect({
        host: "localhost",
        family: "IPv4",
        port,
        linger: 0,
        tls: yield* Fixture.clientContext()
      })
      const failure = yield* Effect.flip(listener.accept)
      expect(failure).toMatchObject({ reason: "Handshake", cause: { reason: "Overloaded" } })
      const server = yield* listener.accept
      yield* client.send("in\n")
      expect(yield* server.receiveLine()).toBe("in")
    }))

  it.scoped("T02 closing the listener cuts the handshakes that are under way", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0, tls: yield* Fixture.serverContext() })
      const peers = yield* Effect.forEach(Array.from({ length: 20 }), () => silent(listener.port))
      yield* waitFor(listener, ({ handshakes }) => handshakes === 20)
      yield* listener.close
      for (const peer of peers) expect(yield* Effect.flip(peer.receive())).toMatchObject({ by: "peer" })
    }))

  it.scoped("T02 peers that speak something else are told apart, and never end the server", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0, linger: 0, tls: yield* Fixture.serverContext() })
      const garbage = new Uint8Array(3000).map((_, index) => (index * 7919) % 256)
      const cases = [
        ["GET / HTTP/1.1\r\n\r\n", "PlaintextPeer"],
        ["EHLO somebody.test\r\n", "PlaintextPeer"],
        ["SSH-2.0-x\r\n", "PlaintextPeer"],
        [new Uint8Array(2000), "PlaintextPeer"],
        [garbage, undefined],
        // A record of 64 KiB, a hello that is cut, an alert at once, application data at once.
        [new Uint8Array([0x16, 3, 1, 0xff, 0xff, 1, 0, 0]), undefined],
        [new Uint8Array([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]), undefined],
        [new Uint8Array([0x15, 3, 3, 0, 2, 2, 40]), undefined],
        [new Uint8Array([0x17, 3, 3, 0, 2, 2, 40]), undefined],
        ["", "ClosedInHandshake"]
      ] as const
      for (const [bytes, reason] of cases) {
        const peer = yield* silent(listener.port)
        yield* peer.send(bytes)
        yield* peer.shutdown("send")
        const error = yield* Effect.flip(listener.accept)
        expect(error).toMatchObject({ reason: "Handshake", cause: { _tag: "TlsError", ...(reason && { reason }) } })
        yield* peer.abort
      }
      const pair = yield* Effect.all([
        Net.connect({
          host: "localhost",
          family: "IPv4",
          port: listener.port,
          linger: 0,
          tls: yield* Fixture.clientContext()
        }),
        listener.accept
      ], { concurrency: 2 })
      expect(Option.isSome(pair[1].tls)).toBe(true)
    }))

  it.scoped("T02 handshakes that fail leave no descriptor, whoever gave up", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0, linger: 0, tls: yield* Fixture.serverContext({ alpn: ["a"] }) })
      const context = yield* Fixture.clientContext({ alpn: ["b"] })
      const port = listener.port
      const open = Effect.promise(() => Fs.readdir("/proc/self/fd").then((names) => names.length))
      const before = yield* open
      const strangers = Net.connect({ host: "127.0.0.1", port, linger: 0, tls: true })
      const wrong = Net.connect({ host: "127.0.0.1", port, linger: 0, tls: context })
      const cut = Effect.scoped(
        Effect.flatMap(silent(port), (peer) => Effect.zipRight(peer.send("\u0016"), peer.abort))
      )
      for (let round = 0; round < 10; round += 1) {
        yield* Effect.exit(Effect.scoped(strangers))
        yield* Effect.exit(Effect.scoped(wrong))
        yield* cut
      }
      yield* waitFor(listener, ({ handshakeFailures, handshakes }) => handshakes === 0 && handshakeFailures === 30)
      yield* Effect.repeat(Effect.zipRight(turn, open), { until: (now) => now <= before })
    }))

  it.scoped("T02 a server that greets in clear fails the client with `PlaintextPeer`; one that hangs up with `ClosedInHandshake`", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0 })
      const connect = Effect.flatMap(
        Fixture.clientContext(),
        (tls) => Effect.flip(Net.connect({ host: "127.0.0.1", port: listener.port, tls }))
      )
      const greeting = Effect.flatMap(listener.accept, (socket) => socket.send("220 mail.copas.test ESMTP\r\n"))
      const [greeted] = yield* Effect.all([connect, greeting], { concurrency: 2 })
      expect(greeted).toMatchObject({ _tag: "TlsError", reason: "PlaintextPeer" })
      const [hungUp] = yield* Effect.all([
        connect,
        Effect.flatMap(listener.accept, (socket) => socket.close)
      ], { concurrency: 2 })
      expect(hungUp).toMatchObject({ reason: "ClosedInHandshake" })
      const [reset] = yield* Effect.all([
        connect,
        Effect.flatMap(listener.accept, (socket) => Effect.zipRight(socket.receiveExactly(10), socket.abort))
      ], { concurrency: 2 })
      expect(reset).toMatchObject({ reason: "ClosedInHandshake" })
      // A handshake leaves nothing behind.
      expect((yield* (yield* Net.Net).sockets).every((socket) => Option.isNone(socket.tls))).toBe(true)
    }))

  it.scoped("T02 broken records after the handshake break the connection with TLS's own reason", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0, linger: 0, tls: yield* Fixture.serverContext() })
      const { root } = yield* Fixture.TestPki
      const raw = NodeNet.connect(listener.port, "127.0.0.1")
      const secure = NodeTls.connect({ socket: raw, ca: root.pem, servername: "localhost" })
      secure.on("error", () => undefined)
      raw.on("error", () => undefined)
      const server = yield* listener.accept
      yield* Effect.promise(() => new Promise<void>((done) => secure.write("a", () => done())))
      expect(Buffer.from(yield* server.receive()).toString()).toBe("a")
      raw.write(Buffer.from([0x17, 3, 3, 0, 32, ...new Uint8Array(32)]))
      const error = yield* Effect.flip(server.receive())
      expect(error).toMatchObject({ _tag: "SocketBroken", reason: "Tls", cause: { _tag: "TlsError" } })
      raw.destroy()
    }))

  // ---- truncation

  const cut = (options: Fixture.PairOptions) =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0, linger: 0, tls: yield* Fixture.serverContext(options.server) })
      const { root } = yield* Fixture.TestPki
      const raw = NodeNet.connect(listener.port, "127.0.0.1")
      const secure = NodeTls.connect({ socket: raw, ca: root.pem, servername: "localhost" })
      secure.on("error", () => undefined)
      const server = yield* listener.accept
      yield* Effect.promise(() => new Promise<void>((done) => secure.write("half a mess", () => done())))
      return { raw, secure, server }
    })

  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    it.scoped(`T02 an end without close_notify is an end, and with \`requireCloseNotify\` a truncation (${version})`, () =>
      Effect.gen(function*() {
        const careless = yield* cut({ server: { maxVersion: version } })
        careless.raw.end()
        expect(Buffer.from(yield* careless.server.receiveAll()).toString()).toBe("half a mess")
        const careful = yield* cut({ server: { maxVersion: version, requireCloseNotify: true } })
        careful.raw.end()
        const error = yield* Effect.flip(careful.server.receiveAll())
        expect(error).toMatchObject({ _tag: "SocketBroken", reason: "Truncated" })
        const finished = yield* cut({ server: { maxVersion: version, requireCloseNotify: true } })
        finished.secure.end()
        expect(Buffer.from(yield* finished.server.receiveAll()).toString()).toBe("half a mess")
      }))
  }

  it.scoped("T02 with `requireCloseNotify` on both sides everything else continues as before", () =>
    Effect.gen(function*() {
      const { client, server } = yield* Fixture.pair({
        server: { requireCloseNotify: true },
        client: { requireCloseNotify: true }
      })
      const data = new Uint8Array(2_000_000).map((_, index) => index * 17)
      const [received] = yield* Effect.all([
        client.receiveAll(),
        Effect.zipRight(server.send(data), server.shutdown("send"))
      ], { concurrency: 2 })
      expect(Buffer.compare(received, data)).toBe(0)
      yield* client.send("thanks")
      yield* client.shutdown("send")
      expect(Buffer.from(yield* server.receiveAll()).toString()).toBe("thanks")
    }))

  it.scoped("T02 who is hung up on answers with a close_notify of its own before it closes", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0, tls: yield* Fixture.serverContext() })
      yield* Copas.addServer(listener, (socket: Socket.Socket) => Effect.forever(socket.receive()))
      const tls = yield* Fixture.clientContext({ requireCloseNotify: true })
      for (let round = 0; round < 5; round += 1) {
        const client = yield* Net.connect({ host: "localhost", family: "IPv4", port: listener.port, tls })
        yield* client.shutdown("send")
        expect(yield* Effect.flip(client.receive())).toMatchObject({ _tag: "SocketClosed", by: "peer" })
      }
    }))

  it.scoped("T02 a slow reader holds the sender up, and memory with it", () =>
    Effect.gen(function*() {
      const { client, server } = yield* Fixture.pair()
      const sending = yield* Effect.fork(
        Effect.forEach(Array.from({ length: 256 }), () => server.send(new Uint8Array(65536)), { discard: true })
      )
      // It stops by itself: what waits on either side is bounded.
      const still = Effect.repeat(
        Effect.all([server.stats, Effect.promise(() => new Promise((done) => setTimeout(done, 50))), server.stats]),
        { until: ([before, , after]) => before.bytesSent === after.bytesSent && after.bytesSent > 0 }
      )
      const [, , stats] = yield* still
      expect(sending.unsafePoll()).toBe(null)
      expect(stats.sendBuffered).toBeLessThan(512 * 1024)
      expect((yield* client.stats).receiveBuffered).toBeLessThan(512 * 1024)
      const all = yield* client.receiveExactly(256 * 65536)
      expect(all.length).toBe(256 * 65536)
      yield* sending
    }))

  it.scoped("T02 a handler's failure on a secure socket is its own, and the server continues", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0, tls: yield* Fixture.serverContext() })
      yield* Copas.addServer(listener, (socket: Socket.Socket) =>
        Effect.gen(function*() {
          const line = yield* socket.receiveLine()
          if (line === "die") return yield* Effect.fail("died")
          yield* socket.send(`${line}\n`)
        }), {
        onError: () => Effect.void
      })
      const connect = Effect.flatMap(
        Fixture.clientContext(),
        (tls) => Net.connect({ host: "localhost", family: "IPv4", port: listener.port, linger: 0, tls })
      )
      const one = yield* connect
      yield* one.send("die\n")
      yield* Effect.exit(one.receive())
      const other = yield* connect
      yield* other.send("live\n")
      expect(Buffer.from(yield* other.receive()).toString()).toBe("live\n")
    }))

  it.scoped("T05 a huge certificate and a long chain are taken or refused, and nothing else happens", () =>
    Effect.gen(function*() {
      const { root } = yield* Fixture.TestPki
      const hosts = ["localhost", ...Array.from({ length: 2000 }, (_, index) => `name-${index}.copas.test`)]
      const large = yield* Fixture.makePromise({ hosts, issuer: root })
      const { client } = yield* Fixture.pair({ server: { identity: Certificates.identity(large) } })
      expect(Option.getOrThrow(Fixture.tlsOf(client).peerCertificate).alternativeNames).toHaveLength(2001)
      let issuer = root
      for (let index = 0; index < 12; index += 1) {
        issuer = yield* Fixture.makePromise({ name: `Level ${index}`, isAuthority: true, issuer })
      }
      const deep = yield* Fixture.makePromise({ hosts: ["localhost"], issuer })
      const refused = yield* Fixture.failures({
        server: { identity: Certificates.identity(deep) },
        client: { maxDepth: 4 }
      })
      expect(refused.client).toMatchObject({ left: { reason: "ChainTooLong", depth: 12 } })
    }))
})
