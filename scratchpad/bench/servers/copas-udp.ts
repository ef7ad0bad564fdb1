/** The datagram server of this library. */
import { Copas, DatagramSocket, Udp } from "@copas/core"
import { NodeCopas } from "@copas/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"

const echo = (socket: DatagramSocket.DatagramSocket) =>
  DatagramSocket.forEach(socket, ({ data, from }) => socket.sendTo(data, from))

const program = Effect.gen(function*() {
  const socket = yield* Udp.bind({ host: "127.0.0.1" })
  yield* Copas.addServer(socket, echo, { name: "echo" })
  console.log(`READY ${socket.port}`)
})

Copas.run(program).pipe(Effect.provide(NodeCopas.layer), NodeRuntime.runMain)
