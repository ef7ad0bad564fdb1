/** A server that says what a test scripts, of any protocol of lines. */
import { Net, type Socket } from "@copas/core"
import { Effect, type Scope } from "effect"

/** A peer that says what a test has it say. */
export interface Peer {
  readonly socket: Socket.Socket
  /** Awaits a line, which must match. */
  readonly expect: (pattern: RegExp) => Effect.Effect<string, unknown>
  readonly say: (text: string | Uint8Array) => Effect.Effect<void, unknown>
}

export const makePeer = (socket: Socket.Socket): Peer => ({
  socket,
  say: (text) => socket.send(text),
  expect: (pattern) =>
    Effect.flatMap(
      socket.receiveLine(),
      (line) => pattern.test(line) ? Effect.succeed(line) : Effect.dieMessage(`got ${line} instead of ${pattern}`)
    )
})

export interface Where {
  readonly host: string
  readonly port: number
}

/** Starts a peer that has one conversation, and gives what it takes to connect to it. */
export const scripted = <E, R>(
  talk: (peer: Peer) => Effect.Effect<unknown, E, R>
): Effect.Effect<Where, unknown, Net.Net | Scope.Scope | R> =>
  Effect.gen(function*() {
    const net = yield* Net.Net
    const listener = yield* net.listen({ host: "127.0.0.1", port: 0, linger: 0 })
    // When it has said all, it hangs up when the client does: no clock runs here for a client that lingers.
    yield* Effect.forkScoped(Effect.flatMap(listener.accept, (socket) =>
      Effect.zipRight(
        // A conversation that went otherwise than written must not leave the client waiting.
        Effect.onError(talk(makePeer(socket)), (cause) => Effect.zipRight(Effect.logError(cause), socket.abort)),
        Effect.zipRight(Effect.ignore(Effect.forever(socket.receive())), Effect.ignore(socket.close))
      )))
    return { host: "127.0.0.1", port: listener.port }
  })
