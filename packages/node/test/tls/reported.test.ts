/** On which side a failed pre-shared key is reported. */
import { Net, Tls } from "@copas/core"
import { NodeNet } from "@copas/node"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Fixture from "./fixture.js"

layer(Layer.merge(NodeNet.layer, Fixture.layer), { excludeTestServices: true })((it) => {
  const key = new Uint8Array(32).fill(9)
  const mistake = new Error("a mistake in a callback")

  it.scoped("T09 a client's callback that throws, or gives what TLS cannot carry, is told as this side's failure", () =>
    Effect.gen(function*() {
      const callbacks = [
        () => {
          throw mistake
        },
        () => Option.some({ identity: "x".repeat(300), key }),
        () => Option.some({ identity: "a", key: new Uint8Array(513) })
      ]
      for (const psk of callbacks) {
        const context = yield* Tls.client({ psk })
        const listener = yield* Net.listen({ port: 0, linger: 0 })
        const port = listener.port
        const connected = yield* Effect.flip(Net.connect({ host: "127.0.0.1", port, linger: 0, tls: context }))
        expect(connected).toMatchObject({ _tag: "TlsError", reason: "Unknown", cause: expect.any(Error) })
        if (psk === callbacks[0]) expect(connected.cause).toBe(mistake)
        const socket = yield* Net.connect({ host: "127.0.0.1", port, linger: 0 })
        expect(yield* Effect.flip(Tls.upgrade(socket, context))).toMatchObject({ _tag: "TlsError", reason: "Unknown" })
      }
    }))

  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    it.scoped(`T09 an identity that the server does not know is UnknownPskIdentity (${maxVersion})`, () =>
      Effect.gen(function*() {
        const { server } = yield* Fixture.failures({
          server: { identity: undefined, maxVersion, psk: () => Option.none() },
          client: { psk: { identity: "nobody", key } }
        })
        expect(server).toMatchObject({ reason: "UnknownPskIdentity" })
      }))
  }
})
