/** What `suspend` promises, on each run queue that the library's fibers run on. */
import { Copas, WorkQueue } from "@copas/core"
import { NetMemory, Simulation } from "@copas/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer } from "effect"
import { interruptSoon } from "../../src/internal/effect/fibers.js"
import { suspend, suspendCancellable } from "../../src/internal/effect/suspend.js"

const copas = Layer.provide(Copas.layer, NetMemory.layer)

type Resume = (effect: Effect.Effect<string>) => void

/** A fiber that waits, and notes what it was woken with. */
const waiter = (notes: Array<string>, wakes: Array<Resume>) =>
  Effect.fork(Effect.map(
    suspend<string>((resume) => {
      wakes.push(resume)
    }),
    (text) => notes.push(text)
  ))

const waiting = (wakes: ReadonlyArray<Resume>, count: number) =>
  Effect.repeat(Effect.yieldNow(), { until: () => wakes.length === count })

const onEach: Readonly<Record<string, <A>(program: Effect.Effect<A>) => Effect.Effect<A, unknown>>> = {
  "Effect's own run queue": (program) => program,
  "the dispatcher's run queue": (program) => Effect.provide(Copas.run(program), copas),
  "a simulation's run queue": (program) => Simulation.run(program),
  "the dispatcher's run queue, in a simulation": (program) => Simulation.run(Effect.provide(Copas.run(program), copas))
}

for (const [name, on] of Object.entries(onEach)) {
  describe(`suspend, on ${name}`, () => {
    it.live("a wake never runs the woken fiber in the waker's call; those woken run in the order of their wakes", () =>
      on(Effect.gen(function*() {
        const notes: Array<string> = []
        const wakes: Array<Resume> = []
        const fibers = [yield* waiter(notes, wakes), yield* waiter(notes, wakes), yield* waiter(notes, wakes)]
        yield* waiting(wakes, 3)
        for (const [index, wake] of wakes.entries()) wake(Effect.succeed(`woken ${index}`))
        notes.push("the waker continues")
        for (const fiber of fibers) yield* Fiber.join(fiber)
        assert.deepStrictEqual(notes, ["the waker continues", "woken 0", "woken 1", "woken 2"])
      })))

    it.live("a wake that comes too late does nothing: after another one, or after an interruption", () =>
      on(Effect.gen(function*() {
        const notes: Array<string> = []
        const wakes: Array<Resume> = []
        const woken = yield* waiter(notes, wakes)
        yield* waiting(wakes, 1)
        wakes[0]!(Effect.succeed("first"))
        wakes[0]!(Effect.succeed("second"))
        yield* Fiber.join(woken)
        const interrupted = yield* waiter(notes, wakes)
        yield* waiting(wakes, 2)
        interruptSoon(interrupted)
        wakes[1]!(Effect.succeed("after the interruption"))
        assert.isTrue(Exit.isInterrupted(yield* Fiber.await(interrupted)))
        wakes[1]!(Effect.succeed("after the end"))
        yield* Effect.yieldNow()
        assert.deepStrictEqual(notes, ["first"])
      })))

    it.live("a wake in the call that suspends is a wake, and what interrupts the wait runs the canceller once", () =>
      on(Effect.gen(function*() {
        assert.strictEqual(
          yield* suspend<string>((resume) => {
            resume(Effect.succeed("at once"))
          }),
          "at once"
        )
        let cancelled = 0
        let isWaiting = false
        const fiber = yield* Effect.fork(suspendCancellable<string>(() => {
          isWaiting = true
          return Effect.sync(() => {
            cancelled += 1
          })
        }))
        yield* Effect.repeat(Effect.yieldNow(), { until: () => isWaiting })
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(cancelled, 1)
      })))
  })
}

describe("a chain of threads", () => {
  it.live("C30 an item passes through 10,000 threads, each of which wakes the next", () =>
    Effect.gen(function*() {
      const length = 10_000
      const queues = yield* Effect.forEach(Array.from({ length: length + 1 }), () => WorkQueue.make<number>())
      for (let index = 0; index < length; index += 1) {
        const pass = Effect.flatMap(queues[index]!.pop(), (item) => queues[index + 1]!.push(item + 1))
        yield* Copas.addThread(pass)
      }
      yield* queues[0]!.push(0)
      assert.strictEqual(yield* queues[length]!.pop(), length)
    }).pipe((program) => Simulation.run(Effect.provide(Copas.run(program), copas))))
})
