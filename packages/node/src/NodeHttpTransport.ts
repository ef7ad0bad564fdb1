/**
 * HTTP for clients of this library on Node: undici over sockets of this library.
 *
 * @since 0.2.0
 */
import * as HttpTransport from "@copas/core/HttpTransport"
import { Net } from "@copas/core/Net"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { env } from "./internal/effect/fibers.js"
import { parallelChild } from "./internal/effect/scopes.js"
import { decoders } from "./internal/http/decoders.js"
import { Exchange } from "./internal/http/exchange.js"
import type { House } from "./internal/http/pool.js"
import { Pools } from "./internal/http/pools.js"

/**
 * Makes the transport. The end of its scope fails the exchanges under way with `Closed`, and closes all connections.
 *
 * @since 0.2.0
 * @category constructors
 */
export const make: Effect.Effect<HttpTransport.Service, never, Net | Scope.Scope> = Effect.gen(function*() {
  const net = yield* Net
  const runtime = yield* env
  const connections = yield* parallelChild(yield* Effect.scope)
  const house: House = { undici: undefined, net, env: runtime, connections }
  const pools = new Pools(house)
  yield* Effect.addFinalizer(() => Effect.promise(() => pools.end()))
  const prepare = (
    request: HttpTransport.WireRequest<any>,
    route: HttpTransport.Route<any>
  ): HttpTransport.Prepared<any, any> => new Exchange(request, pools, route)
  return HttpTransport.make({ prepare, decoders })
})

/**
 * The transport on undici, over the network of the context.
 *
 * undici is loaded when the first exchange begins. No time-out is early. `send`, and `response` after a body that is pulled
 * or over 64 KiB, are late by a quarter at most; the others are exact.
 *
 * @since 0.2.0
 * @category layers
 */
export const layer: Layer.Layer<HttpTransport.HttpTransport, never, Net> = Layer.scoped(
  HttpTransport.HttpTransport,
  make
)
