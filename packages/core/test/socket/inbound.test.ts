/** The receiving half of a socket alone. */
import { expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, type Scheduler, TestClock } from "effect"
import * as Framing from "../../src/internal/socket/framing.js"
import { Inbound } from "../../src/internal/socket/inbound.js"
import { begin, bytes, fakeConnection, text } from "./fakeConnection.js"

const opened = Effect.map(fakeConnection, (connection) => {
  const inbound = new Inbound(connection)
  return {
    connection,
    inbound,
    said: connection.said,
    deliver: (value: string) => Effect.sync(() => inbound.deliver(bytes(value))),
    line: Framing.receiveLine(inbound, undefined),
    chunk: Effect.map(Framing.receive(inbound, undefined), text)
  }
})

it.effect("C20 a read waits until what it asks for has arrived", () =>
  Effect.gen(function*() {
    const { deliver, inbound, line } = yield* opened
    const reading = yield* begin(line)
    yield* deliver("o")
    yield* Effect.yieldNow()
    expect([reading.unsafePoll(), inbound.waiting]).toEqual([null, true])
    yield* deliver("ne\ntwo\n")
    expect(yield* Fiber.join(reading)).toBe("one")
    expect([inbound.waiting, inbound.reader, yield* line]).toEqual([false, undefined, "two"])
  }))

it.effect("C21 reading pauses at the mark, and resumes below it or when a read needs more", () =>
  Effect.gen(function*() {
    const { chunk, deliver, inbound, said } = yield* opened
    yield* deliver("1234567")
    yield* deliver("8")
    yield* deliver("9")
    expect(said).toEqual(["received 7", "received 1", "pause", "received 1"])
    expect([yield* chunk, inbound.isPaused]).toEqual(["1234567", false])
    expect(said.slice(4)).toEqual(["resume"])
    yield* deliver("abcdef")
    expect(inbound.isPaused).toBe(true)
    const ten = yield* begin(Framing.receiveExactly(inbound, 10))
    expect(inbound.isPaused).toBe(false)
    yield* deliver("gh")
    expect(text(yield* Fiber.join(ten))).toBe("89abcdefgh")
  }))

it.effect("C17 the time-out counts from the last byte, and the error has what came", () =>
  Effect.gen(function*() {
    const { connection, deliver, inbound, line, said } = yield* opened
    connection.timeouts = { ...connection.timeouts, receive: 1000 }
    const reading = yield* begin(Effect.flip(line))
    yield* TestClock.adjust(900)
    yield* deliver("par")
    yield* TestClock.adjust(900)
    expect([reading.unsafePoll(), inbound.waitingSince]).toEqual([null, 900])
    yield* TestClock.adjust(100)
    expect(yield* Fiber.join(reading)).toMatchObject({
      _tag: "SocketTimeout",
      afterMillis: 1000,
      partial: bytes("par")
    })
    expect(said).toContain("timedOut")
    yield* deliver("tial\n")
    expect(yield* line).toBe("partial")
  }))

it.effect("C17 a read schedules the time-outs that are set, and closing takes them back", () =>
  Effect.gen(function*() {
    const table = [
      { timeouts: {}, idle: 0, partial: 0 },
      { timeouts: { receive: 1000 }, idle: 1, partial: 1 },
      { timeouts: { message: 1000 }, idle: 0, partial: 1 },
      { timeouts: { receive: 1000, message: 1000 }, idle: 1, partial: 2 }
    ]
    for (const { idle, partial, timeouts } of table) {
      const { connection, deliver, inbound, line } = yield* opened
      connection.timeouts = { ...connection.timeouts, ...timeouts }
      const reading = yield* begin(line)
      expect(connection.deadlines.size, JSON.stringify(timeouts)).toBe(idle)
      yield* deliver("par")
      yield* Effect.yieldNow()
      expect(connection.deadlines.size, JSON.stringify(timeouts)).toBe(partial)
      yield* Fiber.interrupt(reading)
      inbound.disarm()
      expect(connection.deadlines.size).toBe(0)
    }
  }))

it.effect("C24 the peer's end, a failure and closing end a read, each with an error of its own", () =>
  Effect.gen(function*() {
    const ends = {
      peer: { _tag: "SocketClosed", by: "peer", partial: bytes("p") },
      failure: { _tag: "SocketBroken", reason: "Reset", partial: bytes("p") },
      here: { _tag: "SocketClosed", by: "here", partial: bytes("") }
    }
    for (const [end, error] of Object.entries(ends)) {
      const { connection, deliver, inbound, line } = yield* opened
      const reading = yield* begin(Effect.flip(line))
      yield* deliver("p")
      if (end === "peer") inbound.end()
      if (end === "failure") connection.failure = { reason: "Reset", cause: undefined }
      if (end === "here") connection.isClosing = true
      inbound.wakeReader()
      expect(yield* Fiber.join(reading), end).toMatchObject(error)
    }
  }))

it.effect("C20 interrupting a read loses no byte", () =>
  Effect.gen(function*() {
    const { deliver, line } = yield* opened
    const reading = yield* begin(line)
    yield* deliver("on")
    yield* Fiber.interrupt(reading)
    yield* deliver("e\n")
    expect(yield* line).toBe("one")
  }))

it.effect("C20 a reader that was woken and has not run yet keeps its place before a second one", () =>
  Effect.gen(function*() {
    const { deliver, line } = yield* opened
    const first = yield* begin(line)
    // Without a yield between them: the first fiber is woken, and this one reads before it runs.
    expect(yield* Effect.zipRight(deliver("one\ntwo\n"), line)).toBe("two")
    expect(yield* Fiber.join(first)).toBe("one")
  }))

it.effect("C20 a reader that was woken, and interrupted before it ran, does not hold up the second one", () =>
  Effect.gen(function*() {
    const { inbound, line } = yield* opened
    const busy = yield* Deferred.make<void>()
    const first = yield* begin(
      Effect.uninterruptibleMask((restore) => Effect.onInterrupt(restore(line), () => Deferred.await(busy)))
    )
    const woken = Effect.fiberIdWith((id) =>
      Effect.sync(() => {
        inbound.deliver(bytes("one\n"))
        first.unsafeInterruptAsFork(id)
      })
    )
    expect(yield* Effect.zipRight(woken, line)).toBe("one")
    yield* Deferred.succeed(busy, undefined)
    expect(Exit.isInterrupted(yield* Fiber.await(first))).toBe(true)
  }))

it.effect("C20 an interrupted reader that reads on, uninterruptible, keeps its place", () =>
  Effect.gen(function*() {
    const { deliver, line } = yield* opened
    const order: Array<string> = []
    const reading = (name: string) => Effect.map(line, (got) => order.push(`${name} ${got}`))
    const first = yield* begin(Effect.uninterruptible(reading("first")))
    yield* Fiber.interruptFork(first)
    yield* Effect.yieldNow()
    const second = yield* begin(reading("second"))
    yield* deliver("one\ntwo\n")
    yield* Fiber.await(first)
    yield* Fiber.join(second)
    expect(order).toEqual(["first one", "second two"])
  }))

it.effect("C20 a reader that comes back so late that it was given up reads in a turn of its own", () =>
  Effect.gen(function*() {
    const { deliver, line } = yield* opened
    const held: Array<() => void> = []
    let holds = false
    const slow: Scheduler.Scheduler = {
      shouldYield: () => false,
      scheduleTask: (task) => holds ? held.push(task) : task()
    }
    const order: Array<string> = []
    const reading = (name: string) => Effect.map(line, (got) => order.push(`${name} ${got}`))
    const first = yield* begin(Effect.withScheduler(Effect.uninterruptible(reading("first")), slow))
    yield* Fiber.interruptFork(first)
    yield* Effect.yieldNow()
    holds = true
    // It wakes the first, which cannot run, and reads in its place.
    const second = yield* begin(reading("second"))
    yield* Effect.yieldNow()
    expect(held.length).toBeGreaterThan(0)
    holds = false
    for (const task of held) task()
    yield* deliver("one\ntwo\n")
    yield* Fiber.await(first)
    yield* Fiber.join(second)
    expect(order.sort()).toEqual(["first two", "second one"])
  }))
