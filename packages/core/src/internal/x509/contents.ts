/** What a piece of TLS material is, decided by its own form and never by what a library says of it. */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Der from "./der.js"
import { oidName } from "./oids.js"
import * as Pem from "./pem.js"
import { bitLength, publicKeyOf } from "./x509.js"

/** What a DER encoding is. */
export type Kind =
  | "certificate"
  | "crl"
  | "request"
  | "pkcs8"
  | "pkcs1"
  | "sec1"
  | "encryptedKey"
  | "publicKey"
  | "dhparam"
  | "pkcs7"
  | "pkcs12"

export const kindNames: Readonly<Record<Kind, string>> = {
  certificate: "a certificate",
  crl: "a revocation list",
  request: "a certificate request",
  pkcs8: "a private key",
  pkcs1: "a private RSA key",
  sec1: "a private EC key",
  encryptedKey: "an encrypted private key",
  publicKey: "a public key",
  dhparam: "Diffie-Hellman parameters",
  pkcs7: "a PKCS#7 file",
  pkcs12: "a PKCS#12 file (.p12 or .pfx)"
}

const [integer, bits, octets, identifier, sequence] = [0x02, 0x03, 0x04, 0x06, 0x30]

const kindOfSigned = (body: Der.Element): Kind | undefined => {
  const fields = Der.children(body).map(({ tag }) => tag)
  // Tagged, the version of a certificate; plain, its serial number, or the version of a list or of a request.
  if (fields[0] === 0xa0) return "certificate"
  const rest = fields[0] === integer ? fields.slice(1) : fields
  if (rest[2] === 0x17 || rest[2] === 0x18) return "crl"
  if (fields[0] !== integer) return undefined
  return rest.length >= 5 ? "certificate" : rest.length >= 2 ? "request" : undefined
}

const shapeOf = (der: Uint8Array): Kind | undefined => {
  const fields = Der.children(Der.expect(Der.read(der), sequence, "sequence"))
  const [first, second, third] = fields
  if (first?.tag === identifier) return Der.oid(first).startsWith("1.2.840.113549.1.7.") ? "pkcs7" : undefined
  if (first?.tag === sequence) {
    if (second?.tag === octets) return "encryptedKey"
    if (second?.tag === bits) return "publicKey"
    return second?.tag === sequence && third?.tag === bits ? kindOfSigned(first) : undefined
  }
  if (first?.tag !== integer) return undefined
  if (second?.tag === octets) return "sec1"
  if (second?.tag === sequence) {
    if (third?.tag === octets) return "pkcs8"
    const [type] = Der.children(second)
    return type?.tag === identifier && Der.oid(type).startsWith("1.2.840.113549.1.7.") ? "pkcs12" : undefined
  }
  if (!fields.every(({ tag }) => tag === integer)) return undefined
  return fields.length >= 9 ? "pkcs1" : fields.length <= 3 && fields.length >= 2 ? "dhparam" : undefined
}

const quiet = <A>(read: () => A): A | undefined => Option.getOrUndefined(Option.liftThrowable(read)())

export const kindOf = (der: Uint8Array): Kind | undefined => quiet(() => shapeOf(der))

const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? "" : "s"}`

/** How a sequence is cut, where its header says that it is longer than what is there. */
export const cutOf = (der: Uint8Array): string | undefined => {
  if (der[0] !== sequence || (der[1] ?? 0) < 0x80) return undefined
  const header = (der[1] ?? 0) & 0x7f
  if (header < 1 || header > 4 || der.length < 2 + header) return undefined
  const length = der.subarray(2, 2 + header).reduce((sum, byte) => sum * 256 + byte, 0) + 2 + header
  return length > der.length ? `only ${der.length} of its ${count(length, "byte")} are there` : undefined
}

const latin1 = new TextDecoder("latin1")

export const textOf = (bytes: Uint8Array): string => latin1.decode(bytes)

export interface Found {
  /** A noun: `text without PEM (7 characters)`. It shows the form and never the contents. */
  readonly what: string
  /** What to do, where the kind itself tells. */
  readonly advice: string | undefined
}

const conversions: Readonly<Record<string, string>> = {
  pkcs12: "split it with `openssl pkcs12 -in FILE -nodes -out FILE.pem`",
  pkcs7: "take its certificates out with `openssl pkcs7 -print_certs -in FILE`",
  request: "an authority makes a certificate of it; give that one",
  publicKey: "the private key is needed",
  "OPENSSH PRIVATE KEY": "convert it with `ssh-keygen -p -m PKCS8 -f FILE`",
  PKCS7: "take its certificates out with `openssl pkcs7 -print_certs -in FILE`",
  "CERTIFICATE REQUEST": "an authority makes a certificate of it; give that one",
  "NEW CERTIFICATE REQUEST": "an authority makes a certificate of it; give that one"
}

/** What other programs' files begin with. */
const foreign: ReadonlyArray<readonly [RegExp, string, string]> = [
  [/^PuTTY-User-Key-File/, "a key of PuTTY", "export it from PuTTYgen in OpenSSL's format"],
  [
    /^(ssh-(rsa|dss|ed25519)|ecdsa-sha2-\S+|sk-\S+) /,
    "a public key of SSH",
    "TLS takes keys and certificates of X.509"
  ],
  [/^(\xfe\xed\xfe\xed|\xce\xce\xce\xce)/, "a key store of Java", "export what is needed from it with `keytool`"],
  [
    /^\s*<(!doctype|html|\?xml)/i,
    "HTML or XML",
    "the file was fetched from a page that shows it; fetch the file itself"
  ],
  [/^\s*[[{][\s\S]*[\]}]\s*$/, "JSON", "give the field that contains the PEM text"]
]

const path = /^(\.{0,2}|~|[a-z]:|file:)[\\/][^\n]*$|^[^\n]*\.(pem|key|crt|cer|der|p12|pfx|jks|csr|crl)$/i

const ofText = (text: string): Found => {
  const trimmed = text.trim()
  if (trimmed.length <= 4096 && path.test(trimmed)) {
    return { what: "text that looks like a path", advice: "give a file as `{ path: … }`" }
  }
  const der = /^[A-Za-z0-9+/\s]+=*$/.test(trimmed) ? Encoding.decodeBase64(trimmed.replace(/\s/g, "")) : undefined
  const kind = der !== undefined && Either.isRight(der) ? kindOf(der.right) : undefined
  if (kind !== undefined) {
    return {
      what: `${kindNames[kind]} in base64 without its first and last line`,
      advice: "put `-----BEGIN …-----` and `-----END …-----` around it, or give the decoded bytes"
    }
  }
  return { what: `text without PEM (${count(text.length, "character")})`, advice: undefined }
}

const ofPem = (text: string): Found => {
  const blocks = Pem.blocks(text)
  const [first] = blocks
  if (first === undefined) return { what: "a PEM text whose first line is malformed", advice: undefined }
  if (first.problem !== undefined && /\\n/.test(text)) {
    return {
      what: "PEM whose line ends are written as `\\n`",
      advice: "replace them, as `text.replaceAll(\"\\\\n\", \"\\n\")` does"
    }
  }
  const labels = Array.from(new Set(blocks.map(({ label }) => label)))
  const shown = labels.slice(0, 4).map((one) => `"${one}"`).join(", ")
  return {
    what: `PEM with ${labels.length === 1 ? "the label" : "the labels"} ${shown}${labels.length > 4 ? " …" : ""}`,
    advice: labels.map((label) => conversions[label]).find((one) => one !== undefined)
  }
}

/** What `bytes` are, for a message: nothing of what they contain is in it. */
export const describe = (bytes: Uint8Array): Found => {
  if (bytes.length === 0) return { what: "nothing (0 bytes)", advice: "see whether the variable or the file is filled" }
  const head = textOf(bytes.subarray(0, 64))
  if (/^(\xff\xfe|\xfe\xff|-\0|\0-)/.test(head)) return { what: "text in UTF-16", advice: "save it as UTF-8" }
  const text = textOf(bytes)
  if (Pem.isPem(text)) return ofPem(text)
  const kind = kindOf(bytes)
  if (kind !== undefined) return { what: `${kindNames[kind]} in DER`, advice: conversions[kind] }
  const cut = cutOf(bytes)
  if (cut !== undefined) return { what: `DER that is cut: ${cut}`, advice: "take the whole file" }
  const other = foreign.find(([begin]) => begin.test(text))
  if (other !== undefined) return { what: other[1], advice: other[2] }
  // oxlint-disable-next-line no-control-regex
  return /[\0-\x08\x0e-\x1f]/.test(text)
    ? { what: `${count(bytes.length, "byte")} that are neither PEM nor DER`, advice: undefined }
    : ofText(text)
}

/** What is known of the key in `der`: "RSA, 2048 bits", "EC on P-256", "Ed25519"; `undefined` when it cannot be told. */
export const keyWords = (der: Uint8Array): string | undefined =>
  quiet(() => {
    const kind = shapeOf(der)
    const fields = Der.children(Der.read(der))
    if (kind === "pkcs1") return rsaWords(bitLength(fields[1]!.bytes))
    if (kind === "sec1") {
      const parameters = fields.find(({ tag }) => tag === 0xa0)
      return ecWords(parameters === undefined ? undefined : oidName(Der.oid(Der.read(parameters.bytes))))
    }
    if (kind === "pkcs8") {
      const [type, parameters] = Der.children(fields[1]!)
      const name = oidName(Der.oid(type!))
      if (name === "rsa" || name === "rsa-pss") return keyWords(fields[2]!.bytes)
      return name === "ec" ? ecWords(parameters?.tag === identifier ? oidName(Der.oid(parameters)) : undefined) : name
    }
    if (kind !== "certificate") return undefined
    const body = Der.children(fields[0]!)
    const key = publicKeyOf(body[body[0]!.tag === 0xa0 ? 6 : 5]!)
    if (key.algorithm === "rsa" || key.algorithm === "rsa-pss") return rsaWords(key.bits)
    return key.algorithm === "ec" ? ecWords(Option.getOrUndefined(key.curve)) : key.algorithm
  })

const rsaWords = (size: number): string => `RSA, ${size} bits`

const ecWords = (curve: string | undefined): string => curve === undefined ? "EC" : `EC on ${curve}`

const usualEncryptions = new Set([
  "2.16.840.1.101.3.4.1.2",
  "2.16.840.1.101.3.4.1.22",
  "2.16.840.1.101.3.4.1.42",
  "1.2.840.113549.3.7"
])

/**
 * True when every OpenSSL can decrypt the key, so that a failure is the passphrase's: AES-CBC or triple DES, by PBES2
 * (RFC 8018, section 6.2) or by the headers of an older key.
 */
export const isUsuallyEncrypted = (der: Uint8Array, headers: string): boolean => {
  if (headers !== "") return /DEK-Info: *(AES-(128|192|256)-CBC|DES-EDE3-CBC),/i.test(headers)
  return quiet(() => {
    const [scheme, parameters] = Der.children(Der.children(Der.read(der))[0]!)
    if (Der.oid(scheme!) !== "1.2.840.113549.1.5.13") return false
    return usualEncryptions.has(Der.oid(Der.children(Der.children(parameters!)[1]!)[0]!))
  }) === true
}
