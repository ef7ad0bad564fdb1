import { Net, type Socket, SocketError } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

const echo = (socket: Socket.Socket): Effect.Effect<void, SocketError.SocketError> =>
  Effect.forever(Effect.flatMap(socket.receiveLine(), (line) => socket.send(`${line}\n`)))

const serve = (listener: Net.Listener) =>
  Effect.forkScoped(Effect.forever(Effect.scoped(Effect.flatMap(listener.accept, echo)).pipe(
    Effect.catchIf(SocketError.isEndOfConversation, () => Effect.void)
  )))

describe("NetMemory", () => {
  it.scoped("C20 a line comes back from an echo in memory", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0 })
      yield* serve(listener)
      const port = listener.address._tag === "InetAddress" ? listener.address.port : 0
      const socket = yield* Net.connect({ host: "localhost", port })
      yield* socket.send("hello\n")
      assert.strictEqual(yield* socket.receiveLine(), "hello")
    }).pipe(Effect.provide(NetMemory.layer)))
})
