import { Copas } from "@copas/core"
import { TlsContract } from "@copas/core/contract"
import { NetMemory } from "@copas/core/testing"
import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { certificates } from "./tlsCertificates.js"

// Byte by byte is for what is said, not for the megabytes.
const isSmall = (title: string): boolean => !/large transfer|slow reader|close_notify/.test(title)

const manners: ReadonlyArray<readonly [NetMemory.Options, (title: string) => boolean]> = [
  [{}, () => true],
  [{ chunks: "random", seed: 42 }, () => true],
  [{ chunks: 1 }, isSmall],
  [{ bufferSize: 64 }, isSmall]
]

for (const [options, isMeant] of manners) {
  describe(JSON.stringify(options), () => {
    for (const { effect, title } of TlsContract.cases(certificates).filter(({ title }) => isMeant(title))) {
      it.scoped(title, () => Effect.provide(effect, Layer.provideMerge(Copas.layer, NetMemory.layerWith(options))))
    }
  })
}
