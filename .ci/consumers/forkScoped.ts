// A fiber that a handler forks into its thread's scope runs, and ends with the connection.
import { Copas, Net } from "@copas/core"
import { NodeCopas } from "@copas/node"
import { Deferred, Effect } from "effect"

const program = Effect.gen(function*() {
  const ended = yield* Deferred.make<void>()
  const listener = yield* Net.listen({ host: "127.0.0.1", port: 0 })
  const server = yield* Copas.addServer(listener, (socket) =>
    Effect.gen(function*() {
      yield* Effect.forkScoped(Effect.ensuring(
        Effect.zipRight(socket.send("forked\n"), Effect.never),
        Deferred.succeed(ended, undefined)
      ))
      yield* socket.receiveLine()
    }))
  const port = listener.port
  const line = yield* Effect.scoped(Effect.gen(function*() {
    const socket = yield* Net.connect({ host: "127.0.0.1", port })
    const line = yield* socket.receiveLine()
    yield* socket.send("done\n")
    return line
  }))
  yield* Deferred.await(ended)
  yield* Copas.removeServer(server)
  if (line !== "forked") return yield* Effect.dieMessage(`the handler's fiber said ${line}`)
})

await Effect.runPromise(Copas.run(program).pipe(Effect.timeout("20 seconds"), Effect.provide(NodeCopas.layer)))
