/** Work queues: order, workers, stopping, finishing, destruction. */
import { Copas, Thread, WorkQueue } from "@copas/core"
import { Sampling } from "@copas/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Duration, Effect, Exit, Fiber, FiberId, Option, TestClock } from "effect"
import { copas, inCopas } from "./inCopas.js"

const settled = Effect.repeatN(Effect.yieldNow(), 20)

/** Numbers from 0 to below `bound`, the same for the same seed (a linear congruential generator). */
const chance = (seed: number) => {
  let state = seed
  return (bound: number): number => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor(state / 65_536) % bound
  }
}

describe("WorkQueue", () => {
  it.effect("C30 a worker that finishes its own queue dies at once: it would wait for itself", () =>
    Effect.gen(function*() {
      const queue = yield* WorkQueue.make<number>()
      const told: Array<string> = []
      yield* queue.addWorker(() => queue.finish(), {
        onError: (cause) => Effect.sync(() => told.push(Cause.pretty(cause)))
      })
      yield* queue.push(1)
      yield* queue.push(2)
      yield* queue.finish()
      assert.strictEqual(told.length, 2)
      for (const text of told) assert.include(text, "waits for its own end in `finish`; let it call `stop`")
      assert.isBelow(yield* Clock.currentTimeMillis, 1000)
    }).pipe(inCopas))

  it.effect("C30 items come out in the order in which they went in, undefined ones too", () =>
    Effect.gen(function*() {
      const queue = yield* WorkQueue.make<number | undefined>()
      for (const item of [1, undefined, 3]) yield* queue.push(item)
      assert.strictEqual(yield* queue.getSize, 3)
      assert.strictEqual(yield* queue.pop(), 1)
      assert.strictEqual(yield* queue.pop(), undefined)
      assert.deepStrictEqual(yield* queue.poll, Option.some(3))
      assert.deepStrictEqual(yield* queue.poll, Option.none())
      assert.strictEqual(yield* queue.getSize, 0)
    }))

  it.effect("C30 a queue of many thousand items keeps their order", () =>
    Effect.gen(function*() {
      const queue = yield* WorkQueue.make<number>()
      let next = 0
      for (let round = 0; round < 10; round += 1) {
        for (let i = 0; i < 1500; i += 1) yield* queue.push(round * 1500 + i)
        for (let i = 0; i < 1000; i += 1) assert.strictEqual(yield* queue.pop(), next++)
      }
      assert.strictEqual(yield* queue.getSize, 5000)
      while (next < 15_000) assert.strictEqual(yield* queue.pop(), next++)
    }))

  it.effect("C30 pop waits for an item, first come first served", () =>
    inCopas(Effect.gen(function*() {
      const queue = yield* WorkQueue.make<string>()
      const poppers = yield* Effect.forEach([1, 2, 3], (n) =>
        Copas.addThread(Effect.map(queue.pop(), (item) => `${n}${item}`)))
      yield* Thread.pause("1 second")
      assert.deepStrictEqual(yield* queue.poll, Option.none())
      for (const item of ["a", "b", "c"]) {
        yield* queue.push(item)
      }
      assert.deepStrictEqual(
        yield* Effect.forEach(poppers, (popper) =>
          popper.join),
        ["1a", "2b", "3c"]
      )
      assert.strictEqual((yield* Copas.status).timers, 0)
    })))

  it.effect("C30 pop fails with QueueTimeout after 10 seconds unless told otherwise, and at once with zero", () =>
    inCopas(Effect.gen(function*() {
      const queue = yield* WorkQueue.make({ name: "jobs" })
      assert.deepStrictEqual(
        yield* Effect.flip(queue.pop()),
        new WorkQueue.QueueTimeout({ queue: "jobs", operation: "pop", afterMillis: 10_000, size: 0, workers: 0 })
      )
      assert.strictEqual(yield* Clock.currentTimeMillis, 10_000)
      yield* Effect.flip(queue.pop({ timeout: "500 millis" }))
      yield* Effect.flip(queue.pop({ timeout: 0 }))
      assert.strictEqual(yield* Clock.currentTimeMillis, 10_500)
      const brief = yield* WorkQueue.make({ timeout: "2 seconds" })
      yield* Effect.flip(brief.pop())
      assert.strictEqual(yield* Clock.currentTimeMillis, 12_500)
      yield* Copas.addThread(Effect.zipRight(Thread.pause("30 minutes"), queue.push("late")))
      assert.strictEqual(yield* queue.pop({ timeout: Duration.infinity }), "late")
    })))

  it.effect("C30 a stopped queue hands out what it has, takes no more, and is then at its end", () =>
    Effect.gen(function*() {
      const queue = yield* WorkQueue.make<number>({ name: "jobs" })
      yield* queue.push(1)
      yield* queue.push(2)
      yield* queue.stop
      assert.deepStrictEqual(yield* Effect.flip(queue.push(3)), new WorkQueue.QueueStopped({ queue: "jobs" }))
      assert.strictEqual(yield* queue.pop(), 1)
      assert.strictEqual(yield* queue.pop(), 2)
      const end = new WorkQueue.QueueDestroyed({ queue: "jobs", abandoned: 0 })
      assert.deepStrictEqual(yield* Effect.flip(queue.pop()), end)
      assert.deepStrictEqual(yield* Effect.flip(queue.poll), end)
      assert.deepStrictEqual(yield* Effect.flip(queue.push(3)), end)
      assert.deepStrictEqual(yield* Effect.flip(queue.getSize), end)
      assert.deepStrictEqual(yield* Effect.flip(queue.getWorkers), end)
      assert.deepStrictEqual(yield* Effect.flip(queue.stop), end)
      yield* queue.finish()
      assert.isFalse(yield* queue.destroy)
    }))

  it.effect("C30 destroying a queue gives up its items and releases everyone who waits with QueueDestroyed", () =>
    inCopas(Effect.gen(function*() {
      const queue = yield* WorkQueue.make<number>({ name: "jobs" })
      const poppers = yield* Effect.forEach([1, 2], () => Copas.addThread(Effect.flip(queue.pop())))
      yield* settled
      assert.isTrue(yield* queue.destroy)
      for (const popper of poppers) assert.strictEqual((yield* popper.join)._tag, "QueueDestroyed")
      const full = yield* WorkQueue.make<number>()
      yield* full.push(1)
      yield* full.push(2)
      const finishing = yield* Copas.addThread(Effect.flip(full.finish()))
      yield* settled
      yield* full.destroy
      const error = yield* finishing.join
      assert.isTrue(error._tag === "QueueDestroyed" && error.abandoned === 2)
    })))

  it.effect("C30 an item that was granted to a waiter is its own, though the queue is destroyed in the same turn", () =>
    inCopas(Effect.gen(function*() {
      const queue = yield* WorkQueue.make<number>()
      const popper = yield* Copas.addThread(queue.pop())
      yield* settled
      yield* queue.push(1)
      yield* queue.push(2)
      yield* queue.destroy
      assert.strictEqual(yield* popper.join, 1)
      const error = yield* Effect.flip(queue.pop())
      assert.isTrue(error._tag === "QueueDestroyed" && error.abandoned === 1)
    })))

  it.effect("C30 workers are named threads that handle items, several at a time", () =>
    inCopas(Effect.gen(function*() {
      const queue = yield* WorkQueue.make<number>({ name: "jobs" })
      const names: Array<string> = []
      const handle = (item: number) =>
        Effect.gen(function*() {
          names.push(`${item} by ${Option.getOrThrow(yield* Thread.current).name}`)
          yield* Thread.pause("1 second")
        })
      const worker = yield* queue.addWorker(handle)
      yield* queue.addWorker(handle)
      assert.strictEqual(worker.name, "jobs:worker_1")
      assert.deepStrictEqual((yield* queue.getWorkers).map(({ name }) => name), ["jobs:worker_1", "jobs:worker_2"])
      yield* settled
      for (const item of [1, 2, 3]) yield* queue.push(item)
      yield* queue.finish()
      assert.deepStrictEqual(names, ["1 by jobs:worker_1", "2 by jobs:worker_2", "3 by jobs:worker_1"])
      assert.strictEqual(yield* Clock.currentTimeMillis, 2000)
    })))

  it.effect("C30 unnamed queues are told apart by their names", () =>
    Effect.gen(function*() {
      const first = yield* WorkQueue.make()
      const second = yield* WorkQueue.make()
      assert.match(first.name, /^copas_queue_\d+$/)
      assert.notStrictEqual(first.name, second.name)
      assert.isTrue(WorkQueue.isWorkQueue(first))
    }))

  it.effect("C30 finish waits until every item is handled, and every worker has ended", () =>
    inCopas(Effect.gen(function*() {
      const queue = yield* WorkQueue.make<number>()
      const log: Array<string> = []
      const handle = (item: number) =>
        Effect.gen(function*() {
          log.push(`start ${item}`)
          yield* Thread.pause("500 millis")
          log.push(`end ${item}`)
        })
      for (const item of [1, 2, 3]) yield* queue.push(item)
      const workers = [yield* queue.addWorker(handle), yield* queue.addWorker(handle)]
      yield* Thread.pause("750 millis")
      log.push("finish")
      yield* Effect.all([queue.finish(), queue.finish()], { concurrency: "unbounded" })
      log.push("finished")
      assert.deepStrictEqual(log, [
        "start 1",
        "start 2",
        "end 1",
        "start 3",
        "end 2",
        "finish",
        "end 3",
        "finished"
      ])
      for (const worker of workers) assert.isTrue(Exit.isSuccess(yield* worker.await))
    })))

  it.effect("C30 finish gives up after its time, and destroys the queue unless told not to", () =>
    inCopas(Effect.gen(function*() {
      const queue = yield* WorkQueue.make<number>({ name: "jobs" })
      yield* queue.push(1)
      assert.deepStrictEqual(
        yield* Effect.flip(queue.finish({ timeout: "1 second", destroyOnTimeout: false })),
        new WorkQueue.QueueTimeout({ queue: "jobs", operation: "finish", afterMillis: 1000, size: 1, workers: 0 })
      )
      assert.strictEqual(yield* queue.getSize, 1)
      assert.strictEqual((yield* Effect.flip(queue.finish()))._tag, "QueueTimeout")
      assert.strictEqual(yield* Clock.currentTimeMillis, 11_000)
      const error = yield* Effect.flip(queue.getSize)
      assert.strictEqual(error.abandoned, 1)
    })))

  it.effect("C30 a worker that is slow with its last item makes finish time out, and is left to end", () =>
    inCopas(Effect.gen(function*() {
      const queue = yield* WorkQueue.make<number>()
      let handled = 0
      const worker = yield* queue.addWorker(() =>
        Effect.zipRight(Thread.pause("20 seconds"), Effect.sync(() => handled++))
      )
      yield* queue.push(1)
      yield* settled
      const error = yield* Effect.flip(queue.finish())
      assert.isTrue(error._tag === "QueueTimeout" && error.workers === 1 && error.size === 0)
      yield* worker.join
      assert.strictEqual(handled, 1)
    })))

  it.effect("C30 a worker that fails tells the error handler, and takes the next item", () =>
    inCopas(Effect.gen(function*() {
      const failures: Array<string> = []
      const note = (to: string) => (cause: Cause.Cause<unknown>, { thread }: { readonly thread: Thread.Thread }) =>
        Effect.sync(() => {
          failures.push(`${to}: ${thread.name}: ${String(Cause.squash(cause))}`)
        })
      yield* Copas.setErrorHandler(note("dispatcher"))
      const queue = yield* WorkQueue.make<number>({ name: "jobs" })
      const handled: Array<number> = []
      const handle = (item: number) =>
        item % 2 === 1
          ? Effect.fail(`odd ${item}`)
          : item === 4
          ? Effect.die("four")
          : Effect.sync(() => handled.push(item))
      yield* queue.addWorker(handle)
      for (const item of [1, 2, 3, 4, 6]) yield* queue.push(item)
      yield* queue.finish()
      assert.deepStrictEqual(handled, [2, 6])
      assert.deepStrictEqual(failures, [
        "dispatcher: jobs:worker_1: odd 1",
        "dispatcher: jobs:worker_1: odd 3",
        "dispatcher: jobs:worker_1: four"
      ])
      const own = yield* WorkQueue.make<number>({ name: "own" })
      yield* own.addWorker(() => Effect.fail("mine"), { onError: note("worker") })
      yield* own.push(1)
      yield* own.finish()
      assert.strictEqual(failures.at(-1), "worker: own:worker_1: mine")
    })))

  it.effect("C30 each item is handled in a scope of its own", () =>
    inCopas(Effect.gen(function*() {
      const queue = yield* WorkQueue.make<number>()
      const log: Array<string> = []
      yield* queue.addWorker((item) =>
        Effect.zipRight(
          Effect.addFinalizer(() => Effect.sync(() => log.push(`close ${item}`))),
          Effect.sync(() => log.push(`open ${item}`))
        )
      )
      yield* queue.push(1)
      yield* queue.push(2)
      yield* queue.finish()
      assert.deepStrictEqual(log, ["open 1", "close 1", "open 2", "close 2"])
    })))

  it.effect("C30 workers that wait for items do not keep the dispatcher going", () =>
    Effect.gen(function*() {
      let handled = 0
      yield* inCopas(Effect.gen(function*() {
        const queue = yield* WorkQueue.make<number>()
        yield* queue.addWorker(() => Effect.zipRight(Thread.pause("1 second"), Effect.sync(() => handled += 1)))
        yield* queue.push(1)
        yield* queue.push(2)
      }))
      assert.strictEqual(handled, 2)
    }))

  it.effect("C30 an idle worker ends with its queue, and an interrupted one is no longer in the list", () =>
    inCopas(Effect.gen(function*() {
      const queue = yield* WorkQueue.make<number>({ name: "idle" })
      const first = yield* queue.addWorker(() => Effect.void)
      const second = yield* queue.addWorker(() => Effect.void)
      yield* settled
      const { counts, threads } = yield* Copas.status
      assert.strictEqual(counts.inactive, 2)
      assert.deepStrictEqual(threads.at(-1)?.waitsFor, Option.some("an item of idle"))
      yield* first.interrupt
      assert.deepStrictEqual(yield* queue.getWorkers, [second])
      yield* queue.push(1)
      yield* queue.stop
      assert.isTrue(Exit.isSuccess(yield* second.await))
      assert.strictEqual((yield* Effect.flip(queue.addWorker(() => Effect.void)))._tag, "QueueDestroyed")
    })))

  for (const order of ["interrupted, then served", "served, then interrupted"]) {
    it.effect(`C30 a pop that is ${order} in one turn loses no item, and the next in the queue gets it`, () =>
      inCopas(Effect.gen(function*() {
        const queue = yield* WorkQueue.make<string>()
        const pops = yield* Effect.forEach([1, 2], () => Effect.fork(queue.pop()))
        yield* settled
        const interrupt = pops[0]!.interruptAsFork(FiberId.none)
        yield* order.startsWith("served")
          ? Effect.zip(queue.push("kept"), interrupt)
          : Effect.zip(interrupt, queue.push("kept"))
        const exit = yield* Fiber.await(pops[0]!)
        assert.isTrue(Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause))
        assert.strictEqual(yield* Fiber.join(pops[1]!), "kept")
        assert.strictEqual(yield* Clock.currentTimeMillis, 0)
      })))

    it.effect(`C30 a pop that is ${order} in one turn leaves the item to who comes later`, () =>
      inCopas(Effect.gen(function*() {
        const queue = yield* WorkQueue.make<string>()
        const pop = yield* Effect.fork(queue.pop({ timeout: Duration.infinity }))
        yield* settled
        const interrupt = pop.interruptAsFork(FiberId.none)
        yield* order.startsWith("served")
          ? Effect.zip(queue.push("kept"), interrupt)
          : Effect.zip(interrupt, queue.push("kept"))
        yield* Fiber.await(pop)
        assert.strictEqual(yield* queue.pop({ timeout: 0 }), "kept")
      })))
  }

  it.effect("C30 a pop under Effect.timeout leaves no timer behind", () =>
    inCopas(Effect.gen(function*() {
      const queue = yield* WorkQueue.make<number>()
      for (let i = 0; i < 100; i += 1) yield* Effect.timeoutOption(queue.pop({ timeout: "1 hour" }), "10 millis")
      assert.strictEqual((yield* Copas.status).timers, 0)
      yield* queue.push(1)
      assert.strictEqual(yield* queue.pop(), 1)
    })))

  // The real scheduler of Effect, the dispatcher's, and every mixture of what can befall a waiter.
  for (const where of ["in threads", "in plain fibers"]) {
    it.live(`C30 whatever is interrupted or times out ${where}, every item is popped once, and nobody waits for nothing`, () =>
      Effect.gen(function*() {
        const run = (seed: number) =>
          Effect.gen(function*() {
            const pick = chance(seed)
            const queue = yield* WorkQueue.make<number>({ timeout: Duration.infinity })
            const popped: Array<number> = []
            let pushed = 0
            const fibers: Array<Fiber.RuntimeFiber<unknown, unknown>> = []
            const pop = Effect.suspend(() =>
              Effect.forever(Effect.flatMap(
                pick(4) === 0 ? Effect.uninterruptible(queue.pop()) : queue.pop(),
                (item) => Effect.sync(() => popped.push(item))
              ))
            )
            // Interrupted within a turn of being served: what was popped counts, what was not must come out later.
            const once = Effect.uninterruptibleMask((restore) =>
              Effect.flatMap(Effect.exit(restore(queue.pop())), (exit) =>
                Effect.sync(() => {
                  if (Exit.isSuccess(exit)) popped.push(exit.value)
                }))
            )
            for (let step = 0; step < 300; step += 1) {
              const what = pick(10)
              if (what < 4) fibers.push(yield* Effect.fork(once))
              else if (what < 7) yield* queue.push(pushed++)
              else if (what < 9 && fibers.length > 0) {
                yield* fibers[pick(fibers.length)]!.interruptAsFork(FiberId.none)
              } else yield* Effect.yieldNow()
            }
            for (const fiber of fibers) yield* fiber.interruptAsFork(FiberId.none)
            const last = yield* Effect.fork(Effect.interruptible(pop))
            yield* queue.push(pushed++)
            yield* Effect.yieldNow().pipe(Effect.repeat({ until: () => popped.length >= pushed }))
            assert.deepStrictEqual(
              Array.from(popped).sort((a, b) => a - b),
              Array.from({ length: pushed }, (_, i) => i)
            )
            yield* queue.destroy
            yield* Fiber.await(last)
          })
        yield* Sampling.forEachSeed({ short: 10, long: 40 }, run)
      }).pipe(where === "in threads" ? (program) => Effect.provide(Copas.run(program), copas) : (program) => program))
  }

  it.effect("C30 TestClock drives the time-out of a pop", () =>
    Effect.gen(function*() {
      const queue = yield* WorkQueue.make()
      const waiter = yield* Effect.fork(Effect.flip(queue.pop()))
      yield* settled
      yield* TestClock.adjust("9999 millis")
      assert.isTrue(Option.isNone(yield* Fiber.poll(waiter)))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(waiter))._tag, "QueueTimeout")
    }))

  it.effect("C30 a senseless time-out is an InvalidOption when the queue is made", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(WorkQueue.make({ timeout: "-1 seconds" as Duration.DurationInput }))
      assert.strictEqual(error.option, "timeout")
    }))
})
