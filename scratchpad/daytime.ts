// LuaSocket's daytimeclnt, with a server for it: asks a machine for the time, and prints what it says (RFC 867).
//
// npx tsx --conditions=copas-source scratchpad/daytime.ts get [host] [port]
// npx tsx --conditions=copas-source scratchpad/daytime.ts serve [host] [port]
import { Copas, Net, NetAddress } from "@copas/core"
import { NodeCopas } from "@copas/node"
import { NodeRuntime } from "@effect/platform-node"
import { Console, DateTime, Effect } from "effect"

const [command = "get", host = "127.0.0.1", port = "13"] = process.argv.slice(2)

const get = Effect.scoped(Effect.gen(function*() {
  const socket = yield* Net.connect({
    host,
    port: Number(port),
    timeouts: { connect: "5 seconds", receive: "5 seconds" }
  })
  const bytes = yield* socket.receiveAll({ maxBytes: 1024 })
  yield* Console.log(new TextDecoder().decode(bytes).trim())
}))

// The server says the time at once, and ends (RFC 867, "TCP Based Daytime Service").
const serve = Effect.gen(function*() {
  const listener = yield* Net.listen({ host, port: Number(port) })
  yield* Copas.addServer(
    listener,
    (socket) => Effect.flatMap(DateTime.now, (now) => socket.send(`${DateTime.formatIso(now)}\r\n`)),
    { name: "daytime" }
  )
  yield* Console.log(`listening on ${NetAddress.format(listener.address)}`)
})

Copas.run(Effect.if(command === "serve", { onTrue: () => serve, onFalse: () => get })).pipe(
  Effect.provide(NodeCopas.layer),
  NodeRuntime.runMain
)
