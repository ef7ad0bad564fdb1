/** What waits: reads of several fibers, interrupted and timed-out ones, and the time-outs themselves. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import * as Causes from "../../internal/effect/causes.js"
import { hasEnded, type RunningFiber } from "../../internal/effect/fibers.js"
import type { Socket } from "../../Socket.js"
import {
  begin,
  type Case,
  connected,
  failure,
  failureOf,
  holds,
  mentions,
  outcome,
  received,
  same,
  settled,
  test,
  textOf,
  until,
  utf8
} from "./support.js"

const reads: ReadonlyArray<readonly [string, (socket: Socket) => Effect.Effect<unknown, unknown>]> = [
  ["receiveLine", (socket) => socket.receiveLine()],
  ["receiveUntil", (socket) => socket.receiveUntil(";")],
  ["receiveExactly", (socket) => socket.receiveExactly(100)],
  ["receiveAll", (socket) => socket.receiveAll()]
]

/** The cases. */
export const cases: ReadonlyArray<Case> = [
  ...reads.map(([name, read]) =>
    test(
      `C20 an interrupted ${name} loses no byte`,
      Effect.gen(function*() {
        const { client, server } = yield* connected()
        const reading = yield* begin(read(server))
        yield* client.send("abc")
        yield* received(server, 3)
        yield* Fiber.interrupt(reading)
        yield* client.send("def\n")
        same(yield* server.receiveLine(), "abcdef", "the line")
      })
    )
  ),
  test(
    "C21 an interrupted receive loses no byte, however close the bytes come",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      let sent = 0
      let got = 0
      for (let round = 0; round < 50; round += 1) {
        const reading = yield* begin(server.receive())
        yield* client.send("x".repeat(round % 3))
        sent += round % 3
        // The bytes have this many chances to come first; either may win.
        for (let yielded = 0; yielded < round % 7; yielded += 1) yield* Effect.yieldNow()
        const exit = yield* Fiber.interrupt(reading)
        if (Exit.isSuccess(exit)) got += exit.value.length
      }
      yield* client.shutdown("send")
      same(got + (yield* server.receiveAll()).length, sent, "the number of bytes")
    })
  ),
  test(
    "C18 a read that times out says so, has what came, and leaves it for the next read",
    Effect.gen(function*() {
      const { client, server } = yield* connected({ server: { timeouts: { receive: "3 seconds" } } })
      const reading = yield* begin(server.receiveLine())
      yield* client.send("half a ")
      yield* received(server, 7)
      yield* settled(reading)
      yield* TestClock.adjust("3 seconds")
      const error = yield* failureOf(yield* outcome(reading), "SocketTimeout")
      same([error.operation, error.afterMillis, textOf(error.partial)], ["receive", 3000, "half a "], "the error")
      mentions(error.message, server.name, "receive timed out", "3000 ms", "7 bytes")
      yield* client.send("line\n")
      same(yield* server.receiveLine(), "half a line", "the line")
    })
  ),
  test(
    "C17 the receive time-out counts from the last byte that came",
    Effect.gen(function*() {
      const { client, server } = yield* connected({ server: { timeouts: { receive: "10 seconds" } } })
      const reading = yield* begin(server.receiveLine())
      for (let bytes = 1; bytes <= 5; bytes += 1) {
        yield* TestClock.adjust("9 seconds")
        yield* client.send("x")
        yield* received(server, bytes)
        yield* settled(reading)
      }
      yield* TestClock.adjust("9999 millis")
      yield* settled(reading)
      same(hasEnded(reading), false, "the state of the read")
      yield* TestClock.adjust("1 millis")
      const error = yield* failureOf(yield* outcome(reading), "SocketTimeout")
      same(textOf(error.partial), "xxxxx", "what came")
    })
  ),
  test(
    "C17 a receive time-out of zero allows what has come already",
    Effect.gen(function*() {
      const { client, server } = yield* connected({ server: { timeouts: { receive: 0 } } })
      yield* client.send("line\nhalf")
      yield* received(server, 9)
      same(yield* server.receiveLine(), "line", "the line")
      const reading = yield* begin(server.receiveLine())
      yield* TestClock.adjust(0)
      const error = yield* failureOf(yield* outcome(reading), "SocketTimeout")
      same(textOf(error.partial), "half", "what came")
    })
  ),
  test(
    "C17 setTimeouts changes one time-out and leaves the others, and null unsets it",
    Effect.gen(function*() {
      const { server } = yield* connected({
        server: { timeouts: { connect: "1 seconds", send: "2 seconds", receive: "3 seconds" } }
      })
      const millis = (): ReadonlyArray<number> => {
        const { connect, receive, send } = server.timeouts
        return [connect, send, receive].map((input) => Duration.toMillis(input ?? Duration.infinity))
      }
      same(millis(), [1000, 2000, 3000], "the time-outs")
      yield* server.setTimeouts({ receive: "5 seconds" })
      same(millis(), [1000, 2000, 5000], "the time-outs")
      yield* server.setTimeouts({ send: null })
      same(millis(), [1000, Infinity, 5000], "the time-outs")
      yield* server.setTimeouts({ receive: undefined })
      same(millis(), [1000, Infinity, 5000], "the time-outs")
      yield* server.setTimeouts({ send: "7 seconds", receive: null })
      same(millis(), [1000, 7000, Infinity], "the time-outs")
    })
  ),
  test(
    "C17 a read under way follows when its time-out is set, made shorter, or unset",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      const first = yield* begin(server.receiveLine())
      yield* server.setTimeouts({ receive: "10 seconds" })
      yield* server.setTimeouts({ receive: "2 seconds" })
      yield* TestClock.adjust("2 seconds")
      same((yield* failureOf(yield* outcome(first), "SocketTimeout")).afterMillis, 2000, "the time-out")
      const second = yield* begin(server.receiveLine())
      yield* server.setTimeouts({ receive: null })
      yield* TestClock.adjust("1 hours")
      yield* client.send("late\n")
      same(yield* outcome(second), Exit.succeed("late"), "the line")
    })
  ),
  test(
    "C17 a time-out that is negative or no duration is refused with InvalidOption and changes nothing",
    Effect.gen(function*() {
      const { server } = yield* connected({ server: { timeouts: { receive: "3 seconds" } } })
      const wrong: ReadonlyArray<Duration.DurationInput> = [-1, "-5 seconds", Number.NaN, -1n, "soon" as "1 seconds"]
      for (const receive of wrong) {
        const error = yield* failure(server.setTimeouts({ receive }), "InvalidOption")
        same(error.option, "timeouts.receive", "the option")
        mentions(error.message, "timeouts.receive", String(receive), "not negative")
      }
      same(Duration.toMillis(server.timeouts.receive ?? 0), 3000, "the time-out")
    })
  ),
  test(
    "S06 a total time-out over several reads is Effect.timeout, and loses no byte",
    Effect.gen(function*() {
      const { client, server } = yield* connected({ server: { timeouts: { receive: "1 minutes" } } })
      const both = yield* begin(
        Effect.timeout(Effect.zip(server.receiveLine(), server.receiveLine()), "90 seconds")
      )
      yield* TestClock.adjust("50 seconds")
      yield* client.send("one\nhalf ")
      yield* received(server, 9)
      yield* TestClock.adjust("40 seconds")
      yield* failureOf(yield* outcome(both), "TimeoutException")
      yield* client.send("line\n")
      same(yield* server.receiveLine(), "half line", "the line")
    })
  ),
  test(
    "C20 concurrent readers are served in the order in which they came",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      const order: Array<string> = []
      const readers: Array<RunningFiber<unknown, unknown>> = []
      for (const name of ["a", "b", "c", "d"]) {
        readers.push(
          yield* begin(Effect.map(server.receiveLine(), (line) => {
            order.push(`${name}${line}`)
          }))
        )
      }
      yield* client.send("1\n2\n3\n4\n")
      for (const reader of readers) yield* outcome(reader)
      same(order, ["a1", "b2", "c3", "d4"], "who read what")
    })
  ),
  test(
    "C20 a reader that reads again goes after those that wait",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      const order: Array<string> = []
      const readers: Array<RunningFiber<unknown, unknown>> = []
      for (const name of ["a", "b", "c"]) {
        const readTwice = Effect.forEach([1, 2], () =>
          Effect.map(server.receiveLine(), (line) => {
            order.push(`${name}${line}`)
          }), { discard: true })
        readers.push(yield* begin(readTwice))
      }
      yield* client.send("1\n2\n3\n4\n5\n6\n")
      for (const reader of readers) yield* outcome(reader)
      same(order, ["a1", "b2", "c3", "a4", "b5", "c6"], "who read what")
    })
  ),
  test(
    "C20 when the first of several readers is interrupted the next one reads, and no byte is lost",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      const first = yield* begin(server.receiveLine())
      const second = yield* begin(server.receiveLine())
      const third = yield* begin(server.receiveLine())
      yield* client.send("on")
      yield* received(server, 2)
      yield* Fiber.interrupt(first)
      yield* client.send("e\ntwo\n")
      same(yield* outcome(second), Exit.succeed("one"), "the second reader's line")
      same(yield* outcome(third), Exit.succeed("two"), "the third reader's line")
    })
  ),
  test(
    "C20 a reader that was interrupted before another came does not hold it up",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      const release = yield* Effect.makeLatch(false)
      // It is interrupted, but does not end: it is busy elsewhere.
      const first = yield* begin(
        Effect.uninterruptibleMask((restore) => Effect.onInterrupt(restore(server.receiveLine()), () => release.await))
      )
      yield* Fiber.interruptFork(first)
      yield* settled(first)
      const second = yield* begin(server.receiveLine())
      yield* client.send("one\n")
      same(yield* outcome(second), Exit.succeed("one"), "the line")
      yield* release.open
      holds(Causes.wasInterrupted(yield* outcome(first)), "the first reader was interrupted")
    })
  ),
  test(
    "C20 interrupting one of those that wait in a queue leaves the others' order",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      const first = yield* begin(server.receiveLine())
      const second = yield* begin(server.receiveLine())
      const third = yield* begin(server.receiveLine())
      yield* Fiber.interrupt(second)
      yield* client.send("one\ntwo\n")
      same(yield* outcome(first), Exit.succeed("one"), "the first reader's line")
      same(yield* outcome(third), Exit.succeed("two"), "the third reader's line")
    })
  ),
  test(
    "C18 when the first of several readers times out the next one's time begins",
    Effect.gen(function*() {
      const { client, server } = yield* connected({ server: { timeouts: { receive: "10 seconds" } } })
      const first = yield* begin(server.receiveLine())
      const second = yield* begin(server.receiveLine())
      yield* TestClock.adjust("10 seconds")
      yield* failureOf(yield* outcome(first), "SocketTimeout")
      yield* settled(second)
      yield* TestClock.adjust("9 seconds")
      yield* client.send("one\n")
      same(yield* outcome(second), Exit.succeed("one"), "the line")
    })
  ),
  test(
    "C20 readers of different manners share the stream without tearing it",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      const line = yield* begin(server.receiveLine())
      const exact = yield* begin(server.receiveExactly(5))
      const until_ = yield* begin(server.receiveUntil(";"))
      for (const byte of utf8("line\r\n12345rest;")) yield* client.send(Uint8Array.of(byte))
      same(yield* outcome(line), Exit.succeed("line"), "the line")
      same(textOf(yield* Fiber.join(exact)), "12345", "the five bytes")
      same(textOf(yield* Fiber.join(until_)), "rest", "the record")
    })
  ),
  test(
    "C21 a read waits without work: nothing is polled, and one wake is one answer",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      const reading = yield* begin(server.receive())
      yield* until(Effect.map(reading.status, (status) => status._tag === "Suspended"))
      yield* client.send("x")
      same(textOf(yield* Fiber.join(reading)), "x", "the byte")
    })
  )
]
