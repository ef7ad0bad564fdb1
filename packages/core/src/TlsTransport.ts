/**
 * The TLS part of the contract between the library and a platform. See `Transport`.
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
 * Why a handshake failed, as the platform reports it.
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
 * How the handshake ended. The platform calls one of these, once, unless the transport was destroyed before. After a
 * failure it destroys the transport.
 *
 * @since 0.1.0
 * @category models
 */
export interface HandshakeEvents {
  /** The handshake is done, and the peer is as verified as the context requires. */
  readonly established: () => void
  /** The handshake failed, or the peer is not the right one. */
  readonly failedHandshake: (failure: TlsFailure) => void
}

/**
 * A handshake that `TlsPlatform.upgrade` is to begin. Every option has been checked.
 *
 * @since 0.1.0
 * @category models
 */
export interface UpgradeRequest {
  readonly role: "client" | "server"
  /** The context that `clientContext` or `serverContext` made. */
  readonly context: unknown
  /** Bytes that arrived before and belong to the handshake. */
  readonly early: Uint8Array | undefined
  /** For clients: the name to ask for (SNI); `undefined` asks for none. */
  readonly serverName: string | undefined
  /** For clients: the name or the address that the certificate must be for. */
  readonly verifyName: string | undefined
  /** For clients: the key under which sessions are kept and looked up. */
  readonly sessionKey: string | undefined
  /** For clients: offer this session in place of one that was kept. */
  readonly session: Uint8Array | undefined
  /** For clients: offer these protocols in place of the context's. */
  readonly alpn: ReadonlyArray<string> | undefined
  readonly dane: ReadonlyArray<TlsaRecord> | undefined
}

/**
 * A transport with TLS over another transport.
 *
 * @since 0.1.0
 * @category models
 */
export interface TlsTransport extends Transport {
  readonly tls: TlsConnection
}

/**
 * The TLS of a platform.
 *
 * @since 0.1.0
 * @category models
 */
export interface TlsPlatform {
  /** Builds a context. It fails with `BadMaterial`. The context is opaque to everybody else. */
  readonly clientContext: (options: ClientOptions) => Effect.Effect<unknown, TlsError>
  /** The same for a server. */
  readonly serverContext: (options: ServerOptions) => Effect.Effect<unknown, TlsError>
  /** Replaces the material and the ticket keys of a server's context; established connections continue. */
  readonly replaceServer: (context: unknown, options: ServerOptions) => Effect.Effect<void, TlsError>
  /** Replaces the ticket keys of a server's context. */
  readonly rotateTickets: (context: unknown) => Effect.Effect<void, TlsError>
  /**
   * Starts a handshake on `transport`, at once. From now on the result replaces it: `transport` itself reports nothing
   * more. `open` of the result reports `connected` only if the handshake is already done. The result may be destroyed
   * before it is opened and before `established`, which releases the transport below, too. None of `events` is called
   * within this call.
   */
  readonly upgrade: (transport: Transport, request: UpgradeRequest, events: HandshakeEvents) => TlsTransport
  /** Reads at most `most` certificates. Fails with `BadMaterial`. */
  readonly certificates: (
    source: string | Uint8Array,
    most: number
  ) => Effect.Effect<ReadonlyArray<Certificate>, TlsError>
}

/**
 * The cryptography of a platform, as far as certificates need it.
 *
 * @since 0.1.0
 * @category models
 */
export interface CertificateCrypto {
  /** The digest of the bytes. */
  readonly digest: (algorithm: DigestAlgorithm, bytes: Uint8Array) => Uint8Array
  /** True when the certificate in `issuer` signed and issued the one in `der`. */
  readonly issued: (issuer: Uint8Array, der: Uint8Array) => boolean
}

/**
 * Reads one certificate in DER, for platforms; programs use `Tls.certificate`. `None` if it is malformed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromDer = (der: Uint8Array, crypto: CertificateCrypto): Option.Option<Certificate> =>
  Option.liftThrowable(X509.parse)(der, crypto)
