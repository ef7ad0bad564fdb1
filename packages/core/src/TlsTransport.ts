/**
 * The part of the contract with a platform that is about TLS. See `Transport`.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Certificate, DigestAlgorithm } from "./Certificate.js"
import * as X509 from "./internal/x509/x509.js"
import type { TlsConnection } from "./TlsConnection.js"
import type { ClientOptions, ServerOptions, TlsaRecord } from "./TlsContext.js"
import type { TlsError, TlsReason } from "./TlsError.js"
import type { Transport } from "./Transport.js"

/**
 * A handshake that failed, as the platform saw it.
 *
 * @since 0.1.0
 * @category models
 */
export interface TlsFailure {
  readonly reason: TlsReason
  readonly code?: string | undefined
  readonly depth?: number | undefined
  readonly detail?: string | undefined
  readonly cause?: unknown
}

/**
 * How the handshake went: one of these comes, once, unless the transport was destroyed before. After a failure the
 * transport is being destroyed.
 *
 * @since 0.1.0
 * @category models
 */
export interface HandshakeEvents {
  readonly established: () => void
  readonly failedHandshake: (failure: TlsFailure) => void
}

/**
 * @since 0.1.0
 * @category models
 */
export interface UpgradeRequest {
  readonly role: "client" | "server"
  /** What `clientContext` or `serverContext` made. */
  readonly context: unknown
  /** Bytes that had arrived and belong to the handshake. */
  readonly early: Uint8Array | undefined
  /** For clients: the name to ask for (SNI); `undefined` asks for none. */
  readonly serverName: string | undefined
  /** For clients: the name or address that the certificate must be for. */
  readonly verifyName: string | undefined
  /** For clients: under which key sessions are kept and looked for. */
  readonly sessionKey: string | undefined
  /** For clients: offer this session, whatever is kept. */
  readonly session: Uint8Array | undefined
  /** For clients: offer these protocols instead of the context's. */
  readonly alpn: ReadonlyArray<string> | undefined
  readonly dane: ReadonlyArray<TlsaRecord> | undefined
}

/**
 * A transport that TLS stands on.
 *
 * @since 0.1.0
 * @category models
 */
export interface TlsTransport extends Transport {
  readonly tls: TlsConnection
}

/**
 * What a platform does for TLS.
 *
 * @since 0.1.0
 * @category models
 */
export interface TlsPlatform {
  /** Builds what can be built once. It fails with `BadMaterial`; what it gives is opaque to everybody else. */
  readonly clientContext: (options: ClientOptions) => Effect.Effect<unknown, TlsError>
  readonly serverContext: (options: ServerOptions) => Effect.Effect<unknown, TlsError>
  /** Has a server's context use other material and other ticket keys from now on; connections that stand go on. */
  readonly replaceServer: (context: unknown, options: ServerOptions) => Effect.Effect<void, TlsError>
  /** Has a server's context use fresh ticket keys from now on. */
  readonly rotateTickets: (context: unknown) => Effect.Effect<void, TlsError>
  /**
   * Starts a handshake on `transport`, at once. From now on the result stands for it: `transport` itself says and does
   * nothing more. Its `open` says `connected` only when the handshake is done already. It may be destroyed before it is
   * opened and before `established`, which releases what lies below as well. Nothing of `events` is called at once.
   */
  readonly upgrade: (transport: Transport, request: UpgradeRequest, events: HandshakeEvents) => TlsTransport
  /** Reads at most `most` certificates. Fails with `BadMaterial`. */
  readonly certificates: (
    source: string | Uint8Array,
    most: number
  ) => Effect.Effect<ReadonlyArray<Certificate>, TlsError>
}

/**
 * What a platform's cryptography does for certificates.
 *
 * @since 0.1.0
 * @category models
 */
export interface CertificateCrypto {
  readonly digest: (algorithm: DigestAlgorithm, bytes: Uint8Array) => Uint8Array
  /** True when the certificate in `issuer` signed and issued the one in `der`. */
  readonly issued: (issuer: Uint8Array, der: Uint8Array) => boolean
}

/**
 * Reads the DER encoding of one certificate: for platforms; others use `parse`. `None` when it is malformed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromDer = (der: Uint8Array, crypto: CertificateCrypto): Option.Option<Certificate> =>
  Option.liftThrowable(X509.parse)(der, crypto)
