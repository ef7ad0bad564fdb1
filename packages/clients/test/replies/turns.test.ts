/** Turns in a session: one caller at a time, in order. */
import type { Net } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import * as Command from "../../src/internal/replies/command.js"
import { Turns } from "../../src/internal/replies/turns.js"
import { connected } from "./support.js"

const started = Effect.map(connected, ({ channel, peer }) => ({
  channel,
  peer,
  turns: new Turns(channel, "a transaction")
}))

const scoped = <E>(title: string, use: Effect.Effect<void, E, Net.Net | Scope.Scope>): void =>
  it.scoped(title, () => Effect.provide(use, NetMemory.layer))

describe("turns", () => {
  scoped(
    "C35 calls get their turns one at a time, in the order in which they came",
    Effect.gen(function*() {
      const { turns } = yield* started
      const order: Array<string> = []
      const call = (name: string) =>
        turns.turn(Effect.gen(function*() {
          order.push(`${name} begins`)
          yield* Effect.yieldNow()
          order.push(`${name} ends`)
        }))
      yield* Effect.all(["a", "b", "c"].map(call), { concurrency: "unbounded" })
      expect(order).toEqual(["a", "b", "c"].flatMap((name) => [`${name} begins`, `${name} ends`]))
    })
  )

  scoped(
    "C35 a turn may last as long as a scope, and the next begins with its end",
    Effect.gen(function*() {
      const { turns } = yield* started
      const scope = yield* Scope.make()
      yield* Scope.extend(turns.scoped, scope)
      const next = yield* Effect.fork(turns.turn(Effect.succeed("mine")))
      yield* Effect.yieldNow()
      expect((yield* next.status)._tag).toBe("Suspended")
      yield* Scope.close(scope, Exit.void)
      expect(yield* Fiber.join(next)).toBe("mine")
    })
  )

  scoped(
    "C35 a call of the fiber that holds a turn open is refused; others wait, and so may it afterwards",
    Effect.gen(function*() {
      const { turns } = yield* started
      yield* Effect.scoped(Effect.zipRight(
        turns.scoped,
        Effect.gen(function*() {
          for (const call of [turns.turn(Effect.void), Effect.scoped(turns.scoped)]) {
            const error = yield* Effect.flip(call)
            expect(error).toMatchObject({ _tag: "InvalidArgument", protocol: "smtp", what: "a session" })
            expect(error.message).toContain("this fiber has a transaction of the session open")
          }
        })
      ))
      expect(yield* turns.turn(Effect.succeed(1))).toBe(1)
    })
  )

  scoped(
    "C35 a caller that is interrupted while it waits gives its place up, and one with a turn the turn",
    Effect.gen(function*() {
      const { turns } = yield* started
      const begun = yield* Deferred.make<void>()
      const first = yield* Effect.fork(turns.turn(Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never)))
      yield* Deferred.await(begun)
      const waiting = yield* Effect.fork(Effect.scoped(turns.scoped))
      const last = yield* Effect.fork(turns.turn(Effect.succeed("last")))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(waiting)
      yield* Fiber.interrupt(first)
      expect(yield* Fiber.join(last)).toBe("last")
    })
  )

  scoped(
    "C35 a turn begins once what an interrupted caller was owed has been read",
    Effect.gen(function*() {
      const { channel, peer, turns } = yield* started
      const call = (verb: string) =>
        turns.turn(Effect.flatMap(channel.submit(Command.make(verb)), (exchange) => channel.await(exchange)))
      const first = yield* Effect.fork(call("RSET"))
      yield* peer.hears("RSET\r\n")
      yield* Fiber.interrupt(first)
      const next = yield* Effect.fork(call("NOOP"))
      yield* peer.says("250 reset\r\n")
      yield* peer.hears("NOOP\r\n")
      yield* peer.says("250 noop\r\n")
      expect((yield* Fiber.join(next)).lines).toEqual(["noop"])
    })
  )
})
