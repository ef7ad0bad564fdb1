import type { TlsReason } from "@copas/core/TlsError"
import type { TlsFailure } from "@copas/core/TlsTransport"

/**
 * The one table from OpenSSL's and Node's codes to what this library tells apart. The first part are the results of
 * checking a chain (X509_V_ERR_…), the second the errors of the protocol (ERR_SSL_ and the reason's name).
 */
const reasons: Readonly<Record<string, TlsReason>> = {
  CERT_HAS_EXPIRED: "Expired",
  CERT_NOT_YET_VALID: "NotYetValid",
  ERROR_IN_CERT_NOT_BEFORE_FIELD: "BadCertificate",
  ERROR_IN_CERT_NOT_AFTER_FIELD: "BadCertificate",
  DEPTH_ZERO_SELF_SIGNED_CERT: "SelfSigned",
  SELF_SIGNED_CERT_IN_CHAIN: "SelfSigned",
  UNABLE_TO_GET_ISSUER_CERT: "Untrusted",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "Untrusted",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "Untrusted",
  UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY: "BadCertificate",
  UNABLE_TO_DECRYPT_CERT_SIGNATURE: "BadSignature",
  CERT_SIGNATURE_FAILURE: "BadSignature",
  CERT_UNTRUSTED: "Untrusted",
  CERT_REJECTED: "Untrusted",
  // Whatever Node has no name for; the chain was not accepted.
  UNSPECIFIED: "Untrusted",
  CERT_REVOKED: "Revoked",
  UNABLE_TO_GET_CRL: "NoRevocationList",
  CRL_NOT_YET_VALID: "NoRevocationList",
  CRL_HAS_EXPIRED: "NoRevocationList",
  CRL_SIGNATURE_FAILURE: "NoRevocationList",
  UNABLE_TO_DECRYPT_CRL_SIGNATURE: "NoRevocationList",
  ERROR_IN_CRL_LAST_UPDATE_FIELD: "NoRevocationList",
  ERROR_IN_CRL_NEXT_UPDATE_FIELD: "NoRevocationList",
  CERT_CHAIN_TOO_LONG: "ChainTooLong",
  PATH_LENGTH_EXCEEDED: "ChainTooLong",
  INVALID_CA: "WrongPurpose",
  INVALID_PURPOSE: "WrongPurpose",
  HOSTNAME_MISMATCH: "WrongHost",
  ERR_TLS_CERT_ALTNAME_INVALID: "WrongHost",
  ERR_TLS_CERT_ALTNAME_FORMAT: "BadCertificate",

  ERR_SSL_UNSUPPORTED_PROTOCOL: "NoSharedProtocol",
  ERR_SSL_NO_PROTOCOLS_AVAILABLE: "NoSharedProtocol",
  ERR_SSL_VERSION_TOO_LOW: "NoSharedProtocol",
  ERR_SSL_VERSION_TOO_HIGH: "NoSharedProtocol",
  ERR_SSL_WRONG_SSL_VERSION: "NoSharedProtocol",
  ERR_SSL_UNKNOWN_PROTOCOL: "NoSharedProtocol",
  ERR_SSL_UNSUPPORTED_SSL_VERSION: "NoSharedProtocol",
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: "NoSharedProtocol",
  ERR_SSL_NO_SHARED_CIPHER: "NoSharedCipher",
  ERR_SSL_NO_CIPHERS_AVAILABLE: "NoSharedCipher",
  ERR_SSL_NO_CIPHER_MATCH: "NoSharedCipher",
  ERR_SSL_NO_SUITABLE_KEY_SHARE: "NoSharedCipher",
  ERR_SSL_NO_SUITABLE_GROUPS: "NoSharedCipher",
  ERR_SSL_NO_SHARED_GROUPS: "NoSharedCipher",
  ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM: "NoSharedCipher",
  ERR_SSL_NO_SHARED_SIGNATURE_ALGORITHMS: "NoSharedCipher",
  ERR_SSL_WRONG_CIPHER_RETURNED: "NoSharedCipher",
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: "NoSharedCipher",
  ERR_SSL_TLSV1_ALERT_INSUFFICIENT_SECURITY: "NoSharedCipher",
  ERR_SSL_NO_APPLICATION_PROTOCOL: "NoSharedAlpn",
  ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: "NoSharedAlpn",
  ERR_TLS_ALPN_CALLBACK_INVALID_RESULT: "NoSharedAlpn",
  ERR_SSL_TLSV1_UNRECOGNIZED_NAME: "UnknownServerName",
  ERR_SSL_TLSV1_ALERT_UNRECOGNIZED_NAME: "UnknownServerName",
  ERR_SSL_PSK_IDENTITY_NOT_FOUND: "UnknownPskIdentity",
  ERR_SSL_TLSV1_ALERT_UNKNOWN_PSK_IDENTITY: "UnknownPskIdentity",
  // The key of TLS 1.3 is proved at once (RFC 8446, section 4.2.11.2).
  ERR_SSL_BINDER_DOES_NOT_VERIFY: "UnknownPskIdentity",
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: "NoCertificate",

  // The first bytes were no record of TLS.
  ERR_SSL_WRONG_VERSION_NUMBER: "PlaintextPeer",
  ERR_SSL_HTTP_REQUEST: "PlaintextPeer",
  ERR_SSL_HTTPS_PROXY_REQUEST: "PlaintextPeer",

  ERR_SSL_EE_KEY_TOO_SMALL: "BadCertificate",
  ERR_SSL_CA_KEY_TOO_SMALL: "BadCertificate",
  ERR_SSL_CA_MD_TOO_WEAK: "BadCertificate",
  ERR_SSL_DH_KEY_TOO_SMALL: "NoSharedCipher",
  ERR_TLS_DH_PARAM_SIZE: "NoSharedCipher",
  ERR_SSL_CERTIFICATE_VERIFY_FAILED: "Untrusted",
  ERR_SSL_WRONG_CERTIFICATE_TYPE: "BadCertificate",
  ERR_SSL_EXCESSIVE_MESSAGE_SIZE: "ProtocolViolation",
  ERR_TLS_HANDSHAKE_TIMEOUT: "HandshakeTimeout",

  ECONNRESET: "ClosedInHandshake",
  EPIPE: "ClosedInHandshake",
  ECONNABORTED: "ClosedInHandshake",
  ETIMEDOUT: "ClosedInHandshake",
  ENOTCONN: "ClosedInHandshake",
  ERR_STREAM_PREMATURE_CLOSE: "ClosedInHandshake",
  ERR_STREAM_DESTROYED: "ClosedInHandshake",
  ERR_SOCKET_CLOSED: "ClosedInHandshake"
}

export const codeOf = (error: unknown): string | undefined =>
  typeof error === "object" && error !== null && "code" in error && typeof error.code === "string"
    ? error.code
    : undefined

/** What TLS itself says; anything else is the connection's own failure. */
export const isTlsCode = (code: string): boolean => code.startsWith("ERR_SSL_") || code.startsWith("ERR_TLS_")

export const reasonOf = (code: string | undefined): TlsReason => {
  if (code === undefined) return "Unknown"
  const known = reasons[code]
  if (known !== undefined) return known
  if (/^ERR_SSL_(SSLV3|TLSV1|TLSV13)_ALERT_|^ERR_SSL_TLSV1_|^ERR_SSL_TLSV13_/.test(code)) return "RefusedByPeer"
  return isTlsCode(code) ? "ProtocolViolation" : "Unknown"
}

/** An error that carries its own failure through Node, which can only destroy a socket with an `Error`. */
export class Refusal extends Error {
  readonly failure: TlsFailure
  constructor(failure: TlsFailure) {
    super(failure.reason)
    this.failure = failure
  }
}

export const toTlsFailure = (error: unknown): TlsFailure => {
  if (error instanceof Refusal) return error.failure
  const code = codeOf(error)
  return { reason: reasonOf(code), code, cause: error }
}
