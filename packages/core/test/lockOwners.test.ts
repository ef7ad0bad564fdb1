/** Which fibers a lock takes for its holder. */
import { Copas, Lock, Thread } from "@copas/core"
import { Simulation } from "@copas/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, type Duration, Effect, Fiber, Random, Runtime } from "effect"
import { inCopas } from "./inCopas.js"

/** The same without a thread. */
const outside = <A, E>(program: Effect.Effect<A, E>) => Simulation.run(program, { maxTime: "1 hour" })

const settled = Effect.repeatN(Effect.yieldNow(), 30)

/** Work that notes which fibers are within at the same time. */
const watching = () => {
  const inside = new Set<string>()
  const seen: Array<string> = []
  const work = (name: string, time: Duration.DurationInput = "1 second") =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        inside.add(name)
        seen.push(Array.from(inside).join("+"))
      }),
      () => Effect.sleep(time),
      () => Effect.sync(() => inside.delete(name))
    )
  return { work, seen }
}

const both: { readonly [where: string]: <A, E>(program: Effect.Effect<A, E>) => Effect.Effect<A, unknown> } = {
  "in a thread": (program) => inCopas(program),
  "outside of threads": (program) => outside(program)
}

describe("whose a lock is", () => {
  for (const [where, run] of Object.entries(both)) {
    it.effect(`C28 fibers that inherit one thread and none of which forked the other come in one at a time (${where})`, () =>
      run(Effect.gen(function*() {
        const lock = yield* Lock.make()
        const { seen, work } = watching()
        // As an HTTP server does for each request: with the context of the fiber that started it.
        const runFork = Runtime.runFork(yield* Effect.runtime())
        const requests = ["a", "b", "c"].map((name) => runFork(lock.withLock(lock.withLock(work(name)))))
        yield* Effect.forEach(requests, Fiber.join)
        assert.deepStrictEqual(seen, ["a", "b", "c"])
        assert.strictEqual(yield* Clock.currentTimeMillis, 3000)
      })))

    it.effect(`C28 what a holder forks may enter, so Effect.timeout and Effect.race work inside (${where})`, () =>
      run(Effect.gen(function*() {
        const lock = yield* Lock.make({ timeout: 0 })
        const nested = Effect.timeout(lock.withLock(Effect.timeout(lock.withLock(Effect.succeed("in")), 1000)), 1000)
        assert.strictEqual(yield* lock.withLock(nested), "in")
        assert.strictEqual(yield* lock.withLock(Effect.race(nested, Effect.never)), "in")
        assert.strictEqual(yield* lock.withLock(Effect.flatMap(Effect.fork(nested), Fiber.join)), "in")
        assert.strictEqual(yield* lock.withLock(Effect.flatMap(Effect.forkDaemon(nested), Fiber.join)), "in")
      })))

    it.effect(`C28 the children of a holder come in one at a time, whatever they fork in turn (${where})`, () =>
      run(Effect.gen(function*() {
        const lock = yield* Lock.make()
        const { seen, work } = watching()
        const child = (name: string) =>
          lock.withLock(Effect.all([work(name), lock.withLock(Effect.fork(lock.withLock(Effect.void)))], {
            concurrency: "unbounded"
          }))
        yield* lock.withLock(Effect.all([child("a"), child("b"), child("c")], { concurrency: "unbounded" }))
        assert.deepStrictEqual(seen, ["a", "b", "c"])
      })))

    it.effect(`C28 a fiber that was forked before its parent took the lock waits for it (${where})`, () =>
      run(Effect.gen(function*() {
        const lock = yield* Lock.make()
        const { seen, work } = watching()
        const go = yield* Deferred.make<void>()
        const child = yield* Effect.fork(Effect.zipRight(Deferred.await(go), lock.withLock(work("child"))))
        yield* settled
        yield* lock.withLock(Effect.zipRight(Deferred.succeed(go, undefined), work("parent")))
        yield* Fiber.join(child)
        assert.deepStrictEqual(seen, ["parent", "child"])
      })))

    it.effect(`C28 a holder does not wait for its child, which may wait for it (${where})`, () =>
      run(Effect.gen(function*() {
        const lock = yield* Lock.make({ timeout: "1 minute" })
        const first = yield* lock.withLock(Effect.gen(function*() {
          const child = yield* Effect.fork(lock.withLock(Effect.as(Effect.sleep("1 second"), "child")))
          yield* settled
          return yield* lock.withLock(lock.withLock(Fiber.join(child)))
        }))
        assert.strictEqual(first, "child")
        assert.strictEqual(yield* Clock.currentTimeMillis, 1000)
      })))

    it.effect(`C28 a child that stays within when its parent has left keeps the lock, and is a stranger afterwards (${where})`, () =>
      run(Effect.gen(function*() {
        const lock = yield* Lock.make()
        const { seen, work } = watching()
        const daemon = yield* lock.withLock(
          Effect.zipLeft(
            Effect.forkDaemon(Effect.zipRight(lock.withLock(work("daemon")), lock.withLock(work("again")))),
            settled
          )
        )
        const stranger = yield* Effect.fork(lock.withLock(work("stranger")))
        yield* Fiber.join(daemon)
        yield* Fiber.join(stranger)
        assert.deepStrictEqual(seen, ["daemon", "stranger", "again"])
      })))

    it.effect(`C28 children that wait when the hold ends wait on with everybody else, within the same time (${where})`, () =>
      run(Effect.gen(function*() {
        const lock = yield* Lock.make()
        const { seen, work } = watching()
        const waits = lock.acquire({ timeout: "2500 millis" })
        const [daemon, late, later] = yield* lock.withLock(Effect.gen(function*() {
          const daemon = yield* Effect.forkDaemon(lock.withLock(work("daemon", "2 seconds")))
          yield* settled
          const late = yield* Effect.forkDaemon(Effect.zipRight(waits, Effect.never))
          const later = yield* Effect.forkDaemon(Effect.flip(waits))
          yield* Effect.sleep("1 second")
          return [daemon, late, later] as const
        }))
        yield* Fiber.join(daemon)
        const error = yield* Fiber.join(later)
        assert.deepStrictEqual(
          error,
          new Lock.LockTimeout({ lock: lock.name, afterMillis: 2500, waitedMillis: 2500 })
        )
        assert.strictEqual(yield* Clock.currentTimeMillis, 2500)
        assert.deepStrictEqual(seen, ["daemon"])
        yield* Fiber.interrupt(late)
      })))

    it.effect(`C28 who joins the fiber that acquired a lock has it, and releases it (${where})`, () =>
      run(Effect.gen(function*() {
        const [one, two] = yield* Effect.all([Lock.make({ timeout: 0 }), Lock.make({ timeout: 0 })])
        const isFree = (lock: Lock.Lock) =>
          Effect.flatMap(
            Effect.sync(() => Effect.runFork(Effect.isSuccess(lock.withLock(Effect.void)))),
            Fiber.join
          )
        const child = yield* Effect.fork(one.acquire())
        yield* two.acquire()
        yield* Fiber.join(child)
        yield* Effect.timeout(one.acquire(), "1 second")
        assert.deepStrictEqual([yield* isFree(one), yield* isFree(two)], [false, false])
        yield* one.release
        yield* one.release
        yield* two.release
        assert.deepStrictEqual([yield* isFree(one), yield* isFree(two)], [true, true])
        assert.strictEqual((yield* Effect.flip(one.release))._tag, "LockNotOwned")
      })))

    it.effect(`C28 an interrupted child leaves the queue to its sibling, and destroying releases children that wait (${where})`, () =>
      run(Effect.gen(function*() {
        const lock = yield* Lock.make({ timeout: "1 minute" })
        yield* lock.withLock(Effect.gen(function*() {
          const first = yield* Effect.fork(lock.withLock(Effect.never))
          yield* settled
          const second = yield* Effect.fork(lock.withLock(Effect.never))
          const third = yield* Effect.fork(lock.withLock(Effect.never))
          const fourth = yield* Effect.fork(Effect.flip(lock.acquire()))
          yield* settled
          yield* Fiber.interrupt(second)
          yield* Fiber.interrupt(first)
          yield* settled
          assert.isTrue(yield* lock.destroy)
          assert.strictEqual((yield* Fiber.join(fourth))._tag, "LockDestroyed")
          yield* Fiber.interrupt(third)
        }))
      })))

    it.effect(`C28 at random, two that are within at once are parent and child, and all come in (${where})`, () =>
      Effect.forEach(
        Array.from({ length: 60 }, (_, seed) => seed),
        (seed) =>
          run(
            Effect.gen(function*() {
              const lock = yield* Lock.make({ timeout: "10 minutes" })
              const inside = new Set<string>()
              let entered = 0
              let forked = 0
              const related = (a: string, b: string) => a.startsWith(b) || b.startsWith(a)
              // A node is named by its forebears: "0.2.1" was forked by "0.2", while that one held the lock.
              const enter = (name: string, depth: number): Effect.Effect<void, unknown> =>
                lock.withLock(Effect.gen(function*() {
                  for (const other of inside) assert.isTrue(related(name, other), `${name} beside ${other} (${seed})`)
                  inside.add(name)
                  entered += 1
                  const children: Array<Fiber.Fiber<void, unknown>> = []
                  for (let i = 0; i < (yield* Random.nextIntBetween(0, depth > 2 ? 1 : 4)); i += 1) {
                    forked += 1
                    children.push(yield* Effect.forkDaemon(enter(`${name}.${i}`, depth + 1)))
                    if (yield* Random.nextBoolean) yield* Effect.yieldNow()
                  }
                  yield* Effect.sleep(yield* Random.nextIntBetween(0, 20))
                  inside.delete(name)
                  // Sometimes it waits for them within, sometimes they stay behind.
                  if (yield* Random.nextBoolean) yield* Effect.forEach(children, Fiber.join)
                  else waited.push(...children)
                }))
              const waited: Array<Fiber.Fiber<void, unknown>> = []
              const runFork = Runtime.runFork(yield* Effect.runtime())
              const roots = ["0", "1", "2"].map((name) => runFork(enter(name, 0)))
              yield* Effect.forEach(roots, Fiber.join)
              for (let next = waited.pop(); next !== undefined; next = waited.pop()) yield* Fiber.join(next)
              assert.strictEqual(entered, forked + 3)
              assert.isTrue(yield* Effect.isSuccess(lock.withLock(Effect.void, { timeout: 0 })))
            }).pipe(Effect.withRandom(Random.make(seed)))
          ),
        { discard: true }
      ))
  }

  it.effect("C28 a thread that is added while the lock is held waits for it", () =>
    inCopas(Effect.gen(function*() {
      const lock = yield* Lock.make()
      const { seen, work } = watching()
      const thread = yield* lock.withLock(Effect.zipLeft(Copas.addThread(lock.withLock(work("thread"))), work("adder")))
      yield* thread.join
      assert.deepStrictEqual(seen, ["adder", "thread"])
    })))

  it.effect("C28 a lock that is not re-entrant keeps its holder's children out", () =>
    inCopas(Effect.gen(function*() {
      const lock = yield* Lock.make({ reentrant: false, timeout: "1 second" })
      const child = yield* lock.withLock(Effect.flatMap(Effect.fork(Effect.flip(lock.acquire())), Fiber.join))
      assert.strictEqual(child._tag, "LockTimeout")
      yield* Thread.pause(0)
    })))
})
