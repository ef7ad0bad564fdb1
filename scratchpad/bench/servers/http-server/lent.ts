// A server of this library whose sockets are lent to node:http: the thread, the name and the limits, and nothing above.
import { Copas, Net, Tls } from "@copas/core"
import { NodeCopas, NodeSocket } from "@copas/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as http from "node:http"
import * as Certificates from "../../../../packages/node/test/certificates.js"
import { handler, identity, mode } from "./handler.js"

const server = http.createServer(handler())

const program = Effect.gen(function*() {
  const where = { host: "127.0.0.1", port: 0, backlog: 4096 } as const
  const listener = mode === "http-server-tls"
    ? yield* Net.listen({
      ...where,
      tls: yield* Tls.server({ identity: Certificates.identity(yield* Effect.promise(identity)) })
    })
    : yield* Net.listen(where)
  yield* Copas.addServer(listener, (socket) =>
    Effect.gen(function*() {
      const { stream } = yield* NodeSocket.lend(socket)
      server.emit("connection", stream)
      yield* Effect.async<void>((resume) => void stream.once("close", () => resume(Effect.void)))
    }), { name: "http", onError: () => Effect.void })
  console.log(`READY ${listener.port}`)
})

Copas.run(program).pipe(Effect.provide(NodeCopas.layer), NodeRuntime.runMain)
