/**
 * Private keys of DKIM: PEM to WebCrypto. RSA (RFC 6376) and Ed25519 (RFC 8463).
 */
import * as base64 from "../mime/base64.js"
import { runAll } from "../mime/transducer.js"

export type Algorithm = "rsa-sha256" | "ed25519-sha256"

export interface Key {
  readonly algorithm: Algorithm
  /** PKCS #8. */
  readonly der: Uint8Array
}

/** The algorithm identifiers of PKCS #8 (RFC 5208; RFC 8410), as they stand after the version. */
const rsa = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]
const ed25519 = [0x06, 0x03, 0x2b, 0x65, 0x70]

const holds = (der: Uint8Array, part: ReadonlyArray<number>): boolean => {
  // The identifier stands within the first bytes: a sequence, its version, another sequence.
  for (let at = 0; at < 24; at++) if (part.every((byte, index) => der[at + index] === byte)) return true
  return false
}

const lengthOf = (length: number): ReadonlyArray<number> =>
  length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]

const tagged = (tag: number, content: ReadonlyArray<number> | Uint8Array): Uint8Array =>
  Uint8Array.from([tag, ...lengthOf(content.length), ...content])

/** An RSA key by itself (PKCS #1), in the envelope of PKCS #8. */
const wrapped = (pkcs1: Uint8Array): Uint8Array => {
  const identifier = tagged(0x30, [...rsa, 0x05, 0x00])
  return tagged(0x30, [0x02, 0x01, 0x00, ...identifier, ...tagged(0x04, pkcs1)])
}

/** The key, or what is wrong with the text; never the text. */
export const parse = (pem: string): Key | string => {
  const found = /-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]*)-----END \1-----/.exec(pem)
  if (found === null) return "a private key in PEM: -----BEGIN PRIVATE KEY-----"
  const [, label, body] = found
  if (label === "ENCRYPTED PRIVATE KEY") return "a private key without a password: decrypt it first"
  if (label !== "PRIVATE KEY" && label !== "RSA PRIVATE KEY") return `a private key, and not a PEM of ${label}`
  const decoder = base64.decoder(false)
  const der = runAll(decoder, new TextEncoder().encode(body)).slice()
  if (decoder.fault !== undefined || der[0] !== 0x30) return "a private key whose PEM is whole"
  if (label === "RSA PRIVATE KEY") return { algorithm: "rsa-sha256", der: wrapped(der) }
  if (holds(der, rsa)) return { algorithm: "rsa-sha256", der }
  if (holds(der, ed25519)) return { algorithm: "ed25519-sha256", der }
  return "a key of RSA or Ed25519"
}

/** Signs by WebCrypto; the key is imported once. */
export const signer = (key: Key): (bytes: Uint8Array) => Promise<Uint8Array> => {
  const name = key.algorithm === "rsa-sha256" ? "RSASSA-PKCS1-v1_5" : "Ed25519"
  let imported: Promise<CryptoKey> | undefined
  return (bytes) => {
    imported ??= crypto.subtle.importKey(
      "pkcs8",
      key.der,
      key.algorithm === "rsa-sha256" ? { name, hash: "SHA-256" } : { name },
      false,
      ["sign"]
    )
    return imported
      .then((privateKey) => crypto.subtle.sign({ name }, privateKey, bytes))
      .then((signature) => new Uint8Array(signature))
  }
}
