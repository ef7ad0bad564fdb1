/** undici over Copas sockets that are lent to it, `dispatch`, and nothing above. */
import { Copas, Tls } from "@copas/core"
import { NodeCopas, NodeUndici } from "@copas/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import { run } from "./promises.js"
import { authority } from "./told.js"
import { agentOptions, dispatching } from "./undici.js"

const program = Effect.gen(function*() {
  const tls = yield* Tls.client({ ca: authority })
  const dispatcher = yield* NodeUndici.make({ agent: agentOptions, tls })
  yield* Effect.promise(() => run(dispatching(dispatcher)))
})

Copas.run(program).pipe(Effect.provide(NodeCopas.layer), NodeRuntime.runMain)
