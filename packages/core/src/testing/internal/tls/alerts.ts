import type { TlsReason } from "../../../TlsError.js"
import type { TlsFailure } from "../../../TlsTransport.js"

/** RFC 8446, section 6. */
const names: Readonly<Record<number, string>> = {
  0: "CLOSE_NOTIFY",
  10: "UNEXPECTED_MESSAGE",
  20: "BAD_RECORD_MAC",
  22: "RECORD_OVERFLOW",
  40: "HANDSHAKE_FAILURE",
  42: "BAD_CERTIFICATE",
  44: "CERTIFICATE_REVOKED",
  45: "CERTIFICATE_EXPIRED",
  46: "CERTIFICATE_UNKNOWN",
  47: "ILLEGAL_PARAMETER",
  48: "UNKNOWN_CA",
  50: "DECODE_ERROR",
  51: "DECRYPT_ERROR",
  70: "PROTOCOL_VERSION",
  71: "INSUFFICIENT_SECURITY",
  80: "INTERNAL_ERROR",
  112: "UNRECOGNIZED_NAME",
  115: "UNKNOWN_PSK_IDENTITY",
  116: "CERTIFICATE_REQUIRED",
  120: "NO_APPLICATION_PROTOCOL"
}

export const closeNotify = 0

/** With which alert a side says why it gives up. */
const alerts: Partial<Record<TlsReason, number>> = {
  Expired: 45,
  NotYetValid: 42,
  Untrusted: 48,
  SelfSigned: 48,
  WrongHost: 46,
  Revoked: 44,
  NoCertificate: 116,
  NoSharedProtocol: 70,
  NoSharedCipher: 40,
  NoSharedAlpn: 120,
  UnknownServerName: 112,
  UnknownPskIdentity: 115,
  PlaintextPeer: 70,
  ProtocolViolation: 47,
  Unknown: 80
}

export const alertFor = (reason: TlsReason): number => alerts[reason] ?? 42

/** What an alert of the peer means, as the table of the Node platform has it. */
const meanings: Readonly<Record<number, TlsReason>> = {
  40: "NoSharedCipher",
  70: "NoSharedProtocol",
  71: "NoSharedCipher",
  112: "UnknownServerName",
  115: "UnknownPskIdentity",
  120: "NoSharedAlpn"
}

/** OpenSSL names alerts by the version that they came with. */
const code = (alert: number): string => {
  const family = alert === 116 ? "TLSV13" : alert === 10 || alert === 20 || (alert >= 40 && alert <= 47)
    ? "SSLV3"
    : "TLSV1"
  return `ERR_SSL_${family}_ALERT_${names[alert] ?? String(alert)}`
}

export const receivedAlert = (alert: number): TlsFailure => ({
  reason: meanings[alert] ?? "RefusedByPeer",
  code: code(alert)
})

/** OpenSSL's codes for what a side finds itself. */
export const violation = (code: string): TlsFailure => ({
  reason: "ProtocolViolation",
  code: `ERR_SSL_${code}`
})
