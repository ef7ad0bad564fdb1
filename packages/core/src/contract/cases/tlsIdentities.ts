/** Whom a certificate is for, by the rule of RFC 9525 and by the one before it. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as PeerIdentity from "../../PeerIdentity.js"
import type { Certificates } from "../TlsMaterial.js"
import { mentions, same } from "./support.js"
import { because, fixture, refused, test, type TlsCase, tlsOf } from "./tlsSupport.js"

interface Row {
  readonly names: ReadonlyArray<string>
  readonly commonName?: string
  readonly asked: string
  /** By RFC 9525, and by RFC 6125. */
  readonly today: "taken" | "WrongHost" | "LegacyName"
  readonly before?: "taken"
}

const rows: ReadonlyArray<Row> = [
  { names: [], commonName: "localhost", asked: "localhost", today: "LegacyName", before: "taken" },
  { names: ["127.0.0.1"], commonName: "localhost", asked: "localhost", today: "WrongHost" },
  { names: ["other.copas.test"], commonName: "localhost", asked: "localhost", today: "WrongHost" },
  { names: [], commonName: "127.0.0.1", asked: "127.0.0.1", today: "WrongHost" },
  { names: ["www*.copas.test"], asked: "www1.copas.test", today: "LegacyName", before: "taken" },
  { names: ["*1.copas.test"], asked: "www1.copas.test", today: "LegacyName", before: "taken" },
  { names: ["www*.copas.test"], asked: "mail.copas.test", today: "WrongHost" },
  { names: ["*.copas.test"], asked: "www1.copas.test", today: "taken" },
  { names: ["copas.test"], asked: "copas.test.", today: "taken" },
  { names: ["xn--bcher-kva.test"], asked: "bücher.test", today: "taken" },
  { names: ["*.copas.test"], asked: "xn--bcher-kva.copas.test", today: "taken" },
  { names: ["127.0.0.1"], asked: "127.0.0.1", today: "taken" },
  { names: ["::1"], asked: "0:0:0:0:0:0:0:1", today: "taken" }
]

/** The cases. */
export const cases = (certificates: Certificates): ReadonlyArray<TlsCase> => {
  const tls = fixture(certificates)
  return [
    ...rows.map(({ asked, before, commonName, names, today }) =>
      test(
        `T05 ${JSON.stringify(names)}${commonName === undefined ? "" : ` of ${commonName}`} for ${asked}: ${today}${
          before === undefined ? "" : `, and ${before} by RFC 6125`
        }`,
        Effect.gen(function*() {
          const { root } = yield* tls.pki
          const { identity } = yield* certificates.make({ name: commonName ?? "x", hosts: names, issuer: root })
          const options = { server: { identity }, connect: { serverName: asked } }
          if (today === "taken") {
            const { client } = yield* tls.pair(options)
            same(tlsOf(client).authorization, { _tag: "Verified", by: "authority" }, "the authorization")
          } else {
            const error = yield* refused(tls, today, options)
            mentions(error.message, JSON.stringify(asked))
            if (today === "LegacyName") mentions(error.message, "RFC 9525", "identityRule")
          }
          if (before === undefined) return
          const { client } = yield* tls.pair({ ...options, client: { identityRule: "rfc6125" } })
          same(tlsOf(client).authorization, { _tag: "Verified", by: "authority" }, "the authorization by RFC 6125")
        })
      )
    ),
    test(
      "T05 a client that verifies nothing learns why the name would have been refused",
      Effect.gen(function*() {
        const { root } = yield* tls.pki
        const { identity } = yield* certificates.make({ name: "localhost", hosts: [], issuer: root })
        const { client } = yield* tls.pair({ server: { identity }, client: { verify: "none" } })
        const { authorization, peerCertificate } = tlsOf(client)
        same(authorization._tag === "Unverified" && authorization.reason, "LegacyName", "the reason")
        const shown = Option.getOrThrow(peerCertificate)
        same(shown.isFor("localhost"), false, "being for the host")
        same(PeerIdentity.check(shown, "localhost", "rfc6125"), undefined, "what is wrong by RFC 6125")
      })
    ),
    test(
      "T10 a session that was made by the old rule is not offered by the new one",
      Effect.gen(function*() {
        const { root } = yield* tls.pki
        const { identity } = yield* certificates.make({ name: "localhost", hosts: [], issuer: root })
        const server = { identity, maxVersion: "TLSv1.2" } as const
        const first = yield* tls.pair({ server, client: { identityRule: "rfc6125" } })
        const session = Option.getOrThrow(tlsOf(first.client).session)
        const { client } = yield* tls.failures({ server, connect: { session } })
        because(client, "LegacyName")
      })
    )
  ]
}
