/** Reads and checks the material of a context: certificates, keys, authorities, lists. */
import type { CommonContextOptions, Identity, Material } from "@copas/core/TlsContext"
import { TlsError, type TlsPart } from "@copas/core/TlsError"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as Tls from "node:tls"
import { codeOf } from "./errors.js"

/** More than any certificate or list of them has; a file that is larger is something else. */
const largestFile = 16 * 1024 * 1024
/** The largest certificate that is read at all. */
export const largestCertificate = 256 * 1024

export const bad = (part: TlsPart, detail: string | undefined, cause: unknown): TlsError => {
  const code = codeOf(cause)
  return new TlsError({
    reason: "BadMaterial",
    subject: "TLS context",
    part,
    ...(code === undefined ? {} : { code }),
    ...(detail === undefined ? {} : { detail }),
    ...(cause === undefined ? {} : { cause })
  })
}

/** What may throw, with its error named. */
export const tryPart = <A>(part: TlsPart, detail: string | undefined, make: () => A): Effect.Effect<A, TlsError> =>
  Effect.try({ try: make, catch: (cause) => bad(part, detail, cause) })

const listOf = <A>(value: A | ReadonlyArray<A> | undefined): ReadonlyArray<A> =>
  value === undefined ? [] : Array.isArray(value) ? value : [value as A]

// ---- bytes

interface Loaded {
  readonly bytes: Buffer
  /** The path, where there is one. */
  readonly from: string | undefined
}

const isHashed = /\.(pem|crt|cer)$|^[0-9a-f]{8}\.\d+$/i

const readFile = (part: TlsPart, path: string): Effect.Effect<Loaded, TlsError> =>
  Effect.tryPromise({
    try: async () => {
      const stats = await Fs.stat(path)
      if (!stats.isFile()) throw new Error("it is not a file")
      const { size } = stats
      if (size > largestFile) throw new Error(`${size} bytes are too many`)
      return { bytes: await Fs.readFile(path), from: path }
    },
    catch: (cause) => bad(part, path, cause)
  })

const load = (part: TlsPart, material: Material): Effect.Effect<ReadonlyArray<Loaded>, TlsError> => {
  if (typeof material === "string") return Effect.succeed([{ bytes: Buffer.from(material), from: undefined }])
  if (material instanceof Uint8Array) return Effect.succeed([{ bytes: Buffer.from(material), from: undefined }])
  if (Redacted.isRedacted(material)) {
    const value = Redacted.value(material as Redacted.Redacted<string | Uint8Array>)
    return load(part, value)
  }
  if ("path" in material) return Effect.map(readFile(part, material.path), (loaded) => [loaded])
  return Effect.tryPromise({
    try: () => Fs.readdir(material.directory),
    catch: (cause) => bad(part, material.directory, cause)
  }).pipe(
    Effect.flatMap((names) =>
      Effect.forEach(
        names.filter((name) => isHashed.test(name)).sort(),
        (name) => readFile(part, Path.join(material.directory, name))
      )
    )
  )
}

const pemBegin = /-----BEGIN ([A-Z0-9 ]+)-----/

const isPem = (bytes: Buffer): boolean => bytes.includes("-----BEGIN ")

const toPem = (label: string, der: Uint8Array): string => {
  const lines = Buffer.from(der).toString("base64").match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`
}

/** The blocks of a PEM text with one of `labels`; other text between them is passed over (RFC 7468, section 5.2). */
export const blocks = (text: string, labels: ReadonlyArray<string>): Array<string> => {
  const found: Array<string> = []
  let at = 0
  for (;;) {
    const rest = pemBegin.exec(text.slice(at))
    if (rest === null) return found
    const label = rest[1]!
    const begin = at + rest.index
    const mark = `-----END ${label}-----`
    const end = text.indexOf(mark, begin)
    if (end === -1) {
      found.push(text.slice(begin))
      return found
    }
    at = end + mark.length
    if (labels.includes(label)) found.push(`${text.slice(begin, at)}\n`)
  }
}

const certificateLabels = ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"]

/** Splits a bundle into PEM certificates; every one of them can be read. */
const certificates = (
  part: "certificate" | "ca",
  { bytes, from }: Loaded
): Effect.Effect<ReadonlyArray<string>, TlsError> =>
  Effect.gen(function*() {
    const pems = isPem(bytes) ? blocks(bytes.toString("latin1"), certificateLabels) : [toPem("CERTIFICATE", bytes)]
    if (pems.length === 0) return yield* bad(part, from ?? "there is no certificate in it", undefined)
    for (const pem of pems) {
      if (pem.length > largestCertificate) return yield* bad(part, `${from ?? "one"} is too large`, undefined)
      yield* tryPart(part, from, () => new Crypto.X509Certificate(pem))
    }
    return pems
  })

// ---- identities

const passphraseCodes = new Set([
  "ERR_MISSING_PASSPHRASE",
  "ERR_OSSL_BAD_DECRYPT",
  "ERR_OSSL_EVP_BAD_DECRYPT",
  "ERR_OSSL_CRYPTO_INTERRUPTED_OR_CANCELLED",
  "ERR_OSSL_PEM_BAD_PASSWORD_READ",
  "ERR_OSSL_WRONG_FINAL_BLOCK_LENGTH"
])

const readKey = (
  { bytes, from }: Loaded,
  passphrase: string | undefined
): Effect.Effect<Crypto.KeyObject, TlsError> => {
  const attempt = (type: "pkcs8" | "sec1" | "pkcs1" | undefined): Crypto.KeyObject =>
    Crypto.createPrivateKey({
      key: bytes,
      ...(type === undefined ? { format: "pem" } : { format: "der", type }),
      ...(passphrase === undefined ? {} : { passphrase })
    })
  const failed = (cause: unknown): TlsError =>
    bad(passphraseCodes.has(codeOf(cause) ?? "") ? "passphrase" : "key", from, cause)
  const one = (type: "pkcs8" | "sec1" | "pkcs1" | undefined): Effect.Effect<Crypto.KeyObject, TlsError> =>
    Effect.try({ try: () => attempt(type), catch: failed })
  if (isPem(bytes)) return one(undefined)
  return Effect.orElse(one("sec1"), () => Effect.orElse(one("pkcs1"), () => one("pkcs8")))
}

const identity = (
  { certificate, key, passphrase }: Identity
): Effect.Effect<{ readonly cert: string; readonly key: string }, TlsError> =>
  Effect.gen(function*() {
    const chain: Array<string> = []
    for (const loaded of yield* load("certificate", certificate)) {
      chain.push(...(yield* certificates("certificate", loaded)))
    }
    if (chain.length === 0) return yield* bad("certificate", "there is none", undefined)
    const [loadedKey] = yield* load("key", key)
    if (loadedKey === undefined) return yield* bad("key", "there is none", undefined)
    const secret = passphrase === undefined || typeof passphrase === "string" ? passphrase : Redacted.value(passphrase)
    const privateKey = yield* readKey(loadedKey, secret)
    const leaf = new Crypto.X509Certificate(chain[0]!)
    const fits = yield* tryPart("key", loadedKey.from, () => leaf.checkPrivateKey(privateKey))
    if (!fits) return yield* bad("key", "it does not belong to the first certificate", undefined)
    return { cert: chain.join(""), key: privateKey.export({ type: "pkcs8", format: "pem" }) as string }
  })

// ---- everything

const probe = (part: TlsPart, options: Tls.SecureContextOptions): Effect.Effect<void, TlsError> =>
  Effect.asVoid(tryPart(part, undefined, () => Tls.createSecureContext(options)))

const definedOptions = <A extends object>(options: A): A => {
  const defined: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(options)) if (value !== undefined) defined[name] = value
  return defined as A
}

/** Loads and checks everything that clients and servers have in common, part by part. */
export const common = (options: CommonContextOptions): Effect.Effect<Tls.SecureContextOptions, TlsError> =>
  Effect.gen(function*() {
    const versions = definedOptions({
      minVersion: options.minVersion ?? ("TLSv1.2" as const),
      maxVersion: options.maxVersion ?? ("TLSv1.3" as const)
    })
    if (versions.minVersion > versions.maxVersion) {
      return yield* bad("versions", "minVersion is above maxVersion", undefined)
    }
    yield* probe("versions", versions)
    const { ciphers, curves, signatureAlgorithms } = options
    if (ciphers !== undefined) yield* probe("ciphers", { ciphers })
    if (curves !== undefined) yield* probe("curves", { ecdhCurve: curves })
    if (signatureAlgorithms !== undefined) yield* probe("signatureAlgorithms", { sigalgs: signatureAlgorithms })
    const identities = yield* Effect.forEach(listOf(options.identity), identity)
    const own = identities.length === 0
      ? undefined
      : { cert: identities.map(({ cert }) => cert), key: identities.map(({ key }) => key) }
    // The list of ciphers says how weak a key may be (`@SECLEVEL`).
    if (own !== undefined) yield* probe("certificate", definedOptions({ ciphers, ...own }))
    let ca: Array<string> | undefined
    if (options.ca !== undefined) {
      ca = []
      for (const material of listOf(options.ca)) {
        for (const loaded of yield* load("ca", material)) ca.push(...(yield* certificates("ca", loaded)))
      }
      // An empty list would mean the platform's own authorities.
      if (ca.length === 0) return yield* bad("ca", "there is no certificate in it", undefined)
    }
    const crl: Array<string> = []
    for (const material of listOf(options.crl)) {
      for (const { bytes, from } of yield* load("crl", material)) {
        const lists = isPem(bytes) ? blocks(bytes.toString("latin1"), ["X509 CRL"]) : [toPem("X509 CRL", bytes)]
        if (lists.length === 0) return yield* bad("crl", from ?? "there is no list in it", undefined)
        for (const list of lists) yield* probe("crl", { crl: list })
        crl.push(...lists)
      }
    }
    return definedOptions({
      ...versions,
      ciphers,
      ecdhCurve: curves,
      sigalgs: signatureAlgorithms,
      ...own,
      ca,
      crl: crl.length === 0 ? undefined : crl
    } as Tls.SecureContextOptions)
  })

/** The element at `at` of a DER encoding: its tag, and where its contents begin and end. */
const elementAt = (bytes: Uint8Array, at: number): { tag: number; from: number; to: number } | undefined => {
  const tag = bytes[at]
  let length = bytes[at + 1]
  let from = at + 2
  if (tag === undefined || length === undefined) return undefined
  if (length >= 0x80) {
    const count = length & 0x7f
    if (count === 0 || count > 4 || from + count > bytes.length) return undefined
    length = 0
    for (let index = 0; index < count; index += 1) length = length * 256 + bytes[from++]!
  }
  return from + length > bytes.length ? undefined : { tag, from, to: from + length }
}

export const dhparam = (material: Material | "auto" | undefined): Effect.Effect<string | undefined, TlsError> =>
  Effect.gen(function*() {
    if (material === undefined || material === "auto") return material
    const [loaded] = yield* load("dhparam", material)
    if (loaded === undefined) return yield* bad("dhparam", "there is none", undefined)
    const [pem] = isPem(loaded.bytes)
      ? blocks(loaded.bytes.toString("latin1"), ["DH PARAMETERS"])
      : [toPem("DH PARAMETERS", loaded.bytes)]
    // OpenSSL would go on without what it cannot read. RFC 2631: a prime and a generator.
    const encoded = Buffer.from((pem ?? "").replace(/-----[^-]*-----/g, ""), "base64")
    const all = elementAt(encoded, 0)
    const prime = all?.tag === 0x30 ? elementAt(encoded, all.from) : undefined
    const generator = prime?.tag === 0x02 ? elementAt(encoded, prime.to) : undefined
    if (pem === undefined || generator?.tag !== 0x02) {
      return yield* bad("dhparam", loaded.from ?? "there are no parameters in it", undefined)
    }
    yield* probe("dhparam", { dhparam: pem })
    return pem
  })
