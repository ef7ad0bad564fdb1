/** When a pool sends a message over another connection: only if nobody can have got it over the first. */
import { NetMemory } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { SmtpPool } from "../../src/index.js"
import { alone, content, hello, inMemory, leavesNothing, message, one, until } from "./dialogue.js"
import { arrived, numbered, pooled, scriptedAll, upTo } from "./pools.js"

const mail = "C: MAIL FROM:<a@a.test>"
const rcpt = "C: RCPT TO:<b@b.test>"
const ok = "S: 250 ok"
const grouped = hello("PIPELINING")
const single = hello()
const whole = `${one}\n${content}\n${ok}`
const wholeSingle = [mail, ok, rcpt, ok, "C: DATA", "S: 354 go", content, ok].join("\n")

const failing = Stream.concat(Stream.make(new Uint8Array(200_000)), Stream.fail("the disk"))

describe("a reused connection that dies before the content", () => {
  it.effect.each<readonly [string, string, string]>([
    ["at MAIL", grouped, `${mail}\nX`],
    ["by 421 at MAIL", single, `${mail}\nS: 421 4.7.0 enough`],
    ["after MAIL", single, `${mail}\n${ok}\nX`],
    ["by 421 at RCPT", single, `${mail}\n${ok}\n${rcpt}\nS: 421 4.7.0 enough`],
    ["amid a group", grouped, `${alone}\n${ok}\nX`],
    ["at DATA", single, `${mail}\n${ok}\n${rcpt}\n${ok}\nC: DATA\nX`],
    ["by 421 at DATA in the group", grouped, `${alone}\n${ok}\n${ok}\nS: 421 4.3.2 going down`]
  ])("C35 #5 #47 the message goes out over another one: %s", ([, greeting, death]) =>
    inMemory(Effect.gen(function*() {
      const next = greeting === grouped ? whole : wholeSingle
      const { seen, where } = yield* scriptedAll(
        `${greeting}\n${next}\n${death}`,
        `${greeting}\n${next}\nC: QUIT`
      )
      const pool = yield* SmtpPool.make({ ...where, size: 1 })
      yield* pool.send(message())
      expect((yield* pool.send(message()))._tag).toBe("Complete")
      expect(seen.total).toBe(2)
      expect(yield* pool.stats).toMatchObject({ open: 1, idle: 1 })
    })))
})

describe("a connection that dies while it is idle", () => {
  it.effect("C35 #47 costs no message, also if all of them are reset at once", () =>
    Effect.provide(
      leavesNothing(Effect.gen(function*() {
        const { pool, server } = yield* pooled({}, { size: 4 })
        const send = (number: number) => pool.send(numbered(number))
        yield* Effect.forEach(upTo(8), send, { concurrency: "unbounded" })
        const network = yield* NetMemory.NetMemory
        expect(yield* network.resetConnections()).toBe(4)
        yield* until(Effect.map(server.connections, ({ open }) => open === 0))
        yield* Effect.forEach(upTo(16).slice(8), send, { concurrency: "unbounded" })
        expect(arrived(yield* server.messages)).toEqual(upTo(16))
        expect((yield* server.connections).total).toBeLessThanOrEqual(8)
      })),
      NetMemory.layer
    ))
})

describe("a message that somebody may have got, or that met a new connection,", () => {
  it.effect.each<readonly [string, string, string]>([
    ["amid the content", `${whole}\n${one}\nC: A: b\nX`, "DeliveryUnknown"],
    ["after the content", `${whole}\n${one}\n${content}\nX`, "DeliveryUnknown"],
    ["by 421 after the content", `${whole}\n${one}\n${content}\nS: 421 4.3.2 down`, "ServiceUnavailable"]
  ])("C35 #15 is not sent again: the connection dies %s", ([, script, tag]) =>
    inMemory(Effect.gen(function*() {
      const { seen, where } = yield* scriptedAll(`${grouped}\n${script}`)
      const pool = yield* SmtpPool.make({ ...where, size: 1 })
      yield* pool.send(message())
      expect(yield* Effect.flip(pool.send(message()))).toMatchObject({ _tag: tag })
      expect(seen.total).toBe(1)
    })))

  it.effect("C35 is not sent again if the connection was new", () =>
    inMemory(Effect.gen(function*() {
      const { seen, where } = yield* scriptedAll(`${grouped}\n${mail}\nX`, `${grouped}\n${whole}\nC: QUIT`)
      const pool = yield* SmtpPool.make({ ...where, size: 1 })
      const error = yield* Effect.flip(pool.send(message()))
      expect(error._tag).toMatch(/^Socket(Broken|Closed)$/)
      expect(seen.total).toBe(1)
    })))

  it.effect("C35 is not sent again if its own content fails", () =>
    inMemory(Effect.gen(function*() {
      const { pool, server } = yield* pooled({}, { size: 1 })
      yield* pool.send(numbered(0))
      const letter = { from: "a@a.test", to: "b@b.test", attachments: [{ content: failing, filename: "x" }] }
      expect(yield* Effect.flip(pool.send(letter))).toBe("the disk")
      yield* pool.send(numbered(1))
      expect(arrived(yield* server.messages)).toEqual([0, 1])
      expect((yield* server.connections).total).toBe(2)
    })))
})

describe("connections are replaced in time", () => {
  it.effect.each<readonly [string, Parameters<typeof pooled>[0], Partial<SmtpPool.PoolOptions>]>([
    ["the server's LIMITS MAILMAX", { quirks: { maxMessages: 3 } }, {}],
    ["the option maxMessages", {}, { maxMessages: 3 }],
    ["whichever is less", { quirks: { maxMessages: 3 } }, { maxMessages: 50 }]
  ])("C35 no connection gets more messages than %s", ([, server, options]) =>
    inMemory(Effect.gen(function*() {
      const started = yield* pooled(server, { size: 1, ...options })
      yield* Effect.forEach(upTo(10), (number) => started.pool.send(numbered(number)))
      expect(arrived(yield* started.server.messages)).toEqual(upTo(10))
      yield* until(Effect.map(started.server.connections, ({ open }) => open === 1))
      expect(yield* started.server.connections).toMatchObject({ total: 4, most: 1 })
      expect((yield* started.server.messages).map(({ connection }) => connection)).toEqual([
        1,
        1,
        1,
        2,
        2,
        2,
        3,
        3,
        3,
        4
      ])
      expect((yield* started.server.commands).filter((line) => line === "QUIT")).toHaveLength(3)
    })))

  it.effect("C35 a message of several transactions gets a connection that has room for all of them", () =>
    inMemory(Effect.gen(function*() {
      const { pool, server } = yield* pooled({ quirks: { maxMessages: 3, maxRecipients: 2 } }, { size: 1 })
      yield* pool.send(numbered(0))
      const receipt = yield* pool.send(message(upTo(5).map((number) => `b${number}@b.test`)))
      expect(receipt).toMatchObject({ _tag: "Complete", rejected: [] })
      expect(receipt.accepted).toHaveLength(5)
      expect((yield* server.messages).map(({ connection }) => connection)).toEqual([1, 2, 2, 2])
    })))
})
