/**
 * Judges the keys and certificates that TLS contexts are made of: for platforms that bring TLS.
 *
 * The words of a cryptographic library about bad material differ from version to version, and seldom help: `asn1 too
 * long` for a text that is not PEM. So the material is judged here, by its own form, before or after the platform tries
 * it, and all platforms say the same: which option, what was found there, and what to do. A message shows the form of
 * what was found, never its contents, because a password may stand where a key should.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Contents from "./internal/x509/contents.js"
import * as Pem from "./internal/x509/pem.js"
import type { Material } from "./TlsContext.js"
import { TlsError, type TlsPart } from "./TlsError.js"

/**
 * A judgement: the good value, or the error.
 *
 * @since 0.1.0
 * @category models
 */
export type Judged<A> = Either.Either<A, TlsError>

/**
 * A `TlsError` with the reason `BadMaterial`. `detail` begins with the option, as the caller wrote it: `identity[1].key`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const bad = (part: TlsPart, detail: string, cause?: unknown): TlsError => {
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined
  return new TlsError({
    reason: "BadMaterial",
    subject: "TLS context",
    part,
    detail,
    ...(typeof code === "string" ? { code } : {}),
    ...(cause === undefined ? {} : { cause })
  })
}

/**
 * A judgement against `part`: a `TlsError`, reason `BadMaterial`, that shows `detail`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fail = (part: TlsPart, detail: string, cause?: unknown): Judged<never> =>
  Either.left(bad(part, detail, cause))

/**
 * The values of an option that takes one or several, each with its name: `ca`, or `ca[0]`, `ca[1]` …
 *
 * @since 0.1.0
 * @category sources
 */
export const named = <A>(
  option: string,
  value: A | ReadonlyArray<A> | undefined
): ReadonlyArray<readonly [name: string, value: A]> =>
  value === undefined
    ? []
    : Array.isArray(value)
    ? value.map((one: A, index) => [`${option}[${index}]`, one] as const)
    : [[option, value as A]]

/**
 * Material that is there: the option that it came from, with the file's path where there is one, and its bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Source {
  readonly name: string
  readonly bytes: Uint8Array
}

const encoder = new TextEncoder()

/**
 * The type of a wrong value, for a message.
 *
 * @since 0.1.0
 * @category judging
 */
export const typeOf = (value: unknown): string =>
  value === null ? "null" : Array.isArray(value) ? "a list" : value === undefined ? "undefined" : `a ${typeof value}`

/**
 * The bytes of material that is given as itself, or where it is. A value of another type, such as a variable of the
 * environment that is not set, is `BadMaterial`.
 *
 * @since 0.1.0
 * @category sources
 */
export const given = (
  part: TlsPart,
  name: string,
  material: Material
): Judged<Uint8Array | { readonly path: string } | { readonly directory: string }> => {
  const value: unknown = Redacted.isRedacted(material) ? Redacted.value(material as Redacted.Redacted) : material
  if (typeof value === "string") return Either.right(encoder.encode(value))
  if (value instanceof Uint8Array) return Either.right(value)
  if (typeof value === "object" && value !== null) {
    if ("path" in value && typeof value.path === "string") return Either.right({ path: value.path })
    if ("directory" in value && typeof value.directory === "string") return Either.right({ directory: value.directory })
  }
  return fail(part, `\`${name}\` is ${typeOf(value)}; give PEM text, the bytes of a file, or \`{ path: … }\``)
}

// ---- blocks

const wanted = {
  certificate: {
    what: "a certificate",
    labels: ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"],
    kinds: ["certificate"]
  },
  crl: { what: "a revocation list", labels: ["X509 CRL"], kinds: ["crl"] },
  dhparam: { what: "Diffie-Hellman parameters", labels: ["DH PARAMETERS"], kinds: ["dhparam"] },
  key: {
    what: "a private key",
    labels: ["PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY"],
    kinds: ["pkcs8", "encryptedKey", "pkcs1", "sec1"]
  }
} as const

type Wanted = (typeof wanted)[keyof typeof wanted]

/** What stands in the place of something else. */
const notFound = (part: TlsPart, name: string, { labels, what }: Wanted, bytes: Uint8Array): Judged<never> => {
  const found = Contents.describe(bytes)
  const isSwapped = (part === "key" && /"CERTIFICATE"|a certificate in/.test(found.what)) ||
    (part === "certificate" && /PRIVATE KEY"|private (\w+ )?key in/.test(found.what))
  const advice = found.advice ?? (isSwapped
    ? "see whether `key` and `certificate` are interchanged"
    : `give PEM text with "-----BEGIN ${labels[0]}-----", or the bytes of a DER file`)
  return fail(part, `\`${name}\` should be ${what}, and is ${found.what}; ${advice}`)
}

interface Block extends Omit<Pem.Block, "text"> {
  readonly text: string | undefined
}

/** The blocks of `bytes` that are wanted, or all of them as one in DER. There is at least one. */
const blocksOf = (part: TlsPart, { bytes, name }: Source, want: Wanted): Judged<ReadonlyArray<Block>> => {
  const text = Contents.textOf(bytes)
  if (Pem.isPem(text)) {
    const labels: ReadonlyArray<string> = want.labels
    const all = Pem.blocks(text)
    const found = all.filter(({ label }) => labels.includes(label))
    const isUnreadable = found.some(({ problem }) => problem !== undefined) && /\\n/.test(text)
    if (found.length > 0 && !isUnreadable) return Either.right(found)
    return notFound(part, name, want, bytes)
  }
  // What cannot be told by its form may still be read by the platform: its own reader decides.
  const kinds: ReadonlyArray<Contents.Kind | undefined> = want.kinds
  return bytes[0] === 0x30 && Contents.cutOf(bytes) === undefined &&
      [...kinds, undefined].includes(Contents.kindOf(bytes))
    ? Either.right([{ label: want.labels[0], text: undefined, headers: "", der: bytes, problem: undefined }])
    : notFound(part, name, want, bytes)
}

/** Why the platform's reader does not take a block. */
const damage = ({ der, label, problem, text }: Block, { kinds, what }: Wanted): string => {
  const place = text === undefined ? "the DER" : `the PEM block "${label}"`
  if (der === undefined) return `${place} ${problem}`
  const cut = Contents.cutOf(der)
  if (cut !== undefined) return `${place} is cut: ${cut}`
  const kind = Contents.kindOf(der)
  const expected: ReadonlyArray<Contents.Kind> = kinds
  return kind !== undefined && !expected.includes(kind)
    ? `${place} contains ${Contents.kindNames[kind]} instead of ${what}`
    : `${place} is damaged, or of a kind that is not supported here`
}

/** The largest certificate that is read at all, in bytes. */
const largestCertificate = 256 * 1024

const each = <A>(
  part: TlsPart,
  source: Source,
  want: Wanted,
  most: { readonly read: number; readonly allowed: number },
  read: (der: Uint8Array, label: string) => A
): Judged<ReadonlyArray<A>> =>
  Either.flatMap(blocksOf(part, source, want), (blocks): Judged<ReadonlyArray<A>> => {
    if (blocks.length > most.allowed) {
      return fail(part, `\`${source.name}\` has ${blocks.length} of them, and ${most.allowed} are the most`)
    }
    const found: Array<A> = []
    for (const [index, block] of blocks.slice(0, most.read).entries()) {
      const place = blocks.length === 1 ? `\`${source.name}\`` : `\`${source.name}\`, ${index + 1} of ${blocks.length}`
      if ((block.der?.length ?? 0) > largestCertificate && want === wanted.certificate) {
        return fail(part, `${place}: a certificate of ${block.der!.length} bytes; ${largestCertificate} are the most`)
      }
      const unusable = (cause?: unknown): Judged<never> =>
        fail(part, `${place} should be ${want.what}: ${damage(block, want)}; take it from its source again`, cause)
      if (block.der === undefined) return unusable()
      const { der, label } = block
      const one = Either.try({ try: () => read(der, label), catch: (cause) => cause })
      if (Either.isLeft(one)) return unusable(one.left)
      found.push(one.right)
    }
    return Either.right(found)
  })

/**
 * All certificates of a source, at least one, by a reader that throws for what it cannot read. `most` bounds how many are
 * read, `allowed` how many there may be; both default to no bound.
 *
 * @since 0.1.0
 * @category judging
 * @example
 * ```ts
 * import { TlsMaterial } from "@copas/core"
 * import { Either } from "effect"
 *
 * const source = { name: "ca", bytes: new TextEncoder().encode("./root.pem") }
 * const judged = TlsMaterial.certificates("ca", source, (der) => der)
 * console.log(Either.isLeft(judged) && judged.left.detail) // `ca` should be a certificate, and is text that looks like…
 * ```
 */
export const certificates = <A>(
  part: "certificate" | "ca",
  source: Source,
  read: (der: Uint8Array, label: string) => A,
  { allowed = Infinity, most = Infinity }: { readonly allowed?: number; readonly most?: number } = {}
): Judged<ReadonlyArray<A>> => each(part, source, wanted.certificate, { read: most, allowed }, read)

/**
 * The first `most` certificates of a text or of bytes, for `TlsPlatform.certificates`.
 *
 * @since 0.1.0
 * @category judging
 */
export const parse = <A>(
  source: string | Uint8Array,
  most: number,
  read: (der: Uint8Array, label: string) => A
): Judged<ReadonlyArray<A>> =>
  Either.flatMap(given("certificate", "source", source), (bytes) => {
    const largest = largestCertificate * (most === 1 ? 1 : 64)
    if (!(bytes instanceof Uint8Array)) {
      return fail("certificate", "`source` is a path; read the file, and give its text")
    }
    return bytes.length > largest
      ? fail("certificate", `\`source\` has ${bytes.length} bytes, and ${largest} are the most`)
      : certificates("certificate", { name: "source", bytes }, read, { allowed: most === 1 ? Infinity : most, most })
  })

/**
 * All revocation lists of a source, at least one, by a reader that throws for what it cannot read.
 *
 * @since 0.1.0
 * @category judging
 */
export const revocationLists = <A>(source: Source, read: (der: Uint8Array) => A): Judged<ReadonlyArray<A>> =>
  each("crl", source, wanted.crl, { read: Infinity, allowed: Infinity }, read)

/**
 * The first parameters for DHE of a source: a prime and a generator (PKCS #3).
 *
 * @since 0.1.0
 * @category judging
 */
export const dhParameters = (source: Source): Judged<Uint8Array> =>
  Either.flatMap(
    each("dhparam", source, wanted.dhparam, { read: 1, allowed: Infinity }, (der) => {
      if (Contents.kindOf(der) !== "dhparam") throw new TypeError("no prime and generator")
      return der
    }),
    ([der]) => Either.right(der!)
  )

// ---- keys

/**
 * A private key as the platform reads it: DER with its form, or PEM text where DER does not suffice.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeySource {
  readonly form: "pkcs8" | "pkcs1" | "sec1" | "pem"
  readonly bytes: Uint8Array
  /** Where it is encrypted. */
  readonly passphrase: string | undefined
}

/**
 * The first private key of a source, by a reader that throws for what it cannot read or decrypt.
 *
 * @since 0.1.0
 * @category judging
 */
export const privateKey = <A>(
  source: Source,
  secret: { readonly name: string; readonly passphrase: string | Redacted.Redacted<string> | undefined },
  read: (key: KeySource) => A
): Judged<A> =>
  Either.flatMap(blocksOf("key", source, wanted.key), ([block]): Judged<A> => {
    const { der, headers, label, text } = block!
    const unusable = (cause?: unknown): Judged<never> =>
      fail("key", `\`${source.name}\`: ${damage(block!, wanted.key)}; take it from its source again`, cause)
    if (der === undefined) return unusable()
    const isOld = headers.includes("ENCRYPTED")
    const kind = Contents.kindOf(der)
    const attempt = (key: KeySource): Either.Either<A, unknown> =>
      Either.try({ try: () => read(key), catch: (cause) => cause })
    if (!isOld && kind !== "encryptedKey" && label !== "ENCRYPTED PRIVATE KEY") {
      const form = kind === "pkcs8" || kind === "pkcs1" || kind === "sec1" ? kind : text === undefined ? "pkcs8" : "pem"
      const bytes = form === "pem" ? encoder.encode(text) : der
      return Either.orElse(attempt({ form, bytes, passphrase: undefined }), unusable)
    }
    const passphrase: unknown = Redacted.isRedacted(secret.passphrase)
      ? Redacted.value(secret.passphrase)
      : secret.passphrase
    const place = `\`${secret.name}\``
    if (passphrase !== undefined && typeof passphrase !== "string") {
      return fail("passphrase", `${place} is ${typeOf(passphrase)}; give a string`)
    }
    if (passphrase === undefined || passphrase === "") {
      const state = passphrase === undefined ? "is not given" : "is empty"
      return fail("passphrase", `\`${source.name}\` is encrypted, and ${place} ${state}; give the key's passphrase`)
    }
    const form = isOld ? "pem" : "pkcs8"
    const bytes = isOld ? encoder.encode(text) : der
    return Either.orElse(attempt({ form, bytes, passphrase }), (cause) =>
      !isOld && kind !== "encryptedKey"
        ? unusable(cause)
        : Contents.isUsuallyEncrypted(der, headers)
        ? fail("passphrase", `${place} does not decrypt \`${source.name}\`: it is the passphrase of another key`, cause)
        : fail(
          "passphrase",
          `${place} does not decrypt \`${source.name}\`: it is wrong, or the platform does not know the encryption; `
            + "encrypt the key again with `openssl pkcs8 -topk8 -v2 aes-256-cbc`",
          cause
        ))
  })

/**
 * Why a key that does not belong to its certificate is refused: what both are, and to which certificate of the chain it
 * belongs, if to any.
 *
 * @since 0.1.0
 * @category judging
 */
export const misfit = (
  name: string,
  key: { readonly der: Uint8Array | undefined; readonly fits: (certificate: number) => boolean },
  chain: ReadonlyArray<{ readonly der: Uint8Array; readonly subject: string }>
): TlsError => {
  const [own] = chain
  const [keyIs, certificateHas] = [
    key.der === undefined ? undefined : Contents.keyWords(key.der),
    own === undefined ? undefined : Contents.keyWords(own.der)
  ]
  const index = chain.findIndex((_, at) => at > 0 && key.fits(at))
  const why = index > 0
    ? `it belongs to certificate ${index + 1} of ${chain.length}; put that one first`
    : `${
      keyIs === undefined || certificateHas === undefined
        ? ""
        : keyIs === certificateHas
        ? `both are ${keyIs}, but not a pair; `
        : `the key is ${keyIs}, the certificate's ${certificateHas}; `
    }give the key that the certificate was requested with`
  return bad(
    "key",
    `\`${name}.key\` does not belong to \`${name}.certificate\` (${own?.subject ?? "no subject"}): ${why}`
  )
}
