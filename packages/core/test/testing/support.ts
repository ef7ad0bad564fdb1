/** Connections and ports for the tests of the in-memory network. */
import type { SocketOptions } from "@copas/core"
import { Net } from "@copas/core"
import { NetMemory, Simulation } from "@copas/core/testing"
import { Clock, Effect, type Scope } from "effect"

/** Two ends of a connection on the network of the program. */
export const pair = (options: SocketOptions.CommonOptions = {}) =>
  Effect.gen(function*() {
    const listener = yield* Net.listen({ port: 0, linger: 0, ...options })
    const client = yield* Net.connect({ host: "localhost", port: listener.port, linger: 0, ...options })
    const server = yield* listener.accept
    return { listener, client, server }
  })

/** Runs a program in simulated time on one machine whose link is so. */
export const simulated = <A, E>(
  options: NetMemory.Options,
  program: Effect.Effect<A, E, Net.Net | NetMemory.NetMemory | Scope.Scope>
) => Simulation.run(program.pipe(Effect.scoped, Effect.provide(NetMemory.layerWith(options))), { seed: 1 })

export const elapsed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const begin = yield* Clock.currentTimeMillis
    const value = yield* effect
    return [value, (yield* Clock.currentTimeMillis) - begin] as const
  })

export const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => index * 7)

/** Runs a program of several hosts in simulated time, from one seed. */
export const seeded = <A, E>(program: Effect.Effect<A, E, Scope.Scope>) =>
  Simulation.run(Effect.scoped(program), { seed: 1 })
