// Effect's own fibers, queues and time-outs, as its documentation uses them.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import { rounds } from "./rounds.js"

/** So that each fiber that was forked has run up to where it waits. */
const settle = Effect.repeatN(Effect.yieldNow(), 10)

const threadStart = Effect.gen(function*() {
  const count = 100_000
  for (let i = 0; i < count; i++) yield* Effect.forkDaemon(Effect.sleep("1 hour"))
  yield* settle
  return count
})

const threadJoin = Effect.gen(function*() {
  const count = 50_000
  for (let i = 0; i < count; i++) yield* Fiber.join(yield* Effect.fork(Effect.void))
  return count
})

const queues = Effect.gen(function*() {
  const count = 20_000
  const to = yield* Queue.unbounded<number>()
  const from = yield* Queue.unbounded<number>()
  const other = yield* Effect.fork(Effect.forever(Effect.flatMap(Queue.take(to), (i) => Queue.offer(from, i))))
  for (let i = 0; i < count; i++) {
    yield* Queue.offer(to, i)
    yield* Queue.take(from)
  }
  yield* Fiber.interrupt(other)
  return count
})

const sleepers = Effect.gen(function*() {
  const count = 100_000
  const fibers: Array<Fiber.Fiber<void>> = []
  for (let i = 0; i < count; i++) fibers.push(yield* Effect.forkDaemon(Effect.sleep(i % 500)))
  for (const fiber of fibers) yield* Fiber.join(fiber)
  return count
})

const timeout = Effect.gen(function*() {
  const count = 20_000
  for (let i = 0; i < count; i++) yield* Effect.timeout(Effect.yieldNow(), "30 seconds")
  return count
})

const programs: Readonly<Record<string, Effect.Effect<number, unknown>>> = {
  "thread-start": threadStart,
  "thread-join": threadJoin,
  queues,
  sleepers,
  timeout
}

const program = programs[process.argv[2] ?? ""]
if (program === undefined) throw new Error("no such mode")
NodeRuntime.runMain(rounds(program))
