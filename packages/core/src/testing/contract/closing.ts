/** How a connection ends: closed here, by the peer, half by half, and by a reset. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as Net from "../../Net.js"
import type { Socket } from "../../Socket.js"
import { isEndOfConversation, type LineTooLong, type ReceiveError } from "../../SocketError.js"
import {
  type Case,
  connected,
  failure,
  failureOf,
  holds,
  listening,
  mentions,
  outcome,
  pattern,
  portOf,
  received,
  same,
  sendApart,
  settled,
  test,
  textOf,
  turn,
  until
} from "./support.js"

const begin = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Fiber.RuntimeFiber<A, E>, never, R> =>
  Effect.tap(Effect.fork(effect), settled)

const isOpen = (socket: Socket): Effect.Effect<boolean, never, Net.Net> =>
  Effect.flatMap(Net.Net, (net) => Effect.map(net.sockets, (sockets) => sockets.includes(socket)))

const gone = (socket: Socket): Effect.Effect<void, never, Net.Net> => until(Effect.map(isOpen(socket), (open) => !open))

/** A connection whose client lives in a scope of its own, with the default linger. */
const inScope = (
  options: Net.CommonOptions = {}
): Effect.Effect<
  { readonly scope: Scope.CloseableScope; readonly client: Socket; readonly server: Socket },
  unknown,
  Net.Net | Scope.Scope
> =>
  Effect.gen(function*() {
    const listener = yield* listening()
    const scope = yield* Scope.make()
    const client = yield* Net.connect({ host: "127.0.0.1", port: portOf(listener), ...options }).pipe(
      Scope.extend(scope)
    )
    const server = yield* listener.accept
    return { scope, client, server }
  })

const halfClosed = (socket: Socket, operation: string): Effect.Effect<void, unknown> =>
  Effect.gen(function*() {
    const error = yield* failure(socket.send("more"), "SocketClosed")
    same([error.operation, error.by], ["send", "here"], `sending after ${operation}`)
  })

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
      holds(server.remoteAddress._tag === "InetAddress", "it still has its address")
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
    "S02 a client that half-closes while its handler still works gets its replies",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      yield* client.send("question\n")
      yield* client.shutdown("send")
      same(yield* server.receiveLine(), "question", "the question")
      const end = yield* failure(server.receiveLine(), "SocketClosed")
      same(isEndOfConversation(end), true, "the end of the questions")
      for (let turns = 0; turns < 5; turns += 1) yield* turn
      yield* sendApart(server, client, ["first\n", "second\n"])
      yield* Effect.fork(Effect.zipRight(server.send(pattern(300_000)), server.shutdown("send")))
      same(yield* client.receiveLine(), "first", "the reply")
      same(yield* client.receiveLine(), "second", "the reply")
      same(yield* client.receiveAll(), pattern(300_000), "the reply")
    })
  ),
  test(
    "S02 after half-closing, sending fails, reading goes on, and a second half-close fails",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      yield* client.shutdown("send")
      yield* halfClosed(client, "shutdown")
      const again = yield* failure(client.shutdown("send"), "SocketClosed")
      same(again.operation, "shutdown", "the operation")
      yield* server.send("still\n")
      same(yield* client.receiveLine(), "still", "the line")
    })
  ),
  test(
    "S02 half-closing delivers what was sent before, also megabytes",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      const all = pattern(5_000_000)
      const sending = yield* Effect.fork(
        Effect.zipRight(
          Effect.forkDaemon(client.send(all)),
          Effect.zipRight(Effect.yieldNow(), client.shutdown("send"))
        )
      )
      same(yield* server.receiveAll(), all, "everything")
      yield* Fiber.join(sending)
    })
  ),
  test(
    "S02 shutting the receiving side down drops what comes, and fails the pending read; sending goes on",
    Effect.gen(function*() {
      const { client, server } = yield* connected({ server: { highWaterMark: 1000 } })
      const reading = yield* begin(server.receiveLine())
      yield* server.shutdown("receive")
      const error = yield* failureOf(yield* outcome(reading), "SocketClosed")
      same([error.operation, error.by], ["receive", "here"], "the error")
      // The peer is not held up, and nothing piles up here.
      yield* client.send(new Uint8Array(5_000_000))
      yield* client.flush
      yield* received(server, 5_000_000)
      same((yield* server.stats).receiveBuffered, 0, "what waits")
      yield* server.send("still\n")
      same(yield* client.receiveLine(), "still", "the line")
    })
  ),
  test(
    "S02 when both have half-closed, what was unread can be read, and then the end comes, not a break",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      yield* server.send("one\ntwo\n")
      yield* server.shutdown("send")
      yield* received(client, 8)
      same(yield* client.receiveLine(), "one", "the line")
      yield* client.shutdown("send")
      same((yield* server.receiveAll()).length, 0, "what came from the client")
      for (let turns = 0; turns < 10; turns += 1) yield* turn
      same(yield* client.receiveLine(), "two", "the line")
      same((yield* failure(client.receiveLine(), "SocketClosed")).by, "peer", "the end")
      same((yield* failure(client.receive(), "SocketClosed")).by, "peer", "the end again")
      same((yield* failure(server.receive(), "SocketClosed")).by, "peer", "the server's end")
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
    "C09 leaving the scope after success delivers what was sent, also megabytes to a slow reader",
    Effect.gen(function*() {
      const { client, scope, server } = yield* inScope({ linger: "5 seconds", sendHighWaterMark: 30_000_000 })
      const all = pattern(20_000_000)
      yield* client.send(all)
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      // Virtual time goes by with each piece, several times the linger time in all; but each time bytes moved.
      for (let left = all.length; left > 0; left -= 64_000) {
        const expected = all.subarray(all.length - left, all.length - left + 64_000)
        same(yield* server.receiveExactly(expected.length), expected, "the piece")
        yield* TestClock.adjust("50 millis")
        yield* turn
      }
      same((yield* failure(server.receive(), "SocketClosed")).by, "peer", "the end")
      yield* server.close
      yield* outcome(closing)
      yield* gone(client)
    })
  ),
  test(
    "C09 a scope that is left waits for the peer's end, but no longer than the linger time",
    Effect.gen(function*() {
      const { client, scope, server } = yield* inScope({ linger: "7 seconds" })
      yield* client.send("bye\n")
      const closing = yield* begin(Scope.close(scope, Exit.void))
      same(yield* server.receiveLine(), "bye", "the line")
      same((yield* failure(server.receiveLine(), "SocketClosed")).by, "peer", "the end")
      same(yield* isOpen(client), true, "the client still waits")
      yield* TestClock.adjust("8 seconds")
      yield* outcome(closing)
      same(yield* isOpen(client), false, "the client is open")
    })
  ),
  test(
    "C09 a peer that never reads cannot hold a scope longer than the linger time",
    Effect.gen(function*() {
      const { client, scope, server } = yield* inScope({ linger: "7 seconds", sendHighWaterMark: 50_000_000 })
      yield* client.send(new Uint8Array(40_000_000))
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* until(Effect.gen(function*() {
        yield* TestClock.adjust("7 seconds")
        return (yield* Fiber.poll(closing))._tag === "Some"
      }))
      same(yield* isOpen(client), false, "the client is open")
      same(yield* isOpen(server), true, "the server is open")
    })
  ),
  test(
    "C09 a peer that sends for ever cannot hold a scope longer than the linger time",
    Effect.gen(function*() {
      const { client, scope, server } = yield* inScope({ linger: "7 seconds" })
      const sending = yield* Effect.fork(Effect.forever(server.send(new Uint8Array(10_000))))
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* until(Effect.gen(function*() {
        yield* TestClock.adjust("7 seconds")
        return (yield* Fiber.poll(closing))._tag === "Some"
      }))
      same(yield* isOpen(client), false, "the client is open")
      holds(Exit.isFailure(yield* outcome(sending)), "the sender is told")
    })
  ),
  test(
    "C09 leaving the scope after a failure or an interruption cuts the connection without lingering",
    Effect.forEach(
      [Exit.fail("failed"), Exit.interrupt(Fiber.id(Fiber.void)), Exit.die("died")],
      (exit) =>
        Effect.gen(function*() {
          const { client, scope, server } = yield* inScope()
          yield* Scope.close(scope, exit)
          same(yield* isOpen(client), false, "the client is open")
          const end = yield* Effect.flip(Effect.asVoid(server.receive()))
          holds(end._tag === "SocketClosed" || end._tag === "SocketBroken", "the peer is told")
        }),
      { discard: true }
    )
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
  )
]
