/** Functions of a context that throw or return something wrong. */
import { Net, Tls, type TlsContext, TlsError } from "@copas/core"
import { NodeNet } from "@copas/node"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Fixture from "./fixture.js"
import { backTo, sockets } from "./support.js"

layer(Layer.merge(NodeNet.layer, Fixture.layer), { excludeTestServices: true })((it) => {
  const key = new Uint8Array(32).fill(9)
  const mistake = new Error("a mistake in a callback")
  const boom = (): never => {
    throw mistake
  }

  /** The handshake fails typed on both ends. */
  const refused = (options: Fixture.PairOptions) =>
    Effect.gen(function*() {
      const { client, server } = yield* Fixture.failures(options)
      expect(client).toMatchObject({ _tag: "Left", left: { _tag: "TlsError" } })
      expect(server).toBeInstanceOf(TlsError.TlsError)
      return server as TlsError.TlsError
    })

  // ---- T04

  it.scoped("T04 an ALPN callback that throws fails this handshake, with what it threw, and no other", () =>
    Effect.gen(function*() {
      let isBroken = true
      const listener = yield* Net.listen({
        port: 0,
        linger: 0,
        tls: yield* Fixture.serverContext({ alpn: ({ protocols }) => isBroken ? boom() : Option.some(protocols[0]!) })
      })
      const context = yield* Fixture.clientContext({ alpn: ["a"] })
      const connect = Net.connect({
        host: "localhost",
        family: "IPv4",
        port: listener.port,
        linger: 0,
        tls: context
      })
      expect(yield* Effect.flip(connect)).toMatchObject({ _tag: "TlsError" })
      expect(yield* Effect.flip(listener.accept)).toMatchObject({ reason: "Handshake", cause: { cause: mistake } })
      isBroken = false
      expect(Fixture.tlsOf(yield* connect).alpn).toEqual(Option.some("a"))
    }))

  it.scoped("T04 an ALPN callback that chooses what was not offered fails with `NoSharedAlpn`", () =>
    Effect.gen(function*() {
      for (const chosen of ["zzz", "", "A", "a\0"]) {
        const server = yield* refused({ server: { alpn: () => Option.some(chosen) }, client: { alpn: ["a"] } })
        expect(server).toMatchObject({ reason: "NoSharedAlpn" })
      }
    }))

  it.scoped("T04 a list with a protocol that cannot be sent, or an empty one, is `BadMaterial` of `alpn`", () =>
    Effect.gen(function*() {
      for (const alpn of [[], [""], ["x".repeat(256)], ["ok", "ä".repeat(128)]]) {
        const error = yield* Effect.flip(Fixture.clientContext({ alpn }))
        expect(error).toMatchObject({ _tag: "TlsError", reason: "BadMaterial", part: "alpn" })
        expect(yield* Effect.flip(Fixture.serverContext({ alpn }))).toMatchObject({ part: "alpn" })
      }
      const longest = "x".repeat(255)
      const { client } = yield* Fixture.pair({ server: { alpn: [longest] }, client: { alpn: [longest] } })
      expect(Fixture.tlsOf(client).alpn).toEqual(Option.some(longest))
    }))

  // ---- T09

  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    const server = (psk: TlsContext.ServerOptions["psk"]): TlsContext.ServerOptions => ({
      identity: undefined,
      maxVersion,
      psk
    })

    it.scoped(`T09 callbacks for keys that throw fail the handshake typed (${maxVersion})`, () =>
      Effect.gen(function*() {
        const client = { psk: { identity: "a", key } }
        expect(yield* refused({ server: server(boom), client })).toMatchObject({ cause: mistake })
        yield* refused({ server: server(() => Option.some(key)), client: { psk: boom } })
      }))

    it.scoped(`T09 keys of no length and of too much fail the handshake typed, and leave no descriptor (${maxVersion})`, () =>
      Effect.gen(function*() {
        const before = yield* sockets
        for (const length of [0, 1, 31, 257, 513, 70_000]) {
          const wrong = new Uint8Array(length)
          yield* Effect.scoped(
            refused({ server: server(() => Option.some(wrong)), client: { psk: { identity: "a", key } } })
          )
          yield* Effect.scoped(
            refused({
              server: server(() => Option.some(key)),
              client: { psk: () => Option.some({ identity: "a", key: wrong }) }
            })
          )
        }
        for (const identity of ["", "x".repeat(257), "x".repeat(70_000)]) {
          yield* Effect.scoped(
            refused({ server: server(() => Option.some(key)), client: { psk: () => Option.some({ identity, key }) } })
          )
        }
        yield* backTo(before)
      }))

    it.scoped(`T09 a wrong key is told by OpenSSL's code (${maxVersion})`, () =>
      Effect.gen(function*() {
        const error = yield* refused({
          server: server(() => Option.some(key)),
          client: { psk: { identity: "a", key: new Uint8Array(32) } }
        })
        // TLS 1.3 proves the key by itself; up to TLS 1.2 the first record that it should open does not open.
        expect(error).toMatchObject(
          maxVersion === "TLSv1.3"
            ? { reason: "UnknownPskIdentity", code: "ERR_SSL_BINDER_DOES_NOT_VERIFY" }
            : { reason: "ProtocolViolation", code: "ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC" }
        )
      }))
  }

  it.scoped("T09 a key, an identity or a hint that TLS cannot carry is `BadMaterial` of `psk` when the context is built", () =>
    Effect.gen(function*() {
      const bad = { _tag: "TlsError", reason: "BadMaterial", part: "psk" }
      for (
        const psk of [
          { identity: "a", key: new Uint8Array(0) },
          { identity: "a", key: Redacted.make(new Uint8Array(513)) },
          { identity: "", key },
          { identity: "ä".repeat(129), key },
          // OpenSSL would cut it at the NUL, and another identity would be shown.
          { identity: "admin\0x", key }
        ]
      ) expect(yield* Effect.flip(Tls.client({ psk }))).toMatchObject(bad)
      for (const pskHint of ["x".repeat(257), "a\0b"]) {
        expect(yield* Effect.flip(Tls.server({ psk: () => Option.none(), pskHint }))).toMatchObject(bad)
      }
      const longest = { identity: "x".repeat(256), key: new Uint8Array(512).fill(1) }
      const { client } = yield* Fixture.pair({
        server: { identity: undefined, psk: () => Option.some(longest.key), pskHint: "x".repeat(256) },
        client: { psk: longest }
      })
      expect(Fixture.tlsOf(client).authorization).toEqual({ _tag: "Verified", by: "psk" })
    }))

  it.scoped("T09 no key is shown by a context that is logged or made JSON of", () =>
    Effect.gen(function*() {
      const secret = "a secret that must not be seen"
      const context = yield* Tls.client({ psk: { identity: "a", key: Buffer.from(secret) } })
      expect(JSON.stringify(context)).not.toContain("secret")
      expect(String(JSON.stringify(Object.entries(context)))).not.toContain("psk")
    }))
})
