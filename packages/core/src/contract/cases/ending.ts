/** How a connection ends in order: half by half, and when its scope is left. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { hasEnded } from "../../internal/effect/fibers.js"
import type { Socket } from "../../Socket.js"
import { isEndOfConversation } from "../../SocketError.js"
import type * as SocketError from "../../SocketError.js"
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
  outcome,
  pattern,
  received,
  same,
  sendApart,
  test,
  turn,
  until
} from "./support.js"

const halfClosed = (socket: Socket, operation: string): Effect.Effect<void, unknown> =>
  Effect.gen(function*() {
    const error = yield* failure(socket.send("more"), "SocketClosed")
    same([error.operation, error.by], ["send", "here"], `sending after ${operation}`)
  })

/** The cases. */
export const cases: ReadonlyArray<Case> = [
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
    "S02 after half-closing, sending fails, reading continues, and a second half-close fails",
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
    "S02 shutting the receiving side down drops what comes, and fails the pending read; sending continues",
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
        return hasEnded(closing)
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
        return hasEnded(closing)
      }))
      same(yield* isOpen(client), false, "the client is open")
      holds(Exit.isFailure(yield* outcome(sending)), "the sender is told")
    })
  ),
  test(
    "C09 without lingering, what was sent in the turn in which the scope is left still goes to the system, once",
    Effect.gen(function*() {
      for (const isScope of [true, false]) {
        const { client, scope, server } = yield* inScope({ linger: 0 })
        yield* client.send("one\n")
        yield* client.send("two\n")
        yield* isScope ? Scope.close(scope, Exit.void) : client.close
        same(yield* isOpen(client), false, "the client is open")
        same([yield* server.receiveLine(), yield* server.receiveLine()], ["one", "two"], "the lines")
        same((yield* failure(server.receiveLine(), "SocketClosed")).by, "peer", "the end")
      }
    })
  ),
  test(
    "C09 without lingering a peer that does not read holds nobody up",
    Effect.gen(function*() {
      const { client, scope, server } = yield* inScope({ linger: 0, sendHighWaterMark: 50_000_000 })
      yield* client.send(new Uint8Array(40_000_000))
      yield* Scope.close(scope, Exit.void)
      same([yield* isOpen(client), yield* isOpen(server)], [false, true], "client and server are open")
    })
  ),
  test(
    "C09 leaving the scope after a failure or an interruption sends what was queued and cuts the connection without lingering",
    Effect.forEach(
      [Exit.fail("failed"), Exit.interrupt(Fiber.id(Fiber.void)), Exit.die("died")],
      (exit) =>
        Effect.gen(function*() {
          const { client, scope, server } = yield* inScope()
          yield* client.send("last\n")
          yield* Scope.close(scope, exit)
          same(yield* isOpen(client), false, "the client is open")
          same(yield* server.receiveLine(), "last", "what was queued")
          const end = yield* Effect.flip(Effect.asVoid(server.receive()))
          holds(end._tag === "SocketClosed" || end._tag === "SocketBroken", "the peer is told")
        }),
      { discard: true }
    )
  ),
  test(
    "C20 a reset that comes while reading is paused at the high-water mark is not the normal end",
    Effect.gen(function*() {
      const mark = 1024
      const { client, server } = yield* connected({ client: { highWaterMark: mark } })
      yield* server.send(new Uint8Array(mark))
      yield* received(client, mark)
      yield* server.send(new Uint8Array(5000))
      yield* server.flush
      yield* server.abort
      const drained: Effect.Effect<never, SocketError.ReceiveError> = Effect.forever(client.receive())
      const { reason } = yield* failure(drained, "SocketBroken")
      same(reason, "Reset", "the reason")
    })
  )
]
