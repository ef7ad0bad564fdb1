import * as Copas from "@copas/core/Copas"
import * as Net from "@copas/core/Net"
import { NetMemory } from "@copas/core/testing"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { interrupted, left, type Mode, nothing } from "./support/interruption.js"

const layer = Layer.provideMerge(Copas.layer, NetMemory.layer)

const modes: ReadonlyArray<Mode> = ["yields", "events"]

for (const mode of modes) {
  it.live(
    `C08 a random program that is interrupted at any point leaves no socket, listener, timer or thread (${mode})`,
    () =>
      Effect.gen(function*() {
        const net = yield* Net.Net
        for (let seed = 1; seed <= 150; seed += 1) {
          yield* interrupted(seed, mode)
          expect({ seed, ...(yield* left) }).toEqual({ seed, ...nothing })
          expect({ seed, open: yield* NetMemory.connections }).toEqual({ seed, open: [] })
          expect(yield* net.sockets).toEqual([])
        }
      }).pipe(Effect.provide(layer))
  )
}
