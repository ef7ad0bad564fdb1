/** Borrowed sessions of an SMTP pool, its layers and options, and what it shows. */
import { describe, expect, it } from "@effect/vitest"
import {
  Cause,
  Config,
  ConfigProvider,
  Deferred,
  Effect,
  Exit,
  Fiber,
  Layer,
  Metric,
  Option,
  Redacted,
  Scope,
  Stream,
  TestClock
} from "effect"
import { inspect } from "node:util"
import { Connector, Smtp, SmtpPool } from "../../src/index.js"
import { SmtpServer } from "../../src/testing/index.js"
import { networks } from "../ftp/networks.js"
import { inMemory, leavesNothing, until } from "./dialogue.js"
import { arrived, numbered, pooled, upTo } from "./pools.js"

describe.each(networks)("borrowed sessions, %s", (_, net) => {
  it.effect("C35 nobody else has a borrowed session, and what was begun in it is reset when it comes back", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const { pool, server } = yield* pooled({}, { size: 1 })
        const held = yield* Scope.make()
        const session = yield* Scope.extend(pool.session, held)
        const transaction = yield* Scope.extend(session.transaction({ from: "a@a.test" }), held)
        yield* transaction.recipient("left@b.test")
        const send = yield* Effect.fork(pool.send(numbered(1)))
        yield* until(Effect.map(pool.stats, ({ waiting }) => waiting === 1))
        yield* Scope.close(held, Exit.void)
        yield* Fiber.join(send)
        const [message] = yield* server.messages
        expect(message!.envelope.recipients.map(({ address }) => address)).toEqual(["b@b.test"])
        expect((yield* server.connections).total).toBe(1)
        expect(yield* pool.use((session) => session.noop)).toBeUndefined()
        expect(yield* Effect.flip(pool.use(() => Effect.fail("its own")))).toBe("its own")
        const thrown = yield* Effect.exit(pool.use((): Effect.Effect<void> => {
          throw new Error("a defect of the caller")
        }))
        expect(Exit.isFailure(thrown) && Cause.isDie(thrown.cause)).toBe(true)
        expect(yield* pool.stats).toEqual({ open: 1, idle: 1, waiting: 0, most: 1 })
      })),
      net
    ))

  it.effect("C35 drain is refused in a fiber that has a session, which it would wait for, and changes nothing", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const { pool, server } = yield* pooled({}, { size: 2 })
        const refused = { _tag: "InvalidArgument", what: "drain", argument: pool.server }
        expect(yield* Effect.flip(pool.use(() => pool.drain))).toMatchObject(refused)
        const scoped = Effect.zipRight(pool.session, Effect.flip(pool.drain))
        expect(yield* Effect.scoped(scoped)).toMatchObject(refused)
        expect(yield* Effect.flip(Effect.scoped(Effect.zipRight(pool.session, pool.use(() => pool.drain)))))
          .toMatchObject(refused)
        yield* pool.send(numbered(1))
        // Another fiber's drain waits for this one's session.
        const drain = yield* pool.use((session) =>
          Effect.gen(function*() {
            const drain = yield* Effect.fork(pool.drain)
            yield* Effect.yieldNow()
            yield* session.noop
            return drain
          })
        )
        yield* Fiber.join(drain)
        expect(arrived(yield* server.messages)).toEqual([1])
        expect((yield* pool.stats).open).toBe(0)
        yield* pool.drain
      })),
      net
    ))

  it.effect("C35 a connection that does not answer what an interrupted borrower said is replaced, and holds nobody up", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const { pool, server } = yield* pooled({ quirks: { endings: { NOOP: "silence" } } }, { size: 1 })
        const asking = yield* Effect.fork(pool.use((session) => session.noop))
        yield* until(Effect.map(server.commands, (lines) => lines.includes("NOOP")))
        yield* Fiber.interrupt(asking)
        const send = yield* Effect.fork(pool.send(numbered(1)))
        yield* until(Effect.map(pool.stats, ({ waiting }) => waiting === 1))
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(send)
        expect((yield* server.connections).total).toBe(2)
      })),
      net
    ))
})

describe("connections of an SMTP pool", () => {
  it.effect("C35 one that was idle for long is looked at before it is used, and replaced if it does not answer", () =>
    inMemory(Effect.gen(function*() {
      const { pool, server } = yield* pooled({}, { size: 1, idle: "1 hour" })
      const noops = Effect.map(server.commands, (lines) => lines.filter((line) => line === "NOOP").length)
      yield* pool.send(numbered(0))
      yield* TestClock.adjust("10 seconds")
      yield* pool.send(numbered(1))
      expect(yield* noops).toBe(0)
      yield* TestClock.adjust("10001 millis")
      yield* pool.send(numbered(2))
      expect(yield* noops).toBe(1)
      yield* server.setQuirks({ endings: { NOOP: "silence" } })
      yield* TestClock.adjust("10001 millis")
      const send = yield* Effect.fork(pool.send(numbered(3)))
      yield* until(Effect.map(noops, (count) => count === 2))
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(send)
      expect(arrived(yield* server.messages)).toEqual(upTo(4))
      expect((yield* server.connections).total).toBe(2)
    })))

  it.effect("C35 one is replaced when it is old, once it is idle", () =>
    inMemory(Effect.gen(function*() {
      const { pool, server } = yield* pooled({}, { size: 1, idle: "1 hour", maxAge: "1 minute", checkAfter: "1 hour" })
      yield* pool.use((session) => Effect.zipRight(TestClock.adjust("2 minutes"), session.noop))
      yield* until(Effect.map(pool.stats, ({ open }) => open === 0))
      yield* pool.send(numbered(0))
      yield* TestClock.adjust("59 seconds")
      yield* pool.send(numbered(1))
      expect((yield* server.connections).total).toBe(2)
      yield* TestClock.adjust("1 seconds")
      yield* until(Effect.map(pool.stats, ({ open }) => open === 0))
      yield* pool.send(numbered(2))
      expect((yield* server.connections).total).toBe(3)
    })))

  it.effect("C35 one that was opened for somebody who left, and died since, costs nobody a message", () =>
    inMemory(Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const { pool, server } = yield* pooled({ quirks: { idle: "10 seconds" } }, {
        size: 1,
        idle: "1 hour",
        checkAfter: "1 hour",
        connector: (request) => Effect.zipRight(Deferred.await(gate), Connector.direct(request))
      })
      const left = yield* Effect.fork(pool.send(numbered(0)))
      yield* until(Effect.map(pool.stats, ({ waiting }) => waiting === 1))
      yield* Fiber.interrupt(left)
      yield* Deferred.succeed(gate, undefined)
      yield* until(Effect.map(pool.stats, ({ idle }) => idle === 1))
      yield* until(Effect.zipRight(
        TestClock.adjust("1 seconds"),
        Effect.map(server.connections, ({ open }) => open === 0)
      ))
      yield* pool.send(numbered(1))
      expect(arrived(yield* server.messages)).toEqual([1])
    })))

  it.effect("C35 a connector that dies fails who waits with its defect, and the pool works on", () =>
    inMemory(Effect.gen(function*() {
      let isBroken = true
      const { pool } = yield* pooled({}, {
        size: 2,
        connector: (request) => isBroken ? Effect.die("a bug") : Connector.direct(request)
      })
      const exits = yield* Effect.forEach(upTo(5), (number) => Effect.exit(pool.send(numbered(number))), {
        concurrency: "unbounded"
      })
      expect(exits.map((exit) => Exit.isFailure(exit) && Option.getOrThrow(Cause.dieOption(exit.cause)))).toEqual(
        upTo(5).map(() => "a bug")
      )
      isBroken = false
      yield* TestClock.adjust("1 seconds")
      yield* pool.send(numbered(9))
    })))

  it.effect("C35 sendAll sends no further ahead than its results are taken, and stops with its reader", () =>
    inMemory(Effect.gen(function*() {
      const { pool, server } = yield* pooled({}, { size: 2 })
      const messages = Stream.map(Stream.fromIterable(upTo(500)), numbered)
      const taken = yield* Stream.runCollect(Stream.take(
        Stream.tap(pool.sendAll(messages), () => Effect.repeatN(Effect.yieldNow(), 200)),
        10
      ))
      expect(taken.length).toBe(10)
      yield* until(Effect.map(pool.stats, ({ idle, open }) => idle === open))
      // Two results wait, two messages are under way, and as many of each were taken up on the way to the tenth.
      expect((yield* server.messages).length).toBeLessThanOrEqual(10 + 2 * 4)
    })))

  it.effect("C35 a stream of messages that fails does so after the results of those before", () =>
    inMemory(Effect.gen(function*() {
      const { pool, server } = yield* pooled({}, { size: 2 })
      const messages = Stream.concat(Stream.map(Stream.fromIterable(upTo(5)), numbered), Stream.fail("source"))
      const tags: Array<string> = []
      const failure = yield* Effect.flip(
        Stream.runForEach(pool.sendAll(messages), ({ result }) => Effect.sync(() => tags.push(result._tag)))
      )
      expect([failure, tags]).toEqual(["source", upTo(5).map(() => "Right")])
      expect((yield* server.messages).length).toBe(5)
    })))

  it.effect("C35 errors of contents are results of sendAll, and errors of the stream end it", () =>
    inMemory(Effect.gen(function*() {
      const { pool } = yield* pooled({}, { size: 2 })
      const broken = {
        from: "a@a.test",
        to: "b@b.test",
        attachments: [{ content: Stream.fail("disk"), filename: "x" }]
      }
      const results = yield* Stream.runCollect(pool.sendAll(Stream.make(broken)))
      expect([...results]).toMatchObject([{ message: broken, result: { _tag: "Left", left: "disk" } }])
      expect(yield* Effect.flip(Stream.runDrain(pool.sendAll(Stream.fail("source"))))).toBe("source")
    })))
})

describe("what an SMTP pool is given, and shows", () => {
  it.effect.each<readonly [string, Partial<SmtpPool.PoolOptions>]>([
    ["size", { size: 0 }],
    ["maxMessages", { maxMessages: 1.5 }],
    ["maxAge", { maxAge: 0 }],
    ["idle", { idle: -1 }],
    ["checkAfter", { checkAfter: NaN }],
    ["rate.messages", { rate: { messages: 0, per: "1 minute" } }],
    ["rate.per", { rate: { messages: 1, per: 0 } }],
    ["backOff", { backOff: "0 millis" }],
    ["port", { port: 70_000 }]
  ])(
    "C35 a wrong option is refused before anything connects: %s",
    ([option, options]) =>
      inMemory(Effect.gen(function*() {
        expect(yield* Effect.flip(SmtpPool.make({ host: "nowhere.test", ...options }))).toMatchObject({
          _tag: "InvalidOption",
          option
        })
      }))
  )

  it.effect("C35 Smtp.pool takes the defaults, and layerPool sends through one pool", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* SmtpServer.make()
      const defaults = { host: server.host, port: server.port, tls: "none" } as const
      const smtp = yield* Smtp.make(defaults)
      const pool = yield* smtp.pool({ size: 2 })
      yield* pool.send(numbered(0))
      expect([pool.size, pool.server]).toEqual([2, `${server.host}:${server.port}`])
      const sends = Effect.forEach(upTo(10), (number) => Smtp.send(numbered(number)), { concurrency: "unbounded" })
      yield* Effect.provide(sends, Smtp.layerPool({ ...defaults, size: 3 }))
      yield* until(Effect.map(server.connections, ({ open }) => open === 1))
      expect(yield* server.connections).toMatchObject({ total: 4 })
      const config = Smtp.layerPoolConfig({
        host: Config.string("HOST"),
        port: Config.integer("PORT"),
        tls: Config.literal("none")("TLS"),
        size: Config.integer("SIZE"),
        rate: { messages: Config.integer("RATE"), per: Config.duration("PER") }
      })
      const variables = [["HOST", server.host], ["PORT", `${server.port}`], ["TLS", "none"], ["SIZE", "1"], [
        "RATE",
        "5"
      ]]
      const provider = ConfigProvider.fromMap(new Map([...variables, ["PER", "1 minute"]] as Array<[string, string]>))
      const limited = yield* Effect.fork(
        Effect.provide(sends, Layer.provide(config, Layer.setConfigProvider(provider)))
      )
      yield* until(Effect.map(server.messages, ({ length }) => length === 16))
      yield* TestClock.adjust("59 seconds")
      expect(yield* server.messages).toHaveLength(16)
      yield* TestClock.adjust("1 seconds")
      yield* Fiber.join(limited)
      expect(yield* server.connections).toMatchObject({ total: 6 })
    })))

  it.effect("C35 metrics say how many connections are open and idle, and how many callers wait; they end with the pool", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* SmtpServer.make({ quirks: { endings: { MAIL: "silence" } } })
      const name = `${server.host}:${server.port}`
      const values = Effect.forEach(
        [SmtpPool.connectionsOpen, SmtpPool.connectionsIdle, SmtpPool.callersWaiting],
        (metric) => Effect.map(Metric.value(Metric.tagged(metric, "server", name)), ({ value }) => value)
      )
      yield* Effect.scoped(Effect.gen(function*() {
        const options = { host: server.host, port: server.port, tls: "none" } as const
        const [pool, other] = [yield* SmtpPool.make({ ...options, size: 2 }), yield* SmtpPool.make(options)]
        yield* other.use((session) => session.noop)
        expect(yield* values).toEqual([1, 1, 0])
        yield* Effect.forEach(upTo(5), (number) => Effect.fork(Effect.exit(pool.send(numbered(number)))))
        yield* until(Effect.map(pool.stats, ({ open, waiting }) => open === 2 && waiting === 3))
        expect(yield* values).toEqual([3, 1, 3])
      }))
      expect(yield* values).toEqual([0, 0, 0])
    })))

  it.effect("C35 a pool shows its server and size, and no secret", () =>
    inMemory(Effect.gen(function*() {
      const auth = { user: "ada", password: Redacted.make("hunter2") }
      const { pool } = yield* pooled({ users: { ada: "hunter2" } }, { size: 3, auth, allowInsecureAuth: true })
      yield* pool.send(numbered(0))
      const shown = { _id: "@copas/clients/SmtpPool", server: pool.server, size: 3 }
      expect(JSON.parse(JSON.stringify(pool))).toEqual(shown)
      const text = inspect(pool, { depth: Infinity, showHidden: true })
      expect(text).toContain(pool.server)
      expect(text).not.toContain("hunter2")
    })))
})
