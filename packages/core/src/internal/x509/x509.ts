/** Reads a certificate from DER (RFC 5280). */
import * as Option from "effect/Option"
import {
  type AlternativeName,
  type Certificate,
  type DigestAlgorithm,
  type DistinguishedName,
  type Extension,
  formatName,
  type PublicKey
} from "../../Certificate.js"
import * as PeerIdentity from "../../PeerIdentity.js"
import type { CertificateCrypto } from "../../TlsTransport.js"
import { CertificateTypeId } from "../typeIds.js"
import * as Der from "./der.js"
import { curveBits, oidName } from "./oids.js"
import * as Pem from "./pem.js"

const sequence = 0x30

const nameOf = (element: Der.Element): DistinguishedName =>
  Der.children(element).flatMap((set) =>
    Der.children(set).map((attribute) => {
      const [type, value] = Der.children(attribute)
      const oid = Der.oid(Der.expect(type, 0x06, "attribute type"))
      return { oid, name: oidName(oid), value: value === undefined ? "" : Der.text(value) }
    })
  )

const ipText = (bytes: Uint8Array): string => {
  if (bytes.length === 4) return bytes.join(".")
  if (bytes.length !== 16) return Der.hex(bytes)
  const groups: Array<number> = []
  for (let at = 0; at < 16; at += 2) groups.push(bytes[at]! * 256 + bytes[at + 1]!)
  // RFC 5952, section 4.2: the longest run of zeros, the first of equal ones, and never a single one.
  let best = { from: 0, length: 1 }
  for (let from = 0; from < 8; from += 1) {
    let length = 0
    while (groups[from + length] === 0) length += 1
    if (length > best.length) best = { from, length }
  }
  const shown = groups.map((group) => group.toString(16))
  return best.length < 2
    ? shown.join(":")
    : `${shown.slice(0, best.from).join(":")}::${shown.slice(best.from + best.length).join(":")}`
}

const alternativeName = (element: Der.Element): AlternativeName => {
  switch (element.tag & 0x1f) {
    case 1:
      return { kind: "email", value: Der.latin1(element.bytes) }
    case 2:
      return { kind: "dns", value: Der.latin1(element.bytes) }
    case 4:
      return { kind: "directory", value: formatName(nameOf(Der.read(element.bytes))) }
    case 6:
      return { kind: "uri", value: Der.latin1(element.bytes) }
    case 7:
      return { kind: "ip", value: ipText(element.bytes) }
    case 8:
      return { kind: "registeredId", value: Der.oid(element) }
    default:
      return { kind: "other", value: Der.hex(element.bytes) }
  }
}

export const bitLength = (bytes: Uint8Array): number => {
  let from = 0
  while (bytes[from] === 0) from += 1
  const first = bytes[from]
  return first === undefined ? 0 : (bytes.length - from - 1) * 8 + (32 - Math.clz32(first))
}

export const publicKeyOf = (info: Der.Element): PublicKey => {
  const [algorithm, key] = Der.children(info)
  const [type, parameters] = Der.children(Der.expect(algorithm, sequence, "key algorithm"))
  const name = oidName(Der.oid(Der.expect(type, 0x06, "key algorithm")))
  let bits = curveBits[name] ?? 0
  let curve: string | undefined
  if (name === "rsa" || name === "rsa-pss") {
    const [modulus] = Der.children(Der.read(Der.expect(key, 0x03, "key").bytes.subarray(1)))
    bits = bitLength(Der.expect(modulus, 0x02, "modulus").bytes)
  } else if (name === "ec" && parameters?.tag === 0x06) {
    curve = oidName(Der.oid(parameters))
    bits = curveBits[curve] ?? 0
  }
  const der = info.whole.slice()
  return { algorithm: name, bits, curve: Option.fromNullable(curve), der, pem: Pem.encode("PUBLIC KEY", der) }
}

/** The algorithm's name; RSASSA-PSS carries its hash in the parameters (RFC 4055, section 3.1). */
const signatureName = (algorithm: Der.Element): string => {
  const [type, parameters] = Der.children(algorithm)
  const name = oidName(Der.oid(Der.expect(type, 0x06, "signature algorithm")))
  if (name !== "rsa-pss" || parameters?.tag !== sequence) return name
  const hash = Der.children(parameters).find(({ tag }) => tag === 0xa0)
  const oid = hash === undefined ? undefined : Der.children(Der.read(hash.bytes))[0]
  return oid === undefined ? "rsassaPss-sha1" : `rsassaPss-${oidName(Der.oid(oid))}`
}

const subjectAltName = "2.5.29.17"
const basicConstraints = "2.5.29.19"

class X509 implements Certificate {
  readonly [CertificateTypeId]: typeof CertificateTypeId = CertificateTypeId
  readonly der: Uint8Array
  readonly subject: DistinguishedName
  readonly issuer: DistinguishedName
  readonly serial: string
  readonly validFrom: Date
  readonly validTo: Date
  readonly publicKey: PublicKey
  readonly extensions: ReadonlyArray<Extension>
  readonly alternativeNames: ReadonlyArray<AlternativeName>
  readonly isAuthority: boolean
  readonly signatureAlgorithm: string
  private readonly crypto: CertificateCrypto

  constructor(bytes: Uint8Array, crypto: CertificateCrypto) {
    this.crypto = crypto
    const certificate = Der.expect(Der.read(new Uint8Array(bytes)), sequence, "certificate")
    this.der = certificate.whole
    const [body, algorithm] = Der.children(certificate)
    const fields = Der.children(Der.expect(body, sequence, "certificate body"))
    // The version is there unless it is 1.
    if (fields[0]?.tag === 0xa0) fields.shift()
    const [serial, , issuer, validity, subject, key, ...rest] = fields
    this.serial = Der.hex(Der.expect(serial, 0x02, "serial number").bytes).replace(/^0+(?=.)/, "").toUpperCase()
    this.issuer = nameOf(Der.expect(issuer, sequence, "issuer"))
    const [from, to] = Der.children(Der.expect(validity, sequence, "validity"))
    this.validFrom = Der.time(from ?? Der.expect(from, 0x17, "date"))
    this.validTo = Der.time(to ?? Der.expect(to, 0x17, "date"))
    this.subject = nameOf(Der.expect(subject, sequence, "subject"))
    this.publicKey = publicKeyOf(Der.expect(key, sequence, "public key"))
    const list = rest.find(({ tag }) => tag === 0xa3)
    this.extensions = list === undefined ? [] : Der.children(Der.read(list.bytes)).map(extensionOf)
    const names = this.extensions.find(({ oid }) => oid === subjectAltName)
    this.alternativeNames = names === undefined ? [] : Der.children(Der.read(names.value)).map(alternativeName)
    const constraints = this.extensions.find(({ oid }) => oid === basicConstraints)
    const [authority] = constraints === undefined ? [] : Der.children(Der.read(constraints.value))
    this.isAuthority = authority?.tag === 0x01 && authority.bytes[0] !== 0
    this.signatureAlgorithm = signatureName(Der.expect(algorithm, sequence, "signature algorithm"))
  }

  get pem(): string {
    return Pem.encode("CERTIFICATE", this.der)
  }

  validAt(at: Date | number = Date.now()): boolean {
    const time = typeof at === "number" ? at : at.getTime()
    return time >= this.validFrom.getTime() && time <= this.validTo.getTime()
  }

  digest(algorithm: DigestAlgorithm = "sha256"): string {
    return Der.hex(this.crypto.digest(algorithm, this.der))
  }

  isFor(host: string): boolean {
    return PeerIdentity.check(this, host) === undefined
  }

  issued(other: Certificate): boolean {
    return this.crypto.issued(this.der, other.der)
  }

  toString(): string {
    return `Certificate(${formatName(this.subject)}; by ${
      formatName(this.issuer)
    }; until ${this.validTo.toISOString()})`
  }
}

const extensionOf = (element: Der.Element): Extension => {
  const parts = Der.children(element)
  const oid = Der.oid(Der.expect(parts[0], 0x06, "extension"))
  const critical = parts.length === 3 && parts[1]!.tag === 0x01 && parts[1]!.bytes[0] !== 0
  return { oid, name: oidName(oid), critical, value: Der.expect(parts.at(-1), 0x04, "extension's value").bytes.slice() }
}

/** Throws `Malformed`. */
export const parse = (der: Uint8Array, crypto: CertificateCrypto): Certificate => new X509(der, crypto)
