/** Waiting for datagrams: order, time-outs, closing, and what a flood costs. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { hasEnded, interruptSoon } from "../../internal/effect/fibers.js"
import { bound, came, connectedTo } from "./datagramSupport.js"
import { begin, type Case, failure, failureOf, holds, outcome, same, test, textOf, until } from "./support.js"

export const cases: ReadonlyArray<Case> = [
  test(
    "C17 a receive that nothing comes for fails at its time-out, and the next one gets what comes then",
    Effect.gen(function*() {
      const socket = yield* bound({ timeouts: { receive: "5 seconds" } })
      const fiber = yield* begin(socket.receive())
      yield* TestClock.adjust("4999 millis")
      same(hasEnded(fiber), false)
      yield* TestClock.adjust("1 millis")
      const error = yield* failureOf(yield* outcome(fiber), "SocketTimeout")
      same([error.operation, error.afterMillis], ["receive", 5000])
      const client = yield* connectedTo(socket)
      yield* client.send("late")
      same(textOf(yield* socket.receive()), "late")
    })
  ),
  test(
    "C17 each of several readers has a time-out of its own",
    Effect.gen(function*() {
      const socket = yield* bound({ timeouts: { receive: "5 seconds" } })
      const first = yield* begin(socket.receive())
      yield* TestClock.adjust("3 seconds")
      const second = yield* begin(socket.receive())
      yield* TestClock.adjust("2 seconds")
      yield* failureOf(yield* outcome(first), "SocketTimeout")
      same(hasEnded(second), false)
      yield* TestClock.adjust("3 seconds")
      yield* failureOf(yield* outcome(second), "SocketTimeout")
    })
  ),
  test(
    "C17 setTimeouts is followed by a receive under way, and null unsets",
    Effect.gen(function*() {
      const socket = yield* bound()
      const fiber = yield* begin(socket.receive())
      yield* socket.setTimeouts({ receive: "1 second" })
      yield* TestClock.adjust("1 second")
      yield* failureOf(yield* outcome(fiber), "SocketTimeout")
      yield* socket.setTimeouts({ receive: null })
      const patient = yield* begin(socket.receive())
      yield* TestClock.adjust("1 hour")
      same(hasEnded(patient), false)
      same((yield* failure(socket.setTimeouts({ receive: -1 }), "InvalidOption")).option, "timeouts.receive")
    })
  ),
  test(
    "C23 an interrupted receive loses no datagram",
    Effect.gen(function*() {
      const socket = yield* bound()
      const client = yield* connectedTo(socket)
      const fiber = yield* begin(socket.receive())
      yield* Fiber.interrupt(fiber)
      yield* client.send("still there")
      yield* came(socket, 1)
      same(textOf(yield* socket.receive()), "still there")
    })
  ),
  test(
    "C23 an interrupted reader does not keep a datagram from the readers that still wait",
    Effect.gen(function*() {
      const socket = yield* bound()
      const client = yield* connectedTo(socket)
      const mayEnd = yield* Deferred.make<void>()
      const gone = yield* begin(Effect.onInterrupt(socket.receive(), () => Deferred.await(mayEnd)))
      const waiting = yield* begin(socket.receive())
      interruptSoon(gone)
      yield* client.send("for the other")
      same(textOf(yield* Effect.flatten(outcome(waiting))), "for the other")
      yield* Deferred.succeed(mayEnd, undefined)
    })
  ),
  test(
    "C23 of several readers each gets a datagram of its own",
    Effect.gen(function*() {
      const socket = yield* bound()
      const client = yield* connectedTo(socket)
      const readers = yield* Effect.forEach([1, 2, 3, 4], () => begin(socket.receive()))
      for (const message of ["a", "b", "c", "d"]) yield* client.send(message)
      const got = yield* Effect.forEach(readers, (reader) => Effect.flatten(outcome(reader)))
      same(got.map(textOf).sort(), ["a", "b", "c", "d"])
    })
  ),
  test(
    "C24 closing from another thread fails a pending receive at once, and everything after it",
    Effect.gen(function*() {
      const socket = yield* bound()
      const to = socket.localAddress
      const fiber = yield* begin(socket.receiveFrom)
      yield* socket.close
      const error = yield* failureOf(yield* outcome(fiber), "SocketClosed")
      same([error.by, error.operation], ["here", "receive"])
      yield* failure(socket.receive(), "SocketClosed")
      yield* failure(socket.sendTo("x", to), "SocketClosed")
      yield* failure(socket.connect(to), "SocketClosed")
      yield* failure(socket.disconnect, "SocketClosed")
      yield* failure(socket.setOption("ttl", 3), "SocketClosed")
      yield* failure(socket.getOption("ttl"), "SocketClosed")
      yield* failure(Effect.scoped(socket.join("239.1.2.3")), "SocketClosed")
    })
  ),
  test(
    "C39 closing twice is a typed error, and leaving the scope afterwards is none",
    Effect.gen(function*() {
      const exit = yield* Effect.exit(Effect.scoped(Effect.gen(function*() {
        const socket = yield* bound()
        yield* socket.close
        same((yield* failure(socket.close, "SocketClosed")).operation, "close")
      })))
      holds(Exit.isSuccess(exit), "the scope ends well")
    })
  ),
  test(
    "S07 datagrams that find the queue full are dropped and counted, and those that wait are kept",
    Effect.gen(function*() {
      const socket = yield* bound({ maxQueued: 3 })
      const client = yield* connectedTo(socket)
      for (const message of ["1", "2", "3", "4", "5"]) yield* client.send(message)
      yield* came(socket, 5)
      const { dropped, queued } = yield* socket.stats
      same([dropped, queued], [2, 3])
      for (const message of ["1", "2", "3"]) same(textOf(yield* socket.receive()), message)
      yield* client.send("6")
      same(textOf(yield* socket.receive()), "6")
    })
  ),
  test(
    "S07 a flood costs bounded memory: the bytes that wait unread are bounded too, empty datagrams included",
    Effect.gen(function*() {
      const socket = yield* bound({ maxQueuedBytes: 10_000, maxQueued: 1_000_000 })
      const client = yield* connectedTo(socket)
      for (let sent = 0; sent < 200; sent += 1) {
        yield* client.send(sent % 2 === 0 ? new Uint8Array(1000) : "")
        if (sent % 20 === 19) yield* came(socket, sent + 1)
      }
      const { datagramsReceived, dropped, queuedBytes } = yield* socket.stats
      holds(queuedBytes <= 10_100, "no more than the bound waits")
      same(datagramsReceived + dropped, 200)
      holds(dropped > 90, "the rest was dropped")
    })
  ),
  test(
    "C36 a thread on a busy socket lets the others run",
    Effect.gen(function*() {
      const socket = yield* bound({ maxQueued: 4000 })
      const client = yield* connectedTo(socket)
      for (let sent = 0; sent < 3000; sent += 1) {
        yield* client.send("x")
        if (sent % 50 === 49) yield* came(socket, sent + 1)
      }
      let read = 0
      const reader = yield* Effect.fork(
        Effect.forever(Effect.map(socket.receive(), () => {
          read += 1
        }))
      )
      yield* until(Effect.sync(() => read > 0))
      yield* until(Effect.sync(() => read === 3000))
      yield* Fiber.interrupt(reader)
    })
  )
]
