// LuaSocket's listener: prints what comes to a UDP port, and who sent it. It ends when it hears "quit".
//
// npx tsx --conditions=copas-source scratchpad/listener.ts [host] [port]
import { NetAddress, Udp } from "@copas/core"
import { NodeCopas } from "@copas/node"
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"

const [host = "127.0.0.1", port = "5088"] = process.argv.slice(2)
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

const program = Effect.gen(function*() {
  const socket = yield* Udp.bind({ host, port: Number(port), name: "listener" })
  yield* Console.log(`listening on ${NetAddress.format(socket.localAddress)}`)
  yield* Effect.repeat(
    Effect.tap(socket.receiveFrom, ({ data, from }) => Console.log(`${NetAddress.format(from)}: ${text(data)}`)),
    { until: ({ data }) => text(data) === "quit" }
  )
})

Effect.scoped(program).pipe(Effect.provide(NodeCopas.layer), NodeRuntime.runMain)
