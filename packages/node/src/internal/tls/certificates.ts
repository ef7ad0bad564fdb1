/** Checks a certificate against the name of a host, and reads certificates with OpenSSL. */
import type * as Certificate from "@copas/core/Certificate"
import * as PeerIdentity from "@copas/core/PeerIdentity"
import type { TlsError } from "@copas/core/TlsError"
import * as TlsMaterial from "@copas/core/TlsMaterial"
import * as TlsTransport from "@copas/core/TlsTransport"
import type { TlsFailure } from "@copas/core/TlsTransport"
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Crypto from "node:crypto"
import type * as Tls from "node:tls"
import { orFail } from "../effect/eithers.js"
import { readCertificate } from "./material.js"

const x509 = (der: Uint8Array): Crypto.X509Certificate => new Crypto.X509Certificate(der)

/** False if OpenSSL throws, because it cannot read the certificate. */
const holds = (question: () => boolean): boolean => {
  try {
    return question()
  } catch {
    return false
  }
}

const crypto: TlsTransport.CertificateCrypto = {
  digest: (algorithm, bytes) => Crypto.createHash(algorithm).update(bytes).digest(),
  issued: (issuer, der) =>
    holds(() => {
      const [parent, child] = [x509(issuer), x509(der)]
      return child.checkIssued(parent) && child.verify(parent.publicKey)
    })
}

/** `None` when it is malformed. */
export const fromRaw = (raw: Uint8Array): Option.Option<Certificate.Certificate> => TlsTransport.fromDer(raw, crypto)

/** What of `getPeerCertificate` or `getCertificate` is needed. `getPeerX509Certificate` damages the chain (Node 20). */
export const fromSocket = (
  shown: Tls.PeerCertificate | object | null
): Option.Option<Certificate.Certificate> => {
  const raw = rawOf(shown)
  return raw === undefined ? Option.none() : fromRaw(raw)
}

/** Node gives an empty object if the peer showed nothing. */
export const rawOf = (shown: Tls.PeerCertificate | object | null): Buffer | undefined =>
  shown !== null && "raw" in shown ? shown.raw : undefined

/** The certificates of the result of `getPeerCertificate(true)`, in which a root is its own issuer. */
export const chainOf = (leaf: Tls.DetailedPeerCertificate | null): ReadonlyArray<Buffer> => {
  const chain: Array<Buffer> = []
  const seen = new Set<object>()
  for (
    let next: Tls.DetailedPeerCertificate | null | undefined = leaf;
    next?.raw !== undefined && !seen.has(next);
    next = next.issuerCertificate
  ) {
    seen.add(next)
    chain.push(next.raw)
  }
  return chain
}

/** True for a root, which names itself as its issuer. */
export const isSelfIssued = (raw: Uint8Array): boolean => {
  const certificate = x509(raw)
  return certificate.subject === certificate.issuer
}

/** Node's own, for a log or a search. */
export const identityCode = "ERR_TLS_CERT_ALTNAME_INVALID"

/** Why a certificate is not for `host`; `undefined` if it is. */
export const identityProblem = (
  raw: Uint8Array,
  host: string,
  rule: PeerIdentity.IdentityRule
): TlsFailure | undefined =>
  Option.match(fromRaw(raw), {
    onNone: (): TlsFailure => ({ reason: "BadCertificate", detail: "the server's own certificate cannot be read" }),
    onSome: (certificate): TlsFailure | undefined => {
      const found = PeerIdentity.check(certificate, host, rule)
      return found === undefined ? undefined : { ...found, code: identityCode }
    }
  })

/** At most `most` certificates of a source. */
export const read = (
  source: string | Uint8Array,
  most: number
): Effect.Effect<ReadonlyArray<Certificate.Certificate>, TlsError> =>
  orFail(
    TlsMaterial.parse(source, most, (der, label) => Option.getOrThrow(fromRaw(readCertificate(der, label).x509.raw)))
  )
