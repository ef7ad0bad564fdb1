/**
 * The options of TLS contexts, for `Tls.client` and `Tls.server`, and how connections use a context.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { TlsContextTypeId } from "./internal/typeIds.js"
import type { IdentityRule } from "./PeerIdentity.js"

/**
 * Certificates, a key, or revocation lists: PEM text, the bytes of a PEM or DER file, or the path of such a file. A
 * `directory` stands for all its files whose name ends in `.pem`, `.crt`, `.cer`, or in a hash with a number (`capath`).
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
 * The identity of this side: its certificate, followed by those of its issuers, and its private key.
 *
 * @since 0.1.0
 * @category models
 */
export interface Identity {
  readonly certificate: Material
  readonly key: Material
  /** The passphrase of an encrypted key. */
  readonly passphrase?: string | Redacted.Redacted<string> | undefined
}

/**
 * A version of TLS.
 *
 * @since 0.1.0
 * @category models
 */
export type Version = "TLSv1" | "TLSv1.1" | "TLSv1.2" | "TLSv1.3"

/**
 * The options that clients and servers have in common.
 *
 * @since 0.1.0
 * @category models
 */
export interface CommonContextOptions {
  /** One identity, or several with different kinds of keys: TLS shows the one that suits the peer. */
  readonly identity?: Identity | ReadonlyArray<Identity> | undefined
  /** The authorities that the peers' certificates must lead to. Default: those of the platform. */
  readonly ca?: Material | ReadonlyArray<Material> | undefined
  /** Revocation lists, one for each authority of a chain. If any is given, a chain without one fails (`NoRevocationList`). */
  readonly crl?: Material | ReadonlyArray<Material> | undefined
  /** Default `"TLSv1.2"`. */
  readonly minVersion?: Version | undefined
  /** Default `"TLSv1.3"`. */
  readonly maxVersion?: Version | undefined
  /** A list of ciphers in OpenSSL's language; names that begin with `TLS_` are those of TLS 1.3. */
  readonly ciphers?: string | undefined
  /** The groups of the key exchange in the order of preference, separated by colons: `"X25519:P-256"`. */
  readonly curves?: string | undefined
  /** The signature algorithms, separated by colons: `"ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256"`. */
  readonly signatureAlgorithms?: string | undefined
  /** The most intermediate certificates between a peer's certificate and its authority. Default 100. */
  readonly maxDepth?: number | undefined
  /** The time limit of a handshake. Default 10 seconds. */
  readonly handshakeTimeout?: Duration.DurationInput | undefined
  /**
   * Distinguish a connection that was cut from one that the peer ended: without the peer's close_notify, reading fails
   * with `SocketBroken`, reason `"Truncated"` (RFC 8446, section 6.1). Default false, because many peers send none, and
   * most protocols mark their own ends. It costs some speed.
   */
  readonly requireCloseNotify?: boolean | undefined
}

/**
 * A pre-shared key, and the identity under which the server knows it. RFC 4279.
 *
 * @since 0.1.0
 * @category models
 */
export interface PresharedKey {
  readonly identity: string
  readonly key: Uint8Array | Redacted.Redacted<Uint8Array>
}

/**
 * The options of a client's context.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClientOptions extends CommonContextOptions {
  /**
   * How the server's certificate is checked. `"full"`, the default, requires a chain to a trusted authority and the name
   * that was connected to; `"chain"` requires the chain only; `"none"` requires nothing, so anybody on the path can read
   * and change everything.
   */
  readonly verify?: "full" | "chain" | "none" | undefined
  /**
   * The rule by which the server's certificate must name the host. Default `"rfc9525"`; `"rfc6125"` also accepts
   * certificates that have only a common name, and wildcards within a label (`www*.example.org`). See `PeerIdentity`.
   */
  readonly identityRule?: IdentityRule | undefined
  /** The application protocols to offer, in the order of preference. RFC 7301. */
  readonly alpn?: ReadonlyArray<string> | undefined
  /**
   * The number of servers whose sessions are kept, so that the next handshake can resume one and is shorter. Default 256;
   * 0 keeps none.
   */
  readonly sessions?: number | undefined
  /**
   * A key, or a function that finds one by the server's hint; `None` continues without a key. The function is first called
   * without a hint, because TLS 1.3 offers keys at once. RFC 4279; RFC 8446, section 4.2.11.
   */
  readonly psk?: PresharedKey | ((hint: Option.Option<string>) => Option.Option<PresharedKey>) | undefined
}

/**
 * A client's offer, for a server's function that chooses the application protocol.
 *
 * @since 0.1.0
 * @category models
 */
export interface AlpnOffer {
  readonly serverName: Option.Option<string>
  readonly protocols: ReadonlyArray<string>
}

/**
 * How a server makes session tickets.
 *
 * @since 0.1.0
 * @category models
 */
export interface TicketOptions {
  /** 48 secret bytes, the same for all processes that resume each other's sessions. Default: random ones. */
  readonly keys?: Redacted.Redacted<Uint8Array> | undefined
  /** How long a session can be resumed, at most 7 days. Default 5 minutes. */
  readonly lifetime?: Duration.DurationInput | undefined
}

/**
 * The options of a server's context.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerOptions extends CommonContextOptions {
  /**
   * Certificates of clients. `"none"`, the default, asks for none; `"request"` accepts clients with a valid one and clients
   * without any; `"require"` accepts only clients with a valid one. With `verify: "none"` any certificate is accepted, and
   * `socket.tls` shows whether it would have been valid.
   */
  readonly clientCertificates?: "none" | "request" | "require" | undefined
  readonly verify?: "chain" | "none" | undefined
  /**
   * The application protocols in the order of preference, or a function that chooses one. `None` refuses the connection,
   * and so does a list of which the client offers nothing. A client that offers no protocol is accepted. RFC 7301.
   */
  readonly alpn?: ReadonlyArray<string> | ((offer: AlpnOffer) => Option.Option<string>) | undefined
  /**
   * Contexts by the name that the client asks for (SNI, RFC 6066); `*.` stands for one label, and an exact name wins. A
   * context that sets `clientCertificates` decides for its name, with its own `verify`, `ca` and `maxDepth`. A context
   * that does not set it follows this one, and uses this one's authorities unless it has its own. If any of them asks for
   * certificates, there are no tickets. Versions, `alpn`, `psk` and `requireCloseNotify` are those of this context.
   */
  readonly serverNames?: { readonly [name: string]: ServerContext } | undefined
  /** For a client that asks for a name that is not in `serverNames`, or for none: use this context (the default), or refuse. */
  readonly unknownServerName?: "default" | "refuse" | undefined
  /** Parameters for DHE, or `"auto"`. Default: none, so that keys are exchanged by elliptic curves only. */
  readonly dhparam?: Material | "auto" | undefined
  /** Session tickets, with which clients resume sessions. RFC 5077; RFC 8446, section 4.6.1. Default: on. */
  readonly tickets?: TicketOptions | false | undefined
  /**
   * Finds the key of an identity; `None` refuses the client. With TLS 1.3 it is also called with tickets, which look like
   * identities (RFC 8446, section 4.2.11). If it throws, the handshake fails.
   */
  readonly psk?: ((identity: string) => Option.Option<Uint8Array | Redacted.Redacted<Uint8Array>>) | undefined
  /** A hint for clients, so that they find their key. Up to TLS 1.2. */
  readonly pskHint?: string | undefined
}

/**
 * The settings that the connections of a client share: authorities, identity, settings, and the sessions that can be
 * resumed.
 * `Tls.client` builds it once for any number of connections.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClientContext {
  readonly [TlsContextTypeId]: typeof TlsContextTypeId
  readonly role: "client"
  readonly handshakeTimeoutMillis: number
  /** The platform's own context. */
  readonly native: unknown
}

/**
 * The settings that the connections of a server share. `Tls.server` builds it once for any number of listeners.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerContext {
  readonly [TlsContextTypeId]: typeof TlsContextTypeId
  readonly role: "server"
  readonly handshakeTimeoutMillis: number
  /** The platform's own context. */
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
  /** Default: a context with the platform's authorities and full verification, which is built once for the network. */
  readonly context?: ClientContext | undefined
  /**
   * The name to ask for and to verify. Default: the host of the connection. A numeric address is verified, but not asked
   * for (RFC 6066, section 3).
   */
  readonly serverName?: string | undefined
  /** Offer these protocols in place of the context's. */
  readonly alpn?: ReadonlyArray<string> | undefined
  /**
   * Sessions are kept and looked up under this key. Default: host and port. A protocol that needs several connections in
   * one session (FTP's data connections, RFC 4217, section 10) gives all of them the same key.
   */
  readonly sessionKey?: string | undefined
  /**
   * Offer this session, from `TlsConnection.session`, in place of one that was kept. Like every session, it is offered only
   * under the name that it was made under (RFC 8446, section 4.6.1). Bytes that are no session are ignored.
   */
  readonly session?: Redacted.Redacted<Uint8Array> | undefined
  /**
   * The server's TLSA records, validated by DNSSEC: at least one must match. Records of the usages 2 and 3 need no authority
   * of the platform. Records of unknown kinds are ignored; if no other is left, the context decides.
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
  /** The number of handshakes that may be under way at once; past it, the oldest is dropped. Default 4096. */
  readonly maxHandshakes?: number | undefined
}

/**
 * How `upgrade` uses its context.
 *
 * @since 0.1.0
 * @category models
 */
export interface UpgradeOptions extends Omit<ConnectTlsOptions, "context"> {
  /** In place of the context's. */
  readonly handshakeTimeout?: Duration.DurationInput | undefined
}
