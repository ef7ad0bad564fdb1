/** What a stalled simulation says of its waiters. */
import { Copas, Lock, Net, Semaphore, Thread, Udp, WorkQueue } from "@copas/core"
import { NetMemory, Simulation } from "@copas/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, type Scope } from "effect"

type Program = Effect.Effect<unknown, unknown, Scope.Scope | Net.Net>

/** Why a program stalled that runs on the host `a`, which reaches the host `b`. */
const stalled = (program: Program) =>
  Effect.map(
    Effect.flip(Simulation.run(
      Effect.scoped(Effect.gen(function*() {
        const network = yield* NetMemory.make()
        const a = yield* network.addHost("a")
        const b = yield* network.addHost("b")
        yield* b.net.listen({ host: "0.0.0.0", port: 7 })
        yield* a.start(program)
        return yield* Effect.never
      })),
      { seed: 1 }
    )),
    (error) => {
      assert(error instanceof Simulation.SimulationError)
      assert.strictEqual(error.reason, "Stalled")
      return error
    }
  )

const onA = (error: Simulation.SimulationError) => error.waiters.filter(({ host }) => host === "a")

const connected = Net.connect({ host: "b", port: 7, name: "to b" })

/** What a fiber can wait for, and how that is named. */
const table: Record<string, readonly [Program, string | RegExp]> = {
  "a receive": [Effect.flatMap(connected, (socket) => socket.receiveLine()), "receive on to b"],
  "a send": [
    Effect.flatMap(connected, (socket) => Effect.forever(socket.send(new Uint8Array(100_000)))),
    "send on to b"
  ],
  "an accept": [
    Effect.flatMap(Net.listen({ host: "0.0.0.0", port: 9 }), (listener) => listener.accept),
    "accept on 0.0.0.0:9"
  ],
  "a datagram": [
    Effect.flatMap(Udp.bind({ host: "0.0.0.0", port: 9, name: "bell" }), (socket) => socket.receive()),
    "receive on bell"
  ],
  "a lock": [
    Effect.flatMap(Lock.make({ name: "the key", timeout: Infinity }), (lock) =>
      Effect.zipRight(
        Effect.forkScoped(lock.withLock(Effect.never)),
        Effect.zipRight(Effect.yieldNow(), lock.withLock(Effect.void))
      )),
    /the key/
  ],
  "a semaphore": [
    Effect.flatMap(Semaphore.make({ name: "permits", max: 1, timeout: Infinity }), (semaphore) => semaphore.take()),
    /permits/
  ],
  "a queue": [Effect.flatMap(WorkQueue.make({ name: "work", timeout: Infinity }), (queue) => queue.pop()), /work/],
  "a deferred": [
    Effect.flatMap(Deferred.make<void>(), (deferred) => Deferred.await(deferred)),
    /^fiber \d+, or what it has to complete$/
  ],
  "something outside": [
    Effect.async<void>(() => {}),
    "an asynchronous result that nothing in the simulation has promised"
  ]
}

describe("Simulation: Stalled names the fibers that wait", () => {
  for (const [what, [program, wanted]] of Object.entries(table)) {
    it.effect(`${what}: the host, the fiber and what it waits for`, () =>
      Effect.gen(function*() {
        const error = yield* stalled(program.pipe(Effect.withSpan("a program")))
        const waiters = onA(error)
        const fitting = waiters.find(({ waitsFor }) =>
          typeof wanted === "string" ? waitsFor === wanted : wanted.test(waitsFor)
        )
        assert.isDefined(fitting, JSON.stringify(waiters))
        assert.match(fitting!.thread, /^fiber \d+|thread/)
        assert.include(error.message, `a, ${fitting!.thread} waits for ${fitting!.waitsFor}`)
      }))
  }

  it.effect("C31 a Copas thread is named by its name, its fibers by theirs", () =>
    Effect.gen(function*() {
      const error = yield* stalled(
        Copas.run(Effect.gen(function*() {
          const queue = yield* WorkQueue.make<number>({ name: "work", timeout: Infinity })
          yield* Copas.addThread(queue.pop(), { name: "worker" })
          yield* Copas.addThread(Effect.flatMap(connected, (socket) => socket.receiveLine()), { name: "reader" })
          yield* Copas.addThread(Thread.pauseForever, { name: "sleeper" })
          yield* Copas.addThread(Effect.flatMap(Effect.fork(queue.pop()), Fiber.join), { name: "parent" })
          return yield* Effect.never
        })).pipe(Effect.provide(Copas.layer))
      )
      const found = Object.fromEntries(onA(error).map(({ thread, waitsFor }) => [thread.replace(/\d+/, "N"), waitsFor]))
      assert.strictEqual(found["reader"], "receive on to b")
      assert.match(found["worker"]!, /work/)
      assert.strictEqual(found["sleeper"], "a wake-up, or the exit")
      // It waits for its own fiber alone, and what that waits for says more.
      assert.isUndefined(found["parent"])
      assert.match(found["fiber N of parent"]!, /work/)
    }))

  it.effect("the span it is in tells what it was doing", () =>
    Effect.gen(function*() {
      const waitForever = Effect.fn("waitForever")(function*() {
        return yield* Effect.never
      })
      const error = yield* stalled(waitForever())
      assert.isTrue(onA(error).some(({ span }) => span === "waitForever"))
      assert.include(error.message, " in waitForever")
    }))

  it.effect("those on other hosts are named with theirs, and two deadlocked threads name each other's lock", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Simulation.run(Effect.scoped(Effect.gen(function*() {
        const network = yield* NetMemory.make()
        const one = yield* Lock.make({ name: "one", timeout: Infinity })
        const other = yield* Lock.make({ name: "other", timeout: Infinity })
        for (const [name, first, second] of [["east", one, other], ["west", other, one]] as const) {
          const host = yield* network.addHost(name)
          yield* host.start(first.withLock(Effect.zipRight(Effect.sleep(10), second.withLock(Effect.void))))
        }
        return yield* Effect.never
      }))))
      assert(error instanceof Simulation.SimulationError)
      const locks = error.waiters.filter(({ host }) => host !== undefined)
      assert.deepStrictEqual(locks.map(({ host }) => host), ["east", "west"])
      assert.notStrictEqual(locks[0]!.waitsFor, locks[1]!.waitsFor)
    }))

  it.effect("C15 the same program stalls with the same words, whatever ran before", () =>
    Effect.gen(function*() {
      const program = Effect.flatMap(connected, (socket) => socket.receiveLine())
      const once = (yield* stalled(program)).message
      yield* Effect.forkDaemon(Effect.void)
      assert.strictEqual((yield* stalled(program)).message, once)
    }))

  it.effect("a simulation past its time, and one that ends, name nobody", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Simulation.run(Effect.forever(Effect.sleep(1)), { maxTime: 10 }))
      assert.deepStrictEqual(error.waiters, [])
      assert.strictEqual(yield* Simulation.run(Effect.succeed(1)), 1)
    }))

  it.effect("a thousand that wait are all in the error, and the message shows the first ones", () =>
    Effect.gen(function*() {
      const error = yield* stalled(
        Effect.forEach(Array.from({ length: 1000 }), () => Effect.never, { concurrency: "unbounded" })
      )
      assert.isAtLeast(error.waiters.length, 1000)
      assert.isBelow(error.message.length, 5000)
      assert.match(error.message, /and \d+ more$/)
    }))
})
