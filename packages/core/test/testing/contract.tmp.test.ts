import { NetMemory, SocketContract } from "@copas/core/testing"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"

for (const { effect, title } of SocketContract.cases) {
  it.scoped(title, () => Effect.provide(effect, NetMemory.layer), 5000)
}
