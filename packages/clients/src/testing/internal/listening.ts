/**
 * A test server's listener: a fiber for each connection, which ends with its own conversation and with the server.
 */
import type * as Net from "@copas/core/Net"
import type { InetSocket } from "@copas/core/Socket"
import type { BindError, InvalidOption, UnsupportedOption } from "@copas/core/SocketError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Scope from "effect/Scope"

/**
 * Serves until the scope ends, and returns the port. Whatever a client does, only its own conversation ends. `count` is
 * told of each connection that opens, and of each that has closed.
 */
export const serve = (
  net: Net.Service,
  { host, port }: { readonly host: string; readonly port: number | undefined },
  converse: (socket: InetSocket) => Effect.Effect<void, unknown>,
  count: (change: 1 | -1) => void
): Effect.Effect<number, BindError | InvalidOption | UnsupportedOption, Scope.Scope> =>
  Effect.gen(function*() {
    const listener = yield* net.listen({ host, port: port ?? 0, linger: "1 seconds" })
    const connections = yield* FiberSet.make<void, never>()
    const accept = Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const socket = yield* restore(Scope.extend(listener.accept, scope)).pipe(
          Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
        )
        count(1)
        const conversation = restore(converse(socket)).pipe(
          Effect.exit,
          Effect.flatMap((exit) => Scope.close(scope, exit)),
          Effect.ensuring(Effect.sync(() => count(-1)))
        )
        yield* FiberSet.run(connections, conversation)
      })
    )
    yield* Effect.forkScoped(Effect.forever(accept))
    return listener.port
  })
