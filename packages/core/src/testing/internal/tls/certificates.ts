/** Certificates for the stand-in: reading them, and who issued whom. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Certificate from "../../../Certificate.js"
import * as Der from "../../../internal/x509/der.js"
import { TlsError, type TlsPart } from "../../../TlsError.js"
import * as TlsTransport from "../../../TlsTransport.js"
import * as Pem from "./pem.js"
import { digest, equalBytes } from "./sha.js"
import { encode } from "./text.js"

export const bad = (part: TlsPart, detail: string): TlsError =>
  new TlsError({ reason: "BadMaterial", subject: "TLS context", part, detail })

// ---- who issued whom

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

/** The largest certificate that is read at all. */
export const largestCertificate = 256 * 1024

const labels = new Set(["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"])

const latin1 = new TextDecoder("latin1")

/** Text as it is, bytes as text where they are PEM. */
export const pemOf = (source: string | Uint8Array): string | undefined => {
  const text = typeof source === "string" ? source : latin1.decode(source)
  return Pem.isPem(text) ? text : undefined
}

/** The certificates of PEM text or of DER, at most `most` of them. */
export const read = (
  part: TlsPart,
  source: string | Uint8Array,
  most: number
): Effect.Effect<ReadonlyArray<Certificate.Certificate>, TlsError> =>
  Effect.gen(function*() {
    if (source.length > largestCertificate * (most === 1 ? 1 : 64)) {
      return yield* bad(part, `${source.length} bytes are too many`)
    }
    const pem = pemOf(source)
    const ders = pem === undefined
      ? [encode(source)]
      : Pem.blocks(pem).filter(({ label }) => labels.has(label)).map(({ der }) => der)
    if (ders.length === 0) return yield* bad(part, "there is no certificate in it")
    if (most > 1 && ders.length > most) return yield* bad(part, `more than ${most}`)
    const found: Array<Certificate.Certificate> = []
    for (const der of ders.slice(0, most)) {
      const certificate = der === undefined || der.length > largestCertificate ? undefined : fromDer(der)
      if (certificate === undefined) return yield* bad(part, "a certificate is malformed")
      found.push(certificate)
    }
    return found
  })
