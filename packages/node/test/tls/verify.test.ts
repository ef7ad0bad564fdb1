/** Which certificates are refused, and with which reason. */
import { Certificate, Net, type TlsContext } from "@copas/core"
import { NodeNet } from "@copas/node"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Crypto from "node:crypto"
import * as Certificates from "../certificates.js"
import * as Fixture from "./fixture.js"

const day = 86_400_000

layer(Layer.merge(NodeNet.layer, Fixture.layer), { excludeTestServices: true })((it) => {
  const refused = (made: Certificates.Made, options: Fixture.PairOptions = {}) =>
    Effect.map(
      Fixture.failures({ ...options, server: { identity: Certificates.identity(made), ...options.server } }),
      ({ client }) => client._tag === "Left" ? client.left : undefined
    )

  it.scoped("T05 certificates and chains of both ends can be looked at", () =>
    Effect.gen(function*() {
      const { client, server } = yield* Fixture.pair()
      const { peerCertificate, peerChain } = Fixture.tlsOf(client)
      const shown = Option.getOrThrow(peerCertificate)
      expect(Certificate.formatName(shown.subject)).toBe("CN=localhost, O=Copas")
      expect(peerChain.map((one) => Certificate.formatName(one.subject))).toEqual([
        "CN=localhost, O=Copas",
        "CN=Test Intermediate, O=Copas",
        "CN=Test Root, O=Copas"
      ])
      expect(Option.getOrThrow(Fixture.tlsOf(server).localCertificate).digest()).toBe(shown.digest())
      expect(Fixture.tlsOf(server).peerCertificate).toEqual(Option.none())
      expect(Fixture.tlsOf(server).authorization).toEqual({ _tag: "Anonymous" })
    }))

  it.scoped("T05 an expired certificate fails with `Expired`", () =>
    Effect.gen(function*() {
      const { root } = yield* Fixture.TestPki
      const made = yield* Fixture.makePromise({
        hosts: ["localhost"],
        issuer: root,
        notBefore: new Date(Date.now() - 9 * day),
        notAfter: new Date(Date.now() - day)
      })
      expect(yield* refused(made)).toMatchObject({ _tag: "TlsError", reason: "Expired", code: "CERT_HAS_EXPIRED" })
    }))

  it.scoped("T05 a certificate of the future fails with `NotYetValid`", () =>
    Effect.gen(function*() {
      const { root } = yield* Fixture.TestPki
      const made = yield* Fixture.makePromise({
        hosts: ["localhost"],
        issuer: root,
        notBefore: new Date(Date.now() + day)
      })
      expect(yield* refused(made)).toMatchObject({ reason: "NotYetValid" })
    }))

  it.scoped("T05 an authority that is not trusted fails with `Untrusted`", () =>
    Effect.gen(function*() {
      const other = yield* Effect.promise(() => Certificates.authority({ name: "Other Root" }))
      const made = yield* Fixture.makePromise({ hosts: ["localhost"], issuer: other })
      expect(yield* refused(made)).toMatchObject({ reason: "Untrusted" })
    }))

  it.scoped("T05 a self-signed certificate fails with `SelfSigned`, and is taken as its own authority", () =>
    Effect.gen(function*() {
      const made = yield* Fixture.makePromise({ hosts: ["localhost"] })
      expect(yield* refused(made)).toMatchObject({ reason: "SelfSigned" })
      const { client } = yield* Fixture.pair({
        server: { identity: Certificates.identity(made) },
        client: { ca: made.pem }
      })
      expect(Fixture.tlsOf(client).authorization).toEqual({ _tag: "Verified", by: "authority" })
    }))

  it.scoped("T05 a certificate for another name fails with `WrongHost`", () =>
    Effect.gen(function*() {
      const { root } = yield* Fixture.TestPki
      const made = yield* Fixture.makePromise({ hosts: ["other.copas.test"], issuer: root })
      expect(yield* refused(made)).toMatchObject({ reason: "WrongHost" })
    }))

  for (
    const [hosts, name] of [
      [["*.test"], "a.copas.test"],
      [["*"], "localhost"],
      [["l*calhost.copas.test"], "localhost"],
      [["*.copas.test"], "copas.test"],
      [["*.copas.test"], "a.b.copas.test"],
      [["localhost\u0000.evil.test"], "localhost"],
      [["localhost.evil.test"], "localhost"],
      [["127.0.0.1"], "localhost"]
    ] as const
  ) {
    it.scoped(`T05 a certificate for ${JSON.stringify(hosts[0])} is not one for ${name}`, () =>
      Effect.gen(function*() {
        const { root } = yield* Fixture.TestPki
        const made = yield* Fixture.makePromise({ name: "x", hosts, issuer: root })
        expect(yield* refused(made, { connect: { serverName: name } })).toMatchObject({ reason: "WrongHost" })
      }))
  }

  it.scoped("T05 a wildcard stands for one label", () =>
    Effect.gen(function*() {
      const { client } = yield* Fixture.pair({ connect: { serverName: "mail.copas.test" } })
      expect(Fixture.tlsOf(client).serverName).toEqual(Option.some("mail.copas.test"))
    }))

  it.scoped("T05 a revoked certificate fails with `Revoked`; without a list for an issuer with `NoRevocationList`", () =>
    Effect.gen(function*() {
      const { root } = yield* Fixture.TestPki
      const good = yield* Fixture.makePromise({ hosts: ["localhost"], issuer: root })
      const bad = yield* Fixture.makePromise({ hosts: ["localhost"], issuer: root })
      const crl = yield* Effect.promise(() => Certificates.revocationList(root, [bad]))
      expect(yield* refused(bad, { client: { crl } })).toMatchObject({ reason: "Revoked" })
      const { client } = yield* Fixture.pair({ server: { identity: Certificates.identity(good) }, client: { crl } })
      expect(Fixture.tlsOf(client).authorization._tag).toBe("Verified")
      const { client: uncovered } = yield* Fixture.failures({ client: { crl } })
      expect(uncovered).toMatchObject({ left: { reason: "NoRevocationList" } })
      const old = yield* Effect.promise(() => Certificates.revocationList(root, [], new Date(Date.now() - day)))
      expect(yield* refused(good, { client: { crl: old } })).toMatchObject({ reason: "NoRevocationList" })
    }))

  it.scoped("T05 a chain longer than `maxDepth` fails with `ChainTooLong` and its length", () =>
    Effect.gen(function*() {
      const { client } = yield* Fixture.failures({ client: { maxDepth: 0 } })
      expect(client).toMatchObject({ left: { reason: "ChainTooLong", depth: 1 } })
      const { client: fits } = yield* Fixture.pair({ client: { maxDepth: 1 } })
      expect(Fixture.tlsOf(fits).peerChain).toHaveLength(3)
    }))

  it.scoped("T05 a chain past an authority's path length fails with `ChainTooLong`", () =>
    Effect.gen(function*() {
      const root = yield* Effect.promise(() => Certificates.authority({ name: "Short Root", pathLength: 0 }))
      const middle = yield* Fixture.makePromise({ name: "Too Much", isAuthority: true, issuer: root })
      const made = yield* Fixture.makePromise({ hosts: ["localhost"], issuer: middle })
      expect(yield* refused(made, { client: { ca: root.pem } })).toMatchObject({ reason: "ChainTooLong" })
    }))

  it.scoped("T05 a certificate that no authority made fails with `WrongPurpose`, one that lies with `BadSignature`", () =>
    Effect.gen(function*() {
      const { root } = yield* Fixture.TestPki
      const notAuthority = yield* Fixture.makePromise({ name: "No Authority", hosts: ["localhost"], issuer: root })
      const forged = yield* Fixture.makePromise({ hosts: ["localhost"], issuer: notAuthority })
      expect(yield* refused(forged)).toMatchObject({ reason: "WrongPurpose" })
      const other = yield* Effect.promise(() => Certificates.authority())
      const lying = yield* Fixture.makePromise({ hosts: ["localhost"], issuer: root, signWith: other })
      expect(yield* refused(lying)).toMatchObject({ reason: "BadSignature" })
    }))

  it.scoped("T05 a client's certificate shown by a server fails with `WrongPurpose`", () =>
    Effect.gen(function*() {
      const { root } = yield* Fixture.TestPki
      const made = yield* Fixture.makePromise({ hosts: ["localhost"], issuer: root, usage: "client" })
      expect(yield* refused(made)).toMatchObject({ reason: "WrongPurpose" })
    }))

  it.scoped("T05 `verify: \"chain\"` takes any name, `\"none\"` anybody, and says what would have been wrong", () =>
    Effect.gen(function*() {
      const { root } = yield* Fixture.TestPki
      const other = yield* Fixture.makePromise({ hosts: ["other.test"], issuer: root })
      const selfSigned = yield* Fixture.makePromise({ hosts: ["localhost"] })
      const chain = yield* Fixture.pair({
        server: { identity: Certificates.identity(other) },
        client: { verify: "chain" }
      })
      expect(Fixture.tlsOf(chain.client).authorization).toEqual({ _tag: "Verified", by: "authority" })
      expect(yield* refused(selfSigned, { client: { verify: "chain" } })).toMatchObject({ reason: "SelfSigned" })
      const none = yield* Fixture.pair({
        server: { identity: Certificates.identity(selfSigned) },
        client: { verify: "none" }
      })
      expect(Fixture.tlsOf(none.client).authorization).toMatchObject({ _tag: "Unverified", reason: "SelfSigned" })
      const named = yield* Fixture.pair({
        server: { identity: Certificates.identity(other) },
        client: { verify: "none" }
      })
      expect(Fixture.tlsOf(named.client).authorization).toMatchObject({ _tag: "Unverified", reason: "WrongHost" })
    }))

  it.scoped("T05 a session made for one name does not vouch for another", () =>
    Effect.gen(function*() {
      const tls = yield* Fixture.serverContext({ maxVersion: "TLSv1.2" })
      const listener = yield* Net.listen({ port: 0, linger: 0, tls })
      const context = yield* Fixture.clientContext()
      const connect = (serverName: string) =>
        Net.connect({
          host: "127.0.0.1",
          port: listener.port,
          linger: 0,
          tls: { context, serverName, sessionKey: "shared" }
        })
      yield* connect("localhost")
      expect(Fixture.tlsOf(yield* connect("localhost")).isResumed).toBe(true)
      expect(yield* Effect.flip(connect("copas.test"))).toMatchObject({ reason: "WrongHost" })
    }))

  // ---- T13

  const tlsa = (
    made: Certificates.Made,
    usage: number,
    selector: number,
    matchingType: number
  ): TlsContext.TlsaRecord => {
    const certificate = new Crypto.X509Certificate(made.pem)
    const bytes = selector === 0 ? certificate.raw : certificate.publicKey.export({ type: "spki", format: "der" })
    const data = matchingType === 0
      ? bytes
      : Crypto.createHash(matchingType === 1 ? "sha256" : "sha512").update(bytes).digest()
    return { usage, selector, matchingType, data: new Uint8Array(data) }
  }

  it.scoped("T13 DANE-EE vouches for a certificate that nobody else trusts, whatever its name", () =>
    Effect.gen(function*() {
      const made = yield* Fixture.makePromise({ hosts: ["elsewhere.test"] })
      for (const [selector, matching] of [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]] as const) {
        const { client } = yield* Fixture.pair({
          server: { identity: Certificates.identity(made) },
          connect: { dane: [tlsa(made, 3, selector, matching)] }
        })
        expect(Fixture.tlsOf(client).authorization).toEqual({ _tag: "Verified", by: "dane" })
      }
    }))

  it.scoped("T13 records that match nothing fail with `DaneMismatch`, also where the authorities are content", () =>
    Effect.gen(function*() {
      const other = yield* Fixture.makePromise({ hosts: ["localhost"] })
      for (const usage of [0, 1, 2, 3]) {
        const { client } = yield* Fixture.failures({ connect: { dane: [tlsa(other, usage, 1, 1)] } })
        expect(client).toMatchObject({ left: { reason: "DaneMismatch" } })
      }
    }))

  it.scoped("T13 PKIX-TA and PKIX-EE want the authorities' chain as well", () =>
    Effect.gen(function*() {
      const { intermediate, server } = yield* Fixture.TestPki
      for (const record of [tlsa(intermediate, 0, 0, 1), tlsa(server, 1, 1, 2)]) {
        const { client } = yield* Fixture.pair({ connect: { dane: [record] } })
        expect(Fixture.tlsOf(client).authorization).toEqual({ _tag: "Verified", by: "dane" })
      }
      const selfSigned = yield* Fixture.makePromise({ hosts: ["localhost"] })
      expect(yield* refused(selfSigned, { connect: { dane: [tlsa(selfSigned, 1, 0, 1)] } })).toMatchObject({
        reason: "DaneMismatch"
      })
    }))

  it.scoped("T13 DANE-TA vouches for what hangs from the named authority, for the right host only", () =>
    Effect.gen(function*() {
      const { intermediate } = yield* Fixture.TestPki
      const strangers = yield* Effect.promise(() => Certificates.authority({ name: "Strangers" }))
      const dane = [tlsa(intermediate, 2, 1, 1)]
      // The client trusts no authority that the server hangs from.
      const { client } = yield* Fixture.pair({ client: { ca: strangers.pem }, connect: { dane } })
      expect(Fixture.tlsOf(client).authorization).toEqual({ _tag: "Verified", by: "dane" })
      const wrong = yield* Fixture.failures({ connect: { dane, serverName: "elsewhere.test" } })
      expect(wrong.client).toMatchObject({ left: { reason: "DaneMismatch" } })
    }))

  it.scoped("T13 records of unknown kinds count as none", () =>
    Effect.gen(function*() {
      const unknown = { usage: 9, selector: 0, matchingType: 1, data: new Uint8Array(32) }
      const { client } = yield* Fixture.pair({ connect: { dane: [unknown] } })
      expect(Fixture.tlsOf(client).authorization).toEqual({ _tag: "Verified", by: "authority" })
      const selfSigned = yield* Fixture.makePromise({ hosts: ["localhost"] })
      expect(yield* refused(selfSigned, { connect: { dane: [unknown] } })).toMatchObject({ reason: "SelfSigned" })
    }))
})
