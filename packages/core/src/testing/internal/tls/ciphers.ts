/** The versions, ciphers and groups that the stand-in negotiates. */
import type { Version } from "../../../TlsContext.js"

// ---- versions

const versions: ReadonlyArray<Version> = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]

/** From the highest on. */
export const versionsBetween = (min: Version, max: Version): ReadonlyArray<Version> =>
  versions.slice(versions.indexOf(min), versions.indexOf(max) + 1).reverse()

// ---- ciphers

/** Which of a server's keys would sign. */
export type KeyKind = "ec" | "rsa" | "ed"

/** Nothing is encrypted with it: it is agreed on, and shown. */
export interface Cipher {
  readonly name: string
  readonly standardName: string
  readonly encryption: string
  readonly bits: number
  readonly mac: string
  readonly keyExchange: string
  readonly authentication: "any" | "ECDSA" | "RSA" | "PSK"
}

const modern = (name: string, encryption: string, bits: number): Cipher => ({
  name,
  standardName: name,
  encryption,
  bits,
  mac: "AEAD",
  keyExchange: "any",
  authentication: "any"
})

type Symmetric = readonly [suffix: string, standard: string, encryption: string, bits: number, mac: string]

const symmetric: ReadonlyArray<Symmetric> = [
  ["AES128-GCM-SHA256", "AES_128_GCM_SHA256", "AESGCM(128)", 128, "AEAD"],
  ["AES256-GCM-SHA384", "AES_256_GCM_SHA384", "AESGCM(256)", 256, "AEAD"],
  ["CHACHA20-POLY1305", "CHACHA20_POLY1305_SHA256", "CHACHA20/POLY1305", 256, "AEAD"],
  ["AES128-SHA256", "AES_128_CBC_SHA256", "AES(128)", 128, "SHA256"],
  ["AES128-SHA", "AES_128_CBC_SHA", "AES(128)", 128, "SHA1"],
  ["AES256-SHA", "AES_256_CBC_SHA", "AES(256)", 256, "SHA1"]
]

const older = (
  prefix: string,
  standard: string,
  keyExchange: string,
  authentication: Cipher["authentication"]
): ReadonlyArray<Cipher> =>
  symmetric.map(([suffix, standardSuffix, encryption, bits, mac]) => ({
    name: `${prefix}-${suffix}`,
    standardName: `TLS_${standard}_WITH_${standardSuffix}`,
    encryption,
    bits,
    mac,
    keyExchange,
    authentication
  }))

const ciphers13: ReadonlyArray<Cipher> = [
  modern("TLS_AES_256_GCM_SHA384", "AESGCM(256)", 256),
  modern("TLS_CHACHA20_POLY1305_SHA256", "CHACHA20/POLY1305", 256),
  modern("TLS_AES_128_GCM_SHA256", "AESGCM(128)", 128)
]

const ciphers12: ReadonlyArray<Cipher> = [
  ...older("ECDHE-ECDSA", "ECDHE_ECDSA", "ECDH", "ECDSA"),
  ...older("ECDHE-RSA", "ECDHE_RSA", "ECDH", "RSA"),
  ...older("DHE-RSA", "DHE_RSA", "DH", "RSA"),
  ...older("ECDHE-PSK", "ECDHE_PSK", "ECDHEPSK", "PSK")
]

const isModern = ({ name }: Cipher): boolean => name.startsWith("TLS_")

const byName = new Map([...ciphers13, ...ciphers12].map((cipher) => [cipher.name, cipher]))

export const findCipher = (name: string): Cipher | undefined => byName.get(name)

/**
 * Those that OpenSSL's list names, in its order; `undefined` when nothing is left. Names, `DEFAULT`, `HIGH` and `ALL` add,
 * what begins with `!` or `-` takes away; other words of that language are not known.
 */
export const chooseCiphers = (list: string | undefined, hasPsk: boolean): ReadonlyArray<Cipher> | undefined => {
  const usual = ciphers12.filter(({ authentication }) => hasPsk || authentication !== "PSK")
  if (list === undefined) return [...ciphers13, ...usual]
  const chosen = new Set<Cipher>()
  for (const word of list.split(/[:, ]+/)) {
    const known = findCipher(word)
    if (known !== undefined) chosen.add(known)
    else if (/^(DEFAULT|HIGH|ALL)\b/.test(word)) usual.forEach((cipher) => chosen.add(cipher))
    else if (/^[!-]/.test(word)) {
      for (const cipher of chosen) if (cipher.name.includes(word.slice(1))) chosen.delete(cipher)
    }
  }
  if (chosen.size === 0) return undefined
  const all = Array.from(chosen)
  return all.some(isModern) ? all : [...ciphers13, ...all]
}

/** True when a connection of the version can have it. */
export const fits = (cipher: Cipher, version: Version): boolean =>
  isModern(cipher)
    ? version === "TLSv1.3"
    : version !== "TLSv1.3" && (version === "TLSv1.2" || cipher.mac === "SHA1")

// ---- groups and signatures

const curves: ReadonlyArray<readonly [name: string, bits: number, ...others: ReadonlyArray<string>]> = [
  ["X25519", 253],
  ["prime256v1", 256, "P-256", "secp256r1"],
  ["X448", 448],
  ["secp521r1", 521, "P-521"],
  ["secp384r1", 384, "P-384"]
]

/** As OpenSSL calls them; `undefined` when one is not known. */
export const curveNames = (list: string | undefined): ReadonlyArray<string> | undefined => {
  if (list === undefined || list === "auto") return curves.map(([name]) => name)
  const found = list.split(":").map((word) =>
    curves.find(([name, , ...others]) => [name, ...others].some((known) => known.toLowerCase() === word.toLowerCase()))
      ?.[0]
  )
  return found.every((name) => name !== undefined) ? found as ReadonlyArray<string> : undefined
}

export const curveBits = (name: string): number => curves.find(([known]) => known === name)?.[1] ?? 0

const allKinds: ReadonlySet<KeyKind> = new Set<KeyKind>(["ec", "rsa", "ed"])

/** The kinds of keys that the list of signature algorithms is for. */
export const signatureKinds = (list: string | undefined): ReadonlySet<KeyKind> | undefined => {
  if (list === undefined) return allKinds
  const kinds = new Set<KeyKind>()
  for (const word of list.split(":")) {
    if (/^ecdsa/i.test(word)) kinds.add("ec")
    else if (/^rsa/i.test(word)) kinds.add("rsa")
    else if (/^ed(25519|448)$/i.test(word)) kinds.add("ed")
  }
  return kinds.size === 0 ? undefined : kinds
}
