/**
 * What a TLS context is made of, for `Tls.client` and `Tls.server`.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { TlsContextTypeId } from "./internal/typeIds.js"
import type { IdentityRule } from "./PeerIdentity.js"

/**
 * A certificate, a key, a list of them: PEM text, the bytes of a PEM or DER file, or where such a file is. A
 * `directory` counts as all its files that end in `.pem`, `.crt`, `.cer` or in a hash with a number (`capath`).
 *
 * @since 0.1.0
 * @category models
 */
export type Material =
  | string
  | Uint8Array
  | Redacted.Redacted<string>
  | Redacted.Redacted<Uint8Array>
  | { readonly path: string }
  | { readonly directory: string }

/**
 * Who one is: a certificate with those of its issuers behind it (leaf first), and its private key.
 *
 * @since 0.1.0
 * @category models
 */
export interface Identity {
  readonly certificate: Material
  readonly key: Material
  /** For an encrypted key. */
  readonly passphrase?: string | Redacted.Redacted<string> | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export type Version = "TLSv1" | "TLSv1.1" | "TLSv1.2" | "TLSv1.3"

/**
 * What clients and servers have in common.
 *
 * @since 0.1.0
 * @category models
 */
export interface CommonContextOptions {
  /** Several for several kinds of keys: the one that suits the peer is shown. */
  readonly identity?: Identity | ReadonlyArray<Identity> | undefined
  /** The authorities that certificates of peers must hang from. Default those that come with the platform. */
  readonly ca?: Material | ReadonlyArray<Material> | undefined
  /** Revocation lists, one for each authority of a chain. With any given, a chain without one fails. */
  readonly crl?: Material | ReadonlyArray<Material> | undefined
  /** Default `"TLSv1.2"`. */
  readonly minVersion?: Version | undefined
  /** Default `"TLSv1.3"`. */
  readonly maxVersion?: Version | undefined
  /** OpenSSL's cipher list; names that begin with `TLS_` are of TLS 1.3. */
  readonly ciphers?: string | undefined
  /** The groups for the key exchange, in order, with colons between: `"X25519:P-256"`. */
  readonly curves?: string | undefined
  /** With colons between: `"ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256"`. */
  readonly signatureAlgorithms?: string | undefined
  /** The most intermediate certificates between a peer's certificate and its authority. Default 100. */
  readonly maxDepth?: number | undefined
  /** The longest that a handshake may take. Default 10 seconds. */
  readonly handshakeTimeout?: Duration.DurationInput | undefined
  /**
   * Tell a connection that was cut from one that was finished: an end without the peer's close_notify makes reading
   * fail with `SocketBroken`, reason `"Truncated"` (RFC 8446, section 6.1). Default false: many peers send none, and
   * most protocols mark their own ends. It costs some speed.
   */
  readonly requireCloseNotify?: boolean | undefined
}

/**
 * What a client shows for a pre-shared key. RFC 4279.
 *
 * @since 0.1.0
 * @category models
 */
export interface PresharedKey {
  readonly identity: string
  readonly key: Uint8Array | Redacted.Redacted<Uint8Array>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ClientOptions extends CommonContextOptions {
  /**
   * What is required of the server's certificate: `"full"` (the default) a chain to a trusted authority, and the name
   * that was connected to; `"chain"` the chain alone; `"none"` nothing at all, so anybody can be in between.
   */
  readonly verify?: "full" | "chain" | "none" | undefined
  /**
   * By which rule the server's certificate must name the host. Default `"rfc9525"`; `"rfc6125"` also takes certificates
   * with a common name alone, and wildcards within a label (`www*.example.org`). See `PeerIdentity`.
   */
  readonly identityRule?: IdentityRule | undefined
  /** The application protocols to offer, best first. RFC 7301. */
  readonly alpn?: ReadonlyArray<string> | undefined
  /**
   * How many servers' sessions are kept, to be offered again: a resumed handshake is shorter. Default 256, 0 keeps
   * none.
   */
  readonly sessions?: number | undefined
  /**
   * A key, or what finds one by the server's hint; `None` goes on without. It is asked first without a hint, for what
   * TLS 1.3 offers at once. RFC 4279, RFC 8446 section 4.2.11.
   */
  readonly psk?: PresharedKey | ((hint: Option.Option<string>) => Option.Option<PresharedKey>) | undefined
}

/**
 * What a client offered, for a server that chooses the application protocol.
 *
 * @since 0.1.0
 * @category models
 */
export interface AlpnOffer {
  readonly serverName: Option.Option<string>
  readonly protocols: ReadonlyArray<string>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface TicketOptions {
  /** 48 secret bytes, for several processes that shall resume each other's sessions. Default random ones. */
  readonly keys?: Redacted.Redacted<Uint8Array> | undefined
  /** How long a session can be resumed. Default 5 minutes. */
  readonly lifetime?: Duration.DurationInput | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ServerOptions extends CommonContextOptions {
  /**
   * Certificates of clients. `"none"` (the default) asks for none, `"request"` takes clients with a valid one or
   * without any, `"require"` only those with a valid one. With `verify: "none"` any certificate will do;
   * `socket.tls` tells whether it would have been valid.
   */
  readonly clientCertificates?: "none" | "request" | "require" | undefined
  readonly verify?: "chain" | "none" | undefined
  /**
   * The application protocols in the order of preference, or a choice; `None` refuses the connection, and so does a
   * list of which the client offers nothing. A client that offers none at all is taken. RFC 7301.
   */
  readonly alpn?: ReadonlyArray<string> | ((offer: AlpnOffer) => Option.Option<string>) | undefined
  /**
   * Contexts by the name that the client asks for (SNI, RFC 6066); `*.` stands for one label. An exact name wins. What a
   * name's context says of `clientCertificates` (with `verify`, `ca`, `maxDepth`) is followed for its name; one that does
   * not say goes by this one, and by its authorities unless it has its own. Where any of them asks for certificates there
   * are no tickets. Versions, `alpn`, `psk` and `requireCloseNotify` are this context's.
   */
  readonly serverNames?: { readonly [name: string]: ServerContext } | undefined
  /** A name that is not in `serverNames`, or none at all: take this context (the default), or refuse. */
  readonly unknownServerName?: "default" | "refuse" | undefined
  /** Parameters for DHE in PEM, or `"auto"`. Default none: key exchange by elliptic curves only. */
  readonly dhparam?: Material | "auto" | undefined
  /** Session tickets, so that clients can resume. RFC 5077, RFC 8446 section 4.6.1. Default on. */
  readonly tickets?: TicketOptions | false | undefined
  /**
   * Finds the key of an identity; `None` refuses. With TLS 1.3 it is asked for tickets as well, which look like identities
   * (RFC 8446, section 4.2.11). One that throws fails the handshake.
   */
  readonly psk?: ((identity: string) => Option.Option<Uint8Array | Redacted.Redacted<Uint8Array>>) | undefined
  /** Shown to clients up to TLS 1.2, so that they find their key. */
  readonly pskHint?: string | undefined
}

/**
 * What the clients of a program share: trust, identity, settings, the sessions that can be resumed. Built once by
 * `Tls.client`, used for any number of connections.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClientContext {
  readonly [TlsContextTypeId]: typeof TlsContextTypeId
  readonly role: "client"
  readonly handshakeTimeoutMillis: number
  /** The platform's. */
  readonly native: unknown
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ServerContext {
  readonly [TlsContextTypeId]: typeof TlsContextTypeId
  readonly role: "server"
  readonly handshakeTimeoutMillis: number
  /** The platform's. */
  readonly native: unknown
}

/**
 * One TLSA record. RFC 6698, section 2.1.
 *
 * @since 0.1.0
 * @category models
 */
export interface TlsaRecord {
  /** 0 PKIX-TA, 1 PKIX-EE, 2 DANE-TA, 3 DANE-EE. */
  readonly usage: number
  /** 0 the whole certificate, 1 its public key. */
  readonly selector: number
  /** 0 the bytes themselves, 1 their SHA-256, 2 their SHA-512. */
  readonly matchingType: number
  readonly data: Uint8Array
}

/**
 * How one client connection uses its context.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectTlsOptions {
  /** Default a context with the platform's authorities and full verification, built once for the network. */
  readonly context?: ClientContext | undefined
  /**
   * The name to ask for and to verify. Default the host that is connected to; a numeric address is verified, but not
   * asked for (RFC 6066, section 3).
   */
  readonly serverName?: string | undefined
  /** Offer these protocols instead of the context's. */
  readonly alpn?: ReadonlyArray<string> | undefined
  /**
   * Sessions are kept and looked for under this key. Default host and port. A protocol that wants several connections
   * in one session (FTP's data connections, RFC 4217 section 10) gives all of them one key.
   */
  readonly sessionKey?: string | undefined
  /**
   * Offer this session, what `TlsConnection.session` gave, whatever is kept. Like every session it is offered only under
   * the name that it was made under (RFC 8446, section 4.6.1). Other bytes are passed over.
   */
  readonly session?: Redacted.Redacted<Uint8Array> | undefined
  /**
   * The server's TLSA records, validated by DNSSEC: at least one must match. Usages 2 and 3 stand for themselves,
   * without the platform's authorities. Records of unknown kinds are passed over; with none left the context decides.
   */
  readonly dane?: ReadonlyArray<TlsaRecord> | undefined
}

/**
 * How a listener uses its context.
 *
 * @since 0.1.0
 * @category models
 */
export interface ListenTlsOptions {
  readonly context: ServerContext
  /** How many handshakes may be under way at once; past it the oldest is dropped. Default 4096. */
  readonly maxHandshakes?: number | undefined
}

/**
 * How `upgrade` uses its context.
 *
 * @since 0.1.0
 * @category models
 */
export interface UpgradeOptions extends Omit<ConnectTlsOptions, "context"> {
  /** Instead of the context's. */
  readonly handshakeTimeout?: Duration.DurationInput | undefined
}
