/** How a connection ends at once: closed here, by the peer, or by a reset. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Net from "../../Net.js"
import type { Socket } from "../../Socket.js"
import { isEndOfConversation, type LineTooLong, type ReceiveError } from "../../SocketError.js"
import {
  begin,
  type Case,
  connected,
  failure,
  failureOf,
  gone,
  holds,
  inScope,
  isOpen,
  mentions,
  outcome,
  pattern,
  received,
  same,
  test,
  textOf,
  turn
} from "./support.js"

/** The cases. */
export const cases: ReadonlyArray<Case> = [
  test(
    "C24 closing from another thread fails the pending read at once with SocketClosed",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      const waiting: ReadonlyArray<Effect.Effect<unknown, ReceiveError | LineTooLong>> = [
        server.receiveLine(),
        server.receive(),
        server.receiveExactly(3)
      ]
      const reads = yield* Effect.forEach(waiting, (read) => begin(read))
      yield* server.close
      for (const read of reads) {
        const error = yield* failureOf(yield* outcome(read), "SocketClosed")
        same([error.operation, error.by], ["receive", "here"], "the error")
      }
      const end = yield* failure(client.receive(), "SocketClosed")
      same([end.by, isEndOfConversation(end)], ["peer", true], "the peer's end")
    })
  ),
  test(
    "C24 closing from another thread fails the pending writes at once with SocketClosed",
    Effect.gen(function*() {
      const { client } = yield* connected()
      const sends = yield* Effect.forEach(
        [client.send(new Uint8Array(30_000_000)), client.send("more"), client.flush],
        (send) => begin(send)
      )
      const closing = yield* begin(client.close)
      for (const send of sends) {
        const error = yield* failureOf(yield* outcome(send), "SocketClosed")
        same([error.operation, error.by], ["send", "here"], "the error")
        mentions(error.message, client.name, "send", "closed here")
      }
      yield* outcome(closing)
    })
  ),
  test(
    "C39 a second close fails with SocketClosed, and abort never fails",
    Effect.gen(function*() {
      const { client } = yield* connected()
      yield* client.close
      const error = yield* failure(client.close, "SocketClosed")
      same([error.operation, error.by], ["close", "here"], "the error")
      mentions(error.message, client.name, "close", "closed here")
      yield* client.abort
      yield* client.abort
    })
  ),
  test(
    "C39 every use after close fails with SocketClosed, and says what was tried",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      yield* client.send("unread")
      yield* received(server, 6)
      yield* server.close
      const uses: ReadonlyArray<readonly [string, Effect.Effect<unknown, { readonly _tag: string }>]> = [
        ["receive", server.receive()],
        ["receive", server.receiveLine()],
        ["receive", server.receiveExactly(1)],
        ["receive", server.receiveAll()],
        ["receive", server.receiveUntil("x")],
        ["send", server.send("x")],
        ["shutdown", server.shutdown("send")],
        ["shutdown", server.shutdown("receive")],
        ["shutdown", server.shutdown("both")],
        ["configure", server.setOption("noDelay", true)],
        ["configure", server.getOption("noDelay")]
      ]
      for (const [operation, use] of uses) {
        const error = yield* failure(use, "SocketClosed")
        same(Reflect.get(error, "operation"), operation, "the operation")
        same(Reflect.get(error, "by"), "here", "by whom")
      }
      holds((yield* server.stats).bytesReceived === 6, "stats can still be read")
      holds(server.name !== "", "it still has its name")
      same(server.remotePort, client.localPort, "the peer's port")
      yield* server.setTimeouts({ receive: "1 seconds" })
      yield* server.setName("gone")
      same(server.name, "gone", "the name")
    })
  ),
  test(
    "C39 a socket that was closed is no longer among the open ones",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      same([yield* isOpen(client), yield* isOpen(server)], [true, true], "both are open")
      yield* client.close
      same(yield* isOpen(client), false, "the client is open")
      yield* server.abort
      same(yield* isOpen(server), false, "the server is open")
    })
  ),
  test(
    "C39 closing after both have half-closed takes no time",
    Effect.gen(function*() {
      const { client, scope, server } = yield* inScope()
      yield* client.shutdown("send")
      yield* server.shutdown("send")
      same((yield* client.receiveAll()).length, 0, "what came")
      same((yield* server.receiveAll()).length, 0, "what came")
      // No clock is moved: it does not linger.
      yield* Scope.close(scope, Exit.void)
      same(yield* isOpen(client), false, "the client is open")
      yield* gone(server)
    })
  ),
  test(
    "C24 what was sent before close arrives",
    Effect.gen(function*() {
      const { client, server } = yield* connected({ client: { linger: "2 seconds" } })
      const all = pattern(3_000_000)
      const sending = yield* begin(client.send(all))
      const closing = yield* begin(client.close)
      same(yield* server.receiveAll(), all, "everything")
      yield* server.close
      same(yield* outcome(closing), Exit.void, "the close")
      yield* outcome(sending)
    })
  ),
  test(
    "C39 a reset in the middle of a read is SocketBroken, with what had come",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      const reading = yield* begin(server.receiveLine())
      yield* client.send("half a line")
      yield* received(server, 11)
      yield* client.abort
      const error = yield* failureOf(yield* outcome(reading), "SocketBroken")
      same([error.operation, error.reason, textOf(error.partial)], ["receive", "Reset", "half a line"], "the error")
      mentions(error.message, server.name, "broke", "receive", "Reset")
      same(textOf(yield* server.receiveExactly(11)), "half a line", "what had come")
      same((yield* failure(server.receive(), "SocketBroken")).reason, "Reset", "the next read")
      const send = yield* failure(server.send("x"), "SocketBroken")
      same(send.operation, "send", "the operation")
      yield* gone(server)
    })
  ),
  test(
    "C39 a reset while reading stands still at the high-water mark ends in SocketBroken, after a part of what was sent",
    Effect.gen(function*() {
      for (const highWaterMark of [1, 1000, 100_000]) {
        const { client, server } = yield* connected({ server: { highWaterMark } })
        const sent = pattern(60_000)
        for (let from = 0; from < sent.length; from += 6000) {
          yield* client.send(sent.subarray(from, from + 6000))
          yield* turn
        }
        yield* client.abort
        yield* turn
        let got = 0
        const read = Effect.tap(server.receive(), (chunk) =>
          Effect.sync(() => {
            same(Array.from(chunk), Array.from(sent.subarray(got, got + chunk.length)), "what was sent, in order")
            got += chunk.length
          }))
        // Not the end of what the peer sends, which it could be taken for.
        yield* failure(Effect.forever(read), "SocketBroken")
        holds(got >= Math.min(highWaterMark, 6000), `what was taken from the system is read: ${got} bytes`)
      }
    })
  ),
  test(
    "C39 a reset in the middle of a write is SocketBroken, and says how many bytes went out",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      const sending = yield* Effect.fork(client.send(new Uint8Array(40_000_000)))
      yield* received(server, 1)
      yield* server.abort
      const error = yield* failureOf(yield* outcome(sending), "SocketBroken")
      same(error.operation, "send", "the operation")
      holds(error.reason === "Reset" || error.reason === "BrokenPipe", `${error.reason} is a reset or a broken pipe`)
      holds(error.bytesSent < 40_000_000, "not all was sent")
    })
  ),
  test(
    "C39 abort releases at once, whatever is under way: unsent bytes, a half-close, or both",
    Effect.gen(function*() {
      const before: ReadonlyArray<(socket: Socket) => Effect.Effect<unknown, unknown>> = [
        () => Effect.void,
        (socket) => socket.shutdown("send"),
        (socket) => Effect.zipRight(socket.shutdown("send"), turn),
        (socket) => Effect.forkDaemon(socket.shutdown("send")),
        (socket) => begin(Effect.ignore(socket.send(new Uint8Array(40_000_000)))),
        (socket) =>
          Effect.zipRight(
            begin(Effect.ignore(socket.send(new Uint8Array(40_000_000)))),
            begin(Effect.ignore(socket.shutdown("both")))
          )
      ]
      for (const start of before) {
        const { client, server } = yield* connected()
        yield* start(client)
        yield* client.abort
        same(yield* isOpen(client), false, "the client is open")
        yield* server.abort
      }
    })
  ),
  test(
    "C39 closing a connection that broke succeeds once, and releases it",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      yield* client.abort
      yield* gone(server)
      yield* server.close
      yield* failure(server.close, "SocketClosed")
    })
  ),
  test(
    "C27 a trace shows what happens on a socket, until it is switched off",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      const events: Array<string> = []
      yield* client.trace((event) =>
        events.push(event.bytes === undefined ? event.event : `${event.event} ${event.bytes}`)
      )
      yield* client.send("12345")
      yield* received(server, 5)
      yield* server.send("123")
      yield* received(client, 3)
      yield* client.trace(undefined)
      yield* client.send("unseen")
      yield* received(server, 11)
      same(events[0], "sent 5", "the first event")
      const seen = events.length
      holds(seen > 1 && events.slice(1).every((event) => event.startsWith("received ")), "it shows what was received")
      yield* client.trace((event) => events.push(event.event))
      yield* client.close
      same(events.slice(seen).filter((event) => event.startsWith("clos")), ["closing", "closed"], "the end")
    })
  ),
  test(
    "C27 the network's trace shows every socket's events with its name, and a tracer that throws hurts nobody",
    Effect.gen(function*() {
      const net = yield* Net.Net
      const seen = new Set<string>()
      yield* net.trace((event) => {
        seen.add(`${event.socket} ${event.event}`)
        throw new Error("a bad tracer")
      })
      const { client, server } = yield* connected({ client: { name: "client" }, server: { name: "server" } })
      yield* client.send("line\n")
      same(yield* server.receiveLine(), "line", "the line")
      yield* client.close
      yield* net.trace(undefined)
      for (const event of ["client connected", "client sent", "client closed"]) {
        holds(seen.has(event), `${event} was seen`)
      }
      holds(
        Array.from(seen).some((event) => event.startsWith("server") && event.endsWith("received")),
        "the server too"
      )
    })
  ),
  test(
    "C27 any number observe a socket beside its tracer, each until its scope ends, and one that throws or rejects hurts nobody",
    Effect.gen(function*() {
      const net = yield* Net.Net
      const { client, server } = yield* connected()
      const seen = { tracer: 0, first: 0, second: 0, network: 0 }
      const sent = (who: keyof typeof seen) => ({ event }: { readonly event: string }): void => {
        if (event === "sent") seen[who] += 1
      }
      const shout = (text: string) => Effect.zipRight(client.send(text), server.receiveExactly(text.length))
      yield* client.observe(() => {
        throw new Error("a bad observer")
      })
      yield* client.observe(() => Promise.reject(new Error("a bad async observer")))
      yield* client.trace(sent("tracer"))
      yield* client.observe(sent("first"))
      yield* net.observe(sent("network"))
      yield* Effect.scoped(Effect.gen(function*() {
        yield* client.observe(sent("second"))
        yield* shout("one")
        yield* client.trace(undefined)
        yield* shout("two")
      }))
      yield* shout("three")
      same([seen.tracer, seen.second, seen.first], [1, 2, 3], "what each saw")
      holds(seen.network >= 3, "the network's observer saw it too")
      yield* client.close
    })
  )
]
