/** Certificates for the stand-in: reading them, and finding their issuers. */
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Certificate from "../../../Certificate.js"
import { orFail } from "../../../internal/effect/eithers.js"
import * as Der from "../../../internal/x509/der.js"
import type { TlsError } from "../../../TlsError.js"
import * as TlsMaterial from "../../../TlsMaterial.js"
import * as TlsTransport from "../../../TlsTransport.js"
import { digest, equalBytes } from "./sha.js"

// ---- issuers

export const extension = (
  certificate: Certificate.Certificate,
  name: string
): Certificate.Extension | undefined => certificate.extensions.find((one) => one.name === name)

const sameName = (one: Certificate.DistinguishedName, other: Certificate.DistinguishedName): boolean =>
  one.length === other.length &&
  one.every(({ oid, value }, index) => oid === other[index]!.oid && value === other[index]!.value)

/** True for a root, which names itself as its issuer. */
export const isSelfIssued = ({ issuer, subject }: Certificate.Certificate): boolean => sameName(subject, issuer)

const keyIdOf = (certificate: Certificate.Certificate): Uint8Array | undefined => {
  const found = extension(certificate, "subjectKeyIdentifier")
  return found === undefined ? undefined : Der.read(found.value).bytes
}

const issuerKeyIdOf = (certificate: Certificate.Certificate): Uint8Array | undefined => {
  const found = extension(certificate, "authorityKeyIdentifier")
  return found === undefined
    ? undefined
    : Der.children(Der.read(found.value)).find(({ tag }) => tag === 0x80)?.bytes
}

const quiet = <A>(make: () => A): A | undefined => Option.getOrUndefined(Option.liftThrowable(make)())

/**
 * True when `issuer` is who `certificate` says that issued it: by the name, and by the key's identifier where both have
 * it. Signatures are not checked: there is nothing here to check them with.
 */
export const isIssuedBy = (certificate: Certificate.Certificate, issuer: Certificate.Certificate): boolean => {
  if (!sameName(certificate.issuer, issuer.subject)) return false
  const [wanted, shown] = [quiet(() => issuerKeyIdOf(certificate)), quiet(() => keyIdOf(issuer))]
  return wanted === undefined || shown === undefined || equalBytes(wanted, shown)
}

// ---- reading

const crypto: TlsTransport.CertificateCrypto = {
  digest,
  issued: (issuer, der) => {
    const [parent, child] = [fromDer(issuer), fromDer(der)]
    return parent !== undefined && child !== undefined && isIssuedBy(child, parent)
  }
}

/** `undefined` when it is malformed. */
export const fromDer = (der: Uint8Array): Certificate.Certificate | undefined =>
  Option.getOrUndefined(TlsTransport.fromDer(der, crypto))

/** Throws when it is malformed. */
export const readCertificate = (der: Uint8Array): Certificate.Certificate =>
  Option.getOrThrow(TlsTransport.fromDer(der, crypto))

/** The certificates of PEM text or of DER, at most `most` of them. */
export const read = (
  source: string | Uint8Array,
  most: number
): Effect.Effect<ReadonlyArray<Certificate.Certificate>, TlsError> =>
  orFail(TlsMaterial.parse(source, most, readCertificate))
