/** The dispatcher's contract on the in-memory network. */
import { DispatcherContract } from "@copas/core/contract"
import * as Copas from "@copas/core/Copas"
import { NetMemory } from "@copas/core/testing"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const layer = Layer.provideMerge(Copas.layer, NetMemory.layer)

for (const { effect, title } of DispatcherContract.cases) {
  it.effect(title, () => Effect.provide(effect, layer))
}
