/** When undici is loaded. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Program from "../program.js"

describe("NodeHttpTransport", () => {
  it.scoped("C33 undici is loaded by the first exchange, and not by NodeCopas", () =>
    Effect.gen(function*() {
      const folder = dirname(fileURLToPath(import.meta.url))
      const program = yield* Program.start(
        folder,
        "--conditions=copas-source",
        "--import",
        "tsx",
        join(folder, "../fixtures/loadedForHttp.ts")
      )
      yield* program.code
      expect(program.output()).toBe("with NodeCopas: false\nafter an exchange: true\n")
    }))
})
