/** Semaphores: permits, order, time-outs, destruction. */
import { Copas, Semaphore, Thread } from "@copas/core"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Duration, Effect, Exit, Fiber, FiberId, Option, TestClock } from "effect"
import { inCopas } from "./inCopas.js"

const settled = Effect.repeatN(Effect.yieldNow(), 20)

describe("Semaphore", () => {
  it.effect("C29 a semaphore begins with no permit unless told, and counts what is taken and given", () =>
    Effect.gen(function*() {
      const empty = yield* Semaphore.make({ max: 3 })
      assert.strictEqual(yield* empty.getCount, 0)
      const semaphore = yield* Semaphore.make({ max: 10, start: 5 })
      assert.strictEqual(yield* semaphore.getCount, 5)
      yield* semaphore.take(3)
      assert.strictEqual(yield* semaphore.getCount, 2)
      yield* semaphore.take()
      yield* semaphore.give()
      yield* semaphore.give(4)
      assert.strictEqual(yield* semaphore.getCount, 6)
      assert.strictEqual(yield* semaphore.getWait, 0)
    }))

  it.effect("C29 giving more than it holds fills it, and fails with TooManyPermits", () =>
    Effect.gen(function*() {
      const semaphore = yield* Semaphore.make({ max: 10, start: 5, name: "slots" })
      const error = yield* Effect.flip(semaphore.give(100))
      assert.deepStrictEqual(
        error,
        new Semaphore.TooManyPermits({ semaphore: "slots", operation: "give", permits: 100, max: 10 })
      )
      assert.strictEqual(yield* semaphore.getCount, 10)
      yield* semaphore.take(10, { timeout: 0 })
    }))

  it.effect("C29 taking more than it can ever hold fails with TooManyPermits, at once", () =>
    Effect.gen(function*() {
      const semaphore = yield* Semaphore.make({ max: 10, start: 5 })
      const error = yield* Effect.flip(semaphore.take(11))
      assert.strictEqual(error._tag, "TooManyPermits")
      assert.strictEqual(yield* semaphore.getCount, 5)
    }))

  it.effect("C29 a wait ends with SemaphoreTimeout after 10 seconds unless told otherwise", () =>
    inCopas(Effect.gen(function*() {
      const semaphore = yield* Semaphore.make({ max: 10, start: 5, name: "slots" })
      const error = yield* Effect.flip(semaphore.take(6))
      assert.deepStrictEqual(
        error,
        new Semaphore.SemaphoreTimeout({ semaphore: "slots", requested: 6, afterMillis: 10_000 })
      )
      assert.strictEqual(yield* Clock.currentTimeMillis, 10_000)
      yield* Effect.flip(semaphore.take(6, { timeout: "1 second" }))
      assert.strictEqual(yield* Clock.currentTimeMillis, 11_000)
      yield* Effect.flip(semaphore.take(6, { timeout: 0 }))
      assert.strictEqual(yield* Clock.currentTimeMillis, 11_000)
      const brief = yield* Semaphore.make({ max: 1, timeout: "2 seconds" })
      yield* Effect.flip(brief.take())
      assert.strictEqual(yield* Clock.currentTimeMillis, 13_000)
      assert.strictEqual(yield* semaphore.getCount, 5)
      assert.strictEqual((yield* Copas.status).timers, 0)
    })))

  it.effect("C29 with Duration.infinity a wait has no limit", () =>
    inCopas(Effect.gen(function*() {
      const semaphore = yield* Semaphore.make({ max: 1, timeout: Duration.infinity })
      yield* Copas.addThread(Effect.zipRight(Thread.pause("30 minutes"), semaphore.give()))
      yield* semaphore.take()
      assert.strictEqual(yield* Clock.currentTimeMillis, 1_800_000)
    })))

  it.effect("C29 waiters are served first in first out: one that asks for little does not overtake", () =>
    inCopas(Effect.gen(function*() {
      const semaphore = yield* Semaphore.make({ max: 10, start: 2 })
      const log: Array<number> = []
      const threads = yield* Effect.forEach(
        [5, 1, 4],
        (permits) => Copas.addThread(Effect.map(semaphore.take(permits), () => log.push(permits)))
      )
      yield* settled
      assert.deepStrictEqual(log, [])
      assert.strictEqual(yield* semaphore.getCount, 2)
      assert.strictEqual(yield* semaphore.getWait, 8)
      assert.strictEqual((yield* Effect.flip(semaphore.take(1, { timeout: 0 })))._tag, "SemaphoreTimeout")
      yield* semaphore.give(4)
      assert.strictEqual(yield* semaphore.getCount, 0)
      yield* settled
      assert.deepStrictEqual(log, [5, 1])
      yield* semaphore.give(yield* semaphore.getWait)
      yield* Effect.forEach(threads, (thread) => thread.join)
      assert.deepStrictEqual(log, [5, 1, 4])
      assert.strictEqual(yield* semaphore.getCount, 0)
      assert.strictEqual(yield* semaphore.getWait, 0)
      yield* semaphore.give(0)
    })))

  it.effect("C29 when the first in the queue times out those after it continue", () =>
    inCopas(Effect.gen(function*() {
      const semaphore = yield* Semaphore.make({ max: 10, start: 2 })
      const much = yield* Copas.addThread(Effect.flip(semaphore.take(5, { timeout: "1 second" })))
      const little = yield* Copas.addThread(semaphore.take(2, { timeout: "1 minute" }))
      yield* much.join
      yield* little.join
      assert.strictEqual(yield* Clock.currentTimeMillis, 1000)
    })))

  it.effect("C29 when the first in the queue is interrupted those after it continue, before its finalizers have run", () =>
    inCopas(Effect.gen(function*() {
      const semaphore = yield* Semaphore.make({ max: 10, start: 2 })
      const much = yield* Copas.addThread(Effect.ensuring(semaphore.take(5), Thread.pause("1 minute")))
      const little = yield* Copas.addThread(semaphore.take(2))
      yield* settled
      assert.strictEqual(yield* semaphore.getWait, 5)
      yield* Effect.fork(much.interrupt)
      yield* little.join
      assert.strictEqual(yield* Clock.currentTimeMillis, 0)
      assert.strictEqual(yield* semaphore.getWait, 0)
    })))

  for (const order of ["interrupted, then served", "served, then interrupted"]) {
    it.effect(`C29 a waiter that is ${order} in one turn takes nothing`, () =>
      inCopas(Effect.gen(function*() {
        const semaphore = yield* Semaphore.make({ max: 10 })
        const first = yield* Effect.fork(semaphore.take(3))
        const second = yield* Effect.fork(semaphore.take(2))
        yield* settled
        const interrupt = first.interruptAsFork(FiberId.none)
        yield* order.startsWith("served")
          ? Effect.zip(semaphore.give(3), interrupt)
          : Effect.zip(interrupt, semaphore.give(3))
        const exit = yield* Fiber.await(first)
        assert.isTrue(Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause))
        yield* Fiber.join(second)
        assert.strictEqual(yield* semaphore.getCount, 1)
        assert.strictEqual(yield* Clock.currentTimeMillis, 0)
      })))
  }

  it.effect("C29 destroying a semaphore releases every waiter with SemaphoreDestroyed, as it does all who come later", () =>
    inCopas(Effect.gen(function*() {
      const semaphore = yield* Semaphore.make({ max: 10, start: 1, name: "doomed" })
      const waiters = yield* Effect.forEach(
        [5, 5, 2],
        (permits) => Copas.addThread(Effect.flip(semaphore.take(permits)))
      )
      yield* settled
      assert.isTrue(yield* semaphore.destroy)
      const destroyed = new Semaphore.SemaphoreDestroyed({ semaphore: "doomed" })
      for (const waiter of waiters) assert.deepStrictEqual(yield* waiter.join, destroyed)
      assert.deepStrictEqual(yield* Effect.flip(semaphore.take()), destroyed)
      assert.deepStrictEqual(yield* Effect.flip(semaphore.take(100)), destroyed)
      assert.deepStrictEqual(yield* Effect.flip(semaphore.give()), destroyed)
      assert.deepStrictEqual(yield* Effect.flip(semaphore.getCount), destroyed)
      assert.deepStrictEqual(yield* Effect.flip(semaphore.getWait), destroyed)
      assert.deepStrictEqual(yield* Effect.flip(semaphore.withPermits(Effect.void)), destroyed)
      assert.isFalse(yield* semaphore.destroy)
      assert.strictEqual((yield* Copas.status).timers, 0)
    })))

  it.effect("C29 permits of a scope come back when it ends", () =>
    inCopas(Effect.gen(function*() {
      const semaphore = yield* Semaphore.make({ max: 3, start: 3 })
      yield* Effect.scoped(Effect.gen(function*() {
        yield* semaphore.permits(2)
        yield* semaphore.permits()
        assert.strictEqual(yield* semaphore.getCount, 0)
        const waiter = yield* Copas.addThread(Effect.scoped(semaphore.permits(3)))
        yield* settled
        yield* waiter.interrupt
      }))
      assert.strictEqual(yield* semaphore.getCount, 3)
    })))

  it.effect("C29 withPermits limits how many run at a time, and gives back whatever ends the effect", () =>
    inCopas(Effect.gen(function*() {
      const semaphore = yield* Semaphore.make({ max: 4, start: 4 })
      let running = 0
      let most = 0
      const work = Effect.gen(function*() {
        running += 1
        most = Math.max(most, running)
        yield* Thread.pause("1 second")
        running -= 1
      })
      yield* Effect.forEach(Array.from({ length: 12 }), () => work.pipe(Semaphore.withPermits(semaphore)), {
        concurrency: "unbounded",
        discard: true
      })
      assert.strictEqual(most, 4)
      assert.strictEqual(yield* Clock.currentTimeMillis, 3000)
      for (const end of [Effect.fail("no"), Effect.die("bug"), Effect.interrupt]) {
        yield* Effect.exit(Semaphore.withPermits(end, semaphore, 3))
      }
      yield* Effect.timeoutOption(semaphore.withPermits(Effect.never, 3), "1 second")
      assert.strictEqual(yield* semaphore.getCount, 4)
    })))

  it.effect("C29 a scope whose semaphore was destroyed or filled meanwhile ends without a failure", () =>
    Effect.gen(function*() {
      const semaphore = yield* Semaphore.make({ max: 2, start: 2 })
      yield* semaphore.withPermits(semaphore.give(2), 2)
      assert.strictEqual(yield* semaphore.getCount, 2)
      yield* semaphore.withPermits(semaphore.destroy, 2)
    }))

  it.effect("C29 senseless options and permits fail with InvalidOption", () =>
    Effect.gen(function*() {
      for (
        const [option, options] of [
          ["max", { max: 0 }],
          ["max", { max: 1.5 }],
          ["max", { max: Number.NaN }],
          ["start", { max: 2, start: 3 }],
          ["start", { max: 2, start: -1 }],
          ["timeout", { max: 2, timeout: -1 }]
        ] as const
      ) {
        const error = yield* Effect.flip(Semaphore.make(options))
        assert.strictEqual(error.option, option)
      }
      const semaphore = yield* Semaphore.make({ max: Infinity, start: 1 })
      for (const permits of [-1, 0.5, Number.NaN]) {
        assert.strictEqual((yield* Effect.flip(semaphore.take(permits)))._tag, "InvalidOption")
        assert.strictEqual((yield* Effect.flip(semaphore.withPermits(Effect.void, permits)))._tag, "InvalidOption")
        assert.strictEqual((yield* Effect.flip(semaphore.give(permits)))._tag, "InvalidOption")
      }
      assert.strictEqual(yield* semaphore.getCount, 1)
      yield* semaphore.give(Infinity)
      yield* semaphore.give(1)
      yield* semaphore.take(1_000_000)
      assert.isTrue(Semaphore.isSemaphore(semaphore))
    }))

  it.effect("C29 TestClock drives the time-out of a semaphore", () =>
    Effect.gen(function*() {
      const semaphore = yield* Semaphore.make({ max: 1 })
      const waiter = yield* Effect.fork(Effect.flip(semaphore.take()))
      yield* settled
      yield* TestClock.adjust("9999 millis")
      assert.isTrue(Option.isNone(yield* Fiber.poll(waiter)))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(waiter))._tag, "SemaphoreTimeout")
    }))
})
