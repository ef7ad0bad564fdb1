/**
 * The network on Node: `node:net` as the platform below `Net`.
 *
 * @since 0.1.0
 */
import * as Dns from "@copas/core/Dns"
import * as Net from "@copas/core/Net"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { platformWith } from "./internal/net/platform.js"
import * as NodeDns from "./NodeDns.js"

const make: Effect.Effect<Net.Service, never, Dns.Dns> = Effect.map(
  Dns.Dns,
  (dns) => Net.make(platformWith({ lookup: Dns.toPlatformLookup(dns), asksByFamily: dns.asksByFamily }))
)

/**
 * The network on Node, with the system's names.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Net.Net> = Layer.provide(Layer.effect(Net.Net, make), NodeDns.layer)

/**
 * The network on Node, with the names of the `Dns` of the context.
 *
 * @since 0.1.0
 * @category layers
 */
// Not one value for both: a layer is built once, so the second would get the names of the first.
export const layerDns: Layer.Layer<Net.Net, never, Dns.Dns> = Layer.effect(Net.Net, make)
