/** Loads the material of a TLS context, and has OpenSSL try each part of it. */
import type { CommonContextOptions, Identity, Material } from "@copas/core/TlsContext"
import type { TlsError, TlsPart } from "@copas/core/TlsError"
import * as TlsMaterial from "@copas/core/TlsMaterial"
import * as TlsSettings from "@copas/core/TlsSettings"
import * as Effect from "effect/Effect"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as Tls from "node:tls"
import { orFail } from "../effect/eithers.js"
import { codeOf } from "./errors.js"

/** More than any certificate or list of them has; a file that is larger is something else. */
const largestFile = 16 * 1024 * 1024

// ---- sources

const isHashed = /\.(pem|crt|cer)$|^[0-9a-f]{8}\.\d+$/i

const unreadable: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file; see the path, and what the process's working directory is",
  ENOTDIR: "a part of the path is no directory; see the path",
  EACCES: "this process may not read it; see its owner and mode",
  EPERM: "this process may not read it; see its owner and mode",
  EISDIR: "it is a directory; give `{ directory: … }` for all certificates in it",
  ELOOP: "its symbolic links lead in a circle",
  EMFILE: "this process has too many files open",
  ENFILE: "this system has too many files open"
}

const notLoaded = (part: TlsPart, name: string, cause: unknown): TlsError => {
  const code = codeOf(cause)
  return TlsMaterial.bad(
    part,
    `\`${name}\` cannot be read: ${unreadable[code ?? ""] ?? code ?? (cause as Error).message}`,
    cause
  )
}

const readFile = (part: TlsPart, option: string, path: string): Effect.Effect<TlsMaterial.Source, TlsError> => {
  const name = `${option} (${path})`
  return Effect.tryPromise({
    try: async () => {
      const stats = await Fs.stat(path)
      if (stats.isDirectory()) throw Object.assign(new Error("it is a directory"), { code: "EISDIR" })
      if (!stats.isFile()) throw new Error("it is a device or a pipe; give a file, or the material itself")
      if (stats.size > largestFile) throw new Error(`it has ${stats.size} bytes, and ${largestFile} are the most`)
      return { bytes: await Fs.readFile(path), name }
    },
    catch: (cause) => notLoaded(part, name, cause)
  })
}

/** At least one source. */
const load = (
  part: TlsPart,
  option: string,
  material: Material
): Effect.Effect<ReadonlyArray<TlsMaterial.Source>, TlsError> =>
  Effect.gen(function*() {
    const given = yield* orFail(TlsMaterial.given(part, option, material))
    if (given instanceof Uint8Array) return [{ name: option, bytes: given }]
    if ("path" in given) return [yield* readFile(part, option, given.path)]
    const { directory } = given
    const name = `${option} (${directory})`
    const all = yield* Effect.tryPromise({
      try: () => Fs.readdir(directory),
      catch: (cause) =>
        codeOf(cause) === "ENOTDIR"
          ? TlsMaterial.bad(part, `\`${name}\` is no directory; give a file as \`{ path: … }\``, cause)
          : notLoaded(part, name, cause)
    })
    const files = all.filter((file) => isHashed.test(file)).sort()
    return files.length > 0
      ? yield* Effect.forEach(files, (file) => readFile(part, option, Path.join(directory, file)))
      : yield* orFail(TlsMaterial.fail(
        part,
        `\`${name}\` has none of ${all.length} files whose name ends in .pem, .crt, .cer, or in a hash with a number `
          + "(`openssl rehash`)"
      ))
  })

const toPem = (label: string, der: Uint8Array): string => {
  const lines = Buffer.from(der).toString("base64").match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`
}

interface ReadCertificate {
  readonly x509: Crypto.X509Certificate
  readonly pem: string
}

/** Throws for what OpenSSL cannot read. */
export const readCertificate = (der: Uint8Array, label: string): ReadCertificate => {
  const pem = toPem(label, der)
  return { x509: new Crypto.X509Certificate(pem), pem }
}

const certificates = (
  part: "certificate" | "ca",
  option: string,
  material: Material
): Effect.Effect<ReadonlyArray<ReadCertificate>, TlsError> =>
  Effect.flatMap(load(part, option, material), (sources) =>
    Effect.map(
      Effect.forEach(sources, (source) => orFail(TlsMaterial.certificates(part, source, readCertificate))),
      (all) => all.flat()
    ))

// ---- identities

const readKey = ({ bytes, form, passphrase }: TlsMaterial.KeySource): Crypto.KeyObject =>
  Crypto.createPrivateKey({
    key: Buffer.from(bytes),
    ...(form === "pem" ? { format: "pem" } : { format: "der", type: form }),
    ...(passphrase === undefined ? {} : { passphrase })
  })

/** False where OpenSSL cannot compare them, too. */
const fits = ({ x509 }: ReadCertificate, key: Crypto.KeyObject): boolean => {
  try {
    return x509.checkPrivateKey(key)
  } catch {
    return false
  }
}

const oneLine = (name: string): string => name.replaceAll("\n", ", ")

const identity = (
  option: string,
  { certificate, key, passphrase }: Identity
): Effect.Effect<{ readonly cert: string; readonly key: string }, TlsError> =>
  Effect.gen(function*() {
    const chain = yield* certificates("certificate", `${option}.certificate`, certificate)
    const [source] = yield* load("key", `${option}.key`, key)
    const own = yield* orFail(TlsMaterial.privateKey(source!, { name: `${option}.passphrase`, passphrase }, readKey))
    if (!fits(chain[0]!, own)) {
      return yield* TlsMaterial.misfit(
        option,
        { der: own.export({ type: "pkcs8", format: "der" }), fits: (index) => fits(chain[index]!, own) },
        chain.map(({ x509 }) => ({ der: x509.raw, subject: oneLine(x509.subject) }))
      )
    }
    const [cert, exported] = [chain.map(({ pem }) => pem).join(""), own.export({ type: "pkcs8", format: "pem" })]
    // The list of ciphers says how weak a key may be (`@SECLEVEL`): `common` tries both together.
    return { cert, key: exported as string }
  })

// ---- everything

/** Has OpenSSL try one part. Where it fails for a reason that only OpenSSL knows, the reason is OpenSSL's. */
export const probe = (
  part: TlsPart,
  detail: string,
  options: Tls.SecureContextOptions
): Effect.Effect<Tls.SecureContext, TlsError> =>
  Effect.try({
    try: () => Tls.createSecureContext(options),
    catch: (cause) => TlsMaterial.bad(part, `${detail} (OpenSSL: ${codeOf(cause) ?? (cause as Error).message})`, cause)
  })

const takes = (options: Tls.SecureContextOptions): boolean => {
  try {
    Tls.createSecureContext(options)
    return true
  } catch {
    return false
  }
}

const definedOptions = <A extends object>(options: A): A => {
  const defined: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(options)) if (value !== undefined) defined[name] = value
  return defined as A
}

/** Loads and checks everything that clients and servers have in common, part by part. */
export const common = (options: CommonContextOptions): Effect.Effect<Tls.SecureContextOptions, TlsError> =>
  Effect.gen(function*() {
    const versions = yield* orFail(TlsSettings.checkVersions(options))
    yield* probe("versions", "`minVersion` and `maxVersion` are not supported by this Node", versions)
    const { ciphers, curves, signatureAlgorithms } = options
    if (ciphers !== undefined && !takes({ ciphers })) {
      // A word of OpenSSL's language (`!PSK`, `@STRENGTH`) is no name.
      const isName = /^[A-Z0-9][A-Z0-9_-]+$/
      const knows = (word: string): boolean => !isName.test(word) || takes({ ciphers: word })
      return yield* orFail(TlsSettings.unknown("ciphers", "ciphers", ciphers, knows))
    }
    if (curves !== undefined && !takes({ ecdhCurve: curves })) {
      return yield* orFail(TlsSettings.unknown("curves", "curves", curves, (word) => takes({ ecdhCurve: word })))
    }
    if (signatureAlgorithms !== undefined && !takes({ sigalgs: signatureAlgorithms })) {
      const [part, list] = ["signatureAlgorithms", signatureAlgorithms] as const
      return yield* orFail(TlsSettings.unknown(part, part, list, (word) => takes({ sigalgs: word })))
    }
    const identities = yield* Effect.forEach(
      TlsMaterial.named("identity", options.identity),
      ([name, one]) => Effect.map(identity(name, one), (made) => ({ name, ...made }))
    )
    for (const { cert, key, name } of identities) {
      yield* probe(
        "certificate",
        `\`${name}\` is refused: its key, or the hash of a signature in its chain, is too weak for OpenSSL's security `
          + "level; use RSA of 2048 bits or EC with SHA-256, or lower the level with `@SECLEVEL=0` in `ciphers`",
        definedOptions({ ciphers, cert, key })
      )
    }
    const own = identities.length === 0
      ? undefined
      : { cert: identities.map(({ cert }) => cert), key: identities.map(({ key }) => key) }
    const authorities = yield* Effect.forEach(
      TlsMaterial.named("ca", options.ca),
      ([name, material]) => certificates("ca", name, material)
    )
    // An empty list would mean the platform's own authorities.
    if (options.ca !== undefined && authorities.length === 0) return yield* orFail(TlsSettings.noAuthority("ca"))
    const crl = yield* Effect.forEach(
      TlsMaterial.named("crl", options.crl),
      ([name, material]) =>
        Effect.flatMap(
          load("crl", name, material),
          (sources) =>
            Effect.forEach(sources, (source) =>
              orFail(TlsMaterial.revocationLists(source, (der) => {
                const pem = toPem("X509 CRL", der)
                Tls.createSecureContext({ crl: pem })
                return pem
              })))
        )
    )
    return definedOptions({
      ...versions,
      ciphers,
      ecdhCurve: curves,
      sigalgs: signatureAlgorithms,
      ...own,
      ca: options.ca === undefined ? undefined : authorities.flat().map(({ pem }) => pem),
      crl: crl.length === 0 ? undefined : crl.flat(2)
    } as Tls.SecureContextOptions)
  })

export const dhparam = (material: Material | "auto" | undefined): Effect.Effect<string | undefined, TlsError> =>
  Effect.gen(function*() {
    if (material === undefined || material === "auto") return material
    const [source] = yield* load("dhparam", "dhparam", material)
    const pem = toPem("DH PARAMETERS", yield* orFail(TlsMaterial.dhParameters(source!)))
    yield* probe(
      "dhparam",
      "`dhparam` has parameters that OpenSSL refuses, or a prime of less than 1024 bits; make 2048 bits with "
        + "`openssl dhparam -out FILE 2048`, or give \"auto\"",
      { dhparam: pem }
    )
    return pem
  })
