// @effect/platform-node's server, as its documentation has it.
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as HttpServer from "@effect/platform/HttpServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as http from "node:http"
import * as https from "node:https"
import { makeFolder } from "../../load/http-server-content.js"
import { file, routed, says, streams } from "./apps.js"
import { identity, mode } from "./handler.js"

const isBare = process.argv[1]!.endsWith("effect-app.js")
const made = mode === "http-server-tls" ? await identity() : undefined
const make = () => made === undefined ? http.createServer() : https.createServer({ cert: made.chain, key: made.key })
const app = mode === "http-server-file"
  ? file(makeFolder())
  : mode === "http-server-slow"
  ? streams
  : isBare
  ? says
  : routed

const said = Layer.effectDiscard(Effect.map(HttpServer.HttpServer, ({ address }) => {
  if (address._tag === "TcpAddress") console.log(`READY ${address.port}`)
}))

Layer.merge(HttpServer.serve(app), said).pipe(
  Layer.provide(NodeHttpServer.layer(make, { host: "127.0.0.1", port: 0, backlog: 4096 })),
  Layer.launch,
  NodeRuntime.runMain
)
