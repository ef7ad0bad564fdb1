/** Pools of SMTP sessions whose callers are interrupted after every number of steps. */
import { NetMemory, Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Logger, LogLevel, Scope, Stream } from "effect"
import type { SmtpPool } from "../../src/index.js"
import type { SmtpServer } from "../../src/testing/index.js"
import { leavesNothing, message, until } from "./dialogue.js"
import { arrived, numbered, pooled, upTo } from "./pools.js"

const yields = (count: number): Effect.Effect<void> => Effect.repeatN(Effect.yieldNow(), count)

const streamed = {
  from: "a@a.test",
  to: "b@b.test",
  headers: { "X-Number": "1" },
  text: "hello",
  attachments: [{
    filename: "x",
    content: Stream.fromIterable(upTo(8).map((byte) => new Uint8Array(20_000).fill(byte))).pipe(
      Stream.tap(() => Effect.yieldNow())
    )
  }]
}

type Call = (pool: SmtpPool.Pool) => Effect.Effect<unknown, unknown>

const calls: ReadonlyArray<
  readonly [
    string,
    Call,
    {
      readonly isWarm?: boolean
      readonly quirks?: SmtpServer.Quirks
      readonly stride?: number
      readonly longStride?: number
    }
  ]
> = [
  ["a message that needs a connection", (pool) => pool.send(numbered(1)), {}],
  ["a message over a connection that is there", (pool) => pool.send(numbered(1)), { isWarm: true }],
  ["a message with a streamed content", (pool) => pool.send(streamed), { isWarm: true }],
  ["a message that goes out again", (pool) => pool.send(numbered(1)), {
    isWarm: true,
    quirks: { maxMessages: { most: 1, reply: "421 4.7.0 Enough" } }
  }],
  ["a message that is refused", (pool) => Effect.ignore(pool.send(message("no@b.test"))), { isWarm: true }],
  [
    "three messages at once",
    (pool) => Effect.forEach([1, 2, 3], (number) => pool.send(numbered(number)), { concurrency: "unbounded" }),
    {}
  ],
  [
    "a stream of messages",
    (pool) => Stream.runDrain(pool.sendAll(Stream.make(1, 2, 3).pipe(Stream.map(numbered)))),
    { stride: 31, longStride: 7 }
  ],
  [
    "a borrower with a transaction",
    (pool) =>
      pool.use((session) =>
        Effect.scoped(
          Effect.flatMap(
            session.transaction({ from: "a@a.test" }),
            (open) => Effect.zipRight(open.recipient("b@b.test"), open.data("X-Number: 1\r\n\r\nhello\r\n"))
          )
        )
      ),
    { isWarm: true }
  ],
  ["a session in a scope", (pool) => Effect.scoped(Effect.flatMap(pool.session, (session) => session.noop)), {}]
]

/** What was sent arrived whole: the text alone, or with what ends the parts. */
const whole = ({ bytes }: SmtpServer.Message): boolean => {
  const text = new TextDecoder().decode(bytes)
  return text.endsWith("\r\n\r\nhello\r\n") || text.trimEnd().endsWith("--")
}

describe("interruption of an SMTP pool's callers", () => {
  it.effect.each(calls)(
    "C35 interrupted at any step of %s, no message is lost, arrives twice or in part, and the pool works on",
    ([name, call, { isWarm = false, quirks = {}, stride = 11, longStride = 1 }]) =>
      Effect.gen(function*() {
        const steps = yield* Sampling.everyStep(`a pool: ${name}`, (steps) =>
          leavesNothing(Effect.gen(function*() {
            const { pool, server } = yield* pooled({
              quirks: { ...quirks, recipients: { "no@b.test": "550 5.1.1 Who?" } }
            }, { size: 2 })
            if (isWarm) yield* pool.send(numbered(0))
            const fiber = yield* Effect.fork(call(pool))
            const other = yield* Effect.fork(pool.send(numbered(8)))
            yield* yields(steps)
            const isThrough = (yield* fiber.status)._tag === "Done"
            const exit = yield* Fiber.interrupt(fiber)
            yield* Fiber.join(other)
            yield* pool.send(numbered(9))
            const messages = yield* server.messages
            const numbers = arrived(messages)
            expect(new Set(numbers).size).toBe(numbers.length)
            expect(numbers).toEqual(expect.arrayContaining(isWarm ? [0, 8, 9] : [8, 9]))
            if (Exit.isSuccess(exit) && !/refused|scope/.test(name)) expect(numbers).toContain(1)
            expect(messages.filter((message) => !whole(message))).toEqual([])
            yield* until(Effect.map(pool.stats, ({ idle, open, waiting }) => idle === open && waiting === 0))
            const { open } = yield* pool.stats
            expect(open).toBeLessThanOrEqual(2)
            yield* until(Effect.map(server.connections, (connections) => connections.open === open))
            yield* pool.drain
            return isThrough
          })), { stride, longStride })
        expect(steps).toBeGreaterThan(1)
      }).pipe(Effect.provide(NetMemory.layer), Logger.withMinimumLogLevel(LogLevel.None))
  )

  it.effect("C35 the pool's scope ends at any step: whoever waits or sends fails, and nothing is left open", () =>
    Effect.provide(
      Sampling.everyStep("a pool's scope", (steps) =>
        leavesNothing(Effect.gen(function*() {
          const scope = yield* Scope.make()
          const { pool, server } = yield* Scope.extend(pooled({}, { size: 2 }), scope)
          const sends = yield* Effect.fork(
            Effect.forEach(upTo(6), (number) => Effect.exit(pool.send(numbered(number))), { concurrency: "unbounded" })
          )
          yield* yields(steps)
          const isThrough = (yield* sends.status)._tag === "Done"
          yield* Scope.close(scope, Exit.void)
          const exits = yield* Fiber.join(sends)
          const numbers = arrived(yield* server.messages)
          expect(new Set(numbers).size).toBe(numbers.length)
          const sent = exits.flatMap((exit, number) => Exit.isSuccess(exit) ? [number] : [])
          expect(numbers).toEqual(expect.arrayContaining(sent))
          expect(yield* Effect.flip(pool.send(numbered(9)))).toMatchObject({ _tag: "SessionClosed" })
          return isThrough
        })), { stride: 11 }),
      NetMemory.layer
    ))

  it.effect("C35 drain that is interrupted at any step leaves a pool that takes nothing and loses nothing", () =>
    Effect.provide(
      Sampling.everyStep("a pool's drain", (steps) =>
        leavesNothing(Effect.gen(function*() {
          const { pool, server } = yield* pooled({}, { size: 2 })
          const held = yield* Scope.make()
          yield* Effect.replicateEffect(Scope.extend(pool.session, held), 2)
          const sends = yield* Effect.fork(
            Effect.forEach(upTo(6), (number) => pool.send(numbered(number)), { concurrency: "unbounded" })
          )
          yield* until(Effect.map(pool.stats, ({ waiting }) => waiting === 6))
          const drain = yield* Effect.fork(pool.drain)
          yield* Scope.close(held, Exit.void)
          yield* yields(steps)
          const isThrough = (yield* drain.status)._tag === "Done"
          yield* Fiber.interrupt(drain)
          expect(yield* Fiber.join(sends)).toHaveLength(6)
          if (steps > 1) expect(yield* Effect.flip(pool.send(numbered(9)))).toMatchObject({ _tag: "SessionClosed" })
          yield* pool.drain
          expect(arrived(yield* server.messages).slice(0, 6)).toEqual(upTo(6))
          return isThrough
        })), { stride: 11 }),
      NetMemory.layer
    ))

  it.effect("C35 a caller in an uninterruptible region is served, and the pool can end meanwhile", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const scope = yield* Scope.make()
        const { pool, server } = yield* Scope.extend(pooled({}, { size: 1 }), scope)
        expect((yield* Effect.uninterruptible(pool.send(numbered(0))))._tag).toBe("Complete")
        yield* server.setQuirks({ endings: { MAIL: "silence" } })
        const sends = yield* Effect.fork(
          Effect.uninterruptible(
            Effect.forEach(upTo(3), (number) => Effect.flip(pool.send(numbered(number))), { concurrency: "unbounded" })
          )
        )
        yield* until(Effect.map(pool.stats, ({ waiting }) => waiting === 2))
        yield* Scope.close(scope, Exit.void)
        expect((yield* Fiber.join(sends)).map(({ _tag }) => _tag)).toEqual(upTo(3).map(() => "SessionClosed"))
      })),
      NetMemory.layer
    ))
})
