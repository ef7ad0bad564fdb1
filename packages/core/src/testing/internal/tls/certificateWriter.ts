/**
 * Certificates that are well formed and worth nothing: the keys are random bytes, the signatures too. Everything else is
 * as RFC 5280 wants it, so a check that ignores signatures can distinguish good ones from bad ones.
 */
import * as DerReader from "../../../internal/x509/der.js"
import * as Pem from "../../../internal/x509/pem.js"
import { addressBytes } from "../../../PeerIdentity.js"
import * as Der from "./derWriter.js"
import { digest, expand } from "./sha.js"

/** A certificate and its key, in DER. */
export interface Written {
  readonly certificate: Uint8Array
  readonly key: Uint8Array
}

export interface Description {
  readonly commonName: string
  readonly names: ReadonlyArray<string>
  readonly notBefore: Date
  readonly notAfter: Date
  /** Its certificate in DER; `undefined` for one that signs itself. */
  readonly issuer: Uint8Array | undefined
  readonly isAuthority: boolean
  readonly pathLength: number | undefined
  readonly usages: ReadonlyArray<"client" | "server">
  readonly seed: number
}

const ecdsaWithSha256 = Der.sequence(Der.oid("1.2.840.10045.4.3.2"))
const ecPublicKey = Der.sequence(Der.oid("1.2.840.10045.2.1"), Der.oid("1.2.840.10045.3.1.7"))

const nameOf = (commonName: string): Uint8Array => {
  const attribute = (oid: string, value: string): Uint8Array =>
    Der.element(0x31, Der.sequence(Der.oid(oid), Der.utf8(value)))
  return Der.sequence(attribute("2.5.4.3", commonName), attribute("2.5.4.10", "Copas"))
}

/** The fields of a certificate of version 3. */
const fieldsOf = (certificate: Uint8Array): ReadonlyArray<DerReader.Element> =>
  DerReader.children(DerReader.children(DerReader.read(certificate))[0]!)

const subjectOf = (certificate: Uint8Array): Uint8Array => fieldsOf(certificate)[5]!.whole

/** RFC 5280, section 4.2.1.2: the SHA-1 of the key's bits. */
const keyIdOf = (publicKey: DerReader.Element): Uint8Array =>
  digest("sha1", DerReader.children(publicKey)[1]!.bytes.subarray(1))

const signature = (seed: string, body: Uint8Array): Uint8Array =>
  Der.bits(Der.sequence(Der.integer(expand(32, seed, "r", body)), Der.integer(expand(32, seed, "s", body))))

const signed = (body: Uint8Array, seed: string): Uint8Array =>
  Der.sequence(body, ecdsaWithSha256, signature(seed, body))

const usageOids = { server: "1.3.6.1.5.5.7.3.1", client: "1.3.6.1.5.5.7.3.2" } as const

const alternativeName = (name: string): Uint8Array => {
  const address = addressBytes(name)
  return address === undefined ? Der.element(0x82, Der.latin1(name)) : Der.element(0x87, address)
}

const extensionsOf = (
  { isAuthority, names, pathLength, usages }: Description,
  keyId: Uint8Array,
  issuerKeyId: Uint8Array
): ReadonlyArray<Uint8Array> => {
  const extension = (oid: string, isCritical: boolean, value: Uint8Array): Uint8Array =>
    Der.sequence(Der.oid(oid), ...(isCritical ? [Der.boolean(true)] : []), Der.octets(value))
  const authority = isAuthority ? [Der.boolean(true)] : []
  const length = pathLength === undefined ? [] : [Der.integer(Uint8Array.of(pathLength))]
  return [
    extension("2.5.29.19", true, Der.sequence(...authority, ...length)),
    extension("2.5.29.14", false, Der.octets(keyId)),
    extension("2.5.29.35", false, Der.sequence(Der.element(0x80, issuerKeyId))),
    // keyCertSign and cRLSign, or digitalSignature.
    extension("2.5.29.15", true, isAuthority ? Der.bits(Uint8Array.of(0x06), 1) : Der.bits(Uint8Array.of(0x80), 7)),
    ...(usages.length === 0
      ? []
      : [extension("2.5.29.37", false, Der.sequence(...usages.map((usage) => Der.oid(usageOids[usage]))))]),
    ...(names.length === 0 ? [] : [extension("2.5.29.17", false, Der.sequence(...names.map(alternativeName)))])
  ]
}

/** The same description gives the same certificate, and another one another. */
export const write = (description: Description): Written => {
  const { commonName, issuer, names, notAfter, notBefore, seed } = description
  const subject = nameOf(commonName)
  const source = JSON.stringify([seed, commonName, names, notBefore, notAfter, description.usages])
  const random = (length: number, label: string): Uint8Array =>
    expand(length, source, label, issuer ?? new Uint8Array(0))
  const point = random(65, "public")
  point[0] = 0x04
  const publicKey = Der.sequence(ecPublicKey, Der.bits(point))
  const keyId = keyIdOf(DerReader.read(publicKey))
  const serial = random(8, "serial")
  serial[0] = 0x40 | (serial[0]! & 0x3f)
  const body = Der.sequence(
    Der.element(0xa0, Der.integer(Uint8Array.of(2))),
    Der.integer(serial),
    ecdsaWithSha256,
    issuer === undefined ? subject : subjectOf(issuer),
    Der.sequence(Der.time(notBefore), Der.time(notAfter)),
    subject,
    publicKey,
    Der.element(
      0xa3,
      Der.sequence(
        ...extensionsOf(description, keyId, issuer === undefined ? keyId : keyIdOf(fieldsOf(issuer)[6]!))
      )
    )
  )
  const privateKey = Der.sequence(
    Der.integer(Uint8Array.of(1)),
    Der.octets(random(32, "private")),
    Der.element(0xa1, Der.bits(point))
  )
  return {
    certificate: signed(body, source),
    key: Der.sequence(Der.integer(Uint8Array.of(0)), ecPublicKey, Der.octets(privateKey))
  }
}

/** @param revoked certificates in DER */
export const writeRevocationList = (
  issuer: Uint8Array,
  revoked: ReadonlyArray<Uint8Array>,
  thisUpdate: Date,
  nextUpdate: Date
): Uint8Array => {
  const entries = revoked.map((certificate) => Der.sequence(fieldsOf(certificate)[1]!.whole, Der.time(thisUpdate)))
  const body = Der.sequence(
    Der.integer(Uint8Array.of(1)),
    ecdsaWithSha256,
    subjectOf(issuer),
    Der.time(thisUpdate),
    Der.time(nextUpdate),
    ...(entries.length === 0 ? [] : [Der.sequence(...entries)])
  )
  return signed(body, "revocation list")
}

export const certificatePem = (der: Uint8Array): string => Pem.encode("CERTIFICATE", der)

/** The first certificate of a PEM text. */
export const derOf = (pem: string): Uint8Array => Pem.blocks(pem)[0]!.der!
