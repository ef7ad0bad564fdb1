/** Futures: results, waiting, cancelling. */
import { Copas, Future, Thread } from "@copas/core"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Effect, Exit, Fiber } from "effect"
import { inCopas } from "./inCopas.js"

describe("Future", () => {
  it.effect("C32 get waits for the value, and gives it again at once", () =>
    inCopas(Effect.gen(function*() {
      const future = yield* Future.add(Effect.as(Thread.pause("1 second"), "value"))
      assert.strictEqual(yield* future.get, "value")
      assert.strictEqual(yield* Clock.currentTimeMillis, 1000)
      assert.strictEqual(yield* future.get, "value")
      assert.strictEqual(yield* Clock.currentTimeMillis, 1000)
      assert.isTrue(Future.isFuture(future))
    })))

  it.effect("C32 get fails with what the effect failed with, and no error handler is told", () =>
    inCopas(Effect.gen(function*() {
      let told = 0
      yield* Copas.setErrorHandler(() => Effect.sync(() => told++))
      const failing = yield* Future.add(Effect.zipRight(Thread.pause(1), Effect.fail("boom" as const)))
      assert.strictEqual(yield* Effect.flip(failing.get), "boom")
      const dying = yield* Future.add(Effect.die("defect"))
      const exit = yield* dying.await
      assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      const throwing = yield* Future.add(Effect.sync(() => {
        throw new RangeError("thrown")
      }))
      assert.isTrue(Exit.isFailure(yield* throwing.await))
      assert.strictEqual(told, 0)
    })))

  it.effect("C32 many wait for one future, and each gets its result", () =>
    inCopas(Effect.gen(function*() {
      const future = yield* Future.add(Effect.as(Thread.pause("1 second"), "shared"))
      const waiters = yield* Effect.forEach(Array.from({ length: 100 }), () => Copas.addThread(future.get))
      const got = yield* Effect.forEach(waiters, (waiter) => waiter.join)
      assert.deepStrictEqual(got, Array.from({ length: 100 }, () => "shared"))
      assert.strictEqual(yield* Clock.currentTimeMillis, 1000)
    })))

  it.effect("C32 try tells at once: Pending, Success with the value, Error with the cause", () =>
    inCopas(Effect.gen(function*() {
      const future = yield* Future.add(Effect.as(Thread.pause("1 second"), 42))
      assert.deepStrictEqual(yield* future.try, { _tag: "Pending" })
      yield* future.get
      assert.deepStrictEqual(yield* future.try, { _tag: "Success", value: 42 })
      const failing = yield* Future.add(Effect.fail("oh no"))
      yield* failing.await
      assert.deepStrictEqual(yield* failing.try, { _tag: "Error", cause: Cause.fail("oh no") })
    })))

  it.effect("C32 cancelling releases everyone who waits with FutureCancelled at once, and interrupts the thread", () =>
    inCopas(Effect.gen(function*() {
      const log: Array<string> = []
      const future = yield* Future.add(
        Effect.onInterrupt(
          Effect.never,
          () => Effect.zipRight(Thread.pause("5 seconds"), Effect.sync(() => log.push("finalized")))
        ),
        { name: "task" }
      )
      const waiter = yield* Copas.addThread(Effect.flip(future.get))
      yield* Thread.pause("1 second")
      assert.isTrue(yield* future.cancel)
      const cancelled = new Future.FutureCancelled({ future: "task" })
      assert.deepStrictEqual(yield* waiter.join, cancelled)
      assert.strictEqual(yield* Clock.currentTimeMillis, 1000)
      assert.deepStrictEqual(yield* Effect.flip(future.get), cancelled)
      assert.deepStrictEqual(yield* future.try, { _tag: "Error", cause: Cause.fail(cancelled) })
      assert.isFalse(yield* future.cancel)
      assert.deepStrictEqual(log, [])
      yield* future.thread.await
      assert.deepStrictEqual(log, ["finalized"])
      assert.strictEqual(yield* Clock.currentTimeMillis, 6000)
    })))

  it.effect("C32 a future that is cancelled before its first turn never runs", () =>
    inCopas(Effect.gen(function*() {
      let ran = false
      const future = yield* Future.add(Effect.sync(() => {
        ran = true
      }))
      assert.isTrue(yield* future.cancel)
      assert.strictEqual((yield* Effect.flip(future.get))._tag, "FutureCancelled")
      yield* future.thread.await
      assert.isFalse(ran)
    })))

  it.effect("C32 cancelling a future that has its result changes nothing", () =>
    inCopas(Effect.gen(function*() {
      const future = yield* Future.add(Effect.succeed("done"))
      yield* future.get
      assert.isFalse(yield* future.cancel)
      assert.strictEqual(yield* future.get, "done")
    })))

  it.effect("C32 interrupting the thread of a future cancels it", () =>
    inCopas(Effect.gen(function*() {
      const future = yield* Future.add(Effect.never)
      yield* future.thread.interrupt
      assert.strictEqual((yield* Effect.flip(future.get))._tag, "FutureCancelled")
    })))

  it.effect("C32 a future may cancel itself", () =>
    inCopas(Effect.gen(function*() {
      const future: Future.Future<string> = yield* Future.add(
        Effect.flatMap(Effect.suspend(() => future.cancel), () => Effect.as(Thread.pause("1 second"), "went on"))
      )
      assert.strictEqual((yield* Effect.flip(future.get))._tag, "FutureCancelled")
      assert.strictEqual(yield* Clock.currentTimeMillis, 0)
    })))

  it.effect("C32 a wait that is interrupted ends, and the future continues", () =>
    inCopas(Effect.gen(function*() {
      const future = yield* Future.add(Effect.as(Thread.pause("10 seconds"), "value"))
      const waiter = yield* Effect.fork(future.get)
      yield* Effect.timeoutOption(future.get, "1 second")
      yield* Fiber.interrupt(waiter)
      assert.strictEqual(yield* Clock.currentTimeMillis, 1000)
      assert.strictEqual(yield* future.get, "value")
    })))

  it.effect("C32 the result is there when the finalizers of the future's scope have run", () =>
    inCopas(Effect.gen(function*() {
      const log: Array<string> = []
      const future = yield* Future.add(
        Effect.zipRight(
          Effect.addFinalizer(() => Effect.zipRight(Thread.pause("1 second"), Effect.sync(() => log.push("closed")))),
          Effect.succeed("value")
        )
      )
      assert.strictEqual(yield* future.get, "value")
      assert.deepStrictEqual(log, ["closed"])
    })))

  it.effect("C32 a future's thread has a name, and keeps the dispatcher going; who waits for it does not", () =>
    Effect.gen(function*() {
      let value = 0
      yield* inCopas(Effect.gen(function*() {
        const future = yield* Future.add(Effect.as(Thread.pause("1 second"), 7), { name: "seven" })
        assert.strictEqual(future.thread.name, "seven")
        yield* Copas.addThread(Effect.map(future.get, (got) => {
          value = got
        }))
        const never = yield* Future.add(Thread.pauseForever)
        yield* Copas.addThread(never.await)
      }))
      assert.strictEqual(value, 7)
    }))
})
