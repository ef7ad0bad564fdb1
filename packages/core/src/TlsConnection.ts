/**
 * The parameters that TLS agreed on with the peer: the value of `socket.tls`.
 *
 * @since 0.1.0
 */
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { Certificate } from "./Certificate.js"
import type { Version } from "./TlsContext.js"
import type { TlsReason } from "./TlsError.js"

/**
 * The parameters that both sides agreed on.
 *
 * @since 0.1.0
 * @category models
 */
export interface TlsInfo {
  readonly protocol: Version
  /** OpenSSL's name of the cipher, `ECDHE-RSA-AES128-GCM-SHA256` for example. */
  readonly cipher: string
  /** The name in the RFCs. */
  readonly standardCipher: string
  /** The size of the symmetric key, in bits. */
  readonly bits: number
  /** `AES-GCM(128)` for example. */
  readonly encryption: string
  /** `ECDH`, `DH`, `RSA` …; for TLS 1.3, where the cipher does not name it, `any`. */
  readonly keyExchange: string
  /** How the peers prove their identities: `RSA`, `ECDSA`, `PSK` …, or `any`. */
  readonly authentication: string
  /** `AEAD`, or the hash of the MAC. */
  readonly mac: string
  /** The group and the size of the ephemeral key. Known on a client only. */
  readonly group: Option.Option<{ readonly name: string; readonly bits: number }>
  /** Always `"none"`: the length of compressed text reveals secrets in it (CRIME). */
  readonly compression: "none"
}

/**
 * Whether the peer proved its identity, and by what.
 *
 * @since 0.1.0
 * @category models
 */
export type Authorization =
  | { readonly _tag: "Verified"; readonly by: "authority" | "dane" | "psk" }
  /** Only where the context does not verify. */
  | { readonly _tag: "Unverified"; readonly reason: TlsReason; readonly code: string }
  | { readonly _tag: "Anonymous" }

/**
 * A secure connection. A property that is first read after the socket was closed may be missing.
 *
 * @since 0.1.0
 * @category models
 */
export interface TlsConnection {
  readonly role: "client" | "server"
  /** The TLS connection that this one runs in, where `Tls.upgrade` was called on a secure socket. */
  readonly outer: Option.Option<TlsConnection>
  readonly info: TlsInfo
  /** The name that the client asked for. */
  readonly serverName: Option.Option<string>
  /** The application protocol that was agreed on. */
  readonly alpn: Option.Option<string>
  readonly authorization: Authorization
  readonly peerCertificate: Option.Option<Certificate>
  /** The peer's certificate first, then its issuers, as far as they are known. */
  readonly peerChain: ReadonlyArray<Certificate>
  readonly localCertificate: Option.Option<Certificate>
  /** The session was resumed. */
  readonly isResumed: boolean
  /**
   * The newest session, which `ConnectTlsOptions.session` can offer again. With TLS 1.3 it comes some time after the
   * handshake; servers of this library send it before their first bytes. A connection that resumed a session may never
   * get one, because Node's servers send tickets only after full handshakes. Clients only.
   */
  readonly session: Option.Option<Redacted.Redacted<Uint8Array>>
  /**
   * The data of a channel binding: `tls-unique` and `tls-server-end-point` (RFC 5929), `tls-exporter` (RFC 9266).
   * `None` where it is not defined: `tls-unique` for TLS 1.3.
   */
  readonly channelBinding: (
    type: "tls-unique" | "tls-exporter" | "tls-server-end-point"
  ) => Option.Option<Uint8Array>
  /** The Finished message of this side. */
  readonly finished: Option.Option<Uint8Array>
  readonly peerFinished: Option.Option<Uint8Array>
  /** Keying material for another protocol. RFC 5705; RFC 8446, section 7.5. `None` once the socket is closed. */
  readonly exportKeyingMaterial: (
    length: number,
    label: string,
    context?: Uint8Array
  ) => Option.Option<Redacted.Redacted<Uint8Array>>
}
