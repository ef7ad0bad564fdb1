/**
 * Certificates for tests of programs that use TLS on the in-memory network.
 *
 * That network has a stand-in for TLS, without cryptography: *it keeps nothing secret and proves nothing*. A program sees
 * TLS: handshakes with their round trips, names, protocols, sessions, certificates that expire by the network's `Clock`,
 * failures with their reasons, close_notify. All bytes travel in clear, the values that TLS derives from secrets are
 * derived from public ones, and no signature is checked, neither of certificates nor of handshakes. Never let it carry
 * anything but test data.
 *
 * Contexts take real certificates as well, in PEM or DER. The certificates of this module are for this network only: their
 * keys and signatures are random bytes, which no real TLS accepts. The same description gives the same bytes.
 *
 * @since 0.1.0
 */
import * as Pem from "../internal/x509/pem.js"
import type { Identity } from "../TlsContext.js"
import * as Writer from "./internal/tls/certificateWriter.js"

/**
 * The options that authorities and identities have in common: the validity, and what tells certificates apart.
 *
 * @since 0.1.0
 * @category models
 */
export interface CommonOptions {
  /** Default 1970, where `TestClock` and simulations begin. Milliseconds since then, or a date; seconds count. */
  readonly notBefore?: Date | number | undefined
  /** Default the end of the year 9999, which stands for "never" (RFC 5280, section 4.1.2.5). */
  readonly notAfter?: Date | number | undefined
  /** Distinguishes certificates with the same description, such as a renewed one. Default 0. */
  readonly seed?: number | undefined
}

/**
 * The options of `authority`.
 *
 * @since 0.1.0
 * @category models
 */
export interface AuthorityOptions extends CommonOptions {
  /** Its common name. Default `"Test Authority"`. */
  readonly name?: string | undefined
  /** The authority above it. Default none: it is a root. */
  readonly issuer?: Authority | undefined
  /** How many authorities may follow below it in a chain. Default any number. */
  readonly pathLength?: number | undefined
}

/**
 * An authority, which issues certificates.
 *
 * @since 0.1.0
 * @category models
 */
export interface Authority {
  /** Its own certificate. */
  readonly certificate: string
  /** The certificates that follow one that it issued: its own and those above it, without the root's. */
  readonly chain: string
  /** The root's certificate, for the `ca` of contexts. */
  readonly ca: string
}

/**
 * The options of `identity`.
 *
 * @since 0.1.0
 * @category models
 */
export interface IdentityOptions extends CommonOptions {
  /** The host names and addresses for which it is valid. Default `localhost`, `127.0.0.1` and `::1`. */
  readonly names?: ReadonlyArray<string> | undefined
  /** Its common name. Default the first of `names`. */
  readonly name?: string | undefined
  /** The authority that issues it. Default `authority()`; `"self"` is a self-signed certificate. */
  readonly issuer?: Authority | "self" | undefined
  /** The use for which it is valid. Default `"both"`. */
  readonly usage?: "server" | "client" | "both" | undefined
}

/**
 * The result of `identity`: a certificate with its key, and the root to trust.
 *
 * @since 0.1.0
 * @category models
 */
export interface Made {
  /** For the `identity` of contexts: the certificate followed by its issuers, and a key. */
  readonly identity: Identity & { readonly certificate: string; readonly key: string }
  /** For the `ca` of contexts that are to trust it. */
  readonly ca: string
  /** The certificate alone. */
  readonly certificate: string
}

const dateOf = (given: Date | number | undefined, otherwise: string): Date => new Date(given ?? otherwise)

const common = ({ notAfter, notBefore, seed }: CommonOptions): Pick<
  Writer.Description,
  "notAfter" | "notBefore" | "seed"
> => ({
  notBefore: dateOf(notBefore, "1970-01-01T00:00:00Z"),
  notAfter: dateOf(notAfter, "9999-12-31T23:59:59Z"),
  seed: seed ?? 0
})

/**
 * Makes an authority that issues identities.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Net, Tls } from "@copas/core"
 * import { NetMemory, TlsMemory } from "@copas/core/testing"
 * import { Effect } from "effect"
 *
 * const root = TlsMemory.authority({ name: "Root" })
 * const below = TlsMemory.authority({ name: "Below", issuer: root })
 * const { identity } = TlsMemory.identity({ names: ["mail.example"], issuer: below })
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Net.listen({ port: 993, tls: yield* Tls.server({ identity }) })
 *   yield* Effect.fork(listener.accept)
 *   const context = yield* Tls.client({ ca: root.ca, maxDepth: 0 })
 *   return yield* Effect.flip(Net.connect({ port: 993, tls: { context, serverName: "mail.example" } }))
 * })
 *
 * const error = await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(NetMemory.layer)))
 * console.log(error._tag === "TlsError" && error.reason) // ChainTooLong
 * ```
 */
export const authority = (options: AuthorityOptions = {}): Authority => {
  const { issuer, name = "Test Authority", pathLength } = options
  const written = Writer.write({
    ...common(options),
    commonName: name,
    names: [],
    issuer: issuer === undefined ? undefined : Writer.derOf(issuer.certificate),
    isAuthority: true,
    pathLength,
    usages: []
  })
  const certificate = Writer.certificatePem(written.certificate)
  return issuer === undefined
    ? { certificate, chain: "", ca: certificate }
    : { certificate, chain: certificate + issuer.chain, ca: issuer.ca }
}

/**
 * Makes an identity, and the authority that a peer must trust to accept it.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Net, Tls } from "@copas/core"
 * import { NetMemory, TlsMemory } from "@copas/core/testing"
 * import { Effect, Option } from "effect"
 *
 * const { ca, identity } = TlsMemory.identity({ names: ["mail.example"] })
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Net.listen({ port: 993, tls: yield* Tls.server({ identity }) })
 *   yield* Effect.fork(Effect.flatMap(listener.accept, (socket) => socket.send("* OK\r\n")))
 *   const context = yield* Tls.client({ ca })
 *   const socket = yield* Net.connect({ port: 993, tls: { context, serverName: "mail.example" } })
 *   console.log(Option.getOrThrow(socket.tls).authorization) // { _tag: 'Verified', by: 'authority' }
 *   return yield* socket.receiveLine()
 * })
 *
 * Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(NetMemory.layer))).then(console.log) // * OK
 * ```
 */
export const identity = (options: IdentityOptions = {}): Made => {
  const { names = ["localhost", "127.0.0.1", "::1"], usage = "both" } = options
  const issuer = options.issuer === "self" ? undefined : options.issuer ?? authority()
  const written = Writer.write({
    ...common(options),
    commonName: options.name ?? names[0] ?? "test",
    names,
    issuer: issuer === undefined ? undefined : Writer.derOf(issuer.certificate),
    isAuthority: false,
    pathLength: undefined,
    usages: usage === "both" ? ["server", "client"] : [usage]
  })
  const certificate = Writer.certificatePem(written.certificate)
  return {
    identity: { certificate: certificate + (issuer?.chain ?? ""), key: Pem.encode("PRIVATE KEY", written.key) },
    ca: issuer?.ca ?? certificate,
    certificate
  }
}

/**
 * Makes the list of an authority's revoked certificates, for the `crl` of contexts. Each of `revoked` is the PEM of a
 * certificate.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Tls } from "@copas/core"
 * import { NetMemory, TlsMemory } from "@copas/core/testing"
 * import { Effect } from "effect"
 *
 * const authority = TlsMemory.authority()
 * const stolen = TlsMemory.identity({ names: ["mail.example"], issuer: authority })
 * const crl = TlsMemory.revocationList({ issuer: authority, revoked: [stolen.certificate] })
 *
 * // A client that connects to a server with this certificate fails with `Revoked`.
 * const context = Tls.client({ ca: authority.ca, crl })
 *
 * Effect.runPromise(Effect.provide(context, NetMemory.layer)).then(({ role }) => console.log(role)) // client
 * ```
 */
export const revocationList = (
  options: Omit<CommonOptions, "seed"> & {
    readonly issuer: Authority
    readonly revoked?: ReadonlyArray<string> | undefined
  }
): string => {
  const { notAfter, notBefore } = common(options)
  const { issuer, revoked = [] } = options
  return Pem.encode(
    "X509 CRL",
    Writer.writeRevocationList(Writer.derOf(issuer.certificate), revoked.map(Writer.derOf), notBefore, notAfter)
  )
}
