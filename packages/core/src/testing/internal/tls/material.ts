/** Reads the material of a context: identities, authorities, revocation lists. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { Certificate } from "../../../Certificate.js"
import * as Der from "../../../internal/x509/der.js"
import type { CommonContextOptions, Identity, Material, Version } from "../../../TlsContext.js"
import type { TlsError, TlsPart } from "../../../TlsError.js"
import { bad, fromDer, pemOf, read } from "./certificates.js"
import { chooseCiphers, type Cipher, curveNames, type KeyKind, signatureKinds, versionsBetween } from "./ciphers.js"
import * as Pem from "./pem.js"
import { readRevocationList, type RevocationList } from "./revocation.js"
import { equalBytes } from "./sha.js"
import { encode } from "./text.js"

/** Who one is; what its key would sign with. */
export interface OwnIdentity {
  /** The own certificate first. */
  readonly chain: ReadonlyArray<Certificate>
  readonly kind: KeyKind
}

/** What clients and servers have in common, read and checked. */
export interface CommonMaterial {
  readonly identities: ReadonlyArray<OwnIdentity>
  /** `undefined` stands for the network's own. */
  readonly authorities: ReadonlyArray<Certificate> | undefined
  readonly revocationLists: ReadonlyArray<RevocationList>
  readonly versions: ReadonlyArray<Version>
  readonly ciphers: ReadonlyArray<Cipher>
  readonly curves: ReadonlyArray<string>
  readonly kinds: ReadonlySet<KeyKind>
  readonly maxDepth: number | undefined
  readonly requireCloseNotify: boolean
}

export const listOf = <A>(value: A | ReadonlyArray<A> | undefined): ReadonlyArray<A> =>
  value === undefined ? [] : Array.isArray(value) ? value : [value as A]

// ---- sources

const load = (part: TlsPart, material: Material): Effect.Effect<string | Uint8Array, TlsError> => {
  if (typeof material === "string" || material instanceof Uint8Array) return Effect.succeed(material)
  if (Redacted.isRedacted(material)) {
    return load(part, Redacted.value(material as Redacted.Redacted<string | Uint8Array>))
  }
  const path = "path" in material ? material.path : material.directory
  return Effect.fail(bad(part, `${path}: the network in memory has no files; give the PEM itself`))
}

/** Every certificate of a bundle. */
const loadCertificates = (
  part: "certificate" | "ca",
  material: Material
): Effect.Effect<ReadonlyArray<Certificate>, TlsError> =>
  Effect.flatMap(load(part, material), (source) => read(part, source, 1024))

/** The authorities of a list of materials; there is at least one. */
export const loadAuthorities = (
  materials: Material | ReadonlyArray<Material>
): Effect.Effect<ReadonlyArray<Certificate>, TlsError> =>
  Effect.gen(function*() {
    const found = (yield* Effect.forEach(listOf<Material>(materials), (one) => loadCertificates("ca", one))).flat()
    return found.length === 0 ? yield* bad("ca", "there is no certificate in it") : found
  })

// ---- keys

/** What is known of a private key: its public half, where the encoding has it. */
interface PrivateKey {
  readonly publicPart: Uint8Array | undefined
}

const bitsOf = (element: Der.Element): Uint8Array => element.bytes.subarray(1)

/** RFC 5915: the public key is `[1]`, and may be missing. */
const sec1 = (key: Der.Element): PrivateKey => {
  const [version, secret, ...rest] = Der.children(Der.expect(key, 0x30, "key"))
  Der.expect(version, 0x02, "version")
  Der.expect(secret, 0x04, "key")
  const shown = rest.find(({ tag }) => tag === 0xa1)
  return { publicPart: shown === undefined ? undefined : bitsOf(Der.read(shown.bytes)) }
}

/** RFC 8017, appendix A.1.2: the modulus tells whose it is. */
const pkcs1 = (key: Der.Element): PrivateKey => {
  const [version, modulus, exponent, secret] = Der.children(Der.expect(key, 0x30, "key"))
  Der.expect(version, 0x02, "version")
  Der.expect(exponent, 0x02, "exponent")
  Der.expect(secret, 0x02, "key")
  return { publicPart: Der.expect(modulus, 0x02, "modulus").bytes }
}

/** RFC 5958. */
const pkcs8 = (key: Der.Element): PrivateKey => {
  const [version, algorithm, secret, ...rest] = Der.children(Der.expect(key, 0x30, "key"))
  Der.expect(version, 0x02, "version")
  const type = Der.oid(Der.expect(Der.children(Der.expect(algorithm, 0x30, "algorithm"))[0], 0x06, "algorithm"))
  const inner = Der.expect(secret, 0x04, "key").bytes
  if (type === "1.2.840.10045.2.1") return sec1(Der.read(inner))
  if (type === "1.2.840.113549.1.1.1") return pkcs1(Der.read(inner))
  const shown = rest.find(({ tag }) => tag === 0x81)
  return { publicPart: shown === undefined ? undefined : bitsOf(shown) }
}

const attempt = (der: Uint8Array, readers: ReadonlyArray<(key: Der.Element) => PrivateKey>): PrivateKey | undefined => {
  for (const reader of readers) {
    const key = Option.liftThrowable(() => reader(Der.read(der)))()
    if (Option.isSome(key)) return key.value
  }
  return undefined
}

const readers: Readonly<Record<string, ReadonlyArray<(key: Der.Element) => PrivateKey>>> = {
  "PRIVATE KEY": [pkcs8],
  "EC PRIVATE KEY": [sec1],
  "RSA PRIVATE KEY": [pkcs1]
}

const readKey = (
  source: string | Uint8Array,
  passphrase: string | undefined
): Effect.Effect<PrivateKey, TlsError> => {
  const pem = pemOf(source)
  if (pem !== undefined && /ENCRYPTED/.test(pem)) {
    // Nothing here can decrypt it, and nothing here uses it.
    return passphrase === undefined || passphrase === ""
      ? Effect.fail(bad("passphrase", "the key is encrypted"))
      : Effect.succeed({ publicPart: undefined })
  }
  const block = pem === undefined ? undefined : Pem.blocks(pem).find(({ label }) => label in readers)
  const der = pem === undefined ? encode(source) : block?.der
  const key = der === undefined
    ? undefined
    : attempt(der, block === undefined ? [sec1, pkcs1, pkcs8] : readers[block.label]!)
  return key === undefined ? Effect.fail(bad("key", "it is no private key")) : Effect.succeed(key)
}

/** As far as can be told without computing it. */
const belongs = ({ publicKey }: Certificate, { publicPart }: PrivateKey): boolean => {
  if (publicPart === undefined) return true
  const key = bitsOf(Der.children(Der.read(publicKey.der))[1]!)
  return publicKey.algorithm === "rsa"
    ? equalBytes(Der.children(Der.read(key))[0]!.bytes, publicPart)
    : equalBytes(key, publicPart)
}

const identity = ({ certificate, key, passphrase }: Identity): Effect.Effect<OwnIdentity, TlsError> =>
  Effect.gen(function*() {
    const chain = yield* loadCertificates("certificate", certificate)
    const secret = Redacted.isRedacted(passphrase) ? Redacted.value(passphrase) : passphrase
    const privateKey = yield* readKey(yield* load("key", key), secret)
    const own = chain[0]!
    if (!belongs(own, privateKey)) return yield* bad("key", "it does not belong to the first certificate")
    const { algorithm } = own.publicKey
    return { chain, kind: algorithm === "rsa" || algorithm === "rsa-pss" ? "rsa" : algorithm === "ec" ? "ec" : "ed" }
  })

// ---- everything

const revocationLists = (material: Material): Effect.Effect<ReadonlyArray<RevocationList>, TlsError> =>
  Effect.gen(function*() {
    const source = yield* load("crl", material)
    const pem = pemOf(source)
    const ders = pem === undefined
      ? [encode(source)]
      : Pem.blocks(pem).filter(({ label }) => label === "X509 CRL").map(({ der }) => der)
    if (ders.length === 0) return yield* bad("crl", "there is no list in it")
    return yield* Effect.forEach(ders, (der) => {
      const list = der === undefined ? undefined : readRevocationList(der)
      return list === undefined ? Effect.fail(bad("crl", "a list is malformed")) : Effect.succeed(list)
    })
  })

export const common = (
  options: CommonContextOptions,
  hasPsk: boolean
): Effect.Effect<CommonMaterial, TlsError> =>
  Effect.gen(function*() {
    const versions = versionsBetween(options.minVersion ?? "TLSv1.2", options.maxVersion ?? "TLSv1.3")
    if (versions.length === 0) return yield* bad("versions", "minVersion is above maxVersion")
    const ciphers = chooseCiphers(options.ciphers, hasPsk)
    if (ciphers === undefined) return yield* bad("ciphers", "there is none that is known here")
    const curves = curveNames(options.curves)
    if (curves === undefined) return yield* bad("curves", "one is not known here")
    const kinds = signatureKinds(options.signatureAlgorithms)
    if (kinds === undefined) return yield* bad("signatureAlgorithms", "there is none that is known here")
    return {
      identities: yield* Effect.forEach(listOf(options.identity), identity),
      authorities: options.ca === undefined ? undefined : yield* loadAuthorities(options.ca),
      revocationLists: (yield* Effect.forEach(listOf<Material>(options.crl), revocationLists)).flat(),
      versions,
      ciphers,
      curves,
      kinds,
      maxDepth: options.maxDepth,
      requireCloseNotify: options.requireCloseNotify === true
    }
  })

/** Parameters for DHE: a prime and a generator. Here they only have to be some. */
export const checkDhparam = (material: Material | "auto" | undefined): Effect.Effect<void, TlsError> =>
  material === undefined || material === "auto"
    ? Effect.void
    : Effect.flatMap(load("dhparam", material), (source) => {
      const pem = pemOf(source)
      const der = pem === undefined
        ? encode(source)
        : Pem.blocks(pem).find(({ label }) => label === "DH PARAMETERS")?.der
      const parts = Option.liftThrowable(() => Der.children(Der.expect(Der.read(der!), 0x30, "parameters")))()
      return Option.exists(parts, ([prime, generator]) => prime?.tag === 0x02 && generator?.tag === 0x02)
        ? Effect.void
        : Effect.fail(bad("dhparam", "there are no parameters in it"))
    })

/** The certificates that came over the wire, `undefined` when one is malformed. */
export const chainOf = (ders: ReadonlyArray<Uint8Array>): ReadonlyArray<Certificate> | undefined => {
  const chain = ders.map(fromDer)
  return chain.every((certificate) => certificate !== undefined) ? chain as ReadonlyArray<Certificate> : undefined
}
