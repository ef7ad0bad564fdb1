/** What both sides agree on: names, protocols, ciphers, and pre-shared keys. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Net from "../../Net.js"
import * as Tls from "../../Tls.js"
import type * as TlsConnection from "../../TlsConnection.js"
import type { AlpnOffer } from "../../TlsContext.js"
import type { Certificates } from "../TlsMaterial.js"
import { failure, holds, same } from "./support.js"
import { because, dialing, fixture, test, type TlsCase, tlsOf } from "./tlsSupport.js"

const key = new Uint8Array(32).fill(7)

/** The cases. */
export const cases = (certificates: Certificates): ReadonlyArray<TlsCase> => {
  const tls = fixture(certificates)

  const named = (name: string): Effect.Effect<Tls.ServerContext, unknown, Net.Net> =>
    Effect.gen(function*() {
      const { root } = yield* tls.pki
      const { identity } = yield* certificates.make({ hosts: [name], issuer: root })
      return yield* Tls.server({ identity })
    })

  const shownName = (tls: TlsConnection.TlsConnection): string | undefined =>
    Option.getOrThrow(tls.peerCertificate).alternativeNames[0]?.value

  const exported = (tls: TlsConnection.TlsConnection, context?: Uint8Array): Uint8Array =>
    Redacted.value(Option.getOrThrow(tls.exportKeyingMaterial(20, "EXPERIMENTAL label", context)))

  return [
    test(
      "T03 a server shows the certificate of the name that is asked for; an exact name wins over a wildcard",
      Effect.gen(function*() {
        const serverNames = {
          "one.copas.test": yield* named("one.copas.test"),
          "*.copas.test": yield* named("*.copas.test")
        }
        const expected = [
          ["one.copas.test", "one.copas.test"],
          ["ONE.copas.test", "one.copas.test"],
          ["two.copas.test", "*.copas.test"],
          ["localhost", "localhost"]
        ] as const
        for (const [asked, shown] of expected) {
          const { client, server } = yield* tls.pair({ server: { serverNames }, connect: { serverName: asked } })
          same(shownName(tlsOf(client)), shown, "the name that is shown")
          same(Option.getOrNull(tlsOf(server).serverName), asked, "the name that was asked for")
        }
      })
    ),
    test(
      "T03 a strict server refuses names that it does not know, and clients that ask for none",
      Effect.gen(function*() {
        const server = {
          serverNames: { "one.copas.test": yield* named("one.copas.test") },
          unknownServerName: "refuse"
        } as const
        const { client } = yield* tls.pair({ server, connect: { serverName: "one.copas.test" } })
        same(shownName(tlsOf(client)), "one.copas.test", "the name that is shown")
        const other = yield* tls.failures({ server, connect: { serverName: "two.copas.test" } })
        because(other.server, "UnknownServerName")
        // Not every platform can send the alert.
        because(other.client, "UnknownServerName", "ClosedInHandshake")
        const none = yield* tls.failures({ server, host: "127.0.0.1" })
        because(none.server, "UnknownServerName")
      })
    ),
    test(
      "T03 a numeric address is verified, but not asked for",
      Effect.gen(function*() {
        const { client, server } = yield* tls.pair({ host: "127.0.0.1" })
        same(tlsOf(client).authorization, { _tag: "Verified", by: "authority" }, "the authorization")
        same(Option.isNone(tlsOf(server).serverName), true, "asking for no name")
      })
    ),
    test(
      "T03 a name that is none is refused before anything is opened",
      Effect.gen(function*() {
        const context = yield* tls.clientContext()
        for (const serverName of ["", "a b", "a\u0000b", "a/b", "x".repeat(300)]) {
          const connecting = Net.connect({ host: "127.0.0.1", port: 9, tls: { context, serverName } })
          same((yield* failure(connecting, "InvalidOption")).option, "serverName", "the option")
        }
      })
    ),
    test(
      "T04 the server's order decides among the protocols that both sides know",
      Effect.gen(function*() {
        const { client, server } = yield* tls.pair({
          server: { alpn: ["h2", "http/1.1"] },
          client: { alpn: ["http/1.1", "h2", "spdy/1"] }
        })
        same([tlsOf(client).alpn, tlsOf(server).alpn].map(Option.getOrNull), ["h2", "h2"], "the protocol")
      })
    ),
    test(
      "T04 a connection may offer other protocols than its context, and a client that offers nothing is accepted without one",
      Effect.gen(function*() {
        const server = { alpn: ["h2", "http/1.1"] }
        const other = yield* tls.pair({ server, client: { alpn: ["h2"] }, connect: { alpn: ["http/1.1"] } })
        same(Option.getOrNull(tlsOf(other.client).alpn), "http/1.1", "the protocol")
        const nothing = yield* tls.pair({ server })
        same(Option.getOrNull(tlsOf(nothing.client).alpn), null, "the protocol")
      })
    ),
    test(
      "T04 no common protocol fails both sides with `NoSharedAlpn`",
      Effect.gen(function*() {
        const { client, server } = yield* tls.failures({ server: { alpn: ["h2"] }, client: { alpn: ["smtp"] } })
        because(client, "NoSharedAlpn")
        because(server, "NoSharedAlpn")
      })
    ),
    test(
      "T04 a server may choose by a function, and refuse by it",
      Effect.gen(function*() {
        const offers: Array<unknown> = []
        const server = {
          alpn: ({ protocols, serverName }: AlpnOffer) => {
            offers.push([Option.getOrNull(serverName), [...protocols]])
            return Option.fromNullable(protocols.find((name) => name.startsWith("x-")))
          }
        }
        const { client } = yield* tls.pair({ server, client: { alpn: ["a", "x-b"] } })
        same(Option.getOrNull(tlsOf(client).alpn), "x-b", "the protocol")
        same(offers, [["localhost", ["a", "x-b"]]], "what was offered")
        because((yield* tls.failures({ server, client: { alpn: ["a"] } })).client, "NoSharedAlpn")
      })
    ),
    test(
      "T04 a function that throws fails its own handshake, with what it threw, and nothing else",
      Effect.gen(function*() {
        const oops = new Error("oops")
        const server = {
          alpn: ({ protocols }: AlpnOffer): Option.Option<string> => {
            if (protocols.includes("bad")) throw oops
            return Option.some("good")
          }
        }
        const error = (yield* tls.failures({ server, client: { alpn: ["bad"] } })).server
        because(error, "Unknown")
        holds(error!.cause === oops, "the cause is what was thrown")
        yield* tls.pair({ server, client: { alpn: ["good"] } })
      })
    ),
    test(
      "T07 what was agreed can be asked for",
      Effect.gen(function*() {
        const ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384"
        const old = tlsOf((yield* tls.pair({ server: { maxVersion: "TLSv1.2" }, client: { ciphers } })).client).info
        same([old.protocol, old.cipher, old.standardCipher], [
          "TLSv1.2",
          ciphers,
          "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
        ], "the cipher")
        same(
          [old.bits, old.encryption, old.keyExchange, old.authentication, old.mac, old.compression],
          [256, "AESGCM(256)", "ECDH", "ECDSA", "AEAD", "none"],
          "what it is made of"
        )
        const modern = yield* tls.pair({ client: { ciphers: "TLS_CHACHA20_POLY1305_SHA256", curves: "P-384" } })
        const { bits, cipher, group, keyExchange } = tlsOf(modern.client).info
        same([cipher, bits, keyExchange], ["TLS_CHACHA20_POLY1305_SHA256", 256, "any"], "the cipher")
        same(Option.getOrThrow(group).bits, 384, "the size of the group")
        same(tlsOf(modern.server).info.cipher, cipher, "the cipher on the server")
      })
    ),
    test(
      "T07 no common cipher and no common version fail both sides, each with its reason",
      Effect.gen(function*() {
        const cipher = yield* tls.failures({
          server: { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256" },
          client: { ciphers: "ECDHE-ECDSA-AES256-GCM-SHA384" }
        })
        because(cipher.client, "NoSharedCipher")
        because(cipher.server, "NoSharedCipher")
        const version = yield* tls.failures({ server: { maxVersion: "TLSv1.2" }, client: { minVersion: "TLSv1.3" } })
        because(version.client, "NoSharedProtocol")
        because(version.server, "NoSharedProtocol")
      })
    ),
    test(
      "T08 both ends have the same channel bindings and the same exported keys",
      Effect.gen(function*() {
        for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
          const { client, server } = yield* tls.pair({ server: { maxVersion: version } })
          const [one, other] = [tlsOf(client), tlsOf(server)]
          for (const type of ["tls-unique", "tls-exporter", "tls-server-end-point"] as const) {
            same(
              Option.getOrNull(one.channelBinding(type)),
              Option.getOrNull(other.channelBinding(type)),
              type
            )
          }
          same(Option.getOrThrow(one.channelBinding("tls-exporter")).length, 32, "the length of tls-exporter")
          same(Option.isSome(one.channelBinding("tls-unique")), version === "TLSv1.2", "having tls-unique")
          const point = Option.getOrThrow(one.channelBinding("tls-server-end-point"))
          same(
            Array.from(point, (byte) => byte.toString(16).padStart(2, "0")).join(""),
            Option.getOrThrow(one.peerCertificate).digest(),
            "tls-server-end-point"
          )
          same(Option.getOrThrow(one.finished), Option.getOrThrow(other.peerFinished), "the client's Finished")
          same(Option.getOrThrow(other.finished), Option.getOrThrow(one.peerFinished), "the server's Finished")
          same([exported(one), exported(one).length], [exported(other), 20], "what is exported")
          const context = new Uint8Array([1])
          same(exported(one, context), exported(other, context), "what is exported with a context")
          holds(exported(one, context).join() !== exported(one).join(), "the context counts")
        }
      })
    ),
    test(
      "T08 two connections have nothing in common, and `tls-unique` of a resumed one is the server's Finished",
      Effect.gen(function*() {
        const listener = yield* tls.listening({ maxVersion: "TLSv1.2" })
        const context = yield* tls.clientContext()
        const connect = Effect.all([dialing(listener, context), listener.accept], { concurrency: 2 })
        const [first] = yield* connect
        const [client, server] = yield* connect
        const [one, other] = [tlsOf(client), tlsOf(server)]
        same(one.isResumed, true, "being resumed")
        holds(exported(one).join() !== exported(tlsOf(first)).join(), "the keys are other ones")
        const finished = Option.getOrThrow(other.finished)
        same(Option.getOrThrow(one.channelBinding("tls-unique")), finished, "the client's binding")
        same(Option.getOrThrow(other.channelBinding("tls-unique")), finished, "the server's binding")
      })
    ),
    test(
      "T09 a pre-shared key takes the place of certificates",
      Effect.gen(function*() {
        for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
          const [hints, asked]: [Array<string | null>, Array<string>] = [[], []]
          const { client } = yield* tls.pair({
            server: {
              identity: undefined,
              maxVersion,
              pskHint: "the usual",
              psk: (identity) => {
                asked.push(identity)
                return identity === "device-1" ? Option.some(Redacted.make(key)) : Option.none()
              }
            },
            client: {
              psk: (hint) => {
                hints.push(Option.getOrNull(hint))
                return Option.some({ identity: "device-1", key: Redacted.make(key) })
              }
            }
          })
          same(tlsOf(client).info.protocol, maxVersion, "the protocol")
          same(tlsOf(client).authorization, { _tag: "Verified", by: "psk" }, "the authorization")
          same(asked[0], "device-1", "the identity")
          same([hints[0], hints.includes("the usual")], [null, maxVersion === "TLSv1.2"], "the hints")
        }
      })
    ),
    test(
      "T09 an identity that the server does not know, and a wrong key, fail the handshake on both sides",
      Effect.gen(function*() {
        const server = {
          identity: undefined,
          maxVersion: "TLSv1.2",
          psk: (identity: string) => identity === "device-1" ? Option.some(key) : Option.none()
        } as const
        const unknown = yield* tls.failures({ server, client: { psk: { identity: "device-2", key } } })
        because(unknown.server, "UnknownPskIdentity")
        because(unknown.client, "UnknownPskIdentity")
        for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
          const wrong = yield* tls.failures({
            server: { ...server, maxVersion },
            client: { psk: { identity: "device-1", key: new Uint8Array(32).fill(8) } }
          })
          holds(wrong.client !== undefined && wrong.server !== undefined, "both sides fail")
        }
      })
    )
  ]
}
