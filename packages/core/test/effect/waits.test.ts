/** A wait that is interrupted at any operation leaves nothing with those that would have woken it. */
import { Copas, Net, Thread, Transport } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FiberId, Layer, Runtime, Scheduler, type Scope } from "effect"
import { suspendCancellable } from "../../src/internal/effect/suspend.js"
import type { NetListener } from "../../src/internal/net/listener.js"
import type { StreamSocket } from "../../src/internal/socket/streamSocket.js"
import { forClock } from "../../src/internal/time/deadlines.js"

type Services = Copas.Copas | Net.Net | Scope.Scope

interface Wait {
  readonly wait: Effect.Effect<unknown, unknown, Services>
  /** How many would be woken: after the wait, as before it, none. */
  readonly left: Effect.Effect<number>
}

type Open = Effect.Effect<Wait, unknown, Services>

const deadlines: Effect.Effect<number> = Effect.map(Effect.clock, (clock) => forClock(clock).size)

/** The length of a list that its owner keeps for itself. */
const lengthOf = (owner: unknown, name: string): Effect.Effect<number> =>
  Effect.sync(() => (owner as Record<string, ReadonlyArray<unknown> | undefined>)[name]?.length ?? 0)

const turn = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 0)))

const listening = Net.listen({ host: "127.0.0.1", port: 0, linger: 0 })

const waits: Readonly<Record<string, Open>> = {
  "a wait with a canceller": Effect.sync(() => {
    const waiting = new Set<object>()
    const wait = suspendCancellable<void>((resume) => {
      waiting.add(resume)
      return Effect.sync(() => void waiting.delete(resume))
    })
    return { wait, left: Effect.sync(() => waiting.size) }
  }),
  "a limit in time": Effect.succeed({ wait: Transport.within(Effect.never, 3_600_000, () => "late"), left: deadlines }),
  "C18 a connect with a time-out": Effect.map(listening, ({ port }) => ({
    wait: Net.connect({ host: "127.0.0.1", port, linger: 0, timeouts: { connect: "1 hour" } }),
    left: deadlines
  })),
  "C26 a pause": Effect.succeed({ wait: Thread.pause("1 hour"), left: deadlines }),
  "C26 a step": Effect.succeed({ wait: Copas.step("1 hour"), left: deadlines }),
  "C07 a wait for a thread's end": Effect.map(Copas.addThread(Effect.never), (thread) => ({
    wait: thread.await,
    left: lengthOf(thread, "endListeners")
  })),
  "S01 accept": Effect.map(listening, (listener) => ({
    wait: listener.accept,
    left: lengthOf(listener as unknown as NetListener, "waiters")
  })),
  "C22 a send that waits for room": Effect.gen(function*() {
    const { port } = yield* listening
    const socket = yield* Net.connect({ host: "127.0.0.1", port, linger: 0 })
    const chunk = new Uint8Array(65_536)
    while (yield* socket.offer(chunk)) yield* turn
    return { wait: socket.send("more"), left: lengthOf((socket as unknown as StreamSocket).outbound, "waiters") }
  })
}

/** Runs the wait for so many turns of its fiber, interrupts it, and gives what it left. */
const leftAfter = (open: Open, budget: number, turns: number) =>
  Effect.scoped(Effect.gen(function*() {
    const { left, wait } = yield* open
    const scheduler = new Scheduler.ControlledScheduler()
    const runtime = yield* Effect.runtime<Services>()
    const before = yield* left
    const fiber = Runtime.runFork(runtime, Effect.withMaxOpsBeforeYield(wait, budget), { scheduler, immediate: false })
    for (let i = 0; i < turns; i += 1) scheduler.step()
    fiber.unsafeInterruptAsFork(FiberId.none)
    for (let i = 0; i < 1000 && fiber.unsafePoll() === null; i += 1) {
      scheduler.step()
      if (i % 10 === 9) yield* turn
    }
    assert.isNotNull(fiber.unsafePoll(), `it has ended: budget ${budget}, ${turns} turns`)
    return (yield* left) - before
  }))

describe("a wait that is interrupted at any budget of operations leaves nothing", () => {
  for (const [title, open] of Object.entries(waits)) {
    it.effect(title, () =>
      Effect.gen(function*() {
        const faults: Array<string> = []
        for (let budget = 12; budget <= 64; budget += 1) {
          for (let turns = 0; turns < 8; turns += 1) {
            const left = yield* leftAfter(open, budget, turns)
            if (left > 0) faults.push(`budget ${budget}, ${turns} turns: ${left}`)
          }
        }
        assert.deepStrictEqual(faults, [])
      }).pipe(Effect.provide(Layer.provideMerge(Copas.layer, NetMemory.layer))))
  }
})
