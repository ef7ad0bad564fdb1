/** Threads, queues, time-outs and sleepers of this library. */
import { Copas, Thread, WorkQueue } from "@copas/core"
import { NodeCopas } from "@copas/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Deadline, forClock } from "../../../packages/core/src/internal/time/deadlines.js"
import { rounds } from "./rounds.js"

// This library's threads, each round in one of them.

/** So that each thread that was added has run up to where it waits. */
const settle = Effect.repeatN(Effect.yieldNow(), 10)

const threadStart = Effect.gen(function*() {
  const count = 100_000
  for (let i = 0; i < count; i++) yield* Copas.addThread(Thread.pause("1 hour"))
  yield* settle
  return count
})

const threadJoin = Effect.gen(function*() {
  const count = 50_000
  for (let i = 0; i < count; i++) yield* (yield* Copas.addThread(Effect.void)).join
  return count
})

const sleepers = Effect.gen(function*() {
  const count = 100_000
  const threads: Array<Thread.Thread> = []
  for (let i = 0; i < count; i++) threads.push(yield* Copas.addThread(Thread.pause(i % 500)))
  for (const thread of threads) yield* thread.await
  return count
})

class Never extends Deadline {
  expire(): void {}
}

/** What a read with a time-out does besides reading. There is no call for it alone: Effect's own time-outs are for that. */
const timeout = Effect.gen(function*() {
  const count = 100_000
  const deadlines = forClock(yield* Effect.clock)
  for (let i = 0; i < count; i++) {
    const deadline = new Never()
    deadlines.schedule(deadline, deadlines.now() + 30_000)
    yield* Effect.yieldNow()
    deadlines.cancel(deadline)
  }
  return count
})

/** Two threads, two queues: one item goes round. */
const queues = Effect.gen(function*() {
  const count = 100_000
  const there = yield* WorkQueue.make<number>({ timeout: Duration.infinity })
  const back = yield* WorkQueue.make<number>({ timeout: Duration.infinity })
  const echo = yield* Copas.addThread(
    Effect.forever(Effect.flatMap(there.pop(), (item) => back.push(item)))
  )
  for (let i = 0; i < count; i++) {
    yield* there.push(i)
    yield* back.pop()
  }
  yield* echo.interrupt
  return count
})

const programs: Readonly<Record<string, Effect.Effect<number, unknown, Copas.Copas>>> = {
  "thread-start": threadStart,
  "thread-join": threadJoin,
  sleepers,
  timeout,
  queues
}

const program = programs[process.argv[2] ?? ""]
if (program === undefined) throw new Error("no such mode")
Copas.run(rounds(program)).pipe(Effect.provide(NodeCopas.layer), NodeRuntime.runMain)
