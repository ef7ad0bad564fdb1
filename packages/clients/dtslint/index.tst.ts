/** Shows that the type tests of `@copas/clients` see Effect's own types. */
import type { Effect } from "effect"
import { describe, expect, it } from "tstyche"

describe("type tests", () => {
  it("see Effect's own types", () => {
    expect<Effect.Effect.Success<Effect.Effect<number>>>().type.toBe<number>()
  })
})
