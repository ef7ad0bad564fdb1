/**
 * Turns under interruption: whoever is interrupted, the others have their turns, one at a time and in order.
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Channel } from "../../src/internal/replies/channel.js"
import { Turns } from "../../src/internal/replies/turns.js"

const quiet = { settle: Effect.void, origin: { protocol: "smtp", server: "s" } } as unknown as Channel

it.effect("C35 no interruption, at any step and any budget, loses a turn or gives two at once", () =>
  Effect.forEach(
    [12, 13, 14, 15, 17, 20, 2048],
    (budget) =>
      Effect.forEach(Array.from({ length: 40 }, (_, step) => step), (step) =>
        Effect.gen(function*() {
          const turns = new Turns(quiet, "a transaction")
          let inside = 0
          const order: Array<number> = []
          const use = (number: number) =>
            turns.turn(
              Effect.gen(function*() {
                inside += 1
                expect(inside).toBe(1)
                yield* Effect.yieldNow()
                order.push(number)
                inside -= 1
              }).pipe(Effect.onInterrupt(() =>
                Effect.sync(() => {
                  inside = 0
                })
              ))
            )
          const fibers = yield* Effect.forEach([0, 1, 2, 3], (number) => Effect.fork(use(number)))
          yield* Effect.repeatN(Effect.yieldNow(), step)
          yield* Fiber.interrupt(fibers[1]!)
          yield* Fiber.interrupt(fibers[2]!)
          yield* Fiber.await(fibers[0]!)
          yield* Fiber.await(fibers[3]!)
          yield* use(4)
          expect(order.filter((number) => number !== 1 && number !== 2)).toEqual([0, 3, 4])
        }).pipe(Effect.withMaxOpsBeforeYield(budget)), { discard: true }),
    { discard: true }
  ))
