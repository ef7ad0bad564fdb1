/**
 * The error of TLS: bad key material, a failed handshake, or a peer that is not who it should be.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as ErrorSummary from "./ErrorSummary.js"

/**
 * Why TLS failed. The platform's codes decide which reason it is, never the text of a message.
 *
 * About the peer's certificate or those of its issuers: `Expired`, `NotYetValid`, `Untrusted` (no chain to an authority
 * that is trusted here), `SelfSigned`, `WrongHost`, `LegacyName`
 * (only its common name, or a wildcard within a label, is the host: RFC 9525 accepts neither), `Revoked`, `NoRevocationList`, `ChainTooLong`, `BadSignature`,
 * `WrongPurpose`, `BadCertificate` (malformed or too weak), `NoCertificate` (one was required), `DaneMismatch`.
 *
 * About the handshake: `NoSharedProtocol`, `NoSharedCipher`, `NoSharedAlpn`, `UnknownServerName`, `UnknownPskIdentity`,
 * `PlaintextPeer` (the peer does not speak TLS), `HandshakeTimeout`, `ClosedInHandshake`, `Overloaded` (a newer
 * handshake took its place), `RefusedByPeer` (the peer sent an alert), `ProtocolViolation`.
 *
 * About this side: `BufferedPlaintext` (bytes in clear arrived before), `BadMaterial` (a key, a certificate or
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
 * The type of `TlsReason`.
 *
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
 * The type of `TlsPart`.
 *
 * @since 0.1.0
 * @category models
 */
export type TlsPart = typeof TlsPart.Type

const advice: Record<TlsReason, string> = {
  Expired: "a certificate of the peer has expired; have it renewed, or correct this machine's clock",
  NotYetValid: "a certificate of the peer is not valid yet; check the clocks of both machines",
  Untrusted: "no chain from the peer's certificate to an authority trusted here; give the authority as `ca`, or have "
    + "the peer send its intermediate certificates",
  SelfSigned:
    "the peer's certificate, or the root it sent, is self-signed and not trusted; if it is the right one, give "
    + "it as `ca`",
  WrongHost: "the peer's certificate is for another name; check the name, or set `serverName`",
  LegacyName:
    "the peer's certificate names the host only in a way that RFC 9525 no longer accepts; have it reissued with "
    + "the host as an alternative name, or set `identityRule: \"rfc6125\"`",
  Revoked: "a certificate of the peer was revoked by its issuer; have the peer install a new one",
  NoRevocationList: "no revocation list for the issuer of a certificate, or one out of date; give a fresh one as `crl`",
  ChainTooLong:
    "the peer's chain has more intermediate certificates than `maxDepth` allows; raise it if the chain is the "
    + "right one",
  BadSignature: "a signature in the peer's chain is wrong; do not trust this peer before its certificates are reissued",
  WrongPurpose:
    "a certificate of the peer is not made for this use; have it reissued with the right key usage (servers: "
    + "serverAuth, clients: clientAuth, issuers: CA)",
  BadCertificate: "a certificate of the peer is malformed, or its key is too weak; have it reissued",
  NoCertificate: "the peer showed no certificate, and one is required; give it an `identity`",
  DaneMismatch: "no TLSA record matches what the peer showed (RFC 6698); compare the records with its certificate",
  NoSharedProtocol: "the two sides have no TLS version in common; compare their `minVersion` and `maxVersion`",
  NoSharedCipher: "the two sides have no cipher in common; compare their `ciphers`, `curves` and kinds of keys",
  NoSharedAlpn: "the two sides have no application protocol in common; compare their `alpn`",
  UnknownServerName: "there is no context for the name that the client asked for; add it to `serverNames`, or set "
    + "`unknownServerName: \"default\"`",
  UnknownPskIdentity: "the pre-shared key or its identity is not known; compare both on the two sides",
  PlaintextPeer:
    "the peer does not speak TLS; check the port, and whether the protocol upgrades by a command (STARTTLS)",
  HandshakeTimeout: "the peer did not finish the handshake in time; raise `handshakeTimeout` if it is only slow",
  ClosedInHandshake: "the peer closed the connection during the handshake; its log may say why",
  Overloaded: "too many handshakes were under way, so the oldest was dropped; raise `maxHandshakes` if they are honest",
  RefusedByPeer: "the peer refused with the alert that the code names; its log may say why",
  ProtocolViolation:
    "the peer sent something that TLS does not allow there; see whether the port is the right one, and "
    + "what stands in between",
  BufferedPlaintext: "bytes in clear came after the reply that starts TLS, so somebody may be injecting commands; drop "
    + "the connection",
  BadMaterial: "a key, a certificate or a setting cannot be used; look at `part` and `cause`",
  Unknown: "for a reason that has no name; look at the code and the cause"
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
  /** The socket, the target, or the context that failed. */
  subject: Schema.String,
  /** OpenSSL's or the platform's code, for a log or a search; `undefined` if this library found the problem itself. */
  code: Schema.optional(Schema.String),
  /** For `BadMaterial`: which part of the context is bad. */
  part: Schema.optional(TlsPart),
  /** For `ChainTooLong`: the number of intermediate certificates. */
  depth: Schema.optional(Schema.Number),
  /** More for a person: the names of a certificate, or which option was bad, what was found there and what to do. */
  detail: Schema.optional(Schema.String),
  cause: Schema.optional(Schema.Defect)
}) {
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    const { code, depth, detail, part, reason, subject } = this
    const what = part !== undefined ? `${reason} (${part})` : depth !== undefined ? `${reason} (${depth})` : reason
    // Bad material has its own advice, and OpenSSL's code for it would only mislead: it stays in the field.
    if (reason === "BadMaterial" && detail !== undefined) return `${subject}: ${what}: ${detail}`
    return `${subject}: TLS failed: ${what}: ${advice[reason]}${detail === undefined ? "" : `: ${detail}`}${
      code === undefined ? "" : ` [${code}]`
    }`
  }
}
