/** Proxies that the tests write: a conversation with each client, a relay, and what a client asks a connector for. */
import { Net, type Socket } from "@copas/core"
import { Effect, type Scope } from "effect"
import type { Connector } from "../src/index.js"

export type Talk = (socket: Socket.Socket) => Effect.Effect<unknown, unknown, Net.Net | Scope.Scope>

/** A proxy that has this conversation with each client: its port, and how many connections it has had. */
export const proxied = (talk: Talk, host = "127.0.0.1") =>
  Effect.gen(function*() {
    const net = yield* Net.Net
    const listener = yield* net.listen({ host, port: 0, linger: 0 })
    const seen = { connections: 0, open: 0 }
    const one = Effect.scoped(Effect.flatMap(listener.accept, (socket) => {
      seen.connections++
      seen.open++
      return Effect.ensuring(
        Effect.ignore(talk(socket)),
        Effect.sync(() => {
          seen.open--
        })
      )
    }))
    // So many at once.
    for (let count = 0; count < 6; count++) yield* Effect.forkScoped(Effect.forever(one))
    return { port: listener.port, seen }
  })

/** Hands on what comes from either side, and each side's end. */
export const relay = (client: Socket.Socket, host: string, port: number) =>
  Effect.gen(function*() {
    const target = yield* Net.connect({ host, port, linger: 0 })
    const pass = (from: Socket.Socket, to: Socket.Socket) =>
      Effect.ensuring(from.forEachChunk((chunk) => to.send(chunk)), Effect.ignore(to.shutdown("send")))
    return { target, run: Effect.all([pass(client, target), pass(target, client)], { concurrency: 2, discard: true }) }
  })

export const request = (port: number, host = "target.example"): Connector.ConnectRequest => ({
  host,
  port,
  purpose: "control",
  isBulk: false,
  connectTimeout: "20 seconds"
})
