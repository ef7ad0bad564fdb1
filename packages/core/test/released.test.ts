/** A dispatcher whose layer has been released. */
import { Copas, Net, Udp } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { expect, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Scope } from "effect"

it.scoped("C04 addServer after the layer's release is refused, for listeners and for datagram sockets", () =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(Copas.layer, scope)
    const copas = Context.get(context, Copas.Copas)
    yield* Scope.close(scope, Exit.void)
    const listener = yield* Net.listen({ port: 7 })
    const socket = yield* Udp.bind({ port: 7 })
    const refused = { _tag: "InvalidOption", option: "dispatcher" }
    expect(yield* Effect.flip(copas.addServer(listener, () => Effect.void))).toMatchObject(refused)
    expect(yield* Effect.flip(copas.addServer(socket, () => Effect.void))).toMatchObject(refused)
  }).pipe(Effect.provide(NetMemory.layer)))
