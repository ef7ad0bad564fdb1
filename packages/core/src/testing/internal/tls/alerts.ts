/** Which alert a side of the stand-in for TLS sends, and what it makes of one that it receives. */
import { fromCode } from "../../../TlsAlert.js"
import type { TlsReason } from "../../../TlsError.js"
import type { TlsFailure } from "../../../TlsTransport.js"

export const closeNotify = 0

/** With which alert a side says why it gives up. */
const alerts: Partial<Record<TlsReason, number>> = {
  Expired: 45,
  NotYetValid: 42,
  Untrusted: 48,
  SelfSigned: 48,
  WrongHost: 46,
  LegacyName: 46,
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

/** OpenSSL names alerts by the version that they came with. */
const code = (alert: number): string => {
  const family = alert === 116 || alert === 109
    ? "TLSV13"
    : alert === 10 || alert === 20 || alert === 30 || (alert >= 40 && alert <= 47)
    ? "SSLV3"
    : "TLSV1"
  return `ERR_SSL_${family}_ALERT_${fromCode(alert)?.name ?? String(alert)}`
}

export const receivedAlert = (alert: number): TlsFailure => ({
  reason: fromCode(alert)?.reason ?? "RefusedByPeer",
  code: code(alert)
})

/** OpenSSL's codes for what a side finds itself. */
export const violation = (code: string): TlsFailure => ({
  reason: "ProtocolViolation",
  code: `ERR_SSL_${code}`
})
