/** What contexts are made of, and certificates. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Certificate from "../../Certificate.js"
import * as Net from "../../Net.js"
import * as Tls from "../../Tls.js"
import type { Material, ServerOptions } from "../../TlsContext.js"
import { TlsError, type TlsPart } from "../../TlsError.js"
import type { Certificates } from "../TlsMaterial.js"
import { failure, holds, mentions, same, utf8 } from "./support.js"
import { fixture, talks, test, type TlsCase, tlsOf } from "./tlsSupport.js"

/** The cases. */
export const cases = (certificates: Certificates): ReadonlyArray<TlsCase> => {
  const tls = fixture(certificates)

  return [
    test(
      "T01 a connection with `tls` is secure on both ends, and bytes go both ways",
      Effect.gen(function*() {
        const pair = yield* tls.pair()
        yield* talks(pair)
        same([tlsOf(pair.client).role, tlsOf(pair.server).role], ["client", "server"], "the roles")
        same(tlsOf(pair.client).info.protocol, "TLSv1.3", "the protocol")
      })
    ),
    test(
      "T01 both sides can be held to a version",
      Effect.gen(function*() {
        for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
          const pair = yield* tls.pair({ server: { minVersion: version, maxVersion: version } })
          yield* talks(pair)
          same([tlsOf(pair.client).info.protocol, tlsOf(pair.server).info.protocol], [version, version], "the protocol")
        }
      })
    ),
    test(
      "T01 bad material is a typed error that says which part, when the context is built",
      Effect.gen(function*() {
        const { root, server } = yield* tls.pki
        const other = yield* certificates.make({ hosts: ["other.test"] })
        const { identity } = server
        const expected: ReadonlyArray<readonly [ServerOptions, TlsPart]> = [
          [{ identity: { ...identity, key: "no key" } }, "key"],
          [{ identity: { ...identity, key: new Uint8Array([1, 2, 3]) } }, "key"],
          [{ identity: { ...identity, key: other.identity.key } }, "key"],
          [{ identity: { ...identity, key: { path: "/nowhere/key.pem" } } }, "key"],
          [{ identity: { ...identity, certificate: "none" } }, "certificate"],
          [{ identity: { ...identity, certificate: server.pem.replace("MI", "!!") } }, "certificate"],
          [{ identity: undefined }, "certificate"],
          [{ ca: "none" }, "ca"],
          [{ ca: [] }, "ca"],
          [{ ca: { directory: "/nowhere" } }, "ca"],
          [{ crl: "none" }, "crl"],
          [{ crl: root.pem.replaceAll("CERTIFICATE", "X509 CRL") }, "crl"],
          [{ dhparam: "none" }, "dhparam"],
          [{ ciphers: "NO-SUCH-CIPHER" }, "ciphers"],
          [{ curves: "no-such-curve" }, "curves"],
          [{ signatureAlgorithms: "nothing" }, "signatureAlgorithms"],
          [{ minVersion: "TLSv1.3", maxVersion: "TLSv1.2" }, "versions"],
          [{ alpn: [] }, "alpn"],
          [{ alpn: [""] }, "alpn"],
          [{ alpn: ["x".repeat(256)] }, "alpn"],
          [{ tickets: { keys: Redacted.make(new Uint8Array(47)) } }, "tickets"],
          [{ tickets: { lifetime: "8 days" } }, "tickets"]
        ]
        for (const [options, part] of expected) {
          const error = yield* failure(tls.serverContext(options), "TlsError")
          same([error.reason, error.part], ["BadMaterial", part], `what is said of ${Object.keys(options).join()}`)
        }
      })
    ),
    test(
      "T01 a setting that makes no sense is an `InvalidOption`",
      Effect.gen(function*() {
        const depth = yield* failure(Tls.client({ maxDepth: -1 }), "InvalidOption")
        same(depth.option, "maxDepth", "the option")
        const time = yield* failure(Tls.client({ handshakeTimeout: -5 }), "InvalidOption")
        same(time.option, "handshakeTimeout", "the option")
      })
    ),
    test(
      "T01 material comes as text, as bytes, and redacted",
      Effect.gen(function*() {
        const { root, server } = yield* tls.pki
        const { certificate, key } = server.identity
        const der = (yield* Tls.certificate(root.pem)).der
        const forms: ReadonlyArray<readonly [Material, Material]> = [
          [key, root.pem],
          [utf8(key), utf8(root.pem)],
          [Redacted.make(key), Redacted.make(root.pem)],
          [Redacted.make(utf8(key)), der]
        ]
        for (const [shownKey, ca] of forms) {
          const { client } = yield* tls.pair({
            server: { identity: { certificate, key: shownKey } },
            client: { ca: [ca] }
          })
          same(tlsOf(client).authorization, { _tag: "Verified", by: "authority" }, "the authorization")
        }
      })
    ),
    test(
      "T01 what a context keeps is in no log and in no JSON",
      Effect.gen(function*() {
        const context = yield* tls.serverContext()
        const { server } = yield* tls.pki
        const shown = JSON.stringify(context)
        holds(!shown.includes("PRIVATE") && !shown.includes(server.pem.slice(60, 90)), "the material is not shown")
      })
    ),
    test(
      "T01 a large transfer arrives whole, and its end is seen, while the other direction stays open",
      Effect.gen(function*() {
        const { client, server } = yield* tls.pair()
        const data = new Uint8Array(1_000_000).map((_, index) => index * 31)
        const sending = Effect.zipRight(server.send(data), server.shutdown("send"))
        const [received] = yield* Effect.all([client.receiveAll(), sending], { concurrency: 2 })
        same(received, data, "what came")
        yield* client.send("thanks\n")
        same(yield* server.receiveLine(), "thanks", "the line")
      })
    ),
    test(
      "T01 what was sent before the scope of a server's socket ended reaches the peer",
      Effect.gen(function*() {
        const listener = yield* Net.listen({ host: "127.0.0.1", port: 0, tls: yield* tls.serverContext() })
        yield* Effect.forkScoped(Effect.scoped(Effect.flatMap(listener.accept, (socket) => socket.send("bye"))))
        const socket = yield* Net.connect({
          host: "127.0.0.1",
          port: listener.port,
          tls: yield* tls.clientContext({ requireCloseNotify: true })
        })
        same(yield* socket.receiveAll(), utf8("bye"), "what came")
      })
    ),
    test(
      "T06 a certificate tells its subject, issuer, validity, names and key",
      Effect.gen(function*() {
        const { root, server } = yield* tls.pki
        const hosts = ["a.copas.test", "*.copas.test", "192.0.2.1", "2001:db8::1"]
        const made = yield* certificates.make({ name: "who", hosts, issuer: root })
        const certificate = yield* Tls.certificate(made.pem)
        mentions(Certificate.formatName(certificate.subject), "CN=who")
        mentions(Certificate.formatName(certificate.issuer), "CN=Test Root")
        same(certificate.alternativeNames, [
          { kind: "dns", value: "a.copas.test" },
          { kind: "dns", value: "*.copas.test" },
          { kind: "ip", value: "192.0.2.1" },
          { kind: "ip", value: "2001:db8::1" }
        ], "the names")
        const names = ["b.copas.test", "192.0.2.1", "2001:DB8:0::1", "who", "a.b.copas.test", "192.0.2.2"]
        same(names.map(certificate.isFor, certificate), [true, true, true, false, false, false], "whom it is for")
        const { validFrom, validTo } = certificate
        same([certificate.validAt(validFrom), certificate.validAt(validTo)], [true, true], "the ends of its validity")
        same(certificate.validAt(validFrom.getTime() - 1), false, "the validity before")
        same(certificate.isAuthority, false, "being an authority")
        same((yield* Tls.certificate(certificate.pem)).digest(), certificate.digest(), "the digest")
        same(yield* Effect.map(Tls.certificates(server.identity.certificate), (all) => all.length), 2, "the bundle")
      })
    ),
    test(
      "T06 `issued` says which certificate issued which",
      Effect.gen(function*() {
        const { intermediate, root, server } = yield* tls.pki
        const [ca, middle, leaf] = yield* Effect.all([
          Tls.certificate(root.pem),
          Tls.certificate(intermediate.pem),
          Tls.certificate(server.pem)
        ])
        same([ca.issued(middle), middle.issued(leaf), ca.issued(ca)], [true, true, true], "who issued whom")
        same([ca.issued(leaf), leaf.issued(middle)], [false, false], "who did not")
      })
    ),
    test(
      "T06 truncated and huge encodings fail typed",
      Effect.gen(function*() {
        const { server } = yield* tls.pki
        const { der } = yield* Tls.certificate(server.pem)
        const sources = [
          ...Array.from({ length: 20 }, (_, index) => der.slice(0, Math.floor((der.length * index) / 20))),
          new Uint8Array(1_000_000),
          `-----BEGIN CERTIFICATE-----\n${"A".repeat(500_000)}`
        ]
        for (const source of sources) {
          const error = yield* Effect.flip(Tls.certificate(source))
          holds(error instanceof TlsError && error.reason === "BadMaterial", "it is bad material")
        }
        yield* failure(Tls.certificates(server.pem.repeat(1025)), "TlsError")
      })
    ),
    test(
      "T05 certificates and chains of both ends can be looked at",
      Effect.gen(function*() {
        const { client, server } = yield* tls.pair()
        const { peerCertificate, peerChain } = tlsOf(client)
        const shown = Option.getOrThrow(peerCertificate)
        same(
          peerChain.map((one) => one.subject.find(({ name }) => name === "CN")?.value),
          ["localhost", "Test Intermediate", "Test Root"],
          "the chain"
        )
        same(Option.getOrThrow(tlsOf(server).localCertificate).digest(), shown.digest(), "the server's own")
        same(Option.isNone(tlsOf(server).peerCertificate), true, "the client having none")
        same(tlsOf(server).authorization, { _tag: "Anonymous" }, "the client")
      })
    )
  ]
}
