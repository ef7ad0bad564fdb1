/**
 * What a program on Node provides: the dispatcher and the network.
 *
 * @since 0.1.0
 */
import * as Copas from "@copas/core/Copas"
import type { Net } from "@copas/core/Net"
import * as Layer from "effect/Layer"
import * as NodeNet from "./NodeNet.js"

/**
 * The dispatcher on Node's network.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Copas.Copas | Net> = Layer.provideMerge(Copas.layer, NodeNet.layer)
