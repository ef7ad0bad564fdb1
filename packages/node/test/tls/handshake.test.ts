/** Handshakes when connecting, when accepting and on live sockets. */
import { Copas, Net, type Socket, Tls } from "@copas/core"
import { NodeCopas } from "@copas/node"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Certificates from "../certificates.js"
import * as Fixture from "./fixture.js"

layer(Layer.merge(NodeCopas.layer, Fixture.layer), { excludeTestServices: true })((it) => {
  it.scoped("T01 a connection with `tls` is secure on both ends, and bytes go both ways", () =>
    Effect.gen(function*() {
      const { client, server } = yield* Fixture.pair()
      yield* client.send("hello\n")
      expect(yield* server.receiveLine()).toBe("hello")
      yield* server.send("welcome\n")
      expect(yield* client.receiveLine()).toBe("welcome")
      expect(Fixture.tlsOf(client).role).toBe("client")
      expect(Fixture.tlsOf(server).role).toBe("server")
      expect(Fixture.tlsOf(client).info.protocol).toBe("TLSv1.3")
    }))

  it.scoped("T01 a large transfer arrives whole, and its end is seen", () =>
    Effect.gen(function*() {
      const { client, server } = yield* Fixture.pair()
      const data = new Uint8Array(3_000_000).map((_, index) => index * 31)
      const sending = Effect.zipRight(server.send(data), server.shutdown("send"))
      const [received] = yield* Effect.all([client.receiveAll(), sending], { concurrency: 2 })
      expect(Buffer.compare(received, data)).toBe(0)
      // The other direction is still open.
      yield* client.send("thanks\n")
      expect(yield* server.receiveLine()).toBe("thanks")
    }))

  it.scoped("T01 what was sent before the scope of a server's socket ended reaches the peer", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0, tls: yield* Fixture.serverContext() })
      yield* Effect.forkScoped(Effect.scoped(Effect.flatMap(listener.accept, (socket) => socket.send("bye"))))
      const context = yield* Fixture.clientContext()
      const socket = yield* Net.connect({
        host: "localhost",
        family: "IPv4",
        port: listener.port,
        tls: context
      })
      expect(Buffer.from(yield* socket.receiveAll()).toString()).toBe("bye")
    }))

  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    it.scoped(`T01 both sides can be held to ${version}`, () =>
      Effect.gen(function*() {
        const { client } = yield* Fixture.pair({ server: { minVersion: version, maxVersion: version } })
        expect(Fixture.tlsOf(client).info.protocol).toBe(version)
      }))
  }

  it.scoped("T02 a live socket is upgraded by both roles in the middle of a protocol", () =>
    Effect.gen(function*() {
      const context = yield* Fixture.serverContext()
      const listener = yield* Net.listen({ port: 0, linger: 0 })
      const serving = Effect.gen(function*() {
        const socket = yield* listener.accept
        yield* socket.send("220 hello\r\n")
        expect(yield* socket.receiveLine()).toBe("STARTTLS")
        yield* socket.send("220 go ahead\r\n")
        yield* Tls.upgrade(socket, context)
        const line = yield* socket.receiveLine()
        yield* socket.send(`250 ${line}\r\n`)
        return socket
      })
      const client = Effect.gen(function*() {
        const socket = yield* Net.connect({
          host: "localhost",
          family: "IPv4",
          port: listener.port,
          linger: 0
        })
        expect(yield* socket.receiveLine()).toBe("220 hello")
        expect(Option.isNone(socket.tls)).toBe(true)
        yield* socket.send("STARTTLS\r\n")
        expect(yield* socket.receiveLine()).toBe("220 go ahead")
        yield* Tls.upgrade(socket, yield* Fixture.clientContext())
        yield* socket.send("EHLO me\r\n")
        expect(yield* socket.receiveLine()).toBe("250 EHLO me")
        return socket
      })
      const [server, socket] = yield* Effect.all([serving, client], { concurrency: 2 })
      // The name that was connected to is the name that was asked for and verified.
      expect(Fixture.tlsOf(server).serverName).toEqual(Option.some("localhost"))
      expect(Fixture.tlsOf(socket).authorization).toEqual({ _tag: "Verified", by: "authority" })
    }))

  it.scoped("T02 bytes in clear after the reply that starts TLS fail the client's upgrade and cut the socket", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0, linger: 0 })
      const client = yield* Net.connect({ host: "127.0.0.1", port: listener.port })
      const server = yield* listener.accept
      yield* server.send("220 go ahead\r\n250 injected\r\n")
      expect(yield* client.receiveLine()).toBe("220 go ahead")
      const error = yield* Effect.flip(Tls.upgrade(client, yield* Fixture.clientContext()))
      expect(error).toMatchObject({ _tag: "TlsError", reason: "BufferedPlaintext" })
      const after = yield* Effect.flip(client.receiveLine())
      expect(after).toMatchObject({ _tag: "SocketBroken", reason: "Tls" })
    }))

  it.scoped("T02 commands in clear after STARTTLS fail the server's upgrade", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0, linger: 0 })
      const client = yield* Net.connect({ host: "127.0.0.1", port: listener.port })
      const server = yield* listener.accept
      yield* client.send("STARTTLS\r\nMAIL FROM:<eve@copas.test>\r\n")
      expect(yield* server.receiveLine()).toBe("STARTTLS")
      const error = yield* Effect.flip(Tls.upgrade(server, yield* Fixture.serverContext()))
      expect(error).toMatchObject({ _tag: "TlsError", reason: "BufferedPlaintext" })
      expect(yield* Effect.flip(server.send("x"))).toMatchObject({ _tag: "SocketBroken", reason: "Tls" })
    }))

  it.scoped("T02 a handshake that had begun before the server upgrades is taken up", () =>
    Effect.gen(function*() {
      const context = yield* Fixture.serverContext()
      const listener = yield* Net.listen({ port: 0, linger: 0 })
      const connecting = yield* Effect.fork(
        Net.connect({
          host: "localhost",
          family: "IPv4",
          port: listener.port,
          linger: 0,
          tls: yield* Fixture.clientContext()
        })
      )
      const server = yield* listener.accept
      const arrived = Effect.repeat(server.stats, { until: ({ receiveBuffered }) => receiveBuffered > 0 })
      yield* Effect.zipRight(arrived, Tls.upgrade(server, context))
      const client = yield* connecting
      yield* client.send("over tls\n")
      expect(yield* server.receiveLine()).toBe("over tls")
    }))

  it.scoped("T02 an interrupted upgrade cuts the connection", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0, linger: 0 })
      const client = yield* Net.connect({ host: "127.0.0.1", port: listener.port })
      const server = yield* listener.accept
      const upgrading = yield* Effect.fork(Tls.upgrade(client, yield* Fixture.clientContext()))
      // The hello is there, so the handshake is under way.
      yield* server.receiveExactly(1)
      yield* upgrading.interruptAsFork(upgrading.id())
      yield* upgrading.await
      const end = yield* Effect.flip(server.receiveAll().pipe(Effect.zipRight(server.receive())))
      expect(["SocketClosed", "SocketBroken"]).toContain(end._tag)
      expect(yield* Effect.flip(client.send("x"))).toMatchObject({ _tag: "SocketBroken" })
    }))

  it.scoped("C13 the handler combinator does the handshake before the handler runs", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0 })
      const context = yield* Fixture.serverContext()
      yield* Copas.addServer(
        listener,
        Tls.handler(context, (socket: Socket.Socket) =>
          Effect.flatMap(socket.receiveLine(), (line) =>
            socket.send(`${Fixture.tlsOf(socket).info.protocol} ${line}\n`)))
      )
      const client = yield* Net.connect({
        host: "localhost",
        family: "IPv4",
        port: listener.port,
        tls: yield* Fixture.clientContext()
      })
      yield* client.send("hi\n")
      expect(yield* client.receiveLine()).toBe("TLSv1.3 hi")
    }))

  it.scoped("C13 a server on a listener with `tls` runs handlers on secure sockets only", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0, tls: yield* Fixture.serverContext() })
      const server = yield* Copas.addServer(listener, (socket) =>
        Effect.flatMap(socket.receiveLine(), (line) => socket.send(`${line}\n`)))
      const plain = yield* Net.connect({ host: "127.0.0.1", port: listener.port })
      yield* plain.send("GET / HTTP/1.0\r\n\r\n")
      yield* Effect.exit(plain.receiveAll())
      const client = yield* Net.connect({
        host: "localhost",
        family: "IPv4",
        port: listener.port,
        tls: yield* Fixture.clientContext()
      })
      yield* client.send("hi\n")
      expect(yield* client.receiveLine()).toBe("hi")
      expect(yield* server.stats).toMatchObject({ connections: 1, handshakeFailures: 1 })
    }))

  it.scoped("T01 the key may be encrypted, and a certificate may be DER", () =>
    Effect.gen(function*() {
      const pki = yield* Fixture.TestPki
      const server = yield* Tls.server({
        identity: {
          certificate: pki.server.chain,
          key: Certificates.encryptedKey(pki.server, "secret"),
          passphrase: "secret"
        }
      })
      const client = yield* Tls.client({ ca: new Uint8Array(pki.root.certificate.rawData) })
      const listener = yield* Net.listen({ port: 0, linger: 0, tls: server })
      const socket = yield* Net.connect({ host: "127.0.0.1", port: listener.port, tls: client })
      // A numeric address is verified, but not asked for (RFC 6066, section 3).
      expect(Fixture.tlsOf(socket).authorization).toEqual({ _tag: "Verified", by: "authority" })
      const accepted = yield* listener.accept
      expect(Fixture.tlsOf(accepted).serverName).toEqual(Option.none())
    }))
})
