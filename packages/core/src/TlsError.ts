/**
 * What goes wrong with TLS: bad key material, a handshake that failed, a peer that is not who it should be.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as ErrorSummary from "./ErrorSummary.js"

/**
 * Why TLS failed. The reasons are told apart by OpenSSL's and the platform's codes, never by message text.
 *
 * Of the peer's certificate or one that it hangs from: `Expired`, `NotYetValid`, `Untrusted` (no chain to an authority
 * that is trusted here), `SelfSigned`, `WrongHost`, `LegacyName`
 * (only its common name, or a wildcard within a label, is the host: RFC 9525 takes neither), `Revoked`, `NoRevocationList`, `ChainTooLong`, `BadSignature`,
 * `WrongPurpose`, `BadCertificate` (malformed or too weak), `NoCertificate` (one was required), `DaneMismatch`.
 *
 * Of the handshake: `NoSharedProtocol`, `NoSharedCipher`, `NoSharedAlpn`, `UnknownServerName`, `UnknownPskIdentity`,
 * `PlaintextPeer` (the peer does not speak TLS), `HandshakeTimeout`, `ClosedInHandshake`, `Overloaded` (a newer
 * handshake took its place), `RefusedByPeer` (the peer sent an alert), `ProtocolViolation`.
 *
 * Of this side: `BufferedPlaintext` (bytes in clear had arrived already), `BadMaterial` (a key, a certificate or
 * a setting; `part` says which).
 *
 * @since 0.1.0
 * @category models
 */
export const TlsReason = Schema.Literal(
  "Expired",
  "NotYetValid",
  "Untrusted",
  "SelfSigned",
  "WrongHost",
  "LegacyName",
  "Revoked",
  "NoRevocationList",
  "ChainTooLong",
  "BadSignature",
  "WrongPurpose",
  "BadCertificate",
  "NoCertificate",
  "DaneMismatch",
  "NoSharedProtocol",
  "NoSharedCipher",
  "NoSharedAlpn",
  "UnknownServerName",
  "UnknownPskIdentity",
  "PlaintextPeer",
  "HandshakeTimeout",
  "ClosedInHandshake",
  "Overloaded",
  "RefusedByPeer",
  "ProtocolViolation",
  "BufferedPlaintext",
  "BadMaterial",
  "Unknown"
)

/**
 * @since 0.1.0
 * @category models
 */
export type TlsReason = typeof TlsReason.Type

/**
 * Which part of the key material or of the settings was bad.
 *
 * @since 0.1.0
 * @category models
 */
export const TlsPart = Schema.Literal(
  "key",
  "certificate",
  "ca",
  "crl",
  "dhparam",
  "ciphers",
  "curves",
  "signatureAlgorithms",
  "versions",
  "passphrase",
  "alpn",
  "psk",
  "session",
  "tickets",
  "serverName",
  "dane"
)

/**
 * @since 0.1.0
 * @category models
 */
export type TlsPart = typeof TlsPart.Type

const advice: Record<TlsReason, string> = {
  Expired: "a certificate of the peer has expired; it must be renewed, or this machine's clock is wrong",
  NotYetValid: "a certificate of the peer is not valid yet; check the clocks of both machines",
  Untrusted: "no chain from the peer's certificate to an authority trusted here; give the authority as `ca`, or have "
    + "the peer send its intermediate certificates",
  SelfSigned:
    "the peer's certificate, or the root it sent, is self-signed and not trusted; give it as `ca` if it is right",
  WrongHost: "the peer's certificate is for another name; check the name, or set `serverName`",
  LegacyName: "the peer's certificate names the host only in a way that RFC 9525 does not take any more; have it "
    + "reissued with the host as an alternative name, or set `identityRule: \"rfc6125\"`",
  Revoked: "a certificate of the peer was revoked by its issuer",
  NoRevocationList: "no revocation list for the issuer of a certificate, or one out of date; give a fresh one as `crl`",
  ChainTooLong: "the peer's chain has more intermediate certificates than `maxDepth` allows",
  BadSignature: "a signature in the peer's chain is wrong",
  WrongPurpose: "a certificate of the peer may not be used for this",
  BadCertificate: "a certificate of the peer is malformed, or its key is too weak",
  NoCertificate: "the peer showed no certificate, and one is required",
  DaneMismatch: "no TLSA record matches what the peer showed (RFC 6698)",
  NoSharedProtocol: "both sides allow no common TLS version; look at `minVersion` and `maxVersion`",
  NoSharedCipher: "both sides allow no common cipher; look at `ciphers`, `curves` and the kinds of keys",
  NoSharedAlpn: "both sides offer no common application protocol; look at `alpn`",
  UnknownServerName: "there is no context for the name that the client asked for",
  UnknownPskIdentity: "the pre-shared key, or the identity it goes by, is not known",
  PlaintextPeer:
    "the peer does not speak TLS; check the port, and whether the protocol upgrades by a command (STARTTLS)",
  HandshakeTimeout: "the peer did not finish the handshake in time",
  ClosedInHandshake: "the peer closed the connection during the handshake; its log may say why",
  Overloaded: "too many handshakes were under way, so the oldest was dropped",
  RefusedByPeer: "the peer refused; the code names its alert",
  ProtocolViolation: "the peer sent something that the protocol does not allow there",
  BufferedPlaintext: "bytes in clear came behind the reply that starts TLS: somebody may be injecting commands; drop "
    + "the connection",
  BadMaterial: "a key, a certificate or a setting cannot be used; look at `part` and `cause`",
  Unknown: "see the code and the cause"
}

/**
 * TLS failed: a context could not be made, a handshake failed, or an established connection was broken by TLS itself
 * (then as the `cause` of a `SocketBroken`).
 *
 * @since 0.1.0
 * @category errors
 */
export class TlsError extends Schema.TaggedError<TlsError>("@copas/core/TlsError")("TlsError", {
  reason: TlsReason,
  /** The socket, the target, or the context that it is about. */
  subject: Schema.String,
  /** OpenSSL's or the platform's code, for a log or a search; `undefined` when this library found it itself. */
  code: Schema.optional(Schema.String),
  /** For `BadMaterial`. */
  part: Schema.optional(TlsPart),
  /** For `ChainTooLong`: how many intermediate certificates there are. */
  depth: Schema.optional(Schema.Number),
  /** More about it, for a person: the names of a certificate, a file's path. */
  detail: Schema.optional(Schema.String),
  cause: Schema.optional(Schema.Defect)
}) {
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    const { code, detail, part, reason, subject } = this
    const what = part === undefined ? reason : `${reason} (${part})`
    // Bad material has its own advice, and OpenSSL's code for it would only mislead: it stays in the field.
    if (reason === "BadMaterial" && detail !== undefined) return `${subject}: ${what}: ${detail}`
    return `${subject}: TLS failed: ${what}: ${advice[reason]}${detail === undefined ? "" : `: ${detail}`}${
      code === undefined ? "" : ` [${code}]`
    }`
  }
}
