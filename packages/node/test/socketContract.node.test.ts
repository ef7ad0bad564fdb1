/** The socket contract on Node. */
import { SocketContract } from "@copas/core/contract"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as NodeNet from "../src/NodeNet.js"

for (const { effect, title } of SocketContract.cases) {
  it.scoped(title, () => Effect.provide(effect, NodeNet.layer))
}
