/** What both sides agree on: names, protocols, versions, ciphers. */
import type { TlsConnection } from "@copas/core"
import { Net, Tls, TlsError } from "@copas/core"
import { NodeNet } from "@copas/node"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import * as Certificates from "../certificates.js"
import * as Fixture from "./fixture.js"

layer(Layer.merge(NodeNet.layer, Fixture.layer), { excludeTestServices: true })((it) => {
  // ---- T03

  const named = (name: string) =>
    Effect.gen(function*() {
      const { root } = yield* Fixture.TestPki
      const made = yield* Fixture.makePromise({ hosts: [name], issuer: root })
      return yield* Tls.server({ identity: Certificates.identity(made) })
    })

  const shownName = (socket: { readonly tls: Option.Option<TlsConnection.TlsConnection> }) =>
    Option.getOrThrow(Fixture.tlsOf(socket as never).peerCertificate).alternativeNames[0]?.value

  it.scoped("T03 a server shows the certificate of the name that is asked for; an exact name wins over a wildcard", () =>
    Effect.gen(function*() {
      const serverNames = {
        "one.copas.test": yield* named("one.copas.test"),
        "*.copas.test": yield* named("*.copas.test")
      }
      for (
        const [asked, shown] of [
          ["one.copas.test", "one.copas.test"],
          ["ONE.copas.test", "one.copas.test"],
          ["two.copas.test", "*.copas.test"],
          ["localhost", "localhost"]
        ] as const
      ) {
        const { client, server } = yield* Fixture.pair({ server: { serverNames }, connect: { serverName: asked } })
        expect(shownName(client)).toBe(shown)
        expect(Fixture.tlsOf(server).serverName).toEqual(Option.some(asked))
      }
    }))

  it.scoped("T03 a strict server refuses names that it does not know, and clients that ask for none", () =>
    Effect.gen(function*() {
      const server = {
        serverNames: { "one.copas.test": yield* named("one.copas.test") },
        unknownServerName: "refuse"
      } as const
      const { client } = yield* Fixture.pair({ server, connect: { serverName: "one.copas.test" } })
      expect(shownName(client)).toBe("one.copas.test")
      const other = yield* Fixture.failures({ server, connect: { serverName: "two.copas.test" } })
      expect(other.server).toMatchObject({ reason: "UnknownServerName" })
      expect(other.client).toMatchObject({ left: { reason: "ClosedInHandshake" } })
      const none = yield* Fixture.failures({ server, host: "127.0.0.1" })
      expect(none.server).toMatchObject({ reason: "UnknownServerName" })
    }))

  it.scoped("T03 a name that is none is refused before anything is opened", () =>
    Effect.gen(function*() {
      for (const serverName of ["", "a b", "a\u0000b", "a/b", "x".repeat(300)]) {
        const error = yield* Effect.flip(Net.connect({ host: "127.0.0.1", port: 9, tls: { serverName } }))
        expect(error).toMatchObject({ _tag: "InvalidOption", option: "serverName" })
      }
    }))

  // ---- T04

  it.scoped("T04 the server's order decides among the protocols that both sides know", () =>
    Effect.gen(function*() {
      const { client, server } = yield* Fixture.pair({
        server: { alpn: ["h2", "http/1.1"] },
        client: { alpn: ["http/1.1", "h2", "spdy/1"] }
      })
      expect(Fixture.tlsOf(client).alpn).toEqual(Option.some("h2"))
      expect(Fixture.tlsOf(server).alpn).toEqual(Option.some("h2"))
    }))

  it.scoped("T04 a connection may offer other protocols than its context", () =>
    Effect.gen(function*() {
      const { client } = yield* Fixture.pair({
        server: { alpn: ["h2", "http/1.1"] },
        client: { alpn: ["h2"] },
        connect: { alpn: ["http/1.1"] }
      })
      expect(Fixture.tlsOf(client).alpn).toEqual(Option.some("http/1.1"))
    }))

  it.scoped("T04 who offers nothing is taken without a protocol", () =>
    Effect.gen(function*() {
      const { client } = yield* Fixture.pair({ server: { alpn: ["h2"] } })
      expect(Fixture.tlsOf(client).alpn).toEqual(Option.none())
    }))

  it.scoped("T04 no common protocol fails both sides with `NoSharedAlpn`", () =>
    Effect.gen(function*() {
      const { client, server } = yield* Fixture.failures({ server: { alpn: ["h2"] }, client: { alpn: ["smtp"] } })
      expect(client).toMatchObject({ left: { reason: "NoSharedAlpn" } })
      expect(server).toMatchObject({ reason: "NoSharedAlpn" })
    }))

  it.scoped("T04 a server may choose by a function, and refuse by it", () =>
    Effect.gen(function*() {
      const offers: Array<unknown> = []
      const server = {
        alpn: (offer: { readonly protocols: ReadonlyArray<string>; readonly serverName: Option.Option<string> }) => {
          offers.push([Option.getOrNull(offer.serverName), offer.protocols])
          return Option.fromNullable(offer.protocols.find((name) => name.startsWith("x-")))
        }
      }
      const { client } = yield* Fixture.pair({ server, client: { alpn: ["a", "x-b"] } })
      expect(Fixture.tlsOf(client).alpn).toEqual(Option.some("x-b"))
      expect(offers).toEqual([["localhost", ["a", "x-b"]]])
      const refused = yield* Fixture.failures({ server, client: { alpn: ["a"] } })
      expect(refused.client).toMatchObject({ left: { reason: "NoSharedAlpn" } })
    }))

  // ---- T07

  it.scoped("T07 what was agreed can be asked for", () =>
    Effect.gen(function*() {
      const old = yield* Fixture.pair({
        server: { maxVersion: "TLSv1.2" },
        client: { ciphers: "ECDHE-ECDSA-AES256-GCM-SHA384" }
      })
      expect(Fixture.tlsOf(old.client).info).toMatchObject({
        protocol: "TLSv1.2",
        cipher: "ECDHE-ECDSA-AES256-GCM-SHA384",
        standardCipher: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        bits: 256,
        encryption: "AESGCM(256)",
        keyExchange: "ECDH",
        authentication: "ECDSA",
        mac: "AEAD",
        compression: "none"
      })
      const cbc = yield* Fixture.pair({
        server: { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-SHA256" },
        client: { ciphers: "ECDHE-ECDSA-AES128-SHA256" }
      })
      expect(Fixture.tlsOf(cbc.server).info).toMatchObject({ encryption: "AES(128)", mac: "SHA256" })
      const modern = yield* Fixture.pair({ client: { ciphers: "TLS_CHACHA20_POLY1305_SHA256", curves: "P-384" } })
      expect(Fixture.tlsOf(modern.client).info).toMatchObject({
        protocol: "TLSv1.3",
        cipher: "TLS_CHACHA20_POLY1305_SHA256",
        bits: 256,
        keyExchange: "any",
        group: Option.some({ bits: 384 })
      })
    }))

  it.scoped("T07 no common cipher and no common version fail both sides, each with its reason", () =>
    Effect.gen(function*() {
      const cipher = yield* Fixture.failures({
        server: { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256" },
        client: { ciphers: "ECDHE-ECDSA-AES256-GCM-SHA384" }
      })
      expect(cipher.client).toMatchObject({ left: { reason: "NoSharedCipher" } })
      expect(cipher.server).toMatchObject({ reason: "NoSharedCipher" })
      const version = yield* Fixture.failures({ server: { maxVersion: "TLSv1.2" }, client: { minVersion: "TLSv1.3" } })
      expect(version.client).toMatchObject({ left: { reason: "NoSharedProtocol" } })
      expect(version.server).toMatchObject({ reason: "NoSharedProtocol" })
    }))

  // ---- T08

  it.scoped("T08 both ends have the same channel bindings and the same exported keys", () =>
    Effect.gen(function*() {
      for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
        const { client, server } = yield* Fixture.pair({ server: { maxVersion: version } })
        const [one, other] = [Fixture.tlsOf(client), Fixture.tlsOf(server)]
        for (const type of ["tls-unique", "tls-exporter", "tls-server-end-point"] as const) {
          expect(one.channelBinding(type)).toEqual(other.channelBinding(type))
        }
        expect(Option.map(one.channelBinding("tls-exporter"), (bytes) => bytes.length)).toEqual(Option.some(32))
        expect(Option.isSome(one.channelBinding("tls-unique"))).toBe(version === "TLSv1.2")
        const { server: made } = yield* Fixture.TestPki
        const digest = Crypto.createHash("sha256").update(Buffer.from(made.certificate.rawData)).digest("hex")
        expect(Buffer.from(Option.getOrThrow(one.channelBinding("tls-server-end-point"))).toString("hex")).toBe(digest)
        expect(one.finished).toEqual(other.peerFinished)
        expect(other.finished).toEqual(one.peerFinished)
        const exported = (tls: TlsConnection.TlsConnection, context?: Uint8Array) =>
          Redacted.value(Option.getOrThrow(tls.exportKeyingMaterial(20, "EXPERIMENTAL label", context)))
        expect(exported(one)).toEqual(exported(other))
        expect(exported(one)).toHaveLength(20)
        expect(exported(one, new Uint8Array([1]))).toEqual(exported(other, new Uint8Array([1])))
        expect(exported(one, new Uint8Array([1]))).not.toEqual(exported(one))
      }
    }))

  it.scoped("T08 `tls-unique` of a resumed connection is the server's Finished message", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({
        port: 0,
        linger: 0,
        tls: yield* Fixture.serverContext({ maxVersion: "TLSv1.2" })
      })
      const context = yield* Fixture.clientContext()
      const connect = Effect.all([
        Net.connect({ host: "localhost", family: "IPv4", port: listener.port, tls: context, linger: 0 }),
        listener.accept
      ], { concurrency: 2 })
      yield* connect
      const [client, server] = yield* connect
      const [one, other] = [Fixture.tlsOf(client), Fixture.tlsOf(server)]
      expect(one.isResumed).toBe(true)
      expect(one.channelBinding("tls-unique")).toEqual(other.finished)
      expect(other.channelBinding("tls-unique")).toEqual(other.finished)
    }))

  // ---- T09

  const key = new Uint8Array(32).fill(7)

  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    it.scoped(`T09 a pre-shared key takes the place of certificates (${version})`, () =>
      Effect.gen(function*() {
        const hints: Array<Option.Option<string>> = []
        const asked: Array<string> = []
        const { client } = yield* Fixture.pair({
          server: {
            identity: undefined,
            maxVersion: version,
            pskHint: "the usual",
            psk: (identity) => {
              asked.push(identity)
              return identity === "device-1" ? Option.some(Redacted.make(key)) : Option.none()
            }
          },
          client: {
            psk: (hint) => {
              hints.push(hint)
              return Option.some({ identity: "device-1", key: Redacted.make(key) })
            }
          }
        })
        expect(Fixture.tlsOf(client).info.protocol).toBe(version)
        expect(Fixture.tlsOf(client).authorization).toEqual({ _tag: "Verified", by: "psk" })
        expect(asked[0]).toBe("device-1")
        if (version === "TLSv1.2") expect(hints).toContainEqual(Option.some("the usual"))
      }))
  }

  it.scoped("T09 an identity that the server does not know, and a wrong key, fail the handshake", () =>
    Effect.gen(function*() {
      const server = {
        identity: undefined,
        maxVersion: "TLSv1.2",
        psk: (identity: string) => identity === "device-1" ? Option.some(key) : Option.none()
      } as const
      const unknown = yield* Fixture.failures({ server, client: { psk: { identity: "device-2", key } } })
      expect(unknown.server).toMatchObject({ reason: "UnknownPskIdentity" })
      expect(unknown.client).toMatchObject({ left: { reason: "UnknownPskIdentity" } })
      const wrong = yield* Fixture.failures({
        server,
        client: { psk: { identity: "device-1", key: new Uint8Array(32) } }
      })
      expect(wrong.client).toMatchObject({ left: { _tag: "TlsError" } })
      expect(wrong.server).toBeInstanceOf(TlsError.TlsError)
    }))

  // ---- T12

  it.scoped("T12 a server asks for a certificate, requires one, or does not care", () =>
    Effect.gen(function*() {
      const { client: alice, root } = yield* Fixture.TestPki
      const identity = Certificates.identity(alice)
      const required = yield* Fixture.pair({
        server: { clientCertificates: "require", ca: root.pem },
        client: { identity }
      })
      expect(Fixture.tlsOf(required.server).authorization).toEqual({ _tag: "Verified", by: "authority" })
      const shown = Option.getOrThrow(Fixture.tlsOf(required.server).peerCertificate)
      expect(shown.subject[0]).toMatchObject({ name: "CN", value: "alice" })
      const without = yield* Fixture.pair({ server: { clientCertificates: "request", ca: root.pem } })
      expect(Fixture.tlsOf(without.server).authorization).toEqual({ _tag: "Anonymous" })
      const notAsked = yield* Fixture.pair({ client: { identity } })
      expect(Fixture.tlsOf(notAsked.server).peerCertificate).toEqual(Option.none())
    }))

  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    it.scoped(`T12 a client that shows no certificate where one is required is refused (${version})`, () =>
      Effect.gen(function*() {
        const { root } = yield* Fixture.TestPki
        const server = { clientCertificates: "require", ca: root.pem, maxVersion: version } as const
        const listener = yield* Net.listen({ port: 0, linger: 0, tls: yield* Fixture.serverContext(server) })
        // With TLS 1.3 the client has finished before the server looks: it learns of it when it reads.
        const outcome = yield* Effect.flip(Effect.flatMap(
          Effect.flatMap(
            Fixture.clientContext(),
            (tls) => Net.connect({ host: "localhost", family: "IPv4", port: listener.port, tls, linger: 0 })
          ),
          (socket) => socket.receive()
        ))
        const error = outcome._tag === "SocketBroken" ? outcome.cause : outcome
        expect(error).toMatchObject({ _tag: "TlsError" })
        const failed = yield* Effect.flip(listener.accept)
        expect(failed).toMatchObject({ reason: "Handshake", cause: { reason: "NoCertificate" } })
      }))
  }

  it.scoped("T12 a certificate that is not valid is refused where one is asked for, and told with `verify: \"none\"`", () =>
    Effect.gen(function*() {
      const { root } = yield* Fixture.TestPki
      const stranger = yield* Fixture.makePromise({ name: "mallory", usage: "client" })
      const client = { identity: Certificates.identity(stranger) }
      for (const clientCertificates of ["request", "require"] as const) {
        const listener = yield* Net.listen({
          port: 0,
          linger: 0,
          tls: yield* Fixture.serverContext({ clientCertificates, ca: root.pem })
        })
        yield* Effect.exit(
          Effect.flatMap(
            Fixture.clientContext(client),
            (tls) => Net.connect({ host: "localhost", family: "IPv4", port: listener.port, tls, linger: 0 })
          )
        )
        expect(yield* Effect.flip(listener.accept)).toMatchObject({ cause: { reason: "SelfSigned" } })
      }
      const open = yield* Fixture.pair({
        server: { clientCertificates: "require", ca: root.pem, verify: "none" },
        client
      })
      expect(Fixture.tlsOf(open.server).authorization).toMatchObject({ _tag: "Unverified", reason: "SelfSigned" })
    }))

  it.scoped("T12 resumption keeps the client's certificate and its verification", () =>
    Effect.gen(function*() {
      const { client: alice, root } = yield* Fixture.TestPki
      const listener = yield* Net.listen({
        port: 0,
        linger: 0,
        tls: yield* Fixture.serverContext({ clientCertificates: "require", ca: root.pem, maxVersion: "TLSv1.2" })
      })
      const tls = yield* Fixture.clientContext({ identity: Certificates.identity(alice) })
      const connect = Effect.all([
        Net.connect({ host: "localhost", family: "IPv4", port: listener.port, tls, linger: 0 }),
        listener.accept
      ], { concurrency: 2 })
      yield* connect
      const [, server] = yield* connect
      expect(Fixture.tlsOf(server).isResumed).toBe(true)
      expect(Fixture.tlsOf(server).authorization).toEqual({ _tag: "Verified", by: "authority" })
      expect(Option.getOrThrow(Fixture.tlsOf(server).peerCertificate).subject[0]?.value).toBe("alice")
    }))
})
