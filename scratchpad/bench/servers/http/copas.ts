/** This library's client: `Http.bytes`, and `Http.download` into a sink. */
import { Http } from "@copas/clients"
import { Copas, Tls } from "@copas/core"
import { NodeCopas } from "@copas/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Sink from "effect/Sink"
import { type Client, run, stalled } from "./effects.js"
import { authority, connections, isHttp2 } from "./told.js"

const clientOf = (http: Http.Service): Client<unknown, never> => ({
  get: (url) => http.bytes(url),
  download: (url, take) => http.download(url, Sink.forEach((chunk: Uint8Array) => Effect.sync(() => take(chunk)))),
  stall: (url) => stalled((take) => http.download(url, Sink.forEach(take)))
})

const program = Effect.gen(function*() {
  const tls = yield* Tls.client({ ca: authority })
  const http = yield* Http.make({ tls, pool: { connections }, http2: isHttp2 ? "prefer" : "never" })
  return yield* run(clientOf(http))
})

Copas.run(program).pipe(Effect.provide(NodeCopas.layer), NodeRuntime.runMain)
