import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as NodeNet from "../src/NodeNet.js"
import { SocketContract } from "@copas/core/testing"

for (const { effect, title } of SocketContract.cases) {
  it.scoped(title, () => Effect.provide(effect, NodeNet.layer))
}
