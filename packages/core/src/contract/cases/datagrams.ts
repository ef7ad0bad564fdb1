/** What is sent and received, to whom, and what is not. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Net from "../../Net.js"
import * as NetAddress from "../../NetAddress.js"
import * as Udp from "../../Udp.js"
import { bound, came, connectedTo, deadPort } from "./datagramSupport.js"
import { begin, type Case, failure, holds, mentions, same, test, textOf, until } from "./support.js"

export const cases: ReadonlyArray<Case> = [
  test(
    "C23 sendTo reaches a bound socket, and receiveFrom gives the bytes with their sender",
    Effect.gen(function*() {
      const server = yield* bound()
      const client = yield* bound()
      yield* client.sendTo("hello", server.localAddress)
      const { data, from } = yield* server.receiveFrom
      same(textOf(data), "hello")
      same(NetAddress.format(from), NetAddress.format(client.localAddress))
      same(from.family, "IPv4")
      yield* server.sendTo(data, from)
      same(textOf(yield* client.receive()), "hello")
    })
  ),
  test(
    "S07 each datagram is received whole and apart, in the order of a quiet network",
    Effect.gen(function*() {
      const server = yield* bound()
      const client = yield* bound()
      const messages = Array.from({ length: 20 }, (_, index) => "x".repeat(index * 40))
      for (const message of messages) yield* client.sendTo(message, server.localAddress)
      for (const message of messages) same(textOf(yield* server.receive()), message)
    })
  ),
  test(
    "S07 receive with maxBytes cuts a larger datagram, and the next read has the next datagram",
    Effect.gen(function*() {
      const server = yield* bound()
      const client = yield* connectedTo(server)
      for (const message of ["a longer message", "short", "whole again"]) yield* client.send(message)
      same(textOf(yield* server.receive({ maxBytes: 8 })), "a longer")
      same(textOf(yield* server.receive({ maxBytes: 8 })), "short")
      same(textOf(yield* server.receive({})), "whole again")
      const waiting = yield* begin(server.receive({ maxBytes: 1 }))
      yield* client.send("late")
      same(textOf(yield* Fiber.join(waiting)), "l")
    })
  ),
  test(
    "S07 a datagram of no bytes is one, with a sender",
    Effect.gen(function*() {
      const server = yield* bound()
      const client = yield* connectedTo(server)
      yield* client.send("")
      yield* client.send(new Uint8Array(0))
      const first = yield* server.receiveFrom
      same(first.data.length, 0)
      same(first.from.port, client.port)
      same((yield* server.receive()).length, 0)
      yield* server.sendTo("", first.from)
      same((yield* client.receive()).length, 0)
    })
  ),
  test(
    "S07 a connected socket sends to its peer alone, and hears its peer alone",
    Effect.gen(function*() {
      const server = yield* bound()
      const stranger = yield* bound()
      const client = yield* connectedTo(server)
      same(client.remoteAddress?.port, server.port)
      yield* stranger.sendTo("from a stranger", client.localAddress)
      yield* client.send("ping")
      const { from } = yield* server.receiveFrom
      yield* server.sendTo("pong", from)
      same(textOf(yield* client.receive()), "pong")
      const error = yield* failure(client.sendTo("else", stranger.localAddress), "DatagramError")
      same(error.reason, "AlreadyConnected")
    })
  ),
  test(
    "S07 connect makes a bound socket's peer, drops what others sent before, and disconnect lets everybody in again",
    Effect.gen(function*() {
      const one = yield* bound()
      const two = yield* bound()
      const socket = yield* bound()
      yield* two.sendTo("too early", socket.localAddress)
      yield* came(socket, 1)
      yield* socket.connect(one.localAddress)
      yield* socket.send("to one")
      same(textOf(yield* one.receive()), "to one")
      yield* one.sendTo("for you", socket.localAddress)
      same(textOf(yield* socket.receive()), "for you")
      same((yield* socket.stats).dropped, 1)
      yield* socket.connect(two.localAddress)
      yield* socket.send("to two")
      same(textOf(yield* two.receive()), "to two")
      yield* socket.disconnect
      yield* socket.disconnect
      same(socket.remoteAddress, undefined)
      const error = yield* failure(socket.send("to whom"), "DatagramError")
      same(error.reason, "NotConnected")
      mentions(error.message, "sendTo")
      yield* one.sendTo("welcome", socket.localAddress)
      same(textOf(yield* socket.receive()), "welcome")
    })
  ),
  test(
    "S07 a refusal fails the receive of a connected socket once, and the socket continues",
    Effect.gen(function*() {
      const port = yield* deadPort
      const client = yield* Udp.connect({ host: "127.0.0.1", port })
      yield* client.send("anybody?")
      const error = yield* failure(client.receive(), "DatagramError")
      same(error.reason, "Refused")
      mentions(error.message, `127.0.0.1:${port}`)
      const server = yield* Udp.bind({ host: "127.0.0.1", port })
      yield* client.send("now?")
      same(textOf(yield* server.receive()), "now?")
    })
  ),
  test(
    "S07 a refusal that no receive was told of fails a later send, once",
    Effect.gen(function*() {
      const client = yield* Udp.connect({ host: "127.0.0.1", port: yield* deadPort })
      const refused: Effect.Effect<boolean, unknown> = client.send("anybody?").pipe(
        Effect.as(false),
        Effect.catchTag("DatagramError", (error) => Effect.succeed(error.reason === "Refused"))
      )
      yield* until(refused)
      yield* client.setTimeouts({ receive: 0 })
    })
  ),
  test(
    "S20 the largest datagram is Udp.maxDatagramSize bytes, and one byte more is MessageTooLong",
    Effect.gen(function*() {
      const server = yield* bound()
      const client = yield* bound()
      yield* client.sendTo(new Uint8Array(Udp.maxDatagramSize), server.localAddress)
      same((yield* server.receive()).length, 65507)
      const tooLong = new Uint8Array(Udp.maxDatagramSize + 1)
      const error = yield* failure(client.sendTo(tooLong, server.localAddress), "MessageTooLong")
      same(error.limit, Udp.maxDatagramSize)
      same((yield* failure(client.sendTo("é".repeat(40_000), server.localAddress), "MessageTooLong")).operation, "send")
    })
  ),
  test(
    "S07 a name is looked up when it is sent to",
    Effect.gen(function*() {
      const server = yield* bound()
      const client = yield* bound()
      yield* client.sendTo("by name", { host: "localhost", port: server.port })
      same(textOf(yield* server.receive()), "by name")
      const named = yield* Udp.connect({ host: "localhost", port: server.port, family: "IPv4" })
      yield* named.send("connected by name")
      same(textOf(yield* server.receive()), "connected by name")
    })
  ),
  test(
    "S07 an address of the other family, a port out of range and a host that is none are typed errors",
    Effect.gen(function*() {
      const socket = yield* bound()
      const other = yield* failure(socket.sendTo("x", { host: "::1", port: 9 }), "DatagramError")
      same(other.reason, "Unreachable")
      same((yield* failure(socket.sendTo("x", { host: "127.0.0.1", port: 0 }), "InvalidOption")).option, "port")
      same((yield* failure(socket.sendTo("x", { host: "127.0.0.1", port: 65536 }), "InvalidOption")).option, "port")
      same((yield* failure(socket.sendTo("x", NetAddress.inet("127.0.0.1", 0)), "InvalidOption")).option, "port")
      same((yield* failure(socket.sendTo("x", { host: "a b", port: 9 }), "InvalidOption")).option, "host")
      same((yield* failure(socket.sendTo("x", { host: "", port: 9 }), "InvalidOption")).option, "host")
    })
  ),
  test(
    "S07 a bound port is taken, unless both share it, and is free when the scope has ended",
    Effect.gen(function*() {
      const port = yield* Effect.scoped(Effect.gen(function*() {
        const { localAddress: { port } } = yield* bound()
        const error = yield* failure(Effect.scoped(Udp.bind({ host: "127.0.0.1", port })), "BindError")
        same(error.reason, "AddressInUse")
        same(error.target, `127.0.0.1:${port}`)
        return port
      }))
      yield* Udp.bind({ host: "127.0.0.1", port, reuseAddress: true })
      yield* Udp.bind({ host: "127.0.0.1", port, reuseAddress: true })
    })
  ),
  test(
    "S07 an address of another machine cannot be bound",
    Effect.gen(function*() {
      const error = yield* failure(Effect.scoped(Udp.bind({ host: "192.0.2.77" })), "BindError")
      same(error.reason, "AddressNotAvailable")
    })
  ),
  test(
    "S10 a Unix-domain datagram socket is an UnsupportedOption that says what to use",
    Effect.gen(function*() {
      const error = yield* failure(Effect.scoped(Udp.bind({ path: "/tmp/nowhere.sock" })), "UnsupportedOption")
      same(error.option, "path")
      mentions(error.message, "Net.listen")
    })
  ),
  test(
    "S07 stats count datagrams and bytes both ways",
    Effect.gen(function*() {
      const server = yield* bound()
      const client = yield* connectedTo(server)
      yield* client.send("four")
      yield* client.send("seventy")
      yield* came(server, 2)
      const waiting = yield* server.stats
      same([waiting.datagramsReceived, waiting.bytesReceived, waiting.queued], [2, 11, 2])
      yield* server.receive()
      yield* server.receive()
      const read = yield* server.stats
      same([read.queued, read.queuedBytes, read.dropped], [0, 0, 0])
      yield* until(Effect.map(client.stats, ({ bytesSent, datagramsSent }) => datagramsSent === 2 && bytesSent === 11))
    })
  ),
  test(
    "C25 Net.datagramSockets has every open datagram socket, and no other",
    Effect.gen(function*() {
      const net = yield* Net.Net
      const before = yield* net.datagramSockets
      yield* Effect.scoped(Effect.gen(function*() {
        const socket = yield* bound({ name: "mine" })
        same(socket.name, "mine")
        yield* socket.setName("renamed")
        same(socket.name, "renamed")
        holds((yield* net.datagramSockets).includes(socket), "the socket is listed")
      }))
      same((yield* net.datagramSockets).length, before.length)
    })
  ),
  test(
    "C27 tracers and observers of datagram sockets that throw or reject hurt nobody, and see what the others see",
    Effect.gen(function*() {
      const net = yield* Net.Net
      const server = yield* bound()
      const client = yield* bound()
      const bad = (): never => {
        throw new Error("a bad tracer")
      }
      const events: Array<string> = []
      yield* net.trace(bad)
      yield* server.trace(bad)
      yield* server.observe(() => Promise.reject(new Error("a bad async observer")))
      yield* server.observe(({ bytes, event }) => events.push(`${event} ${bytes}`))
      yield* net.observe(bad)
      yield* client.trace(bad)
      yield* client.sendTo("hello", server.localAddress)
      same(textOf(yield* server.receive()), "hello", "what came")
      same(events, ["received 5"], "what the observer saw")
      yield* net.trace(undefined)
      yield* server.trace(undefined)
      yield* client.close
    })
  )
]
