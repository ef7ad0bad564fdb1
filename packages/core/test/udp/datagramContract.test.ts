/** The datagram contract on the in-memory network. */
import { DatagramContract } from "@copas/core/contract"
import { NetMemory } from "@copas/core/testing"
import { it } from "@effect/vitest"
import { Effect } from "effect"

for (const { effect, title } of DatagramContract.cases) {
  it.scoped(title, () => Effect.provide(effect, NetMemory.layer))
}
