// LuaSocket's forward: passes each connection to another server, in both directions. When one side finishes sending, the
// other learns of it, and may still answer.
//
// npx tsx --conditions=copas-source scratchpad/forwarder.ts <host> <port> [port to listen on]
import { Copas, Net, NetAddress, type Socket } from "@copas/core"
import { NodeCopas } from "@copas/node"
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"

const [host = "127.0.0.1", port = "8383", listenPort = "0"] = process.argv.slice(2)

const pass = (from: Socket.Socket, to: Socket.Socket) =>
  Effect.zipRight(from.forEachChunk((chunk) => to.send(chunk)), to.shutdown("send"))

const forward = (client: Socket.Socket) =>
  Effect.gen(function*() {
    const server = yield* Net.connect({ host, port: Number(port), timeouts: { connect: "5 seconds" } })
    yield* Effect.all([pass(client, server), pass(server, client)], { concurrency: 2 })
  })

const program = Effect.gen(function*() {
  const listener = yield* Net.listen({ host: "127.0.0.1", port: Number(listenPort) })
  yield* Copas.addServer(listener, forward, { name: "forwarder" })
  yield* Console.log(`listening on ${NetAddress.format(listener.address)}`)
})

Copas.run(program).pipe(Effect.provide(NodeCopas.layer), NodeRuntime.runMain)
