/**
 * X.509 certificates: their fields, and who issued them (RFC 5280).
 *
 * @since 0.1.0
 */
import type * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { CertificateTypeId } from "./internal/typeIds.js"

/**
 * Marks a `Certificate`: `isCertificate` looks for it.
 *
 * @since 0.1.0
 * @category type ids
 */
export { CertificateTypeId as TypeId }

/**
 * One attribute of a distinguished name. RFC 5280, section 4.1.2.4.
 *
 * @since 0.1.0
 * @category models
 */
export interface NameAttribute {
  /** The dotted object identifier. */
  readonly oid: string
  /** The usual short name, `CN` or `O` for example; the identifier if it has none. */
  readonly name: string
  /** The value, with its control characters: do not print it as a line of text. `formatName` escapes them. */
  readonly value: string
}

/**
 * A distinguished name, its attributes in the order of the certificate.
 *
 * @since 0.1.0
 * @category models
 */
export type DistinguishedName = ReadonlyArray<NameAttribute>

/**
 * One subject alternative name. RFC 5280, section 4.2.1.6.
 *
 * @since 0.1.0
 * @category models
 */
export interface AlternativeName {
  readonly kind: "dns" | "ip" | "email" | "uri" | "directory" | "registeredId" | "other"
  readonly value: string
}

/**
 * An extension, as the certificate contains it. RFC 5280, section 4.2.
 *
 * @since 0.1.0
 * @category models
 */
export interface Extension {
  readonly oid: string
  /** The usual name, `keyUsage` for example; the identifier if it has none. */
  readonly name: string
  readonly critical: boolean
  /** The DER encoding of its value. */
  readonly value: Uint8Array
}

/**
 * The public key of a certificate.
 *
 * @since 0.1.0
 * @category models
 */
export interface PublicKey {
  /** The algorithm: `rsa`, `ec`, `ed25519` …, or its identifier. */
  readonly algorithm: string
  /** The size in bits of the modulus or of the curve's field; 0 if it is not known. */
  readonly bits: number
  /** The curve's name, for `ec`. */
  readonly curve: Option.Option<string>
  /** SubjectPublicKeyInfo in DER. */
  readonly der: Uint8Array
  readonly pem: string
}

/**
 * The hashes that `digest` knows.
 *
 * @since 0.1.0
 * @category models
 */
export type DigestAlgorithm = "sha1" | "sha256" | "sha384" | "sha512"

/**
 * A certificate.
 *
 * @since 0.1.0
 * @category models
 */
export interface Certificate {
  readonly [CertificateTypeId]: typeof CertificateTypeId
  readonly subject: DistinguishedName
  readonly issuer: DistinguishedName
  /** The serial number in hexadecimal, upper case, without leading zeros. */
  readonly serial: string
  readonly validFrom: Date
  readonly validTo: Date
  /** True if `at` (milliseconds since 1970, or a Date; default now) is within the validity, both ends included. */
  readonly validAt: (at?: Date | number) => boolean
  readonly alternativeNames: ReadonlyArray<AlternativeName>
  /** The digest of the whole certificate, in lower-case hexadecimal without colons. Default SHA-256. */
  readonly digest: (algorithm?: DigestAlgorithm) => string
  readonly der: Uint8Array
  readonly pem: string
  readonly publicKey: PublicKey
  readonly extensions: ReadonlyArray<Extension>
  /** The name of the signature's algorithm, `ecdsa-with-SHA256` for example. */
  readonly signatureAlgorithm: string
  /** True if this is the certificate of an authority (basicConstraints). */
  readonly isAuthority: boolean
  /** True if the certificate is for `host`, a name or a numeric address. RFC 9525; see `PeerIdentity`. */
  readonly isFor: (host: string) => boolean
  /** True if the private key of this certificate signed `other`, and `other` names this one as its issuer. */
  readonly issued: (other: Certificate) => boolean
  /** One line for a log: the subject, the issuer, and the end of the validity. */
  readonly toString: () => string
}

/**
 * True if `u` is a `Certificate`.
 *
 * @since 0.1.0
 * @category guards
 */
export const isCertificate = (u: unknown): u is Certificate => Predicate.hasProperty(u, CertificateTypeId)

/**
 * A distinguished name on one line, in the order of the certificate; special characters are escaped (RFC 4514, section
 * 2.4).
 *
 * @since 0.1.0
 * @category conversions
 */
export const formatName = (name: DistinguishedName): string =>
  name.map((attribute) => `${attribute.name}=${escapeValue(attribute.value)}`).join(", ")

const encoder = new TextEncoder()

/** Control characters of Latin-1, and what Unicode takes for the end of a line. */
const isUnseen = (code: number): boolean =>
  code < 0x20 || (code >= 0x7f && code < 0xa0) || code === 0x2028 || code === 0x2029

/** RFC 4514, section 2.4. */
const escapeValue = (value: string): string => {
  const characters = Array.from(value)
  return characters.map((character, index) => {
    if (isUnseen(character.charCodeAt(0))) {
      return Array.from(encoder.encode(character), (byte) => `\\${byte.toString(16).padStart(2, "0")}`).join("")
    }
    const isFirst = index === 0 && (character === " " || character === "#")
    const isLast = index === characters.length - 1 && character === " "
    return isFirst || isLast || `,+"\\<>;=`.includes(character) ? `\\${character}` : character
  }).join("")
}
