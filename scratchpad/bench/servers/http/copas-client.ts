/** Effect's `HttpClient` over this library's client. */
import { Http } from "@copas/clients"
import { Copas, Tls } from "@copas/core"
import { NodeCopas } from "@copas/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { run } from "./effects.js"
import { viaPlatform } from "./platform.js"
import { authority, connections, isHttp2 } from "./told.js"

const layer = Layer.unwrapEffect(
  Effect.map(
    Tls.client({ ca: authority }),
    (tls) => Http.layerHttpClient({ tls, pool: { connections }, http2: isHttp2 ? "prefer" : "never" })
  )
)

Copas.run(Effect.flatMap(HttpClient.HttpClient, (client) => run(viaPlatform(client)))).pipe(
  Effect.provide(Layer.provideMerge(layer, NodeCopas.layer)),
  NodeRuntime.runMain
)
