/** Checks the peer's chain against TLSA records (RFC 6698). */
import type { IdentityRule } from "@copas/core/PeerIdentity"
import type { TlsaRecord } from "@copas/core/TlsContext"
import * as Crypto from "node:crypto"
import { identityProblem } from "./certificates.js"

/** The chain, and what else a record is checked against. */
export interface Shown {
  /** The peer's certificate first. */
  readonly chain: ReadonlyArray<Buffer>
  /** The result of checking against the context's authorities; `undefined` for success. */
  readonly pkixCode: string | undefined
  readonly host: string
  readonly rule: IdentityRule
}

/** RFC 6698, section 4.1: a record of an unknown kind counts as none. */
export const usable = (records: ReadonlyArray<TlsaRecord>): ReadonlyArray<TlsaRecord> =>
  records.filter(({ data, matchingType, selector, usage }) =>
    usage >= 0 && usage <= 3 && (selector === 0 || selector === 1) &&
    (matchingType === 0 || (matchingType === 1 && data.length === 32) || (matchingType === 2 && data.length === 64)) &&
    data.length > 0
  )

const association = (certificate: Crypto.X509Certificate, { matchingType, selector }: TlsaRecord): Uint8Array => {
  const bytes = selector === 0 ? certificate.raw : certificate.publicKey.export({ type: "spki", format: "der" })
  if (matchingType === 0) return bytes
  return Crypto.createHash(matchingType === 1 ? "sha256" : "sha512").update(bytes).digest()
}

const matches = (certificate: Crypto.X509Certificate, record: TlsaRecord): boolean =>
  Buffer.compare(association(certificate, record), record.data) === 0

const isValidNow = (certificate: Crypto.X509Certificate): boolean => {
  const now = Date.now()
  return now >= Date.parse(certificate.validFrom) && now <= Date.parse(certificate.validTo)
}

const issued = (issuer: Crypto.X509Certificate, certificate: Crypto.X509Certificate): boolean =>
  issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)

/** A chain of valid certificates from the peer's to one that the record names, and the peer's is for the host. */
const anchored = (chain: ReadonlyArray<Crypto.X509Certificate>, record: TlsaRecord, { host, rule }: Shown): boolean => {
  const leaf = chain[0]!
  if (identityProblem(leaf.raw, host, rule) !== undefined || !isValidNow(leaf)) return false
  for (let index = 0; index < chain.length; index += 1) {
    const next = chain[index + 1]
    if (index > 0 && matches(chain[index]!, record)) return true
    if (next === undefined || !issued(next, chain[index]!) || !isValidNow(next)) return false
  }
  return false
}

/**
 * True if one of the records matches what the peer showed. RFC 6698, section 2.1.1; RFC 7671, section 5: DANE-EE
 * suffices, whatever names and dates the certificate has.
 */
export const vouched = (records: ReadonlyArray<TlsaRecord>, shown: Shown): boolean => {
  const { chain, pkixCode } = shown
  const certificates = chain.map((raw) => new Crypto.X509Certificate(raw))
  const leaf = certificates[0]
  if (leaf === undefined) return false
  return records.some((record) => {
    switch (record.usage) {
      case 0:
        return pkixCode === undefined && certificates.slice(1).some((certificate) => matches(certificate, record))
      case 1:
        return pkixCode === undefined && matches(leaf, record)
      case 2:
        return anchored(certificates, record, shown)
      default:
        return matches(leaf, record)
    }
  })
}
