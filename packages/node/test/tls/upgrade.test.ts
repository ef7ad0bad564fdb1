/** STARTTLS, with bytes that arrive cut, early or in clear. */
import { Copas, Net, type Socket, Tls } from "@copas/core"
import { NodeCopas } from "@copas/node"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as NodeNet from "node:net"
import * as Stream from "node:stream"
import * as NodeTls from "node:tls"
import { turn, turns, until } from "../turns.js"
import * as Fixture from "./fixture.js"
import { backTo, sockets } from "./support.js"

layer(Layer.merge(NodeCopas.layer, Fixture.layer), { excludeTestServices: true })((it) => {
  const plain = Effect.gen(function*() {
    const listener = yield* Net.listen({ port: 0, linger: 0 })
    const port = listener.port
    const [client, server] = yield* Effect.all([
      Net.connect({ host: "localhost", family: "IPv4", port, linger: 0 }),
      listener.accept
    ], { concurrency: 2 })
    return { client, server, port }
  })

  const buffered = (socket: Socket.Socket, count: number) =>
    until(Effect.map(socket.stats, ({ receiveBuffered }) => receiveBuffered >= count))

  /** The bytes of a client's first flight, as OpenSSL makes them. */
  const hello = Effect.scoped(Effect.gen(function*() {
    const { client, server } = yield* plain
    yield* Effect.fork(Tls.upgrade(client, yield* Fixture.clientContext()))
    yield* buffered(server, 100)
    return yield* server.receive()
  }))

  // ---- bytes in flight

  it.scoped("T02 a client's hello that comes in two parts, cut anywhere, behind STARTTLS or not, is taken up whole", () =>
    Effect.gen(function*() {
      const context = yield* Fixture.serverContext()
      const { root } = yield* Fixture.TestPki
      const { length } = yield* hello
      for (let cut = 0; cut <= length; cut += cut < 12 ? 1 : 23) {
        yield* Effect.scoped(Effect.gen(function*() {
          const listener = yield* Net.listen({ port: 0, linger: 0 })
          const below = yield* Effect.acquireRelease(
            Effect.sync(() => NodeNet.connect(listener.port, "127.0.0.1")),
            (socket) => Effect.sync(() => socket.destroy())
          )
          below.on("error", () => undefined)
          // The first that OpenSSL writes goes out in two pieces, the command in front of the first.
          let rest: Buffer | undefined
          const relay = new Stream.Duplex({
            read: () => undefined,
            write: (chunk: Buffer, _, done) => {
              if (rest === undefined) {
                rest = chunk.subarray(cut)
                below.write(Buffer.concat([Buffer.from("STARTTLS\r\n"), chunk.subarray(0, cut)]))
              } else below.write(chunk)
              done()
            }
          })
          below.on("data", (chunk) => relay.push(chunk))
          const secure = NodeTls.connect({ socket: relay, ca: root.pem, servername: "localhost" })
          secure.on("error", () => undefined)
          const connected = new Promise<void>((resolve) => secure.once("secureConnect", () => resolve()))
          const server = yield* listener.accept
          expect(yield* server.receiveLine()).toBe("STARTTLS")
          // Until what comes with the command has come.
          yield* buffered(server, cut)
          const upgrading = yield* Effect.fork(Tls.upgrade(server, context))
          yield* turn
          if (rest!.length > 0) below.write(rest!)
          yield* Fiber.join(upgrading)
          yield* Effect.promise(() => connected)
          secure.write("hello\n")
          expect(yield* server.receiveLine()).toBe("hello")
        }))
      }
    }))

  it.scoped("T02 bytes in clear after the reply never come out of the secure socket, wherever the reply is cut", () =>
    Effect.gen(function*() {
      const reply = "220 go ahead\r\n250 injected\r\n"
      const context = yield* Fixture.clientContext()
      for (let cut = 0; cut <= reply.length; cut += 1) {
        yield* Effect.scoped(Effect.gen(function*() {
          const { client, server } = yield* plain
          yield* server.send(reply.slice(0, cut))
          yield* server.flush
          const upgrading = yield* Effect.fork(Effect.zipRight(client.receiveLine(), Tls.upgrade(client, context)))
          yield* turn
          yield* server.send(reply.slice(cut))
          const error = yield* Effect.flip(Fiber.join(upgrading))
          // Those that came too late to be seen beforehand are no record of TLS.
          expect(error).toMatchObject({
            _tag: "TlsError",
            reason: expect.stringMatching(/^(BufferedPlaintext|PlaintextPeer)$/)
          })
          expect(yield* Effect.flip(client.receive())).toMatchObject({ _tag: "SocketBroken" })
        }))
      }
    }))

  it.scoped("T02 a byte that looks like TLS does not get a server past the rest that does not", () =>
    Effect.gen(function*() {
      const context = yield* Fixture.serverContext()
      for (
        const injected of [
          "\x16MAIL FROM:<eve@copas.test>\r\n",
          "\x16\x03\x01MAIL FROM:<eve>\r\n",
          "\x16\x03\x01\0\x05hello"
        ]
      ) {
        yield* Effect.scoped(Effect.gen(function*() {
          const { client, server } = yield* plain
          yield* client.send(Buffer.from(`STARTTLS\r\n${injected}`, "latin1"))
          yield* client.shutdown("send")
          expect(yield* server.receiveLine()).toBe("STARTTLS")
          yield* buffered(server, injected.length)
          expect(yield* Effect.flip(Tls.upgrade(server, context))).toMatchObject({ _tag: "TlsError" })
          expect(yield* Effect.flip(server.receive())).toMatchObject({ _tag: "SocketBroken" })
        }))
      }
    }))

  it.scoped("T02 more in clear than the buffer holds, half read, fails a client's upgrade all the same", () =>
    Effect.gen(function*() {
      const context = yield* Fixture.clientContext()
      const listener = yield* Net.listen({ port: 0, linger: 0 })
      const client = yield* Net.connect({
        host: "127.0.0.1",
        port: listener.port,
        linger: 0,
        highWaterMark: 1024
      })
      const server = yield* listener.accept
      yield* Effect.fork(Effect.exit(server.send(new Uint8Array(4 * 1024 * 1024).fill(0x16))))
      yield* buffered(client, 1024)
      // Everything that is shown is read, to the last byte: more waits below.
      yield* client.receive()
      expect(yield* Effect.flip(Tls.upgrade(client, context))).toMatchObject({ _tag: "TlsError" })
      expect(yield* Effect.flip(client.receive())).toMatchObject({ _tag: "SocketBroken" })
    }))

  it.scoped("T02 what was sent in clear goes out in clear, and before the handshake", () =>
    Effect.gen(function*() {
      const { client, server } = yield* plain
      const context = yield* Fixture.serverContext()
      const large = "x".repeat(100_000)
      const upgrading = yield* Effect.fork(
        Effect.zipRight(server.send(`${large}\r\n220 go ahead\r\n`), Tls.upgrade(server, context))
      )
      expect(yield* client.receiveLine({ maxLength: 200_000 })).toBe(large)
      expect(yield* client.receiveLine()).toBe("220 go ahead")
      yield* Tls.upgrade(client, yield* Fixture.clientContext())
      yield* Fiber.join(upgrading)
      yield* client.send("secure\n")
      expect(yield* server.receiveLine()).toBe("secure")
    }))

  it.scoped("T02 C13 a failed handshake of the combinator is the handler's failure, typed, and the handler is not run", () =>
    Effect.gen(function*() {
      const context = yield* Fixture.serverContext()
      const failures: Array<unknown> = []
      let runs = 0
      const listener = yield* Net.listen({ port: 0 })
      const server = yield* Copas.addServer(
        listener,
        Tls.handler(context, (socket: Socket.Socket) => {
          runs += 1
          return Effect.flatMap(socket.receiveLine(), (line) => socket.send(`${line}\n`))
        }),
        { onError: (cause) => Effect.sync(() => void failures.push(cause)) }
      )
      const connect = (tls: boolean | Tls.ClientContext) =>
        Net.connect({ host: "localhost", family: "IPv4", port: listener.port, linger: 0, tls })
      yield* Effect.exit(connect(true))
      const clear = yield* connect(false)
      yield* clear.send("EHLO me\r\n")
      yield* Effect.exit(clear.receiveAll())
      yield* until(Effect.sync(() => failures.length === 2))
      expect(runs).toBe(0)
      expect(String(failures)).toContain("TLS failed")
      const client = yield* connect(yield* Fixture.clientContext())
      yield* client.send("in\n")
      expect(yield* client.receiveLine()).toBe("in")
      yield* Copas.removeServer(server)
    }))

  // ---- interruption

  /** Interrupts `effect` after each number of turns up to a limit; whatever it was doing, no socket is left. */
  const interrupted = <A, E, R>(
    rounds: number,
    effect: Effect.Effect<A, E, R | Scope.Scope>,
    settled: Effect.Effect<unknown, never, R>
  ) =>
    Effect.gen(function*() {
      const before = yield* sockets
      let done = 0
      for (let round = 0; round < rounds; round += 1) {
        const fiber = yield* Effect.fork(Effect.scoped(effect))
        yield* round % 2 === 0 ? turns(round >> 1) : Effect.repeatN(Effect.yieldNow(), round)
        const exit = yield* Fiber.interrupt(fiber)
        if (exit._tag === "Success") done += 1
        yield* settled
      }
      yield* backTo(before)
      return done
    })

  it.scoped("T02 interrupting an upgrade, of either role, anywhere leaves no descriptor", () =>
    Effect.gen(function*() {
      const context = yield* Fixture.serverContext()
      const client = yield* Fixture.clientContext()
      const both = Effect.flatMap(plain, (ends) =>
        Effect.all([Tls.upgrade(ends.client, client), Tls.upgrade(ends.server, context)], { concurrency: 2 }))
      yield* interrupted(60, both, Effect.void)
      // One that never gets an answer.
      const alone = Effect.flatMap(plain, (ends) =>
        Tls.upgrade(ends.client, client))
      expect(yield* interrupted(20, alone, Effect.void)).toBe(0)
      const waiting = Effect.flatMap(plain, (ends) => Tls.upgrade(ends.server, context))
      expect(yield* interrupted(20, waiting, Effect.void)).toBe(0)
      expect((yield* (yield* Net.Net).sockets).filter((socket) => socket.name.includes("127.0.0.1"))).toEqual([])
    }))

  it.scoped("T02 interrupting a connect with TLS anywhere leaves no descriptor on either side, and the listener continues", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0, linger: 0, tls: yield* Fixture.serverContext() })
      const tls = yield* Fixture.clientContext()
      const connect = Net.connect({ host: "localhost", family: "IPv4", port: listener.port, linger: 0, tls })
      const draining = yield* Effect.fork(Effect.forever(Effect.ignore(Effect.scoped(listener.accept))))
      const quiet = until(Effect.map(listener.stats, ({ handshakes, pending }) => handshakes + pending === 0))
      yield* interrupted(60, connect, quiet)
      yield* Fiber.interrupt(draining)
      const accepting = yield* Effect.fork(listener.accept)
      const socket = yield* connect
      yield* socket.send("still here\n")
      expect(yield* (yield* Fiber.join(accepting)).receiveLine()).toBe("still here")
    }))

  it.scoped("T02 an accept that is interrupted loses no connection", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0, linger: 0, tls: yield* Fixture.serverContext() })
      const tls = yield* Fixture.clientContext()
      for (let round = 0; round < 20; round += 1) {
        const connecting = yield* Effect.fork(
          Net.connect({ host: "localhost", family: "IPv4", port: listener.port, linger: 0, tls })
        )
        const first = yield* Effect.fork(Effect.scoped(Effect.zipRight(listener.accept, Effect.never)))
        yield* turns(round)
        const { accepted } = yield* listener.stats
        if (accepted === round) {
          yield* Fiber.interrupt(first)
          const { accepted: now } = yield* listener.stats
          if (now === round) expect(Option.isSome((yield* listener.accept).tls)).toBe(true)
        } else yield* Fiber.interrupt(first)
        yield* Effect.exit(Fiber.join(connecting))
        expect((yield* listener.stats).accepted).toBe(round + 1)
      }
    }))

  // ---- half-open handshakes

  it.scoped("T02 thousands of half-open handshakes keep nobody out, and their sockets are given back", () =>
    Effect.gen(function*() {
      const before = yield* sockets
      yield* Effect.scoped(Effect.gen(function*() {
        const listener = yield* Net.listen({
          port: 0,
          linger: 0,
          backlog: 4096,
          tls: { context: yield* Fixture.serverContext(), maxHandshakes: 256 }
        })
        const tls = yield* Fixture.clientContext()
        const connect = (secure: boolean) =>
          Net.connect({
            host: "localhost",
            family: "IPv4",
            port: listener.port,
            linger: 0,
            ...(secure ? { tls } : {})
          })
        for (let wave = 0; wave < 4; wave += 1) {
          yield* Effect.scoped(Effect.gen(function*() {
            // Half of them say a part of a hello.
            yield* Effect.forEach(
              Array.from({ length: 600 }, (_, index) => index),
              (index) =>
                Effect.tap(connect(false), (socket) => index % 2 === 0 ? socket.send("\x16\x03\x01") : Effect.void),
              { concurrency: 100 }
            )
            const client = yield* connect(true)
            const server = yield* Effect.retry(listener.accept, { while: (error) => error._tag === "AcceptError" })
            yield* client.send("in\n")
            expect(yield* server.receiveLine()).toBe("in")
            expect((yield* listener.stats).handshakes).toBeLessThanOrEqual(256)
          }))
        }
        yield* until(Effect.map(listener.stats, ({ handshakes }) => handshakes === 0))
        const { failed, handshakeFailures } = yield* listener.stats
        expect(failed).toBe(0)
        expect(handshakeFailures).toBe(2400)
      }))
      yield* backTo(before)
    }))

  // ---- renegotiation

  it.scoped("T02 a client that renegotiates (TLS 1.2) gets nowhere, and costs nobody else anything", () =>
    Effect.gen(function*() {
      const { root } = yield* Fixture.TestPki
      const listener = yield* Net.listen({ port: 0, linger: 0, tls: yield* Fixture.serverContext() })
      const secure = yield* Effect.acquireRelease(
        Effect.sync(() =>
          NodeTls.connect({
            host: "127.0.0.1",
            port: listener.port,
            ca: root.pem,
            servername: "localhost",
            maxVersion: "TLSv1.2"
          })
        ),
        (socket) => Effect.sync(() => socket.destroy())
      )
      secure.on("error", () => undefined)
      const server = yield* listener.accept
      yield* Effect.async<void>((resume) => void secure.write("before\n", () => resume(Effect.void)))
      expect(yield* server.receiveLine()).toBe("before")
      const refused = yield* Effect.async<unknown>((resume) => {
        secure.renegotiate({}, (error) => resume(Effect.succeed(error)))
        secure.once("close", () => resume(Effect.succeed(new Error("closed"))))
      })
      expect(refused).toBeInstanceOf(Error)
      const { client } = yield* Fixture.pair()
      yield* client.send("the others\n")
    }))
})
