/**
 * The layers that a program on Node provides: the dispatcher, the network, names, and what speaks HTTP.
 *
 * @since 0.1.0
 */
import * as Copas from "@copas/core/Copas"
import type { Dns } from "@copas/core/Dns"
import type { HttpTransport } from "@copas/core/HttpTransport"
import type { Net } from "@copas/core/Net"
import * as Layer from "effect/Layer"
import * as NodeDns from "./NodeDns.js"
import * as NodeHttpTransport from "./NodeHttpTransport.js"
import * as NodeNet from "./NodeNet.js"

/**
 * The dispatcher on Node's network, for a program that provides its own `Dns`, which the network asks, too.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerDns: Layer.Layer<Copas.Copas | Net | HttpTransport, never, Dns> = Layer.provideMerge(
  Layer.merge(Copas.layer, NodeHttpTransport.layer),
  NodeNet.layerDns
)

/**
 * The dispatcher on Node's network, with the system's names. undici, which speaks HTTP, is loaded by the first exchange.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Copas.Copas | Net | Dns | HttpTransport> = Layer.provideMerge(layerDns, NodeDns.layer)
