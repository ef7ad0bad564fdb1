/** From the system's error codes to the reasons of this library. */
import type { DnsReason } from "@copas/core/SocketError"
import type { Failure } from "@copas/core/Transport"

/** The one table from the system's error codes to what this library tells apart. */
const reasons: Readonly<Record<string, Failure["reason"]>> = {
  ECONNREFUSED: "Refused",
  // Connecting to a Unix-domain path that is no socket, or is not there.
  ENOENT: "Refused",
  ENOTSOCK: "Refused",
  ETIMEDOUT: "TimedOut",
  // What is sent is longer than the system takes in one datagram.
  EMSGSIZE: "MessageTooLong",
  ENAMETOOLONG: "PathTooLong",
  EHOSTUNREACH: "Unreachable",
  ENETUNREACH: "Unreachable",
  EHOSTDOWN: "Unreachable",
  ENETDOWN: "Unreachable",
  ENETRESET: "Reset",
  ECONNRESET: "Reset",
  ECONNABORTED: "Aborted",
  EPIPE: "BrokenPipe",
  ERR_STREAM_WRITE_AFTER_END: "BrokenPipe",
  ERR_STREAM_DESTROYED: "BrokenPipe",
  EADDRINUSE: "AddressInUse",
  EADDRNOTAVAIL: "AddressNotAvailable",
  // An address of a family that this machine has not.
  EAFNOSUPPORT: "AddressNotAvailable",
  ENODEV: "AddressNotAvailable",
  ENXIO: "AddressNotAvailable",
  ECANCELED: "Aborted",
  EACCES: "AccessDenied",
  EPERM: "AccessDenied",
  EMFILE: "TooManyOpenFiles",
  ENFILE: "TooManyOpenFiles",
  ENOMEM: "OutOfMemory",
  ENOBUFS: "OutOfMemory",
  ENOTFOUND: "HostNotFound",
  EAI_NONAME: "HostNotFound",
  EAI_NODATA: "HostNotFound",
  EAI_AGAIN: "LookupFailed",
  EAI_FAIL: "LookupFailed",
  EAI_MEMORY: "OutOfMemory"
}

const codeOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error && typeof error.code === "string" ? error.code : ""

export const toFailure = (error: unknown): Failure => ({ reason: reasons[codeOf(error)] ?? "Unknown", cause: error })

/** The same for name servers (c-ares) and getaddrinfo. */
const dnsReasons: Readonly<Record<string, DnsReason>> = {
  ENOTFOUND: "NotFound",
  ENONAME: "NotFound",
  EAI_NONAME: "NotFound",
  ENODATA: "NoData",
  EAI_NODATA: "NoData",
  EAI_ADDRFAMILY: "NoData",
  ESERVFAIL: "ServerFailure",
  EAI_AGAIN: "ServerFailure",
  EAI_FAIL: "ServerFailure",
  ETIMEOUT: "TimedOut",
  EREFUSED: "Refused",
  ECONNREFUSED: "Unreachable",
  ENOTIMP: "NotImplemented",
  EFORMERR: "BadQuery",
  EBADQUERY: "BadQuery",
  EBADRESP: "BadResponse",
  EBADNAME: "BadName",
  EBADSTR: "BadName",
  EINVAL: "BadName",
  ENOMEM: "OutOfMemory",
  EAI_MEMORY: "OutOfMemory"
}

export const toDnsReason = (error: unknown): DnsReason => dnsReasons[codeOf(error)] ?? "Unknown"
