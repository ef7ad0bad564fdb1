/** How much memory a test keeps: what is left once everything that can be collected has been. */
import * as Effect from "effect/Effect"
import * as V8 from "node:v8"
import * as Vm from "node:vm"
import { turn } from "./turns.js"

// A context that is made while the flag is set has `gc`; the flag is then taken back, so that no other test sees it.
V8.setFlagsFromString("--expose-gc")
const collect = Vm.runInNewContext("gc") as () => void
V8.setFlagsFromString("--no-expose-gc")

/**
 * V8 frees the backing stores of array buffers on another thread, and completes that in the next collection; Node takes
 * them off `external` one collection later. What finalizers release goes in the turns between. So some rounds are needed
 * before the numbers stand still: three were on Node 20 to 26.
 */
const rounds = 5

/**
 * The bytes that are still reachable, by kind: objects on the heap, and the contents of array buffers outside it. Without
 * collecting first, `process.memoryUsage()` measures when V8 last collected, and not what is kept.
 */
export const kept: Effect.Effect<{ readonly heap: number; readonly buffers: number }> = Effect.gen(function*() {
  for (let round = 0; round < rounds; round += 1) {
    yield* turn
    collect()
  }
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return { heap: heapUsed, buffers: arrayBuffers }
})
