/** Handshakes: in the middle of a protocol, in time, and interrupted. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as Copas from "../../Copas.js"
import { hasEnded } from "../../internal/effect/fibers.js"
import type * as Listener from "../../Listener.js"
import * as Net from "../../Net.js"
import type { Socket } from "../../Socket.js"
import * as Tls from "../../Tls.js"
import type { Certificates } from "../TlsMaterial.js"
import { begin, connected, failure, failureOf, holds, listening, outcome, same, textOf, until } from "./support.js"
import { because, dialing, fixture, talks, test, type TlsCase, tlsErrorOf, tlsOf } from "./tlsSupport.js"

const sockets = Effect.flatMap(Net.Net, (net) => net.sockets)

/** Waits until the listener's statistics say so. */
const waitFor = (
  listener: Listener.Listener,
  enough: (stats: Listener.ListenerStats) => boolean
): Effect.Effect<void> => until(Effect.map(listener.stats, enough))

/** The cases. */
export const cases = (certificates: Certificates): ReadonlyArray<TlsCase> => {
  const tls = fixture(certificates)

  return [
    test(
      "T02 a live socket is upgraded by both roles in the middle of a protocol",
      Effect.gen(function*() {
        const context = yield* tls.serverContext()
        const listener = yield* listening()
        const serving = Effect.gen(function*() {
          const socket = yield* listener.accept
          yield* socket.send("220 hello\r\n")
          same(yield* socket.receiveLine(), "STARTTLS", "the command")
          yield* socket.send("220 go ahead\r\n")
          yield* Tls.upgrade(socket, context)
          const line = yield* socket.receiveLine()
          yield* socket.send(`250 ${line}\r\n`)
          return socket
        })
        const asking = Effect.gen(function*() {
          const socket = yield* dialing(listener)
          same(yield* socket.receiveLine(), "220 hello", "the greeting")
          same(Option.isNone(socket.tls), true, "being in clear")
          yield* socket.send("STARTTLS\r\n")
          same(yield* socket.receiveLine(), "220 go ahead", "the reply")
          yield* Tls.upgrade(socket, yield* tls.clientContext())
          yield* socket.send("EHLO me\r\n")
          same(yield* socket.receiveLine(), "250 EHLO me", "the reply under TLS")
          return socket
        })
        const [server, client] = yield* Effect.all([serving, asking], { concurrency: 2 })
        // The name that was connected to is the name that was asked for and verified.
        same(Option.getOrNull(tlsOf(server).serverName), "localhost", "the name")
        same(tlsOf(client).authorization, { _tag: "Verified", by: "authority" }, "the authorization")
      })
    ),
    test(
      "T02 bytes in clear after the reply that starts TLS fail the client's upgrade and cut the socket",
      Effect.gen(function*() {
        const { client, server } = yield* connected()
        yield* server.send("220 go ahead\r\n250 injected\r\n")
        same(yield* client.receiveLine(), "220 go ahead", "the reply")
        const error = yield* failure(Tls.upgrade(client, yield* tls.clientContext()), "TlsError")
        same(error.reason, "BufferedPlaintext", "the reason")
        same((yield* failure(client.receiveLine(), "SocketBroken")).reason, "Tls", "the reason afterwards")
      })
    ),
    test(
      "T02 commands in clear after STARTTLS fail the server's upgrade",
      Effect.gen(function*() {
        const { client, server } = yield* connected()
        yield* client.send("STARTTLS\r\nMAIL FROM:<eve@copas.test>\r\n")
        same(yield* server.receiveLine(), "STARTTLS", "the command")
        const error = yield* failure(Tls.upgrade(server, yield* tls.serverContext()), "TlsError")
        same(error.reason, "BufferedPlaintext", "the reason")
        same((yield* failure(server.send("x"), "SocketBroken")).reason, "Tls", "the reason afterwards")
      })
    ),
    test(
      "T02 a handshake that had begun before the server upgrades is taken up",
      Effect.gen(function*() {
        const listener = yield* listening()
        const connecting = yield* Effect.fork(dialing(listener, yield* tls.clientContext()))
        const server = yield* listener.accept
        yield* until(Effect.map(server.stats, ({ receiveBuffered }) => receiveBuffered > 0))
        yield* Tls.upgrade(server, yield* tls.serverContext())
        yield* talks({ client: yield* Fiber.join(connecting), server })
      })
    ),
    test(
      "T02 what is sent while the handshake is under way goes over TLS, behind it",
      Effect.gen(function*() {
        const { client, server } = yield* connected()
        const upgrading = yield* begin(
          Tls.upgrade(client, yield* tls.clientContext(), { serverName: "localhost" })
        )
        const sending = yield* Effect.fork(client.send("early\n"))
        yield* Tls.upgrade(server, yield* tls.serverContext())
        yield* Fiber.join(upgrading)
        yield* Fiber.join(sending)
        same(yield* server.receiveLine(), "early", "the line")
      })
    ),
    test(
      "T02 an interrupted upgrade cuts the connection",
      Effect.gen(function*() {
        const { client, server } = yield* connected()
        const upgrading = yield* begin(Tls.upgrade(client, yield* tls.clientContext()))
        // The hello is there, so the handshake is under way.
        const hello = yield* server.receiveExactly(1)
        same(hello[0], 0x16, "the first byte")
        yield* Fiber.interrupt(upgrading)
        const end = yield* Effect.flip(Effect.zipRight(server.receiveAll(), server.receive()))
        holds(end._tag === "SocketClosed" || end._tag === "SocketBroken", "the peer is told")
        yield* failure(client.send("x"), "SocketBroken")
      })
    ),
    test(
      "T02 interrupting a connection in its handshake, however early, leaves no socket",
      Effect.gen(function*() {
        const listener = yield* tls.listening()
        const context = yield* tls.clientContext()
        const accepting = yield* Effect.fork(Effect.forever(Effect.exit(Effect.scoped(listener.accept))))
        for (let round = 0; round < 20; round += 1) {
          const connecting = yield* Effect.fork(
            Effect.scoped(Effect.zipRight(dialing(listener, context), Effect.never))
          )
          for (let step = 0; step < round; step += 1) yield* Effect.yieldNow()
          yield* Fiber.interrupt(connecting)
        }
        yield* until(Effect.map(sockets, (open) => open.length === 0))
        yield* waitFor(listener, ({ handshakes }) => handshakes === 0)
        yield* Fiber.interrupt(accepting)
      })
    ),
    test(
      "T02 a peer that opens TLS and stays silent is dropped at the handshake time-out",
      Effect.gen(function*() {
        const listener = yield* tls.listening({ handshakeTimeout: "3 seconds" })
        const peer = yield* dialing(listener)
        yield* waitFor(listener, ({ handshakes }) => handshakes === 1)
        yield* TestClock.adjust("2900 millis")
        same((yield* listener.stats).handshakeFailures, 0, "the failures so far")
        yield* TestClock.adjust("200 millis")
        const error = yield* failure(listener.accept, "AcceptError")
        same(error.reason, "Handshake", "the reason")
        because(tlsErrorOf(yield* Effect.exit(Effect.fail(error))), "HandshakeTimeout")
        const end = yield* failure(peer.receive(), "SocketClosed")
        same(end.by, "peer", "who closed")
        const { handshakeFailures, handshakes } = yield* listener.stats
        same([handshakes, handshakeFailures], [0, 1], "the handshakes")
      })
    ),
    test(
      "T02 a server that never answers fails the client at its connect time-out, and leaves no socket",
      Effect.gen(function*() {
        const listener = yield* listening()
        const connecting = yield* Effect.fork(Effect.exit(Net.connect({
          host: "127.0.0.1",
          port: listener.port,
          tls: yield* tls.clientContext(),
          timeouts: { connect: "2 seconds" }
        })))
        const accepted = yield* listener.accept
        yield* accepted.receiveExactly(100)
        yield* TestClock.adjust("2 seconds")
        because(tlsErrorOf(yield* Fiber.join(connecting)), "HandshakeTimeout")
        same((yield* sockets).length, 1, "the number of open sockets")
      })
    ),
    test(
      "T02 the handshake has ten seconds by default",
      Effect.gen(function*() {
        const { server } = yield* connected()
        const upgrading = yield* begin(Tls.upgrade(server, yield* tls.serverContext()))
        yield* TestClock.adjust("9999 millis")
        same(hasEnded(upgrading), false, "being done")
        yield* TestClock.adjust("1 millis")
        same((yield* failureOf(yield* outcome(upgrading), "TlsError")).reason, "HandshakeTimeout", "the reason")
      })
    ),
    test(
      "T02 half-open handshakes keep nobody out, and the oldest make room for new ones",
      Effect.gen(function*() {
        const context = yield* tls.serverContext()
        const listener = yield* Net.listen({
          host: "127.0.0.1",
          port: 0,
          linger: 0,
          tls: { context, maxHandshakes: 10 }
        })
        yield* Effect.replicateEffect(dialing(listener), 30)
        yield* waitFor(listener, ({ handshakeFailures, handshakes }) => handshakes === 10 && handshakeFailures === 20)
        const client = yield* dialing(listener, yield* tls.clientContext())
        because(tlsErrorOf(yield* Effect.exit(listener.accept)), "Overloaded")
        yield* talks({ client, server: yield* listener.accept })
      })
    ),
    test(
      "T02 closing the listener cuts the handshakes that are under way",
      Effect.gen(function*() {
        const listener = yield* tls.listening()
        const peers = yield* Effect.replicateEffect(dialing(listener), 5)
        yield* waitFor(listener, ({ handshakes }) => handshakes === 5)
        yield* listener.close
        for (const peer of peers) {
          const end = yield* Effect.flip(Effect.asVoid(peer.receive()))
          holds(end._tag === "SocketClosed" || end._tag === "SocketBroken", "the peer is told")
        }
      })
    ),
    test(
      "C13 the handler combinator does the handshake before the handler runs",
      Effect.gen(function*() {
        const listener = yield* Net.listen({ host: "127.0.0.1", port: 0 })
        const context = yield* tls.serverContext()
        const handler = (socket: Socket) =>
          Effect.flatMap(socket.receiveLine(), (line) => socket.send(`${tlsOf(socket).info.protocol} ${line}\n`))
        yield* Copas.addServer(listener, Tls.handler(context, handler))
        const client = yield* dialing(listener, yield* tls.clientContext())
        yield* client.send("hi\n")
        same(yield* client.receiveLine(), "TLSv1.3 hi", "the answer")
      })
    ),
    test(
      "C13 a server on a listener with `tls` runs handlers on secure sockets only",
      Effect.gen(function*() {
        const listener = yield* Net.listen({ host: "127.0.0.1", port: 0, tls: yield* tls.serverContext() })
        const server = yield* Copas.addServer(
          listener,
          (socket) => Effect.flatMap(socket.receiveLine(), (line) => socket.send(`${line}\n`))
        )
        const plain = yield* dialing(listener)
        yield* plain.send("GET / HTTP/1.0\r\n\r\n")
        yield* Effect.exit(plain.receiveAll())
        const client = yield* dialing(listener, yield* tls.clientContext())
        yield* client.send("hi\n")
        same(textOf(yield* client.receiveAll()), "hi\n", "the answer")
        const { connections, handshakeFailures } = yield* server.stats
        same([connections <= 1, handshakeFailures], [true, 1], "the connections and failures")
      })
    )
  ]
}
