/** Simulated time: sleepers, time-outs, threads, limits. */
import { Copas, Net, Thread } from "@copas/core"
import { NetMemory, Simulation } from "@copas/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Deferred, Duration, Effect, Exit, Fiber, Layer, Random } from "effect"

const at = <A>(log: Array<string>, what: A) =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    log.push(`${now} ${what}`)
  })

const copas = Layer.provide(Copas.layer, NetMemory.layer)

describe("Simulation", () => {
  it.effect("C15 a simulation takes no longer than what happens in it", () =>
    Effect.gen(function*() {
      const slept = yield* Simulation.run(Effect.gen(function*() {
        yield* Effect.sleep("3650 days")
        return yield* Clock.currentTimeMillis
      }))
      assert.strictEqual(slept, Duration.toMillis("3650 days"))
    }))

  it.effect("C16 sleepers wake in the order of their times, those of the same time in the order in which they lay down", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      yield* Simulation.run(Effect.forEach(
        [30, 10, 20, 10, 0.5, 20],
        (millis, index) => Effect.zipRight(Effect.sleep(millis), at(log, index)),
        { concurrency: "unbounded", discard: true }
      ))
      assert.deepStrictEqual(log, ["0.5 4", "10 1", "10 3", "20 2", "20 5", "30 0"])
    }))

  it.effect("C19 time-outs and the pauses of the dispatcher's threads follow the simulated clock", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        const log: Array<string> = []
        yield* Copas.run(Effect.gen(function*() {
          yield* Copas.addThread(Effect.zipRight(Thread.pause("1 hour"), at(log, "paused")))
          yield* Copas.addThread(Effect.zipRight(Effect.timeoutOption(Effect.never, "2 hours"), at(log, "timed out")))
        }))
        return log
      })
      const log = yield* Simulation.run(program.pipe(Effect.provide(copas)))
      assert.deepStrictEqual(log, ["3600000 paused", "7200000 timed out"])
    }))

  it.effect("a simulation whose fibers all wait for nothing is given up as stalled, after its finalizers", () =>
    Effect.gen(function*() {
      let released = false
      const error = yield* Effect.flip(Simulation.run(
        Effect.gen(function*() {
          yield* Effect.sleep("5 seconds")
          const never = yield* Deferred.make<void>()
          yield* Deferred.await(never)
        }).pipe(Effect.ensuring(Effect.zipRight(
          Effect.sleep("1 second"),
          Effect.sync(() => {
            released = true
          })
        )))
      ))
      assert.strictEqual(error._tag, "SimulationError")
      assert.strictEqual(error.reason, "Stalled")
      assert.strictEqual(error.atMillis, 5000)
      assert.isTrue(released)
    }))

  it.effect("a simulation that can neither continue nor be interrupted is given up nevertheless", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Simulation.run(Effect.uninterruptible(Effect.never)))
      assert.strictEqual(error.reason, "Stalled")
    }))

  it.effect("a simulation past its time is interrupted at that time", () =>
    Effect.gen(function*() {
      let ticks = 0
      const ticking = Effect.forever(Effect.zipRight(
        Effect.sleep("1 second"),
        Effect.sync(() => {
          ticks += 1
        })
      ))
      const error = yield* Effect.flip(Simulation.run(ticking, { maxTime: "1 minute" }))
      assert.strictEqual(error.reason, "TimeOver")
      assert.strictEqual(error.atMillis, 60_000)
      assert.strictEqual(ticks, 60)
    }))

  it.effect("interrupting a simulation runs the finalizers of its program in simulated time", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      let at = -1
      const program = Deferred.succeed(started, undefined).pipe(
        Effect.zipRight(Effect.forever(Effect.sleep("1 second"))),
        Effect.ensuring(Effect.zipRight(
          Effect.sleep("1 hour"),
          Effect.map(Clock.currentTimeMillis, (now) => {
            at = now
          })
        ))
      )
      const fiber = yield* Effect.fork(Simulation.run(program))
      yield* Deferred.await(started)
      const exit = yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause))
      assert.isAtLeast(at, 3_600_000)
    }))

  it.effect("the error of the program is the error of the simulation", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Effect.flip(Simulation.run(Effect.fail("broken"))), "broken")
    }))

  it.effect("a fiber that is busy for long holds time still", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        const waker = yield* Effect.fork(Effect.zipRight(Effect.sleep("1 milli"), Clock.currentTimeMillis))
        for (let step = 0; step < 5000; step += 1) yield* Effect.yieldNow()
        const busyUntil = yield* Clock.currentTimeMillis
        return [busyUntil, yield* Fiber.join(waker)]
      })
      assert.deepStrictEqual(yield* Simulation.run(program), [0, 1])
      const threads = Copas.run(Effect.flatMap(Copas.addThread(program), (thread) => thread.join))
      assert.deepStrictEqual(yield* Simulation.run(threads.pipe(Effect.provide(copas))), [0, 1])
    }))

  it.effect("chance is the same for the same seed, and another for another", () =>
    Effect.gen(function*() {
      const draw = (seed: number) =>
        Simulation.run(Effect.replicateEffect(Random.nextIntBetween(0, 1_000_000), 5), { seed })
      assert.deepStrictEqual(yield* draw(7), yield* draw(7))
      assert.notDeepEqual(yield* draw(7), yield* draw(8))
    }))

  it.scoped("a network that is made in a simulation takes its chance from the simulation's seed", () =>
    Effect.gen(function*() {
      const arrivals = (seed: number) =>
        Simulation.run(
          Effect.scoped(Effect.gen(function*() {
            const network = yield* NetMemory.make({ link: { latency: 10, jitter: 10, loss: 0.2 } })
            const [a, b] = [yield* network.addHost("a"), yield* network.addHost("b")]
            const log: Array<string> = []
            yield* b.start(
              Effect.gen(function*() {
                const listener = yield* Net.listen({ host: "b", port: 1 })
                const socket = yield* listener.accept
                return yield* Effect.forever(Effect.flatMap(socket.receiveLine(), (line) => at(log, line)))
              }).pipe(Effect.ignore)
            )
            const socket = yield* a.net.connect({ host: "b", port: 1 })
            for (let line = 0; line < 20; line += 1) {
              yield* socket.send(`${line}\n`)
              yield* Effect.sleep("5 millis")
            }
            yield* Effect.sleep("1 minute")
            return log
          })),
          { seed }
        )
      const once = yield* arrivals(1)
      assert.strictEqual(once.length, 20)
      assert.deepStrictEqual(yield* arrivals(1), once)
      assert.notDeepEqual(yield* arrivals(2), once)
    }))
})
