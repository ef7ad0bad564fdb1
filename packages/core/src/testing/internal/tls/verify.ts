/** Whether a chain of certificates is good: what OpenSSL does, without its signatures. */
import * as Option from "effect/Option"
import type { Certificate } from "../../../Certificate.js"
import * as Der from "../../../internal/x509/der.js"
import * as PeerIdentity from "../../../PeerIdentity.js"
import type { TlsaRecord } from "../../../TlsContext.js"
import type { TlsReason } from "../../../TlsError.js"
import type { TlsFailure } from "../../../TlsTransport.js"
import { extension, isIssuedBy, isSelfIssued } from "./certificates.js"
import { revocation, type RevocationList } from "./revocation.js"
import { digest, equalBytes } from "./sha.js"

/** OpenSSL's codes, as Node's platform reports them, and what this library makes of each. */
const reasons = {
  CERT_HAS_EXPIRED: "Expired",
  CERT_NOT_YET_VALID: "NotYetValid",
  DEPTH_ZERO_SELF_SIGNED_CERT: "SelfSigned",
  SELF_SIGNED_CERT_IN_CHAIN: "SelfSigned",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "Untrusted",
  INVALID_CA: "WrongPurpose",
  INVALID_PURPOSE: "WrongPurpose",
  PATH_LENGTH_EXCEEDED: "ChainTooLong",
  CERT_REVOKED: "Revoked",
  UNABLE_TO_GET_CRL: "NoRevocationList",
  CRL_NOT_YET_VALID: "NoRevocationList",
  CRL_HAS_EXPIRED: "NoRevocationList",
  ERR_TLS_CERT_ALTNAME_INVALID: "WrongHost"
} as const satisfies Record<string, TlsReason>

type Code = keyof typeof reasons

export const problemOf = (code: string): TlsFailure => ({ reason: reasons[code as Code] ?? "Untrusted", code })

/** What a chain is checked against. */
export interface Trust {
  readonly authorities: ReadonlyArray<Certificate>
  readonly revocationLists: ReadonlyArray<RevocationList>
  /** Milliseconds since 1970. */
  readonly now: number
}

export interface Checked {
  /** From the peer's certificate to its root, as far as it is known. */
  readonly path: ReadonlyArray<Certificate>
  /** `undefined` when it hangs from an authority, and nothing is wrong with it. */
  readonly code: string | undefined
}

/** More than any chain has: those that issue each other in a circle end here. */
const longestPath = 64

const same = (one: Certificate, other: Certificate): boolean => equalBytes(one.der, other.der)

/** Of those that may have issued it, one that is valid now if there is one: authorities are renewed. */
const issuerAmong = (
  certificate: Certificate,
  candidates: ReadonlyArray<Certificate>,
  now: number
): Certificate | undefined => {
  const found = candidates.filter((one) => isIssuedBy(certificate, one))
  return found.find((one) => one.validAt(now)) ?? found[0]
}

const buildPath = (chain: ReadonlyArray<Certificate>, { authorities, now }: Trust): Checked => {
  const path = [chain[0]!]
  for (;;) {
    const last = path.at(-1)!
    const isTrusted = authorities.some((one) => same(one, last))
    if (isSelfIssued(last)) {
      const code: Code = path.length === 1 ? "DEPTH_ZERO_SELF_SIGNED_CERT" : "SELF_SIGNED_CERT_IN_CHAIN"
      return { path, code: isTrusted ? undefined : code }
    }
    const issuer = issuerAmong(last, authorities, now) ?? issuerAmong(last, chain.slice(1), now)
    if (issuer === undefined || path.length >= longestPath || path.some((one) => same(one, issuer))) {
      return { path, code: "UNABLE_TO_GET_ISSUER_CERT_LOCALLY" }
    }
    path.push(issuer)
  }
}

const anyUsage = "2.5.29.37.0"
const usages = { server: "1.3.6.1.5.5.7.3.1", client: "1.3.6.1.5.5.7.3.2" } as const

/** False when the certificate says what it is for, and that is something else. RFC 5280, section 4.2.1.12. */
const isMeantFor = (certificate: Certificate, role: "client" | "server"): boolean => {
  const found = extension(certificate, "extendedKeyUsage")
  if (found === undefined) return true
  const listed = Option.liftThrowable(() => Der.children(Der.read(found.value)).map(Der.oid))()
  return Option.exists(listed, (oids) => oids.includes(usages[role]) || oids.includes(anyUsage))
}

/** RFC 5280, section 4.2.1.3: `keyCertSign` is the sixth bit. */
const maySign = (certificate: Certificate): boolean => {
  const usage = extension(certificate, "keyUsage")
  return certificate.isAuthority && (usage === undefined || ((Der.read(usage.value).bytes[1] ?? 0) & 0x04) !== 0)
}

/** How many intermediate certificates the authority allows below it. */
const pathLength = (certificate: Certificate): number => {
  const constraints = extension(certificate, "basicConstraints")
  const length = constraints === undefined ? undefined : Der.children(Der.read(constraints.value))[1]
  return length?.tag === 0x02 ? Number.parseInt(Der.hex(length.bytes), 16) : Infinity
}

const checkExtensions = (path: ReadonlyArray<Certificate>, role: "client" | "server"): Code | undefined => {
  let code: Code | undefined = isMeantFor(path[0]!, role) ? undefined : "INVALID_PURPOSE"
  let between = 0
  for (const authority of path.slice(1)) {
    if (!maySign(authority)) code = "INVALID_CA"
    if (between > pathLength(authority)) code = "PATH_LENGTH_EXCEEDED"
    if (!isSelfIssued(authority)) between += 1
  }
  return code
}

/**
 * Checks a chain as OpenSSL does, except for the signatures: the way to an authority, what each certificate may be used
 * for, revocation, and the dates. Of several faults it reports the last in this order, as Node does.
 *
 * @param role whose certificate it is
 */
export const checkChain = (chain: ReadonlyArray<Certificate>, trust: Trust, role: "client" | "server"): Checked => {
  const { code, path } = buildPath(chain, trust)
  let last: string | undefined = code
  last = checkExtensions(path, role) ?? last
  const { now, revocationLists } = trust
  if (revocationLists.length > 0) {
    for (const certificate of path) last = revocation(certificate, revocationLists, now) ?? last
  }
  for (const certificate of path.slice().reverse()) {
    if (now < certificate.validFrom.getTime()) last = "CERT_NOT_YET_VALID"
    else if (now > certificate.validTo.getTime()) last = "CERT_HAS_EXPIRED"
  }
  return { path, code: last }
}

/** The intermediate certificates of a chain with too many of them. */
export const tooDeep = (path: ReadonlyArray<Certificate>, maxDepth: number | undefined): TlsFailure | undefined => {
  if (maxDepth === undefined) return undefined
  const between = path.slice(1).filter((certificate) => !isSelfIssued(certificate)).length
  return between > maxDepth ? { reason: "ChainTooLong", depth: between } : undefined
}

// ---- names

/** The host that a client asked for, and by which rule a certificate must name it. */
export interface Asked {
  readonly host: string
  readonly rule: PeerIdentity.IdentityRule
}

/** Node's own, which the Node platform tells as well. */
export const identityCode = "ERR_TLS_CERT_ALTNAME_INVALID"

export const identityProblem = (certificate: Certificate, { host, rule }: Asked): TlsFailure | undefined => {
  const found = PeerIdentity.check(certificate, host, rule)
  return found === undefined ? undefined : { ...found, code: identityCode }
}

// ---- DANE

/** RFC 6698, section 4.1: a record of an unknown kind is as good as none. */
export const usable = (records: ReadonlyArray<TlsaRecord> | undefined): ReadonlyArray<TlsaRecord> =>
  (records ?? []).filter(({ data, matchingType, selector, usage }) =>
    usage >= 0 && usage <= 3 && (selector === 0 || selector === 1) &&
    (matchingType === 0 || (matchingType === 1 && data.length === 32) || (matchingType === 2 && data.length === 64)) &&
    data.length > 0
  )

const matchesRecord = (certificate: Certificate, { data, matchingType, selector }: TlsaRecord): boolean => {
  const bytes = selector === 0 ? certificate.der : certificate.publicKey.der
  return equalBytes(matchingType === 0 ? bytes : digest(matchingType === 1 ? "sha256" : "sha512", bytes), data)
}

/** A way of valid certificates from the peer's to one that the record names, and the peer's is for the host. */
const anchored = (path: ReadonlyArray<Certificate>, record: TlsaRecord, of: Asked, now: number): boolean => {
  if (PeerIdentity.check(path[0]!, of.host, of.rule) !== undefined || !path[0]!.validAt(now)) return false
  for (const certificate of path.slice(1)) {
    if (!maySign(certificate) || !certificate.validAt(now)) return false
    if (matchesRecord(certificate, record)) return true
  }
  return false
}

/**
 * True when one of the records vouches for what the peer showed. RFC 6698, section 2.1.1; RFC 7671, section 5.
 *
 * @param code what checking against the authorities gave, the name included
 */
export const vouched = (
  records: ReadonlyArray<TlsaRecord>,
  path: ReadonlyArray<Certificate>,
  code: string | undefined,
  asked: Asked,
  now: number
): boolean => {
  const leaf = path[0]
  if (leaf === undefined) return false
  return records.some((record) => {
    switch (record.usage) {
      case 0:
        return code === undefined && path.slice(1).some((certificate) => matchesRecord(certificate, record))
      case 1:
        return code === undefined && matchesRecord(leaf, record)
      case 2:
        return anchored(path, record, asked, now)
      default:
        return matchesRecord(leaf, record)
    }
  })
}
