/** Locks: order, re-entrance, time-outs, release, destruction. */
import { Copas, Lock, Thread } from "@copas/core"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Duration, Effect, Either, Exit, Fiber, FiberId, Scope, TestClock } from "effect"
import { inCopas } from "./inCopas.js"

const settled = Effect.repeatN(Effect.yieldNow(), 20)

describe("Lock", () => {
  it.effect("C28 a lock lets one in at a time, in the order in which they asked", () =>
    inCopas(Effect.gen(function*() {
      const lock = yield* Lock.make()
      const log: Array<string> = []
      let inside = 0
      const threads = yield* Effect.forEach([1, 2, 3, 4], (n) =>
        Copas.addThread(lock.withLock(Effect.gen(function*() {
          inside += 1
          log.push(`${n} of ${inside}`)
          yield* Thread.pause("1 second")
          inside -= 1
        }))))
      yield* Effect.forEach(threads, (thread) => thread.join)
      assert.deepStrictEqual(log, ["1 of 1", "2 of 1", "3 of 1", "4 of 1"])
      assert.strictEqual(yield* Clock.currentTimeMillis, 4000)
    })))

  it.effect("C28 taking a lock gives the time waited, zero when it was free", () =>
    inCopas(Effect.gen(function*() {
      const lock = yield* Lock.make()
      const first = yield* Copas.addThread(Effect.gen(function*() {
        const waited = yield* lock.acquire()
        yield* Thread.pause("3 seconds")
        yield* lock.release
        return waited
      }))
      const second = yield* Copas.addThread(lock.acquire())
      assert.strictEqual(Duration.toMillis(yield* first.join), 0)
      assert.strictEqual(Duration.toMillis(yield* second.join), 3000)
    })))

  it.effect("C28 a wait ends with LockTimeout after 10 seconds unless told otherwise, and says how long it was", () =>
    inCopas(Effect.gen(function*() {
      const lock = yield* Lock.make({ name: "accounts" })
      const brief = yield* Lock.make({ timeout: "2 seconds" })
      yield* Copas.addThread(Effect.all([lock.acquire(), brief.acquire()]))
      yield* settled
      const error = yield* Effect.flip(lock.acquire())
      assert.deepStrictEqual(
        error,
        new Lock.LockTimeout({ lock: "accounts", afterMillis: 10_000, waitedMillis: 10_000 })
      )
      assert.include(error.message, "accounts could not be acquired within 10000 ms; ")
      assert.strictEqual(yield* Clock.currentTimeMillis, 10_000)
      yield* Effect.flip(brief.acquire())
      assert.strictEqual(yield* Clock.currentTimeMillis, 12_000)
      yield* Effect.flip(brief.withLock(Effect.void, { timeout: "500 millis" }))
      assert.strictEqual(yield* Clock.currentTimeMillis, 12_500)
    })))

  it.effect("C28 a time-out of zero fails at once, without giving up the turn", () =>
    inCopas(Effect.gen(function*() {
      const lock = yield* Lock.make()
      yield* Copas.addThread(lock.acquire())
      yield* settled
      let others = 0
      yield* Copas.addThread(Effect.sync(() => others += 1))
      const error = yield* Effect.flip(lock.acquire({ timeout: 0 }))
      assert.strictEqual(error._tag, "LockTimeout")
      assert.strictEqual(others, 0)
    })))

  it.effect("C28 with Duration.infinity a wait has no limit", () =>
    inCopas(Effect.gen(function*() {
      const lock = yield* Lock.make({ timeout: Duration.infinity })
      yield* Copas.addThread(lock.withLock(Thread.pause("30 minutes")))
      yield* settled
      assert.strictEqual(Duration.toMillis(yield* lock.acquire()), 1_800_000)
    })))

  it.effect("C28 the thread that holds a re-entrant lock takes it again, and releases it as often", () =>
    inCopas(Effect.gen(function*() {
      const lock = yield* Lock.make()
      yield* lock.acquire()
      yield* lock.acquire()
      const other = yield* Copas.addThread(lock.acquire())
      yield* lock.release
      yield* Thread.pause("1 second")
      yield* lock.release
      assert.strictEqual(Duration.toMillis(yield* other.join), 1000)
      assert.instanceOf(yield* Effect.flip(lock.release), Lock.LockNotOwned)
    })))

  it.effect("C28 a lock made so is not re-entrant: its holder waits for itself, until the time-out", () =>
    inCopas(Effect.gen(function*() {
      const lock = yield* Lock.make({ reentrant: false })
      yield* lock.acquire()
      const error = yield* Effect.flip(lock.acquire({ timeout: "1 second" }))
      assert.strictEqual(error._tag, "LockTimeout")
      assert.strictEqual(yield* Clock.currentTimeMillis, 1000)
      yield* lock.release
      yield* lock.acquire({ timeout: 0 })
    })))

  it.effect("C28 releasing a lock that another thread holds fails with LockNotOwned", () =>
    inCopas(Effect.gen(function*() {
      const lock = yield* Lock.make({ name: "mine" })
      assert.instanceOf(yield* Effect.flip(lock.release), Lock.LockNotOwned)
      yield* Copas.addThread(lock.acquire())
      yield* settled
      const error = yield* Effect.flip(lock.release)
      assert.strictEqual(error._tag, "LockNotOwned")
      assert.include(error.message, "mine")
    })))

  it.effect("C28 destroying a lock releases every waiter with LockDestroyed, and whoever asks from then on", () =>
    inCopas(Effect.gen(function*() {
      const lock = yield* Lock.make({ name: "doomed" })
      yield* lock.acquire()
      const waiters = yield* Effect.forEach([1, 2, 3], () => Copas.addThread(Effect.flip(lock.acquire())))
      yield* Thread.pause("2 seconds")
      assert.isTrue(yield* lock.destroy)
      for (const waiter of waiters) {
        assert.deepStrictEqual(
          yield* waiter.join,
          new Lock.LockDestroyed({ lock: "doomed", waitedMillis: 2000 })
        )
      }
      assert.strictEqual((yield* Effect.flip(lock.acquire()))._tag, "LockDestroyed")
      assert.strictEqual((yield* Effect.flip(lock.release))._tag, "LockDestroyed")
      assert.strictEqual((yield* Effect.flip(lock.withLock(Effect.void)))._tag, "LockDestroyed")
      assert.isFalse(yield* lock.destroy)
      assert.strictEqual((yield* Copas.status).timers, 0)
    })))

  it.effect("C28 who is woken to hold a lock that is destroyed in the same turn does not get it", () =>
    inCopas(Effect.gen(function*() {
      const lock = yield* Lock.make()
      yield* lock.acquire()
      const waiter = yield* Copas.addThread(Effect.either(lock.acquire()))
      yield* settled
      yield* Effect.zipRight(lock.release, lock.destroy)
      assert.isTrue(Either.isLeft(yield* waiter.join))
    })))

  it.effect("C28 a scope releases the lock, however it ends and whoever closes it", () =>
    inCopas(Effect.gen(function*() {
      const lock = yield* Lock.make({ timeout: 0 })
      const free = Effect.flatMap(
        Copas.addThread(Effect.isSuccess(lock.withLock(Effect.void))),
        (thread) => thread.join
      )
      yield* Effect.scoped(Effect.gen(function*() {
        yield* lock.get()
        yield* lock.get()
        assert.isFalse(yield* free)
      }))
      assert.isTrue(yield* free)
      yield* Effect.ignore(Effect.scoped(Effect.zipRight(lock.get(), Effect.fail("failed"))))
      assert.isTrue(yield* free)
      const scope = yield* Scope.make()
      yield* Scope.extend(lock.get(), scope)
      assert.isFalse(yield* free)
      const closer = yield* Copas.addThread(Scope.close(scope, Exit.void))
      yield* closer.join
      assert.isTrue(yield* free)
    })))

  it.effect("C28 withLock releases the lock after success, failure, a defect and interruption", () =>
    inCopas(Effect.gen(function*() {
      const lock = yield* Lock.make({ timeout: 0 })
      const ends = [Effect.void, Effect.fail("no"), Effect.die("bug"), Effect.interrupt]
      for (const end of ends) yield* Effect.exit(Lock.withLock(end, lock))
      const holder = yield* Copas.addThread(Effect.never.pipe(Lock.withLock(lock)))
      yield* settled
      assert.strictEqual((yield* Effect.flip(lock.acquire()))._tag, "LockTimeout")
      yield* holder.interrupt
      yield* lock.acquire()
    })))

  for (const order of ["interrupted, then woken", "woken, then interrupted"]) {
    it.effect(`C28 a waiter that is interrupted leaves the queue to the next, also when it is ${order} in one turn`, () =>
      inCopas(Effect.gen(function*() {
        const lock = yield* Lock.make({ reentrant: false })
        yield* lock.acquire()
        const first = yield* Effect.fork(lock.withLock(Effect.void))
        const second = yield* Effect.fork(lock.acquire())
        yield* settled
        const interrupt = first.interruptAsFork(FiberId.none)
        yield* order.startsWith("woken") ? Effect.zip(lock.release, interrupt) : Effect.zip(interrupt, lock.release)
        const exit = yield* Fiber.await(first)
        assert.isTrue(Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause))
        yield* Fiber.join(second)
        assert.strictEqual(yield* Clock.currentTimeMillis, 0)
      })))
  }

  it.effect("C28 a wait in an uninterruptible region is not interrupted", () =>
    inCopas(Effect.gen(function*() {
      const lock = yield* Lock.make()
      yield* lock.acquire()
      let waited = 0
      const waiter = yield* Copas.addThread(Effect.uninterruptible(Effect.map(lock.acquire(), (duration) => {
        waited = Duration.toMillis(duration)
      })))
      yield* settled
      yield* Effect.fork(waiter.interrupt)
      yield* Thread.pause("1 second")
      yield* lock.release
      yield* waiter.await
      assert.strictEqual(waited, 1000)
    })))

  it.effect("C28 750 threads: those who may wait briefly time out, those who may wait get it or see it destroyed", () =>
    inCopas(Effect.gen(function*() {
      const lock = yield* Lock.make()
      const counts = { taken: 0, LockTimeout: 0, LockDestroyed: 0, InvalidOption: 0 }
      yield* lock.acquire()
      const threads = yield* Effect.forEach(
        Array.from({ length: 750 }, (_, i) => i + 1),
        (i) =>
          Copas.addThread(Effect.matchEffect(lock.acquire({ timeout: i > 500 ? 60_000 : i > 250 ? 2000 : 1000 }), {
            onFailure: (error) => Effect.sync(() => counts[error._tag] += 1),
            onSuccess: () =>
              Effect.gen(function*() {
                counts.taken += 1
                if (i === 250) yield* Thread.pause("3 seconds")
                yield* lock.release
                if (i === 250) yield* lock.destroy
              })
          }))
      )
      yield* settled
      yield* lock.release
      yield* Effect.forEach(threads, (thread) => thread.await)
      assert.deepStrictEqual(counts, { taken: 250, LockTimeout: 250, LockDestroyed: 250, InvalidOption: 0 })
    })))

  it.effect("C28 a negative or senseless time-out is an InvalidOption when the lock is made", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Lock.make({ timeout: -1 }))
      assert.strictEqual(error._tag, "InvalidOption")
      assert.strictEqual(error.option, "timeout")
      yield* Effect.flip(Lock.make({ timeout: Number.NaN }))
      assert.isTrue(Lock.isLock(yield* Lock.make()))
      assert.isFalse(Lock.isLock({}))
    }))

  it.effect("C28 TestClock drives the time-out of a lock", () =>
    Effect.gen(function*() {
      const lock = yield* Lock.make({ reentrant: false })
      yield* lock.acquire()
      const waiter = yield* Effect.fork(Effect.flip(lock.acquire()))
      yield* settled
      yield* TestClock.adjust("9999 millis")
      assert.isTrue((yield* Fiber.poll(waiter))._tag === "None")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(waiter))._tag, "LockTimeout")
    }))
})
