// This library's server, as its guide has it.
import { Copas } from "@copas/core"
import { NodeCopas, NodeHttpServer, StaticFiles } from "@copas/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Certificates from "../../../../packages/node/test/certificates.js"
import { makeFolder } from "../../load/http-server-content.js"
import { file, routed, says, streams } from "./apps.js"
import { identity, mode } from "./handler.js"

const program = process.argv[1]!

const main = Effect.gen(function*() {
  const where = { host: "127.0.0.1", port: 0, backlog: 4096 } as const
  const isTls = mode === "http-server-tls" || mode === "http-server-h2"
  const listen = isTls
    ? { ...where, tls: { identity: Certificates.identity(yield* Effect.promise(identity)) } }
    : where
  const server = yield* NodeHttpServer.make({ listen })
  if (mode === "http-server-file") {
    const folder = makeFolder()
    if (program.endsWith("copas-file.js")) yield* server.serve(file(folder))
    else yield* server.serve(yield* StaticFiles.make(folder))
  } else {
    yield* server.serve(mode === "http-server-slow" ? streams : program.endsWith("copas-app.js") ? says : routed)
  }
  if (server.address._tag === "TcpAddress") console.log(`READY ${server.address.port}`)
  return yield* Effect.never
})

Copas.run(Effect.scoped(main)).pipe(
  Effect.provide(Layer.merge(NodeHttpServer.layerContext, NodeCopas.layer)),
  // Its line about where it listens would be taken for an answer.
  Logger.withMinimumLogLevel(LogLevel.Warning),
  NodeRuntime.runMain
)
