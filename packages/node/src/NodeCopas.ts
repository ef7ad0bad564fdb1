/**
 * What a program on Node provides: the dispatcher, the network, and names.
 *
 * @since 0.1.0
 */
import * as Copas from "@copas/core/Copas"
import type { Dns } from "@copas/core/Dns"
import type { Net } from "@copas/core/Net"
import * as Layer from "effect/Layer"
import * as NodeDns from "./NodeDns.js"
import * as NodeNet from "./NodeNet.js"

/**
 * The dispatcher on Node's network, for a program that provides its own `Dns`, which the network asks, too.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerDns: Layer.Layer<Copas.Copas | Net, never, Dns> = Layer.provideMerge(Copas.layer, NodeNet.layerDns)

/**
 * The dispatcher on Node's network, with the system's names.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Copas.Copas | Net | Dns> = Layer.provideMerge(layerDns, NodeDns.layer)
