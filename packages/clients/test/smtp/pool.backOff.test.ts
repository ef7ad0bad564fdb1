/** Pools of SMTP sessions against servers that refuse, drop, hang and count: cases 30 and 47 to 50. */
import { Net } from "@copas/core"
import { NetMemory, Simulation } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Clock, Duration, Effect, Exit, Fiber, Logger, LogLevel, Random, Redacted, Scope, TestClock } from "effect"
import { Connector, SmtpPool } from "../../src/index.js"
import type { SmtpServer } from "../../src/testing/index.js"
import { networks } from "../ftp/networks.js"
import { leavesNothing, until } from "./dialogue.js"
import { arrived, numbered, pooled, upTo } from "./pools.js"

const auth = { user: "ada", password: Redacted.make("secret") }
const users = { ada: "secret" }

/** In simulated time; nothing of it is left open. */
const simulated = <A, E>(
  use: Effect.Effect<A, E, Net.Net | Scope.Scope>,
  options: NetMemory.Options = {},
  seed = 1
): Promise<A> =>
  Effect.runPromise(Simulation.run(
    Effect.provide(
      Effect.gen(function*() {
        const result = yield* Effect.scoped(use)
        expect(yield* Effect.flatMap(Net.Net, ({ sockets }) => sockets)).toHaveLength(0)
        return result
      }),
      NetMemory.layerWith(options)
    ).pipe(Logger.withMinimumLogLevel(LogLevel.None)),
    { seed }
  ))

describe.each(networks)("a server that wants fewer connections, %s", (_, net) => {
  it.effect.each<readonly [string, SmtpServer.Quirks, SmtpServer.Quirks]>([
    ["421 4.7.0", { maxConnections: { most: 3, reply: "421 4.7.0 Too many" } }, { maxConnections: 4 }],
    ["432 4.3.2", { replies: { AUTH: "432 4.3.2 Too many" } }, { replies: {} }]
  ])("C35 #30 the pool continues with three where the fourth is refused: %s", ([, refuses, allows]) =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const { pool, server } = yield* pooled({ users, allowInsecureAuth: true }, {
          size: 4,
          auth,
          allowInsecureAuth: true,
          idle: "1 hour",
          checkAfter: "1 hour"
        })
        const [held, other] = [yield* Scope.make(), yield* Scope.make()]
        yield* Effect.replicateEffect(Scope.extend(pool.session, held), 2)
        yield* Scope.extend(pool.session, other)
        yield* server.setQuirks(refuses)
        const sends = yield* Effect.forEach(upTo(10), (number) => Effect.fork(pool.send(numbered(number))))
        yield* until(Effect.map(pool.stats, ({ most }) => most === 3))
        expect(yield* pool.stats).toEqual({ open: 3, idle: 0, waiting: 10, most: 3 })
        yield* Scope.close(other, Exit.void)
        yield* Fiber.joinAll(sends)
        expect(arrived(yield* server.messages)).toEqual(upTo(10))
        expect(yield* server.connections).toMatchObject({ open: 3, total: 4 })
        // Later it tries a fourth.
        yield* server.setQuirks(allows)
        yield* Scope.extend(pool.session, held)
        const last = yield* Effect.fork(pool.send(numbered(10)))
        yield* until(Effect.map(pool.stats, ({ waiting }) => waiting === 1))
        yield* TestClock.adjust("999 millis")
        expect((yield* server.connections).total).toBe(4)
        yield* TestClock.adjust("1 millis")
        yield* Fiber.join(last)
        expect((yield* server.connections).total).toBe(5)
        expect((yield* pool.stats).open).toBe(4)
        yield* Scope.close(held, Exit.void)
      })),
      net
    ))

  it.effect("C35 a refused log-in fails all callers that wait, is tried once, and not again before `backOff`", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const { pool, server } = yield* pooled({ users, allowInsecureAuth: true }, {
          size: 8,
          auth: { ...auth, password: Redacted.make("wrong") },
          allowInsecureAuth: true,
          backOff: "30 seconds"
        })
        const logIns = Effect.map(server.connections, ({ total }) => total)
        const send = Effect.flip(pool.send(numbered(0)))
        const errors = yield* Effect.replicateEffect(send, 20).pipe(Effect.zip(send, { concurrent: true }))
        expect([...errors[0], errors[1]].map(({ _tag }) => _tag)).toEqual(upTo(21).map(() => "AuthenticationFailed"))
        expect(yield* logIns).toBe(1)
        yield* TestClock.adjust("29999 millis")
        expect(yield* send).toMatchObject({ _tag: "AuthenticationFailed", code: 535 })
        expect(yield* logIns).toBe(1)
        yield* TestClock.adjust("1 millis")
        expect(yield* send).toMatchObject({ _tag: "AuthenticationFailed", code: 535 })
        expect(yield* logIns).toBe(2)
      })),
      net
    ))

  it.effect("C35 a log-in that is refused while others are open fails the callers that wait, and the others stay in use", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const { pool, server } = yield* pooled({ users, allowInsecureAuth: true }, {
          size: 8,
          auth,
          allowInsecureAuth: true
        })
        const held = yield* Scope.make()
        yield* Effect.replicateEffect(Scope.extend(pool.session, held), 2)
        yield* server.setQuirks({ replies: { AUTH: "535 5.7.8 No" } })
        const sends = yield* Effect.forEach(upTo(5), (number) => Effect.flip(pool.send(numbered(number))), {
          concurrency: "unbounded"
        })
        expect(sends.map(({ _tag }) => _tag)).toEqual(upTo(5).map(() => "AuthenticationFailed"))
        const send = yield* Effect.fork(pool.send(numbered(9)))
        yield* until(Effect.map(pool.stats, ({ waiting }) => waiting === 1))
        yield* Scope.close(held, Exit.void)
        yield* Fiber.join(send)
        expect(arrived(yield* server.messages)).toEqual([9])
        expect((yield* server.connections).total).toBe(3)
      })),
      net
    ))

  it.effect.each(
    [
      ["1 minute", [1000, 2000], "1s"],
      ["1500 millis", [1000, 1500], "1s"],
      ["200 millis", [200, 200], "200ms"]
    ] as const
  )(
    "C35 #48 connections that are dropped at once: three tries, with pauses up to %s, then the error for all; the log says it once",
    ([backOff, [first, second], shown]) =>
      Effect.provide(
        leavesNothing(Effect.gen(function*() {
          const listener = yield* Effect.flatMap(Net.Net, (net) => net.listen({ host: "127.0.0.1", port: 0 }))
          let total = 0
          yield* Effect.forkScoped(Effect.forever(Effect.flatMap(listener.accept, (socket) => {
            total += 1
            return socket.abort
          })))
          const where = { host: "127.0.0.1", port: listener.port, tls: "none" } as const
          const pool = yield* SmtpPool.make({ ...where, size: 8, backOff })
          const told: Array<string> = []
          const log = Logger.make<unknown, void>(({ logLevel, message }) => {
            told.push(`${logLevel.label} ${String(message)}`)
          })
          const sends = yield* Effect.fork(
            Effect.forEach(upTo(100), (number) => Effect.flip(pool.send(numbered(number))), {
              concurrency: "unbounded"
            }).pipe(
              Effect.provide(Logger.replace(Logger.defaultLogger, log)),
              Logger.withMinimumLogLevel(LogLevel.Debug)
            )
          )
          for (const [tries, pause] of [[1, first], [2, second]] as const) {
            yield* until(Effect.map(pool.stats, ({ most }) => total === tries && most === 0))
            yield* TestClock.adjust(pause - 1)
            expect([total, (yield* pool.stats).waiting]).toEqual([tries, 100])
            yield* TestClock.adjust(1)
          }
          expect(
            (yield* Fiber.join(sends)).map(({ _tag }) => _tag).filter((tag) =>
              !/^(Socket(Closed|Broken)|ConnectError)$/.test(tag)
            )
          ).toEqual([])
          expect(total).toBe(3)
          expect(told.map((line) => line.slice(0, line.indexOf(":")))).toEqual([
            `INFO The pool has no connection, and tries to open one in ${shown}`,
            expect.stringMatching(/^DEBUG The pool has no connection, and tries to open one in /)
          ])
        })),
        net
      )
  )
})

describe("a server that fails", () => {
  const dropping = (greets: boolean) =>
    Effect.gen(function*() {
      const net = yield* Net.Net
      const listener = yield* net.listen({ host: "127.0.0.1", port: 0 })
      const seen = { total: 0 }
      const serve = Effect.gen(function*() {
        const socket = yield* listener.accept
        seen.total += 1
        if (greets) yield* socket.send("220 mx ESMTP\r\n")
        yield* Effect.forkScoped(Effect.zipRight(Effect.sleep("15 millis"), socket.abort))
      })
      yield* Effect.forkScoped(Effect.forever(serve))
      return { port: listener.port, seen }
    })

  it.each([[false], [true]])(
    "C35 #48 a server that drops each connection after 15 ms gets a bounded number of tries, with pauses: greets %s",
    (greets) =>
      simulated(Effect.gen(function*() {
        const { port, seen } = yield* dropping(greets)
        const pool = yield* SmtpPool.make({ host: "127.0.0.1", port, tls: "none", size: 8 })
        const send = (number: number) => Effect.flip(pool.send(numbered(number)))
        const errors = yield* Effect.forEach(upTo(1000), send, { concurrency: "unbounded" })
        expect(errors.map(({ _tag }) => _tag).filter((tag) => !/^Socket(Closed|Broken)$/.test(tag))).toEqual([])
        expect(seen.total).toBe(3)
        expect(yield* Clock.currentTimeMillis).toBe(3 * 15 + 1000 + 2000)
        // As long as it continues, one try a pause.
        const until = 600_000
        let calls = 0
        while ((yield* Clock.currentTimeMillis) < until) {
          yield* send(calls++)
        }
        expect(seen.total).toBe(3 + calls)
        expect(calls).toBeLessThanOrEqual(15)
      }))
  )

  it("C35 #48 connections that die in their first use are no success: 1,000 messages do not make 1,000 connections", () =>
    simulated(Effect.gen(function*() {
      const { pool, server } = yield* pooled({ quirks: { endings: { MAIL: "reset" } } }, { size: 8 })
      const send = (number: number) => Effect.flip(pool.send(numbered(number)))
      const errors = yield* Effect.forEach(upTo(1000), send, { concurrency: "unbounded" })
      expect(new Set(errors.map(({ _tag }) => _tag)).size).toBe(1)
      expect((yield* server.connections).total).toBeLessThanOrEqual(8 + 3)
    })))

  it.each<readonly [string, SmtpServer.Quirks, number]>([
    ["no greeting", { endings: { CONNECT: "silence" } }, 30_000],
    ["no reply to MAIL", { endings: { MAIL: "silence" } }, 300_000],
    ["nothing is read of the content", { stallAfter: 10 }, 180_000]
  ])(
    "C35 #49 all connections hang: each message fails by a time-out, and the pool recovers: %s",
    (_, quirks, within) =>
      simulated(
        Effect.gen(function*() {
          const { pool, server } = yield* pooled({ quirks }, { size: 4 })
          const letter = { from: "a@a.test", to: "b@b.test", text: "hello\n".repeat(100_000) }
          const errors = yield* Effect.forEach(upTo(20), () => Effect.flip(pool.send(letter)), {
            concurrency: "unbounded"
          })
          expect(new Set(errors.map(({ _tag }) => _tag))).toEqual(new Set(["SocketTimeout"]))
          expect(yield* Clock.currentTimeMillis).toBeLessThanOrEqual(2 * within)
          yield* server.setQuirks({ endings: undefined, stallAfter: undefined })
          yield* Effect.forEach(upTo(20), (number) => pool.send(numbered(number)), { concurrency: "unbounded" })
          expect((yield* server.messages).filter(({ size }) => size < 100)).toHaveLength(20)
        }),
        { bufferSize: 1000 }
      )
  )
})

describe("the rate of an SMTP pool", () => {
  it("C35 #50 1,000 sends at 30 a minute, every second one interrupted: the rate holds, the others arrive once each", () =>
    simulated(Effect.gen(function*() {
      let [open, most] = [0, 0]
      const { pool, server } = yield* pooled({ quirks: { delay: "100 millis" } }, {
        size: 5,
        rate: { messages: 30, per: "1 minute" },
        connector: (request) =>
          Effect.zipRight(
            Effect.acquireRelease(Effect.sync(() => most = Math.max(most, ++open)), () => Effect.sync(() => open--)),
            Connector.direct(request)
          )
      })
      const counts: Array<number> = []
      yield* Effect.forkScoped(Effect.forever(Effect.zipRight(
        Effect.map(server.messages, ({ length }) => counts.push(length)),
        Effect.sleep("1 second")
      )))
      const fibers = yield* Effect.forEach(upTo(1000), (number) => Effect.fork(pool.send(numbered(number))))
      const interrupts = fibers.filter((_, number) => number % 2 === 1).map((fiber) =>
        Effect.flatMap(
          Random.nextIntBetween(0, 1_000_000),
          (millis) => Effect.zipRight(Effect.sleep(Duration.millis(millis)), Fiber.interrupt(fiber))
        )
      )
      const exits = yield* Effect.all(interrupts, { concurrency: "unbounded" })
      for (const [index, fiber] of fibers.entries()) if (index % 2 === 0) yield* Fiber.join(fiber)
      const numbers = arrived(yield* server.messages)
      expect(new Set(numbers).size).toBe(numbers.length)
      expect(numbers.filter((number) => number % 2 === 0)).toEqual(upTo(1000).filter((number) => number % 2 === 0))
      const sent = exits.flatMap((exit, index) => Exit.isSuccess(exit) ? [index * 2 + 1] : [])
      expect(numbers).toEqual(expect.arrayContaining(sent))
      expect(sent.length).toBeLessThan(500)
      for (const [second, count] of counts.entries()) {
        expect(count - (counts[Math.max(0, second - 59)] ?? 0)).toBeLessThanOrEqual(30)
      }
      expect(yield* pool.stats).toMatchObject({ waiting: 0, idle: (yield* pool.stats).open })
      expect(most).toBe(5)
      yield* Effect.sleep("1 minute")
      expect(open).toBe(0)
      expect(yield* pool.stats).toMatchObject({ open: 0 })
      expect((yield* server.connections).open).toBe(0)
    })))

  it("C35 a borrower does not wait for the rate, and messages that wait for it hold no connection", () =>
    simulated(Effect.gen(function*() {
      const { pool } = yield* pooled({}, { size: 1, rate: { messages: 2, per: "1 minute" } })
      const sends = yield* Effect.forEach(upTo(3), (number) => Effect.fork(pool.send(numbered(number))))
      yield* Effect.sleep("1 second")
      expect(yield* pool.stats).toMatchObject({ open: 1, idle: 1, waiting: 1 })
      expect((yield* pool.use((session) => session.help())).code).toBe(214)
      expect(yield* Clock.currentTimeMillis).toBe(1000)
      yield* Fiber.joinAll(sends)
      expect(yield* Clock.currentTimeMillis).toBe(60_000)
    })))
})

describe("the speed of an SMTP pool", () => {
  it("C35 on a link of 50 ms a pool of 8 sends 1,000 messages in 1000 / 8 × 2.2 round trips", () =>
    simulated(
      Effect.gen(function*() {
        const { pool, server } = yield* pooled({}, { size: 8 })
        yield* Effect.forEach(upTo(1000), (number) => pool.send(numbered(number)), { concurrency: "unbounded" })
        const trips = (yield* Clock.currentTimeMillis) / 50
        expect(arrived(yield* server.messages)).toEqual(upTo(1000))
        expect(trips).toBeLessThanOrEqual(1000 / 8 * 2.2)
      }),
      { link: { latency: "25 millis" } }
    ))
})
