/** Effect's `HttpClient` on undici over Copas sockets. */
import { Copas, Tls } from "@copas/core"
import { NodeCopas, NodeUndici } from "@copas/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { run } from "./effects.js"
import { viaPlatform } from "./platform.js"
import { authority } from "./told.js"
import { agentOptions } from "./undici.js"

const layer = Layer.provideMerge(
  Layer.unwrapEffect(
    Effect.map(Tls.client({ ca: authority }), (tls) => NodeUndici.layerHttpClient({ agent: agentOptions, tls }))
  ),
  NodeCopas.layer
)

Copas.run(Effect.flatMap(HttpClient.HttpClient, (client) => run(viaPlatform(client)))).pipe(
  Effect.provide(layer),
  NodeRuntime.runMain
)
