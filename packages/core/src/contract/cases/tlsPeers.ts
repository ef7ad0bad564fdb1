/** The identity of peers: certificates of servers and of clients, and DANE. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Net } from "../../Net.js"
import * as Tls from "../../Tls.js"
import type { TlsaRecord } from "../../TlsContext.js"
import type { TlsError, TlsReason } from "../../TlsError.js"
import type { Certificates, Made, Wanted } from "../TlsMaterial.js"
import { holds, same } from "./support.js"
import {
  because,
  dialing,
  fixture,
  type PairOptions,
  refused,
  test,
  type TlsCase,
  tlsErrorOf,
  tlsOf
} from "./tlsSupport.js"

const fromHex = (text: string): Uint8Array =>
  Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))

/** A record of the whole certificate. */
const tlsa = (
  made: Made,
  usage: number,
  matchingType: number
): Effect.Effect<TlsaRecord, unknown, Net> =>
  Effect.map(Tls.certificate(made.pem), (certificate) => ({
    usage,
    selector: 0,
    matchingType,
    data: matchingType === 0
      ? certificate.der
      : fromHex(certificate.digest(matchingType === 1 ? "sha256" : "sha512"))
  }))

const keyRecord = (made: Made, usage: number): Effect.Effect<TlsaRecord, unknown, Net> =>
  Effect.map(Tls.certificate(made.pem), ({ publicKey }) => ({
    usage,
    selector: 1,
    matchingType: 0,
    data: publicKey.der
  }))

/** The cases. */
export const cases = (certificates: Certificates): ReadonlyArray<TlsCase> => {
  const tls = fixture(certificates)
  const { make } = certificates

  /** A server that shows what is wanted, issued by the root, is refused. */
  const fault = (reason: TlsReason, wanted: Wanted, options?: PairOptions): TlsCase =>
    test(
      `T05 ${JSON.stringify(wanted)}${
        options === undefined ? "" : ` for ${options.connect?.serverName}`
      } fails with ${reason}`,
      Effect.gen(function*() {
        const { root } = yield* tls.pki
        const { identity } = yield* make({ issuer: root, ...wanted })
        yield* refused(tls, reason, { ...options, server: { identity } })
      })
    )

  const asked = (serverName: string): PairOptions => ({ connect: { serverName } })

  return [
    fault("Expired", { hosts: ["localhost"], validity: "over" }),
    fault("NotYetValid", { hosts: ["localhost"], validity: "future" }),
    fault("WrongHost", { hosts: ["other.copas.test"] }),
    fault("WrongPurpose", { hosts: ["localhost"], usage: "client" }),
    fault("WrongHost", { name: "x", hosts: ["*.test"] }, asked("a.copas.test")),
    fault("WrongHost", { name: "x", hosts: ["*"] }, asked("localhost")),
    fault("WrongHost", { name: "x", hosts: ["l*calhost.copas.test"] }, asked("localhost")),
    fault("WrongHost", { name: "x", hosts: ["*.copas.test"] }, asked("copas.test")),
    fault("WrongHost", { name: "x", hosts: ["*.copas.test"] }, asked("a.b.copas.test")),
    fault("WrongHost", { name: "x", hosts: ["localhost\u0000.evil.test"] }, asked("localhost")),
    fault("WrongHost", { name: "x", hosts: ["localhost.evil.test"] }, asked("localhost")),
    fault("WrongHost", { name: "x", hosts: ["127.0.0.1"] }, asked("localhost")),
    test(
      "T05 an authority that is not trusted fails with `Untrusted`, its self-signed root in the chain with `SelfSigned`",
      Effect.gen(function*() {
        const stranger = yield* make({ name: "Other Root", isAuthority: true })
        const { identity } = yield* make({ hosts: ["localhost"], issuer: stranger })
        yield* refused(tls, "Untrusted", { server: { identity } })
        const whole = { ...identity, certificate: identity.certificate + stranger.pem }
        yield* refused(tls, "SelfSigned", { server: { identity: whole } })
      })
    ),
    test(
      "T05 a chain whose middle is missing fails with `Untrusted`",
      Effect.gen(function*() {
        const { server } = yield* tls.pki
        yield* refused(tls, "Untrusted", { server: { identity: { ...server.identity, certificate: server.pem } } })
      })
    ),
    test(
      "T05 a self-signed certificate fails with `SelfSigned`, and is taken as its own authority",
      Effect.gen(function*() {
        const made = yield* make({ hosts: ["localhost"] })
        yield* refused(tls, "SelfSigned", { server: { identity: made.identity } })
        const { client } = yield* tls.pair({ server: { identity: made.identity }, client: { ca: made.pem } })
        same(tlsOf(client).authorization, { _tag: "Verified", by: "authority" }, "the authorization")
      })
    ),
    ...(["TLSv1.2", "TLSv1.3"] as const).map((maxVersion) =>
      test(
        `T12 a client whose certificate is refused sees that TLS failed, whether it reads or writes (${maxVersion})`,
        Effect.gen(function*() {
          const { root, server } = yield* tls.pki
          const stranger = yield* make({ name: "stranger", usage: "client" })
          const expired = yield* make({ name: "alice", usage: "client", issuer: root, validity: "over" })
          const listener = yield* tls.listening({
            identity: server.identity,
            ca: root.pem,
            clientCertificates: "require",
            maxVersion
          })
          for (const identity of [stranger.identity, expired.identity, undefined]) {
            const context = yield* tls.clientContext({ identity })
            const [told, accepted] = yield* Effect.all([
              Effect.flip(Effect.flatMap(
                dialing(listener, context),
                (socket) => Effect.zipRight(socket.send("hello"), socket.receive())
              )),
              Effect.exit(listener.accept)
            ], { concurrency: 2 })
            holds(tlsErrorOf(accepted) !== undefined, "the server says why it refuses")
            // Up to TLS 1.2 a client may see it within its handshake.
            if (told._tag === "TlsError") because(told, "RefusedByPeer", "ClosedInHandshake", "NoSharedCipher")
            else {
              same([told._tag, "reason" in told && told.reason], ["SocketBroken", "Tls"], "what the client sees")
              because((told as { readonly cause: TlsError }).cause, "RefusedByPeer", "NoSharedCipher")
            }
          }
        })
      )
    ),
    test(
      "T05 a wildcard stands for one label",
      Effect.gen(function*() {
        const { client } = yield* tls.pair(asked("mail.copas.test"))
        same(Option.getOrNull(tlsOf(client).serverName), "mail.copas.test", "the name")
      })
    ),
    test(
      "T05 a revoked certificate fails with `Revoked`; without a list for an issuer with `NoRevocationList`",
      Effect.gen(function*() {
        const { root } = yield* tls.pki
        const good = yield* make({ hosts: ["localhost"], issuer: root })
        const bad = yield* make({ hosts: ["localhost"], issuer: root })
        const crl = yield* certificates.revocationList(root, [bad])
        yield* refused(tls, "Revoked", { server: { identity: bad.identity }, client: { crl } })
        const { client } = yield* tls.pair({ server: { identity: good.identity }, client: { crl } })
        same(tlsOf(client).authorization._tag, "Verified", "the authorization")
        yield* refused(tls, "NoRevocationList", { client: { crl } })
      })
    ),
    test(
      "T05 a chain longer than `maxDepth` fails with `ChainTooLong` and its length",
      Effect.gen(function*() {
        const error = yield* refused(tls, "ChainTooLong", { client: { maxDepth: 0 } })
        same(error.depth, 1, "the depth")
        const { client } = yield* tls.pair({ client: { maxDepth: 1 } })
        same(tlsOf(client).peerChain.length, 3, "the length of the chain")
      })
    ),
    test(
      "T05 a chain past an authority's path length fails with `ChainTooLong`",
      Effect.gen(function*() {
        const root = yield* make({ name: "Short Root", isAuthority: true, pathLength: 0 })
        const middle = yield* make({ name: "Too Much", isAuthority: true, issuer: root })
        const { identity } = yield* make({ hosts: ["localhost"], issuer: middle })
        yield* refused(tls, "ChainTooLong", { server: { identity }, client: { ca: root.pem } })
      })
    ),
    test(
      "T05 a certificate that no authority issued fails with `WrongPurpose`",
      Effect.gen(function*() {
        const { root } = yield* tls.pki
        const issuer = yield* make({ name: "No Authority", hosts: ["localhost"], issuer: root })
        const { identity } = yield* make({ hosts: ["localhost"], issuer })
        yield* refused(tls, "WrongPurpose", { server: { identity } })
      })
    ),
    test(
      "T05 `verify: \"chain\"` takes any name, `\"none\"` anybody, and says what would have been wrong",
      Effect.gen(function*() {
        const { root } = yield* tls.pki
        const other = { identity: (yield* make({ hosts: ["other.test"], issuer: root })).identity }
        const selfSigned = { identity: (yield* make({ hosts: ["localhost"] })).identity }
        const chain = yield* tls.pair({ server: other, client: { verify: "chain" } })
        same(tlsOf(chain.client).authorization, { _tag: "Verified", by: "authority" }, "the authorization")
        yield* refused(tls, "SelfSigned", { server: selfSigned, client: { verify: "chain" } })
        for (const [server, reason] of [[selfSigned, "SelfSigned"], [other, "WrongHost"]] as const) {
          const { authorization } = tlsOf((yield* tls.pair({ server, client: { verify: "none" } })).client)
          same(authorization._tag === "Unverified" && authorization.reason, reason, "what would have been wrong")
        }
      })
    ),
    test(
      "T12 a server asks for a certificate, requires one, or does not care",
      Effect.gen(function*() {
        const { client: { identity }, root } = yield* tls.pki
        const required = yield* tls.pair({
          server: { clientCertificates: "require", ca: root.pem },
          client: { identity }
        })
        same(tlsOf(required.server).authorization, { _tag: "Verified", by: "authority" }, "the authorization")
        const shown = Option.getOrThrow(tlsOf(required.server).peerCertificate)
        same(shown.subject.find(({ name }) => name === "CN")?.value, "alice", "who it is")
        const without = yield* tls.pair({ server: { clientCertificates: "request", ca: root.pem } })
        same(tlsOf(without.server).authorization, { _tag: "Anonymous" }, "who shows none")
        const notAsked = yield* tls.pair({ client: { identity } })
        same(Option.isNone(tlsOf(notAsked.server).peerCertificate), true, "who is not asked showing none")
      })
    ),
    test(
      "T12 a client that shows no certificate where one is required is refused",
      Effect.gen(function*() {
        const { root } = yield* tls.pki
        for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
          const listener = yield* tls.listening({ clientCertificates: "require", ca: root.pem, maxVersion })
          const context = yield* tls.clientContext()
          // With TLS 1.3 the client has finished before the server looks: it learns of it when it reads.
          const using = Effect.flatMap(dialing(listener, context), (socket) => socket.receive())
          const [client, server] = yield* Effect.all(
            [Effect.exit(using), Effect.exit(listener.accept)],
            { concurrency: 2 }
          )
          because(tlsErrorOf(server), "NoCertificate")
          because(tlsErrorOf(client), "RefusedByPeer", "NoSharedCipher")
        }
      })
    ),
    test(
      "T12 a certificate that is not valid is refused where one is asked for, and told with `verify: \"none\"`",
      Effect.gen(function*() {
        const { root } = yield* tls.pki
        const { identity } = yield* make({ name: "mallory", usage: "client" })
        for (const clientCertificates of ["request", "require"] as const) {
          const { server } = yield* tls.failures({
            server: { clientCertificates, ca: root.pem, maxVersion: "TLSv1.2" },
            client: { identity }
          })
          because(server, "SelfSigned")
        }
        const open = yield* tls.pair({
          server: { clientCertificates: "require", ca: root.pem, verify: "none" },
          client: { identity }
        })
        const { authorization } = tlsOf(open.server)
        same(authorization._tag === "Unverified" && authorization.reason, "SelfSigned", "what would have been wrong")
      })
    ),
    test(
      "T13 DANE-EE vouches for a certificate that nothing else trusts, whatever its name",
      Effect.gen(function*() {
        const made = yield* make({ hosts: ["elsewhere.test"] })
        const records = yield* Effect.all([tlsa(made, 3, 0), tlsa(made, 3, 1), tlsa(made, 3, 2), keyRecord(made, 3)])
        for (const record of records) {
          const { client } = yield* tls.pair({ server: { identity: made.identity }, connect: { dane: [record] } })
          same(tlsOf(client).authorization, { _tag: "Verified", by: "dane" }, "the authorization")
        }
      })
    ),
    test(
      "T13 records that match nothing fail with `DaneMismatch`, also where the authorities are content",
      Effect.gen(function*() {
        const other = yield* make({ hosts: ["localhost"] })
        for (const usage of [0, 1, 2, 3]) {
          yield* refused(tls, "DaneMismatch", { connect: { dane: [yield* tlsa(other, usage, 1)] } })
        }
      })
    ),
    test(
      "T13 PKIX-TA and PKIX-EE want the authorities' chain as well",
      Effect.gen(function*() {
        const { intermediate, server } = yield* tls.pki
        for (const record of [yield* tlsa(intermediate, 0, 1), yield* tlsa(server, 1, 2)]) {
          const { client } = yield* tls.pair({ connect: { dane: [record] } })
          same(tlsOf(client).authorization, { _tag: "Verified", by: "dane" }, "the authorization")
        }
        const made = yield* make({ hosts: ["localhost"] })
        const dane = [yield* tlsa(made, 1, 1)]
        yield* refused(tls, "DaneMismatch", { server: { identity: made.identity }, connect: { dane } })
      })
    ),
    test(
      "T13 DANE-TA vouches for what hangs from the named authority, for the right host only",
      Effect.gen(function*() {
        const { intermediate } = yield* tls.pki
        const strangers = yield* make({ name: "Strangers", isAuthority: true })
        const dane = [yield* keyRecord(intermediate, 2)]
        // The client trusts no authority that the server hangs from.
        const { client } = yield* tls.pair({ client: { ca: strangers.pem }, connect: { dane } })
        same(tlsOf(client).authorization, { _tag: "Verified", by: "dane" }, "the authorization")
        yield* refused(tls, "DaneMismatch", { connect: { dane, serverName: "elsewhere.test" } })
      })
    ),
    test(
      "T13 records of unknown kinds count as none",
      Effect.gen(function*() {
        const dane = [{ usage: 9, selector: 0, matchingType: 1, data: new Uint8Array(32) }]
        const { client } = yield* tls.pair({ connect: { dane } })
        same(tlsOf(client).authorization, { _tag: "Verified", by: "authority" }, "the authorization")
        const { identity } = yield* make({ hosts: ["localhost"] })
        yield* refused(tls, "SelfSigned", { server: { identity }, connect: { dane } })
      })
    )
  ]
}
