/** Properties with so many cases that the process has to breathe in between. */
import { Sampling } from "@copas/core/testing"
import * as FC from "effect/FastCheck"

const atOnce = 5000

/** Asserts a synchronous property, and lets the event loop go round after some thousands of cases. */
export const fuzz = async (property: FC.IProperty<any>, size: Sampling.Size): Promise<void> => {
  const { numRuns, seed = Math.floor(Math.random() * 2 ** 31) } = Sampling.runs(size)
  for (let done = 0; done < numRuns; done += atOnce) {
    FC.assert(property, { numRuns: Math.min(atOnce, numRuns - done), seed: seed + done })
    await new Promise((resolve) => setImmediate(resolve))
  }
}
