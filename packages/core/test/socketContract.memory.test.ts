/** The socket contract on the in-memory network, with chunks cut in several ways. */
import { SocketContract } from "@copas/core/contract"
import { NetMemory, Sampling } from "@copas/core/testing"
import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

// A program must not notice how the network cuts what it carries. Byte by byte is for what reads, not for the megabytes.
const isReading = (title: string): boolean => /^(C20|C21|C18|S02|S13)/.test(title)

/** Megabytes byte by byte take seconds each. */
const isLarge = (title: string): boolean => /megabytes|high-water|drops what comes|a sink sends/.test(title)

const manners: ReadonlyArray<readonly [NetMemory.Options, (title: string) => boolean]> = [
  [{}, () => true],
  [{ chunks: "random", seed: 42 }, () => true],
  [{ chunks: 1 }, (title) => isReading(title) && (Sampling.isLong() || !isLarge(title))]
]

/** The manners that a case runs with: by default the plain one and one of the others. */
const mannersOf = (title: string) => Sampling.two(title, manners.filter(([, isMeant]) => isMeant(title)))

for (const manner of manners) {
  const [options] = manner
  describe(`chunks: ${options.chunks ?? "joined"}`, () => {
    for (const { effect, title } of SocketContract.cases.filter(({ title }) => mannersOf(title).includes(manner))) {
      it.scoped(title, () => Effect.provide(effect, NetMemory.layerWith(options)))
    }
  })
}
