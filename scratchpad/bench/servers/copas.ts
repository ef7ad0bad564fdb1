/** The servers of this library, one for each mode. */
import type { Socket } from "@copas/core"
import { Copas, Net } from "@copas/core"
import { NodeCopas } from "@copas/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"

// This library, written as its README has it.

const echo = (socket: Socket.Socket) => socket.forEachChunk((chunk) => socket.send(chunk))

const lines = (socket: Socket.Socket) => socket.forEachLine((line) => socket.send(`${line}\n`))

const storm = (socket: Socket.Socket) => Effect.flatMap(socket.receiveLine(), (line) => socket.send(`${line}\n`))

const mode = process.argv[2]
const handler = mode === "lines" ? lines : mode === "storm" ? storm : echo

const program = Effect.gen(function*() {
  const listener = yield* Net.listen({ host: "127.0.0.1", port: 0, backlog: 4096 })
  yield* Copas.addServer(listener, handler, { name: mode, onError: () => Effect.void })
  console.log(`READY ${listener.port}`)
})

Copas.run(program).pipe(Effect.provide(NodeCopas.layer), NodeRuntime.runMain)
