/** The TLS server of this library. */
import { Copas, Net, Tls } from "@copas/core"
import { NodeCopas } from "@copas/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Certificates from "../../../packages/node/test/certificates.js"

const program = Effect.gen(function*() {
  const made = yield* Effect.promise(() => Certificates.make({ hosts: ["localhost"] }))
  const tls = yield* Tls.server({ identity: Certificates.identity(made) })
  const listener = yield* Net.listen({ host: "127.0.0.1", port: 0, backlog: 4096, tls })
  yield* Copas.addServer(listener, (socket) => socket.forEachChunk((chunk) => socket.send(chunk)), {
    onError: () => Effect.void
  })
  console.log(`READY ${listener.port}`)
})

Copas.run(program).pipe(Effect.provide(NodeCopas.layer), NodeRuntime.runMain)
