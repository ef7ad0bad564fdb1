/** Pools of SMTP sessions: connections that are shared, replaced and closed. */
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Either, Exit, Fiber, Scope, Stream, TestClock } from "effect"
import { networks } from "../ftp/networks.js"
import { leavesNothing, until } from "./dialogue.js"
import { arrived, numbered, pooled, upTo } from "./pools.js"

describe.each(networks)("an SMTP pool, %s", (_, net) => {
  it.effect("C35 at most `size` connections are open, each message arrives once, and connections are used again", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const { pool, server } = yield* pooled({}, { size: 3 })
        expect(yield* pool.stats).toEqual({ open: 0, idle: 0, waiting: 0, most: 3 })
        const receipts = yield* Effect.forEach(upTo(50), (number) => pool.send(numbered(number)), {
          concurrency: "unbounded"
        })
        expect(new Set(receipts.map(({ _tag }) => _tag))).toEqual(new Set(["Complete"]))
        expect(arrived(yield* server.messages)).toEqual(upTo(50))
        expect(yield* server.connections).toEqual({ open: 3, total: 3, most: 3 })
        expect(yield* pool.stats).toEqual({ open: 3, idle: 3, waiting: 0, most: 3 })
      })),
      net
    ))

  it.effect("C35 sendAll gives what became of each message, and a refused one does not end it", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const { pool, server } = yield* pooled({ quirks: { recipients: { "no@b.test": "550 5.1.1 Who?" } } }, {
          size: 3
        })
        const messages = upTo(30).map((number) => ({
          number,
          from: "a@a.test",
          to: number % 10 === 5 ? "no@b.test" : "b@b.test",
          headers: { "X-Number": String(number) },
          text: "hello"
        }))
        const results = Chunk.toReadonlyArray(
          yield* Stream.runCollect(pool.sendAll(Stream.fromIterable(messages)))
        )
        expect(results.map(({ message }) => message.number).sort((a, b) => a - b)).toEqual(upTo(30))
        const failed = results.filter(({ result }) => Either.isLeft(result))
        expect(failed.map(({ message }) => message.number).sort()).toEqual([15, 25, 5])
        expect(failed[0]!.result).toMatchObject({ left: { _tag: "RecipientsRejected" } })
        expect(yield* server.messages).toHaveLength(27)
        expect((yield* server.connections).total).toBe(3)
      })),
      net
    ))

  it.effect("C35 drain lets nothing in, waits for what is under way and what waits, and closes the connections", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const { pool, server } = yield* pooled({}, { size: 2 })
        const scope = yield* Scope.make()
        yield* Scope.extend(pool.session, scope)
        const sends = yield* Effect.forEach(upTo(10), (number) => Effect.fork(pool.send(numbered(number))))
        yield* Effect.yieldNow()
        const drain = yield* Effect.fork(pool.drain)
        yield* Effect.yieldNow()
        expect(yield* Effect.flip(pool.send(numbered(99)))).toMatchObject({ _tag: "SessionClosed" })
        yield* Fiber.joinAll(sends)
        expect((yield* pool.stats).open).toBeGreaterThan(0)
        yield* Scope.close(scope, Exit.void)
        yield* Fiber.join(drain)
        expect(yield* pool.stats).toMatchObject({ open: 0, idle: 0, waiting: 0 })
        yield* until(Effect.map(server.connections, ({ open }) => open === 0))
        expect(arrived(yield* server.messages)).toEqual(upTo(10))
        yield* pool.drain
      })),
      net
    ))

  it.effect("C35 #47 a server that closes idle connections costs nobody a message", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const { pool, server } = yield* pooled({ quirks: { idle: "10 seconds" } }, {
          size: 1,
          idle: "1 hour",
          checkAfter: "1 hour"
        })
        yield* pool.send(numbered(0))
        yield* TestClock.adjust("11 seconds")
        yield* until(Effect.map(server.connections, ({ open }) => open === 0))
        yield* pool.send(numbered(1))
        expect(arrived(yield* server.messages)).toEqual([0, 1])
        expect(yield* server.connections).toMatchObject({ open: 1, total: 2 })
        expect(yield* pool.stats).toMatchObject({ open: 1, idle: 1 })
      })),
      net
    ))

  it.effect("C35 #5 a server that ends a connection by 421 after some messages costs nobody a message", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const { pool, server } = yield* pooled({
          extensions: ["PIPELINING"],
          quirks: { maxMessages: { most: 3, reply: "421 4.7.0 Enough" } }
        }, { size: 2 })
        yield* Effect.forEach(upTo(20), (number) => pool.send(numbered(number)), { concurrency: "unbounded" })
        expect(arrived(yield* server.messages)).toEqual(upTo(20))
        expect((yield* server.connections).total).toBeGreaterThanOrEqual(7)
      })),
      net
    ))

  it.effect("C35 idle connections are closed by the pool, before the server does", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const { pool, server } = yield* pooled({}, { size: 3, idle: "9 seconds", checkAfter: "1 hour" })
        yield* Effect.forEach(upTo(9), (number) => pool.send(numbered(number)), { concurrency: "unbounded" })
        expect(yield* pool.stats).toMatchObject({ open: 3, idle: 3 })
        yield* TestClock.adjust("9 seconds")
        yield* until(Effect.map(pool.stats, ({ open }) => open === 0))
        expect((yield* server.commands).filter((line) => line === "QUIT")).toHaveLength(3)
      })),
      net
    ))
})
