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
  /** Names and addresses that it is for. */
  readonly hosts?: ReadonlyArray<string> | undefined
  /** Who issues it; without one it signs itself. */
  readonly issuer?: Made | undefined
  readonly isAuthority?: boolean | undefined
  readonly pathLength?: number | undefined
  /** When it is valid. Default now. */
  readonly validity?: "now" | "over" | "future" | undefined
  /** What it is for, where it is no authority's. Default `"server"`. */
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
  /** With its issuers behind it, but for the root. */
  readonly identity: Identity & { readonly certificate: string; readonly key: string }
}

/**
 * What a platform brings. No two certificates that `make` gives are alike.
 *
 * @since 0.1.0
 * @category models
 */
export interface Certificates {
  readonly make: (wanted: Wanted) => Effect.Effect<Made>
  /** A revocation list in PEM. */
  readonly revocationList: (issuer: Made, revoked: ReadonlyArray<Made>) => Effect.Effect<string>
}
