/** The TLS contract on the in-memory network, with chunks and buffers of several sizes. */
import { Copas } from "@copas/core"
import { TlsContract } from "@copas/core/contract"
import { NetMemory, Sampling } from "@copas/core/testing"
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

const cases = TlsContract.cases(certificates)

/** The manners that a case runs with: by default the plain one and one of the others. */
const mannersOf = (title: string) => Sampling.two(title, manners.filter(([, isMeant]) => isMeant(title)))

for (const manner of manners) {
  const [options] = manner
  describe(JSON.stringify(options), () => {
    for (const { effect, title } of cases.filter(({ title }) => mannersOf(title).includes(manner))) {
      it.scoped(title, () => Effect.provide(effect, Layer.provideMerge(Copas.layer, NetMemory.layerWith(options))))
    }
  })
}
