/** Random programs that interrupt, end, cancel and remove, on the in-memory network. */
import { DispatcherContract } from "@copas/core/contract"
import * as Copas from "@copas/core/Copas"
import { NetMemory, Sampling } from "@copas/core/testing"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"

const layer = Layer.provideMerge(Copas.layer, NetMemory.layer)

for (const mode of ["yields", "events"] as const) {
  it.live(
    `C08 a random program that is interrupted at any point leaves no socket, listener, timer or thread (${mode})`,
    () =>
      Effect.gen(function*() {
        yield* Sampling.forEachSeed({ short: 20, long: 150 }, (seed) =>
          Effect.gen(function*() {
            yield* DispatcherContract.interruptAtRandom(seed, mode)
            expect(yield* DispatcherContract.leftovers).toEqual([])
            expect(yield* NetMemory.connections).toEqual([])
          }))
      }).pipe(Effect.provide(layer))
  )
}

it.live("C10 a random program that ends, cancels, removes and adds all at once comes to its end and leaves nothing", () =>
  Effect.gen(function*() {
    yield* Sampling.forEachSeed({ short: 15, long: 60 }, (seed) =>
      Effect.gen(function*() {
        yield* DispatcherContract.churnAtRandom(seed)
        expect(yield* DispatcherContract.leftovers).toEqual([])
        expect(yield* Copas.finished).toBe(true)
        expect(yield* NetMemory.connections).toEqual([])
      }))
  }).pipe(Effect.provide(Layer.merge(layer, Logger.remove(Logger.defaultLogger)))))
