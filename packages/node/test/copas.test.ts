/** The dispatcher's contract on Node. */
import { DispatcherContract } from "@copas/core/contract"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as NodeCopas from "../src/NodeCopas.js"

for (const { effect, title } of DispatcherContract.cases) {
  it.effect(title, () => Effect.provide(effect, NodeCopas.layer))
}
