/** Effect's `HttpClient` on bare undici. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { default as Undici } from "@effect/platform-node/Undici"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { run } from "./effects.js"
import { viaPlatform } from "./platform.js"
import { bareOptions } from "./undici.js"

const layer = Layer.provide(
  NodeHttpClient.layerUndiciWithoutDispatcher,
  Layer.sync(NodeHttpClient.Dispatcher, () => new Undici.Agent(bareOptions))
)

Effect.flatMap(HttpClient.HttpClient, (client) => run(viaPlatform(client))).pipe(
  Effect.provide(layer),
  NodeRuntime.runMain
)
