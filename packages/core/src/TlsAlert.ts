/**
 * The alerts of TLS, and what each of them means to the side that receives it: for platforms that bring TLS.
 *
 * @since 0.1.0
 */
import type { TlsReason } from "./TlsError.js"

/**
 * An alert of RFC 8446, section 6, or of a version before it.
 *
 * @since 0.1.0
 * @category models
 */
export interface TlsAlert {
  readonly code: number
  /** The name in the RFCs, in upper case: `HANDSHAKE_FAILURE`. */
  readonly name: string
  /** Why the connection failed, for the side that receives it. */
  readonly reason: TlsReason
}

const table = (
  rows: ReadonlyArray<readonly [code: number, name: string, reason?: TlsReason]>
): ReadonlyArray<TlsAlert> => rows.map(([code, name, reason = "RefusedByPeer"]) => ({ code, name, reason }))

/**
 * Every alert that was ever assigned. An alert about something that both sides could not agree on has that reason. An
 * alert about this side, or about bytes that are not TLS to the peer, is `RefusedByPeer`, because this side sees nothing
 * wrong itself.
 *
 * @since 0.1.0
 * @category models
 */
export const alerts: ReadonlyArray<TlsAlert> = table([
  [0, "CLOSE_NOTIFY", "ClosedInHandshake"],
  [10, "UNEXPECTED_MESSAGE"],
  [20, "BAD_RECORD_MAC"],
  [21, "DECRYPTION_FAILED"],
  [22, "RECORD_OVERFLOW"],
  [30, "DECOMPRESSION_FAILURE"],
  [40, "HANDSHAKE_FAILURE", "NoSharedCipher"],
  [41, "NO_CERTIFICATE"],
  [42, "BAD_CERTIFICATE"],
  [43, "UNSUPPORTED_CERTIFICATE"],
  [44, "CERTIFICATE_REVOKED"],
  [45, "CERTIFICATE_EXPIRED"],
  [46, "CERTIFICATE_UNKNOWN"],
  [47, "ILLEGAL_PARAMETER"],
  [48, "UNKNOWN_CA"],
  [49, "ACCESS_DENIED"],
  [50, "DECODE_ERROR"],
  [51, "DECRYPT_ERROR"],
  [52, "TOO_MANY_CIDS_REQUESTED"],
  [60, "EXPORT_RESTRICTION", "NoSharedCipher"],
  [70, "PROTOCOL_VERSION", "NoSharedProtocol"],
  [71, "INSUFFICIENT_SECURITY", "NoSharedCipher"],
  [80, "INTERNAL_ERROR"],
  [86, "INAPPROPRIATE_FALLBACK", "NoSharedProtocol"],
  [90, "USER_CANCELLED"],
  [100, "NO_RENEGOTIATION"],
  [109, "MISSING_EXTENSION"],
  [110, "UNSUPPORTED_EXTENSION"],
  [111, "CERTIFICATE_UNOBTAINABLE"],
  [112, "UNRECOGNIZED_NAME", "UnknownServerName"],
  [113, "BAD_CERTIFICATE_STATUS_RESPONSE"],
  [114, "BAD_CERTIFICATE_HASH_VALUE"],
  [115, "UNKNOWN_PSK_IDENTITY", "UnknownPskIdentity"],
  [116, "CERTIFICATE_REQUIRED"],
  [117, "GENERAL_ERROR"],
  [120, "NO_APPLICATION_PROTOCOL", "NoSharedAlpn"],
  [121, "ECH_REQUIRED"]
])

const byCode = new Map(alerts.map((alert) => [alert.code, alert]))
const byName = new Map(alerts.map((alert) => [alert.name, alert]))

/**
 * The alert of a number; `undefined` for a number that was never assigned.
 *
 * @since 0.1.0
 * @category accessors
 */
export const fromCode = (code: number): TlsAlert | undefined => byCode.get(code)

/**
 * The alert of a name; `undefined` for an unknown one.
 *
 * @since 0.1.0
 * @category accessors
 */
export const fromName = (name: string): TlsAlert | undefined => byName.get(name)
