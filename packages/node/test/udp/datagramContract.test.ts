/** The datagram contract on Node. */
import { DatagramContract } from "@copas/core/contract"
import { NodeNet } from "@copas/node"
import { it } from "@effect/vitest"
import { Effect } from "effect"

for (const { effect, title } of DatagramContract.cases) {
  it.scoped(title, () => Effect.provide(effect, NodeNet.layer))
}
