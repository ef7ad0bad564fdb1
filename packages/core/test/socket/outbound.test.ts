/** The sending half of a socket alone. */
import { expect, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { Outbound } from "../../src/internal/socket/outbound.js"
import { begin, bytes, fakeConnection } from "./fakeConnection.js"

const opened = Effect.map(fakeConnection, (connection) => {
  const outbound = new Outbound(connection)
  return {
    connection,
    outbound,
    said: connection.said,
    endOfTurn: Effect.sync(() => connection.dirty.splice(0).forEach((half) => half.flush())),
    written: Effect.sync(() => outbound.written())
  }
})

it.effect("C22 sends of a turn are one write, and what comes meanwhile is the next one", () =>
  Effect.gen(function*() {
    const { endOfTurn, outbound, said, written } = yield* opened
    yield* outbound.send("ab")
    yield* outbound.send(bytes("é"))
    yield* endOfTurn
    yield* outbound.send("c")
    yield* outbound.send("d")
    yield* endOfTurn
    expect(said).toEqual(["sent 4", "write 4: ab|é"])
    yield* written
    expect(said.slice(2)).toEqual(["progress", "sent 2", "write 2: c|d"])
    expect([outbound.queued, outbound.moved, outbound.pending]).toEqual([6, 4, 2])
  }))

it.effect("C22 sends wait above the mark, and go out in the order in which they came", () =>
  Effect.gen(function*() {
    const { endOfTurn, outbound, said, written } = yield* opened
    const first = yield* begin(outbound.send("123456789"))
    const second = yield* begin(outbound.send("b"))
    const third = yield* begin(outbound.send("c"))
    expect([first, second, third].map((fiber) => fiber.unsafePoll())).toEqual([null, null, null])
    expect([outbound.pending, outbound.waits.length]).toEqual([9, 3])
    yield* endOfTurn
    yield* written
    yield* Fiber.joinAll([first, second, third])
    yield* endOfTurn
    expect(said.filter((entry) => entry.startsWith("write"))).toEqual(["write 9: 123456789", "write 2: b|c"])
  }))

it.effect("C22 a send that is interrupted while it waits for room has sent nothing, and lets the next one go", () =>
  Effect.gen(function*() {
    const { endOfTurn, outbound, said, written } = yield* opened
    const first = yield* begin(outbound.send("123456789"))
    const second = yield* begin(outbound.send("b"))
    const third = yield* begin(outbound.send("c"))
    yield* Fiber.interrupt(second)
    yield* endOfTurn
    yield* written
    yield* Fiber.joinAll([first, third])
    yield* endOfTurn
    expect(said.at(-1)).toBe("write 1: c")
  }))

it.effect("C17 a send that times out says how many of its bytes the system took", () =>
  Effect.gen(function*() {
    const { connection, endOfTurn, outbound, written } = yield* opened
    connection.timeouts = { ...connection.timeouts, send: 1000 }
    yield* outbound.send("1234")
    yield* endOfTurn
    const sending = yield* begin(Effect.flip(outbound.send("123456789")))
    yield* TestClock.adjust(600)
    yield* written
    yield* TestClock.adjust(600)
    expect(sending.unsafePoll()).toBe(null)
    yield* TestClock.adjust(400)
    expect(yield* Fiber.join(sending)).toMatchObject({ _tag: "SocketTimeout", operation: "send", bytesSent: 0 })
    expect(outbound.waits).toEqual([])
  }))

it.effect("C10 FIN follows when everything is written, and no send after it", () =>
  Effect.gen(function*() {
    const { endOfTurn, outbound, said, written } = yield* opened
    yield* outbound.send("last")
    const ending = yield* begin(outbound.shutdown())
    expect(yield* Effect.flip(outbound.send("x"))).toMatchObject({ _tag: "SocketClosed", by: "here" })
    yield* endOfTurn
    expect(ending.unsafePoll()).toBe(null)
    yield* written
    yield* Fiber.join(ending)
    expect(said).toEqual(["sent 4", "write 4: last", "progress", "FIN", "ended"])
  }))

it.effect("C24 a failure ends all that wait, and drops what was queued", () =>
  Effect.gen(function*() {
    const { connection, endOfTurn, outbound, said } = yield* opened
    const flushing = yield* begin(Effect.flip(Effect.zipRight(outbound.send("gone"), outbound.flushAll())))
    connection.failure = { reason: "Reset", cause: undefined }
    outbound.drop()
    expect(yield* Fiber.join(flushing)).toMatchObject({ _tag: "SocketBroken", reason: "Reset", bytesSent: 0 })
    yield* endOfTurn
    expect(said).toEqual([])
    expect(yield* Effect.flip(outbound.send("x"))).toMatchObject({ _tag: "SocketBroken", reason: "Reset" })
  }))

it.effect("C22 a write is at most 128 KiB, whatever was queued, and keeps every byte", () =>
  Effect.gen(function*() {
    const { endOfTurn, outbound, said, written } = yield* opened
    const sending = yield* begin(outbound.send(new Uint8Array(300_000)))
    yield* endOfTurn
    for (let rest = 3; rest > 0; rest -= 1) yield* written
    yield* Fiber.join(sending)
    expect(said.filter((entry) => entry.startsWith("sent"))).toEqual(["sent 131072", "sent 131072", "sent 37856"])
  }))

it.effect("C22 an offer is refused while a send waits, also when there is room and that send has not run yet", () =>
  Effect.gen(function*() {
    const { endOfTurn, outbound, said, written } = yield* opened
    const first = yield* begin(outbound.send("123456789"))
    const second = yield* begin(outbound.send("b"))
    yield* endOfTurn
    // Without a yield between them: there is room, and the second send is woken and has not run.
    expect(yield* Effect.zipRight(written, outbound.offer("?"))).toBe(false)
    yield* Fiber.joinAll([first, second])
    expect([yield* outbound.offer("c"), yield* outbound.offer("1234567"), yield* outbound.offer("d")]).toEqual([
      true,
      false,
      true
    ])
    yield* endOfTurn
    expect(said.at(-1)).toBe("write 3: b|c|d")
  }))
