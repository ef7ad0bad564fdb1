/** The stop of the tour about datagrams. */
import { Copas, Udp } from "@copas/core"
import { Effect } from "effect"
import type { Station } from "./station.js"

const count = 200

export const datagrams: Station = {
  title: `Datagrams: ${count} there and back`,
  visit: Effect.gen(function*() {
    const bound = yield* Udp.bind({ host: "127.0.0.1", port: 0 })
    const server = yield* Copas.addServer(
      bound,
      (socket) => Effect.forever(Effect.flatMap(socket.receiveFrom, ({ data, from }) => socket.sendTo(data, from))),
      { name: "datagrams" }
    )
    const client = yield* Udp.connect({ host: "127.0.0.1", port: bound.port })
    let same = 0
    for (let index = 0; index < count; index += 1) {
      yield* client.send(`datagram ${index}`)
      const answer = new TextDecoder().decode(yield* client.receive())
      if (answer === `datagram ${index}`) same += 1
    }
    yield* client.send("")
    const empty = yield* client.receive()
    yield* Copas.removeServer(server)
    const { datagramsReceived, dropped } = yield* client.stats
    return [
      `${same} of ${count} came back as they were, and an empty one with ${empty.length} bytes`,
      `${datagramsReceived} received, ${dropped} dropped`
    ]
  })
}
