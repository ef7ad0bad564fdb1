// LuaSocket's talker: sends each line of its input as a datagram. If no socket listens there, it says so and continues.
//
// npx tsx --conditions=copas-source scratchpad/talker.ts [host] [port]
import { Udp } from "@copas/core"
import { NodeCopas } from "@copas/node"
import { NodeRuntime, NodeStream } from "@effect/platform-node"
import { Console, Effect, Stream } from "effect"

const [host = "127.0.0.1", port = "5088"] = process.argv.slice(2)

const program = Effect.gen(function*() {
  const socket = yield* Udp.connect({ host, port: Number(port), name: "talker", timeouts: { connect: "5 seconds" } })
  yield* NodeStream.stdin.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) =>
      Effect.catchTag(socket.send(line), "DatagramError", (error) => Console.error(error.message))
    )
  )
})

Effect.scoped(program).pipe(Effect.provide(NodeCopas.layer), NodeRuntime.runMain)
