/** A dispatcher on both networks, for tests that run on each. */
import { Copas, type Net } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { NodeCopas } from "@copas/node"
import { Layer } from "effect"

export const networks: ReadonlyArray<readonly [string, Layer.Layer<Copas.Copas | Net.Net>]> = [
  ["in memory", Layer.provideMerge(Copas.layer, NetMemory.layer)],
  ["on Node", NodeCopas.layer]
]
