/**
 * The certificates that the TLS contract asks a platform to make.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { Identity } from "../TlsContext.js"

/**
 * A certificate that a case asks for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Wanted {
  /** Its common name. Default the first of `hosts`. */
  readonly name?: string | undefined
  /** The names and addresses for which it is valid. */
  readonly hosts?: ReadonlyArray<string> | undefined
  /** The certificate that issues it; without one it signs itself. */
  readonly issuer?: Made | undefined
  readonly isAuthority?: boolean | undefined
  readonly pathLength?: number | undefined
  /** When it is valid. Default now. */
  readonly validity?: "now" | "over" | "future" | undefined
  /** The use for which it is valid, if it is not an authority's. Default `"server"`. */
  readonly usage?: "server" | "client" | undefined
}

/**
 * A certificate as it was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Made {
  /** The certificate alone, in PEM. */
  readonly pem: string
  /** Followed by its issuers, without the root. */
  readonly identity: Identity & { readonly certificate: string; readonly key: string }
}

/**
 * How a platform makes certificates. No two certificates of `make` are the same.
 *
 * @since 0.1.0
 * @category models
 */
export interface Certificates {
  /** Makes a certificate that the platform under test accepts. */
  readonly make: (wanted: Wanted) => Effect.Effect<Made>
  /** A revocation list in PEM. */
  readonly revocationList: (issuer: Made, revoked: ReadonlyArray<Made>) => Effect.Effect<string>
}
