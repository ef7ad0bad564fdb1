import { Copas, Net, type DatagramSocket, Udp } from "@copas/core"
import { datagrams } from "../packages/node/src/NodeDatagramSocket.js"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
const echo = (socket: DatagramSocket.DatagramSocket) =>
  socket.receiveFrom.pipe(
    Effect.flatMap(({ data, from }) => socket.sendTo(data, from)),
    Effect.forever
  )
const program = Effect.gen(function*() {
  const socket = yield* Udp.bind({ host: "127.0.0.1" })
  yield* Copas.addServer(socket, echo, { name: "echo" })
  console.log(`READY ${socket.localAddress.port}`)
})
const net = Net.make({ name: "x", datagrams, endOfTurn: process.nextTick, byteLength: Buffer.byteLength } as any)
Copas.run(program).pipe(Effect.provide(Layer.provideMerge(Copas.layer, Layer.succeed(Net.Net, net))), NodeRuntime.runMain)
