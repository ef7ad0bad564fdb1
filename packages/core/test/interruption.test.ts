import { DispatcherContract } from "@copas/core/contract"
import * as Copas from "@copas/core/Copas"
import { NetMemory } from "@copas/core/testing"
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
        for (let seed = 1; seed <= 150; seed += 1) {
          yield* DispatcherContract.interruptAtRandom(seed, mode)
          expect({ seed, left: yield* DispatcherContract.leftovers }).toEqual({ seed, left: [] })
          expect({ seed, open: yield* NetMemory.connections }).toEqual({ seed, open: [] })
        }
      }).pipe(Effect.provide(layer))
  )
}

it.live("C10 a random program that ends, cancels, removes and adds all at once comes to its end and leaves nothing", () =>
  Effect.gen(function*() {
    for (let seed = 1; seed <= 60; seed += 1) {
      yield* DispatcherContract.quarrelAtRandom(seed)
      expect({ seed, left: yield* DispatcherContract.leftovers }).toEqual({ seed, left: [] })
      expect({ seed, isFinished: yield* Copas.finished }).toEqual({ seed, isFinished: true })
      expect({ seed, open: yield* NetMemory.connections }).toEqual({ seed, open: [] })
    }
  }).pipe(Effect.provide(Layer.merge(layer, Logger.remove(Logger.defaultLogger)))))
