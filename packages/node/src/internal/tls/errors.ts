/** From OpenSSL's and Node's codes to the reasons of `TlsError`. */
import { fromName } from "@copas/core/TlsAlert"
import type { TlsReason } from "@copas/core/TlsError"
import type { TlsFailure } from "@copas/core/TlsTransport"

/**
 * The one table from OpenSSL's and Node's codes to the reasons of this library. The first part has the results of checking
 * a chain (X509_V_ERR_…), the second the errors of the protocol (ERR_SSL_ and the name of the reason). Alerts of the peer
 * are in `TlsAlert`. A code without a row is a `ProtocolViolation`: the peer sent something that OpenSSL did not expect.
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
  // A result that Node has no name for; the chain was not accepted.
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
  INVALID_NON_CA: "WrongPurpose",
  INVALID_PURPOSE: "WrongPurpose",
  KEYUSAGE_NO_CERTSIGN: "WrongPurpose",
  KEYUSAGE_NO_CRL_SIGN: "NoRevocationList",
  KEYUSAGE_NO_DIGITAL_SIGNATURE: "WrongPurpose",
  PERMITTED_VIOLATION: "WrongPurpose",
  EXCLUDED_VIOLATION: "WrongPurpose",
  NO_EXPLICIT_POLICY: "WrongPurpose",
  PROXY_CERTIFICATES_NOT_ALLOWED: "WrongPurpose",
  PROXY_PATH_LENGTH_EXCEEDED: "ChainTooLong",
  SUBJECT_ISSUER_MISMATCH: "Untrusted",
  AKID_SKID_MISMATCH: "Untrusted",
  AKID_ISSUER_SERIAL_MISMATCH: "Untrusted",
  NO_ISSUER_PUBLIC_KEY: "BadCertificate",
  INVALID_EXTENSION: "BadCertificate",
  INVALID_POLICY_EXTENSION: "BadCertificate",
  UNHANDLED_CRITICAL_EXTENSION: "BadCertificate",
  UNSUPPORTED_EXTENSION_FEATURE: "BadCertificate",
  UNSUPPORTED_CONSTRAINT_SYNTAX: "BadCertificate",
  UNSUPPORTED_CONSTRAINT_TYPE: "BadCertificate",
  UNSUPPORTED_NAME_SYNTAX: "BadCertificate",
  EE_KEY_TOO_SMALL: "BadCertificate",
  CA_KEY_TOO_SMALL: "BadCertificate",
  CA_MD_TOO_WEAK: "BadCertificate",
  UNSUPPORTED_SIGNATURE_ALGORITHM: "BadCertificate",
  SIGNATURE_ALGORITHM_MISMATCH: "BadCertificate",
  SIGNATURE_ALGORITHM_INCONSISTENCY: "BadCertificate",
  UNABLE_TO_GET_CRL_ISSUER: "NoRevocationList",
  UNHANDLED_CRITICAL_CRL_EXTENSION: "NoRevocationList",
  DIFFERENT_CRL_SCOPE: "NoRevocationList",
  CRL_PATH_VALIDATION_ERROR: "NoRevocationList",
  DANE_NO_MATCH: "DaneMismatch",
  HOSTNAME_MISMATCH: "WrongHost",
  IP_ADDRESS_MISMATCH: "WrongHost",
  EMAIL_MISMATCH: "WrongHost",
  ERR_TLS_CERT_ALTNAME_INVALID: "WrongHost",
  ERR_TLS_CERT_ALTNAME_FORMAT: "BadCertificate",

  // The versions that both sides allow.
  ERR_SSL_UNSUPPORTED_PROTOCOL: "NoSharedProtocol",
  ERR_SSL_NO_PROTOCOLS_AVAILABLE: "NoSharedProtocol",
  ERR_SSL_VERSION_TOO_LOW: "NoSharedProtocol",
  ERR_SSL_VERSION_TOO_HIGH: "NoSharedProtocol",
  ERR_SSL_WRONG_SSL_VERSION: "NoSharedProtocol",
  ERR_SSL_UNKNOWN_PROTOCOL: "NoSharedProtocol",
  ERR_SSL_UNKNOWN_SSL_VERSION: "NoSharedProtocol",
  ERR_SSL_UNSUPPORTED_SSL_VERSION: "NoSharedProtocol",
  ERR_SSL_BAD_PROTOCOL_VERSION_NUMBER: "NoSharedProtocol",
  ERR_SSL_INAPPROPRIATE_FALLBACK: "NoSharedProtocol",
  ERR_SSL_MISSING_SUPPORTED_VERSIONS_EXTENSION: "NoSharedProtocol",
  // The ciphers, the groups, the signatures.
  ERR_SSL_NO_SHARED_CIPHER: "NoSharedCipher",
  ERR_SSL_NO_CIPHERS_AVAILABLE: "NoSharedCipher",
  ERR_SSL_NO_CIPHERS_SPECIFIED: "NoSharedCipher",
  ERR_SSL_NO_CIPHER_MATCH: "NoSharedCipher",
  ERR_SSL_INSUFFICIENT_SECURITY: "NoSharedCipher",
  ERR_SSL_UNKNOWN_CIPHER_RETURNED: "NoSharedCipher",
  ERR_SSL_WRONG_CIPHER_RETURNED: "NoSharedCipher",
  ERR_SSL_NO_SUITABLE_KEY_SHARE: "NoSharedCipher",
  ERR_SSL_NO_SUITABLE_GROUPS: "NoSharedCipher",
  ERR_SSL_NO_SHARED_GROUPS: "NoSharedCipher",
  ERR_SSL_WRONG_CURVE: "NoSharedCipher",
  ERR_SSL_UNSUPPORTED_ELLIPTIC_CURVE: "NoSharedCipher",
  ERR_SSL_MISSING_SUPPORTED_GROUPS_EXTENSION: "NoSharedCipher",
  ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM: "NoSharedCipher",
  ERR_SSL_NO_SHARED_SIGNATURE_ALGORITHMS: "NoSharedCipher",
  ERR_SSL_NO_SUITABLE_DIGEST_ALGORITHM: "NoSharedCipher",
  ERR_SSL_LEGACY_SIGALG_DISALLOWED_OR_UNSUPPORTED: "NoSharedCipher",
  ERR_SSL_MISSING_SIGALGS_EXTENSION: "NoSharedCipher",
  ERR_SSL_WRONG_SIGNATURE_TYPE: "NoSharedCipher",
  ERR_SSL_DH_KEY_TOO_SMALL: "NoSharedCipher",
  ERR_TLS_DH_PARAM_SIZE: "NoSharedCipher",
  ERR_SSL_NO_APPLICATION_PROTOCOL: "NoSharedAlpn",
  ERR_TLS_ALPN_CALLBACK_INVALID_RESULT: "NoSharedAlpn",
  ERR_SSL_PSK_IDENTITY_NOT_FOUND: "UnknownPskIdentity",
  ERR_SSL_BAD_PSK_IDENTITY: "UnknownPskIdentity",
  // A client of TLS 1.3 proves its key at once (RFC 8446, section 4.2.11.2).
  ERR_SSL_BINDER_DOES_NOT_VERIFY: "UnknownPskIdentity",
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: "NoCertificate",
  ERR_SSL_NO_CERTIFICATES_RETURNED: "NoCertificate",

  // The first bytes were no record of TLS.
  ERR_SSL_WRONG_VERSION_NUMBER: "PlaintextPeer",
  ERR_SSL_HTTP_REQUEST: "PlaintextPeer",
  ERR_SSL_HTTPS_PROXY_REQUEST: "PlaintextPeer",

  // The peer's certificate, in the middle of the handshake.
  ERR_SSL_BAD_CERTIFICATE: "BadCertificate",
  ERR_SSL_BAD_ECC_CERT: "BadCertificate",
  ERR_SSL_EE_KEY_TOO_SMALL: "BadCertificate",
  ERR_SSL_CA_KEY_TOO_SMALL: "BadCertificate",
  ERR_SSL_CA_MD_TOO_WEAK: "BadCertificate",
  ERR_SSL_INVALID_CERTIFICATE_OR_ALG: "BadCertificate",
  ERR_SSL_UNABLE_TO_FIND_PUBLIC_KEY_PARAMETERS: "BadCertificate",
  ERR_SSL_UNKNOWN_CERTIFICATE_TYPE: "BadCertificate",
  ERR_SSL_WRONG_CERTIFICATE_TYPE: "BadCertificate",
  ERR_SSL_ECC_CERT_NOT_FOR_SIGNING: "WrongPurpose",
  ERR_SSL_SIGNATURE_FOR_NON_SIGNING_CERTIFICATE: "WrongPurpose",
  ERR_SSL_CERTIFICATE_VERIFY_FAILED: "Untrusted",

  // The peer hung up in the middle (OpenSSL 3 reports this for an end without close_notify).
  ERR_SSL_UNEXPECTED_EOF_WHILE_READING: "ClosedInHandshake",
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

/** True for the codes of TLS; all others concern the connection below. */
export const isTlsCode = (code: string): boolean => code.startsWith("ERR_SSL_") || code.startsWith("ERR_TLS_")

/** OpenSSL puts a version before an alert's name: not always that of the connection, and from 3.5 on another one. */
const alertPattern = /^ERR_SSL_(?:SSL\/TLS|SSLV3|TLSV1|TLSV13)_(?:ALERT_)?(.+)$/

/**
 * The code as errors show it. OpenSSL 3.5 writes `SSL/TLS` in place of `SSLV3`, and a program or an alarm that looks for a
 * code must not depend on the version of Node.
 */
export const codeAsTold = (code: string): string => code.replace("ERR_SSL_SSL/TLS_", "ERR_SSL_SSLV3_")

export const reasonOf = (code: string | undefined): TlsReason => {
  if (code === undefined) return "Unknown"
  const known = reasons[code]
  if (known !== undefined) return known
  const alert = alertPattern.exec(code)?.[1]
  if (alert !== undefined) return fromName(alert)?.reason ?? "RefusedByPeer"
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
  return { reason: reasonOf(code), code: code === undefined ? undefined : codeAsTold(code), cause: error }
}
