// LuaSocket's echosrvr and echoclnt: a server that sends each line back, and a client that sends the lines of its input and
// prints what comes back.
//
// npx tsx --conditions=copas-source scratchpad/echo.ts serve [host] [port]
// npx tsx --conditions=copas-source scratchpad/echo.ts talk [host] [port]
import { Copas, Net, NetAddress } from "@copas/core"
import { NodeCopas } from "@copas/node"
import { NodeRuntime, NodeStream } from "@effect/platform-node"
import { Console, Effect, Stream } from "effect"

const [command = "serve", host = "127.0.0.1", port = "8383"] = process.argv.slice(2)

const serve = Effect.gen(function*() {
  const listener = yield* Net.listen({ host, port: Number(port) })
  yield* Copas.addServer(listener, (socket) => socket.forEachLine((line) => socket.send(`${line}\n`)), {
    name: "echo",
    timeouts: { receive: "1 minute", send: "1 minute" }
  })
  yield* Console.log(`listening on ${NetAddress.format(listener.address)}`)
})

const talk = Effect.scoped(Effect.gen(function*() {
  const socket = yield* Net.connect({ host, port: Number(port), timeouts: { connect: "5 seconds" } })
  yield* NodeStream.stdin.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) =>
      Effect.zipRight(socket.send(`${line}\n`), Effect.flatMap(socket.receiveLine(), Console.log))
    )
  )
}))

Copas.run(Effect.if(command === "talk", { onTrue: () => talk, onFalse: () => serve })).pipe(
  Effect.provide(NodeCopas.layer),
  NodeRuntime.runMain
)
