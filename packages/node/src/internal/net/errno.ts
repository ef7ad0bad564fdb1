/** From the system's error codes to the reasons of this library, by the call and the kind of address. */
import type { NetAddress } from "@copas/core/NetAddress"
import type { DnsReason } from "@copas/core/SocketError"
import type { Failure } from "@copas/core/Transport"
import * as Os from "node:os"
import * as UnixPath from "./unixPath.js"

type Reason = Failure["reason"]
type Table = { readonly [code: string]: Reason }

/**
 * What was being done. `connect` and `bind` include making the socket, `bind` includes listening; `transfer` is reading
 * and writing a connection, `send` is sending and receiving datagrams.
 */
export type Call = "connect" | "bind" | "accept" | "transfer" | "send" | "join"

const resources: Table = {
  EMFILE: "TooManyOpenFiles",
  ENFILE: "TooManyOpenFiles",
  ENOMEM: "OutOfMemory",
  ENOBUFS: "OutOfMemory",
  ENOSR: "OutOfMemory",
  ECANCELED: "Aborted"
}

const all = <R extends Reason>(reason: R, ...codes: ReadonlyArray<string>): { readonly [code: string]: R } =>
  Object.fromEntries(codes.map((code) => [code, reason]))

const forbidden = all("AccessDenied", "EACCES", "EPERM")

/** Socket(2): the family, or the protocol in it, is not there. */
const noFamily = ["EAFNOSUPPORT", "EPFNOSUPPORT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT"] as const

/** Reports of routers and of the peer's machine (icmp_err_convert of Linux), and of an interface that is down. */
const onTheWay = [
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EHOSTDOWN",
  "ENETDOWN",
  "ENONET",
  "EPROTO",
  "ENOPROTOOPT",
  "EOPNOTSUPP",
  "ENOTSUP"
] as const

const cut = all("Reset", "ECONNRESET", "ENETRESET", "ECONNABORTED", "ENOTCONN")

/** Looking a path up: path_resolution(7). */
const paths: Table = {
  ...resources,
  ...forbidden,
  ENOENT: "PathNotFound",
  ENAMETOOLONG: "PathTooLong",
  ...all("BadPath", "ENOTDIR", "ELOOP", "EINVAL", "EISDIR"),
  EROFS: "AccessDenied",
  ...all("FileSystemFailed", "EIO", "ENOSPC", "EDQUOT", "ESTALE"),
  ...all("Unsupported", ...noFamily, "EPROTOTYPE", "EOPNOTSUPP", "ENOTSUP", "ENOSYS")
}

const inet: Readonly<Record<Call, Table>> = {
  connect: {
    ...resources,
    ...forbidden,
    ...cut,
    ...all("Unreachable", ...onTheWay),
    ...all("AddressNotAvailable", "EADDRNOTAVAIL", ...noFamily, "ENODEV", "ENXIO"),
    ECONNREFUSED: "Refused",
    ETIMEDOUT: "TimedOut",
    EPIPE: "Reset",
    // macOS, while the peer is closing already.
    EPROTOTYPE: "Reset",
    EADDRINUSE: "AddressInUse",
    // No local port is free.
    EAGAIN: "AddressNotAvailable",
    // A black-hole route (ip(7)), or an address that is nobody's.
    EINVAL: "Unreachable"
  },
  bind: {
    ...resources,
    ...forbidden,
    EADDRINUSE: "AddressInUse",
    ...all("AddressNotAvailable", "EADDRNOTAVAIL", ...noFamily, "EPROTOTYPE", "ENODEV", "ENXIO", "EINVAL"),
    // Of listening on the address of a group.
    ...all("AddressNotAvailable", "EOPNOTSUPP", "ENOTSUP")
  },
  accept: {
    ...resources,
    ...forbidden,
    ...cut,
    // Accept(2): errors that the new connection already has.
    ...all(
      "Aborted",
      ...onTheWay,
      ...noFamily,
      "ECONNABORTED",
      "ECONNRESET",
      "ENOTCONN",
      "ETIMEDOUT",
      "EPIPE",
      "EINVAL"
    )
  },
  transfer: {
    ...resources,
    ...cut,
    ...all("Unreachable", ...onTheWay, "EACCES", "EPERM", "EADDRNOTAVAIL", "ENODEV", "ENXIO"),
    ...all("BrokenPipe", "EPIPE", "ESHUTDOWN", "ERR_STREAM_WRITE_AFTER_END", "ERR_STREAM_DESTROYED"),
    ETIMEDOUT: "TimedOut",
    ECONNREFUSED: "Reset",
    // macOS, while the peer is closing already.
    EPROTOTYPE: "Reset"
  },
  send: {
    ...resources,
    ...forbidden,
    ...all("Unreachable", ...onTheWay, "ENETRESET", "ETIMEDOUT", "EINVAL"),
    ...all("Refused", "ECONNREFUSED", "ECONNRESET"),
    ...all("AddressNotAvailable", "EADDRNOTAVAIL", ...noFamily, "ENODEV", "ENXIO"),
    ...all("NotConnected", "EDESTADDRREQ", "ENOTCONN", "ERR_SOCKET_DGRAM_NOT_CONNECTED"),
    ...all("AlreadyConnected", "EISCONN", "ERR_SOCKET_DGRAM_IS_CONNECTED"),
    EMSGSIZE: "MessageTooLong",
    EAGAIN: "OutOfMemory",
    // Binding again after `disconnect`.
    EADDRINUSE: "AddressInUse"
  },
  join: {
    ...resources,
    ...forbidden,
    EADDRINUSE: "AddressInUse",
    ...all(
      "AddressNotAvailable",
      "EADDRNOTAVAIL",
      ...noFamily,
      "ENODEV",
      "ENXIO",
      "EINVAL",
      "ENETUNREACH",
      "EHOSTUNREACH"
    ),
    ...all("TooManyGroups", "ENOBUFS", "ETOOMANYREFS"),
    ...all("Unsupported", "ENOPROTOOPT", "EOPNOTSUPP", "ENOTSUP", "ENOSYS")
  }
}

const unix: Readonly<Record<Call, Table>> = {
  ...inet,
  connect: {
    ...paths,
    ...cut,
    EPIPE: "Reset",
    ECONNREFUSED: "Refused",
    ETIMEDOUT: "TimedOut",
    ENOTSOCK: "NotASocket",
    EPROTOTYPE: "WrongSocketType",
    EAGAIN: "BacklogFull"
  },
  bind: { ...paths, ...all("AddressInUse", "EADDRINUSE", "EEXIST") }
}

const namesOfNumbers = new Map(Object.entries(Os.constants.errno).map(([name, number]) => [number, name]))

/** ETOOMANYREFS, which neither libuv nor `node:os` names. */
const tooManyRefs = process.platform === "linux" ? 109 : 59

/** libuv has no name for some codes, and writes `Unknown system error -122`; the number is in `errno`. */
const codeOf = (error: unknown): string => {
  if (typeof error !== "object" || error === null || !("code" in error) || typeof error.code !== "string") return ""
  if (error.code === "EWOULDBLOCK") return "EAGAIN"
  if (!error.code.startsWith("Unknown system error")) return error.code
  const number = "errno" in error ? -Number(error.errno) : NaN
  return number === tooManyRefs ? "ETOOMANYREFS" : namesOfNumbers.get(number) ?? error.code
}

/**
 * Why a connection to a link-local address is not tried: it has no zone, or one that is no interface of this machine.
 * Since Node 22 libuv takes the first interface that it finds, where Node 20 fails; which connection a program gets
 * should not depend on which one that is.
 */
export const missingZone = (host: string): Error | undefined => {
  if (!/^fe[89ab]/i.test(host)) return undefined
  const at = host.indexOf("%")
  const zone = at === -1 ? "" : host.slice(at + 1)
  const isHere = Object.entries(Os.networkInterfaces()).some(([name, addresses]) =>
    name === zone || addresses?.some((address) => address.family === "IPv6" && String(address.scopeid) === zone)
  )
  return isHere
    ? undefined
    : Object.assign(new Error(`connect EINVAL ${host}`), { code: "EINVAL", syscall: "connect", address: host })
}

/**
 * Link-local addresses, and the groups of a link or an interface, are nothing without a zone (RFC 4007, section 6). Linux
 * says EINVAL, other systems that there is no route; a zone that is not here counts as none.
 */
const lacksZone = (host: string, code: string): boolean => {
  const hasZone = host.includes("%")
  if (/^fe[89ab]/i.test(host)) {
    return code === "EINVAL" ||
      !hasZone && (code === "EHOSTUNREACH" || code === "ENETUNREACH" || code === "EADDRNOTAVAIL" || code === "ENXIO")
  }
  return /^ff[0-9a-f][12]/i.test(host) && !hasZone && code === "EINVAL"
}

/** Asks the file system where the code says too little. */
const atPath = (path: string, call: Call, code: string): Reason | undefined => {
  // Linux refuses a connection to a file of any kind in the same way as to a socket on which nothing listens.
  if (call === "connect" && code === "ECONNREFUSED" && UnixPath.isOther(path)) return "NotASocket"
  if (call !== "bind") return undefined
  if ((code === "EADDRINUSE" || code === "EEXIST") && UnixPath.isOther(path)) return "NotASocket"
  // libuv says EACCES for ENOENT (uv_pipe_bind).
  return code === "EACCES" && UnixPath.lacksFolder(path) ? "PathNotFound" : undefined
}

const reasonOf = (code: string, call: Call, address: NetAddress | undefined): Reason => {
  if (address?._tag === "UnixAddress") return atPath(address.path, call, code) ?? unix[call][code] ?? "Unknown"
  const needsZone = call === "connect" || call === "bind" || call === "send"
  return needsZone && address !== undefined && lacksZone(address.host, code)
    ? "ZoneMissing"
    : inet[call][code] ?? "Unknown"
}

/** `address` is what was connected to, bound, or sent to. */
export const toFailure = (cause: unknown, call: Call, address?: NetAddress): Failure => ({
  reason: reasonOf(codeOf(cause), call, address),
  cause
})

/** The codes of name servers (c-ares) and of getaddrinfo. */
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
