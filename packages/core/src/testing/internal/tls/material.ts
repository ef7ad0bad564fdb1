/** Reads and judges the material of a context. */
import * as Either from "effect/Either"
import { type Certificate, formatName } from "../../../Certificate.js"
import * as Der from "../../../internal/x509/der.js"
import type { CommonContextOptions, Identity, Material, Version } from "../../../TlsContext.js"
import type { TlsPart } from "../../../TlsError.js"
import * as TlsMaterial from "../../../TlsMaterial.js"
import * as TlsSettings from "../../../TlsSettings.js"
import { fromDer, readCertificate } from "./certificates.js"
import { chooseCiphers, type Cipher, curveNames, type KeyKind, signatureKinds, versionsBetween } from "./ciphers.js"
import { readRevocationList, type RevocationList } from "./revocation.js"
import { equalBytes } from "./sha.js"

/** An identity of a context: a chain, and the kind of its key. */
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

// ---- sources

const load = (part: TlsPart, name: string, material: Material): TlsMaterial.Judged<TlsMaterial.Source> =>
  Either.flatMap(TlsMaterial.given(part, name, material), (given) => {
    if (given instanceof Uint8Array) return Either.right({ name, bytes: given })
    const path = "path" in given ? given.path : given.directory
    return TlsMaterial.fail(part, `\`${name} (${path})\`: the network in memory has no files; give the PEM itself`)
  })

const loadCertificates = (
  part: "certificate" | "ca",
  name: string,
  material: Material
): TlsMaterial.Judged<ReadonlyArray<Certificate>> =>
  Either.flatMap(load(part, name, material), (source) => TlsMaterial.certificates(part, source, readCertificate))

/** The authorities of a list of materials; there is at least one. */
export const loadAuthorities = (
  option: string,
  materials: Material | ReadonlyArray<Material>
): TlsMaterial.Judged<ReadonlyArray<Certificate>> =>
  Either.flatMap(
    Either.all(TlsMaterial.named(option, materials).map(([name, one]) => loadCertificates("ca", name, one))),
    (found) => found.length === 0 ? TlsSettings.noAuthority(option) : Either.right(found.flat())
  )

// ---- keys

/** What is known of a private key: its public half, where the encoding has it. */
interface PrivateKey extends PublicPart {
  readonly der: Uint8Array | undefined
}

interface PublicPart {
  readonly publicPart: Uint8Array | undefined
}

const bitsOf = (element: Der.Element): Uint8Array => element.bytes.subarray(1)

/** RFC 5915: the public key is `[1]`, and may be missing. */
const sec1 = (key: Der.Element): PublicPart => {
  const [version, secret, ...rest] = Der.children(Der.expect(key, 0x30, "key"))
  Der.expect(version, 0x02, "version")
  Der.expect(secret, 0x04, "key")
  const shown = rest.find(({ tag }) => tag === 0xa1)
  return { publicPart: shown === undefined ? undefined : bitsOf(Der.read(shown.bytes)) }
}

/** RFC 8017, appendix A.1.2: the modulus tells whose it is. */
const pkcs1 = (key: Der.Element): PublicPart => {
  const [version, modulus, exponent, secret] = Der.children(Der.expect(key, 0x30, "key"))
  Der.expect(version, 0x02, "version")
  Der.expect(exponent, 0x02, "exponent")
  Der.expect(secret, 0x02, "key")
  return { publicPart: Der.expect(modulus, 0x02, "modulus").bytes }
}

/** RFC 5958. */
const pkcs8 = (key: Der.Element): PublicPart => {
  const [version, algorithm, secret, ...rest] = Der.children(Der.expect(key, 0x30, "key"))
  Der.expect(version, 0x02, "version")
  const type = Der.oid(Der.expect(Der.children(Der.expect(algorithm, 0x30, "algorithm"))[0], 0x06, "algorithm"))
  const inner = Der.expect(secret, 0x04, "key").bytes
  if (type === "1.2.840.10045.2.1") return sec1(Der.read(inner))
  if (type === "1.2.840.113549.1.1.1") return pkcs1(Der.read(inner))
  const shown = rest.find(({ tag }) => tag === 0x81)
  return { publicPart: shown === undefined ? undefined : bitsOf(shown) }
}

/** Nothing here can decrypt a key, and nothing here uses it. */
const readKey = ({ bytes, form, passphrase }: TlsMaterial.KeySource): PrivateKey => {
  if (passphrase !== undefined) return { publicPart: undefined, der: undefined }
  if (form === "pem") throw new TypeError("this kind of key is not known to the network in memory")
  return { ...{ pkcs8, sec1, pkcs1 }[form](Der.read(bytes)), der: bytes }
}

/** As far as it can be known without computing it. */
const belongs = ({ publicKey }: Certificate, { publicPart }: PrivateKey): boolean => {
  if (publicPart === undefined) return true
  const key = bitsOf(Der.children(Der.read(publicKey.der))[1]!)
  return publicKey.algorithm === "rsa"
    ? equalBytes(Der.children(Der.read(key))[0]!.bytes, publicPart)
    : equalBytes(key, publicPart)
}

const identity = (
  name: string,
  { certificate, key, passphrase }: Identity
): TlsMaterial.Judged<OwnIdentity> =>
  Either.gen(function*() {
    const chain = yield* loadCertificates("certificate", `${name}.certificate`, certificate)
    const source = yield* load("key", `${name}.key`, key)
    const privateKey = yield* TlsMaterial.privateKey(source, { name: `${name}.passphrase`, passphrase }, readKey)
    const own = chain[0]!
    if (!belongs(own, privateKey)) {
      return yield* Either.left(
        TlsMaterial.misfit(
          name,
          { der: privateKey.der, fits: (index) => belongs(chain[index]!, privateKey) },
          chain.map(({ der, subject }) => ({ der, subject: formatName(subject) }))
        )
      )
    }
    const { algorithm } = own.publicKey
    return { chain, kind: algorithm === "rsa" || algorithm === "rsa-pss" ? "rsa" : algorithm === "ec" ? "ec" : "ed" }
  })

// ---- everything

const revocationLists = (name: string, material: Material): TlsMaterial.Judged<ReadonlyArray<RevocationList>> =>
  Either.flatMap(load("crl", name, material), (source) => TlsMaterial.revocationLists(source, readRevocationList))

export const common = (options: CommonContextOptions, hasPsk: boolean): TlsMaterial.Judged<CommonMaterial> =>
  Either.gen(function*() {
    const { maxVersion, minVersion } = yield* TlsSettings.checkVersions(options)
    const ciphers = chooseCiphers(options.ciphers, hasPsk)
    if (ciphers === undefined) {
      return yield* TlsSettings.unknown("ciphers", "ciphers", options.ciphers ?? "", () => false)
    }
    const curves = curveNames(options.curves)
    if (curves === undefined) {
      return yield* TlsSettings.unknown(
        "curves",
        "curves",
        options.curves ?? "",
        (word) => curveNames(word) !== undefined
      )
    }
    const kinds = signatureKinds(options.signatureAlgorithms)
    if (kinds === undefined) {
      const [part, list] = ["signatureAlgorithms", options.signatureAlgorithms ?? ""] as const
      return yield* TlsSettings.unknown(part, part, list, () => false)
    }
    return {
      identities: yield* Either.all(
        TlsMaterial.named("identity", options.identity).map(([name, one]) => identity(name, one))
      ),
      authorities: options.ca === undefined ? undefined : yield* loadAuthorities("ca", options.ca),
      revocationLists: (yield* Either.all(
        TlsMaterial.named("crl", options.crl).map(([name, one]) => revocationLists(name, one))
      )).flat(),
      versions: versionsBetween(minVersion, maxVersion),
      ciphers,
      curves,
      kinds,
      maxDepth: options.maxDepth,
      requireCloseNotify: options.requireCloseNotify === true
    }
  })

/** Parameters for DHE: a prime and a generator. Here they only have to be some. */
export const checkDhparam = (material: Material | "auto" | undefined): TlsMaterial.Judged<void> =>
  material === undefined || material === "auto"
    ? Either.void
    : Either.map(Either.flatMap(load("dhparam", "dhparam", material), TlsMaterial.dhParameters), () => undefined)

/** The certificates that came over the wire, `undefined` when one is malformed. */
export const chainOf = (ders: ReadonlyArray<Uint8Array>): ReadonlyArray<Certificate> | undefined => {
  const chain = ders.map(fromDer)
  return chain.every((certificate) => certificate !== undefined) ? chain as ReadonlyArray<Certificate> : undefined
}
