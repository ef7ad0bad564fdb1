/** The reason and the advice of every error code of Linux and macOS, for each call and kind of address. */
import { NetAddress, SocketError } from "@copas/core"
import { describe, expect, it } from "@effect/vitest"
import * as Os from "node:os"
import { type Call, toFailure } from "../../src/internal/net/errno.js"

const words = (text: string): ReadonlyArray<string> => text.trim().split(/\s+/)

/** Every name: `errno.h` of Linux and of macOS. */
const names: ReadonlyArray<string> = Array.from(
  new Set([
    ...Object.keys(Os.constants.errno),
    ...words(`
      E2BIG EACCES EADDRINUSE EADDRNOTAVAIL EADV EAFNOSUPPORT EAGAIN EALREADY EBADE EBADF EBADFD EBADMSG EBADR EBADRQC
      EBADSLT EBFONT EBUSY ECANCELED ECHILD ECHRNG ECOMM ECONNABORTED ECONNREFUSED ECONNRESET EDEADLK EDESTADDRREQ EDOM
      EDOTDOT EDQUOT EEXIST EFAULT EFBIG EHOSTDOWN EHOSTUNREACH EHWPOISON EIDRM EILSEQ EINPROGRESS EINTR EINVAL EIO
      EISCONN EISDIR EISNAM EKEYEXPIRED EKEYREJECTED EKEYREVOKED EL2HLT EL2NSYNC EL3HLT EL3RST ELIBACC ELIBBAD ELIBEXEC
      ELIBMAX ELIBSCN ELNRNG ELOOP EMEDIUMTYPE EMFILE EMLINK EMSGSIZE EMULTIHOP ENAMETOOLONG ENAVAIL ENETDOWN ENETRESET
      ENETUNREACH ENFILE ENOANO ENOBUFS ENOCSI ENODATA ENODEV ENOENT ENOEXEC ENOKEY ENOLCK ENOLINK ENOMEDIUM ENOMEM
      ENOMSG ENONET ENOPKG ENOPROTOOPT ENOSPC ENOSR ENOSTR ENOSYS ENOTBLK ENOTCONN ENOTDIR ENOTEMPTY ENOTNAM
      ENOTRECOVERABLE ENOTSOCK ENOTSUP ENOTTY ENOTUNIQ ENXIO EOPNOTSUPP EOVERFLOW EOWNERDEAD EPERM EPFNOSUPPORT EPIPE
      EPROTO EPROTONOSUPPORT EPROTOTYPE ERANGE EREMCHG EREMOTE EREMOTEIO ERESTART ERFKILL EROFS ESHUTDOWN
      ESOCKTNOSUPPORT ESPIPE ESRCH ESRMNT ESTALE ESTRPIPE ETIME ETIMEDOUT ETOOMANYREFS ETXTBSY EUCLEAN EUNATCH EUSERS
      EXDEV EXFULL
      EAUTH EBADARCH EBADEXEC EBADMACHO EBADRPC EDEVERR EFTYPE ENEEDAUTH ENOATTR ENOPOLICY EPROCLIM EPROCUNAVAIL
      EPROGMISMATCH EPROGUNAVAIL EPWROFF EQFULL ERPCMISMATCH ESHLIBVERS
    `)
  ])
)

const unix = NetAddress.unix("\0nobody")
const inet = NetAddress.inet("192.0.2.1", 7)

interface Row {
  readonly call: Call
  readonly address: NetAddress.NetAddress
  /** The reason of each code; those that are not here have none. */
  readonly reasons: { readonly [reason: string]: string }
  /** What the manuals of Linux (man-pages 6) and macOS 14 list for the calls that it stands for, and what IP reports. */
  readonly listed: string
  /** What only a mistake in the runtime can cause, or what it waits for. */
  readonly mistakes: string
}

const icmp = "EHOSTUNREACH ENETUNREACH EHOSTDOWN ENETDOWN ENONET EPROTO ENOPROTOOPT EOPNOTSUPP"
const making = "EACCES EAFNOSUPPORT EINVAL EMFILE ENFILE ENOBUFS ENOMEM EPROTONOSUPPORT EPROTOTYPE"
const path = "EACCES EIO ELOOP ENAMETOOLONG ENOENT ENOTDIR EROFS"
const mistakes = "EBADF EFAULT ENOTSOCK EINTR EALREADY EINPROGRESS EISCONN EDESTADDRREQ"

const resources = { TooManyOpenFiles: "EMFILE ENFILE", OutOfMemory: "ENOMEM ENOBUFS ENOSR", Aborted: "ECANCELED" }
const family = "EAFNOSUPPORT EPFNOSUPPORT EPROTONOSUPPORT ESOCKTNOSUPPORT"
const unsupported = `${family} EOPNOTSUPP ENOTSUP ENOSYS`

const rows: ReadonlyArray<Row> = [
  {
    call: "connect",
    address: inet,
    reasons: {
      ...resources,
      Refused: "ECONNREFUSED",
      TimedOut: "ETIMEDOUT",
      Unreachable: `${icmp} ENOTSUP EINVAL`,
      Reset: "ECONNRESET ENETRESET ECONNABORTED ENOTCONN EPIPE EPROTOTYPE",
      AddressInUse: "EADDRINUSE",
      AddressNotAvailable: `EADDRNOTAVAIL EAGAIN EWOULDBLOCK ENODEV ENXIO ${family}`,
      AccessDenied: "EACCES EPERM"
    },
    listed:
      `${making} ${icmp} EACCES EPERM EADDRINUSE EADDRNOTAVAIL EAGAIN EALREADY EBADF ECONNREFUSED ECONNRESET EFAULT
      EINPROGRESS EINTR EISCONN ENETUNREACH ENOTSOCK ETIMEDOUT EINVAL EOPNOTSUPP`,
    mistakes
  },
  {
    call: "connect",
    address: unix,
    reasons: {
      ...resources,
      Refused: "ECONNREFUSED",
      TimedOut: "ETIMEDOUT",
      Reset: "ECONNRESET ENETRESET ECONNABORTED ENOTCONN EPIPE",
      AccessDenied: "EACCES EPERM EROFS",
      PathNotFound: "ENOENT",
      PathTooLong: "ENAMETOOLONG",
      BadPath: "ENOTDIR ELOOP EINVAL EISDIR",
      NotASocket: "ENOTSOCK",
      WrongSocketType: "EPROTOTYPE",
      BacklogFull: "EAGAIN EWOULDBLOCK",
      FileSystemFailed: "EIO ENOSPC EDQUOT ESTALE",
      Unsupported: unsupported
    },
    listed: `${making} ${path} EAGAIN EALREADY EBADF ECONNREFUSED ECONNRESET EFAULT EINPROGRESS EINTR EISCONN ENOTSOCK
      EPERM ETIMEDOUT EOPNOTSUPP`,
    mistakes: mistakes.replace("ENOTSOCK", "")
  },
  {
    call: "bind",
    address: inet,
    reasons: {
      ...resources,
      AddressInUse: "EADDRINUSE",
      AddressNotAvailable: `EADDRNOTAVAIL EINVAL ENODEV ENXIO EOPNOTSUPP ENOTSUP EPROTOTYPE ${family}`,
      AccessDenied: "EACCES EPERM"
    },
    listed: `${making} EACCES EPERM EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EBADF EDESTADDRREQ EFAULT EINVAL ENODEV ENOMEM
      ENOTSOCK EOPNOTSUPP`,
    mistakes
  },
  {
    call: "bind",
    address: unix,
    reasons: {
      ...resources,
      AddressInUse: "EADDRINUSE EEXIST",
      AccessDenied: "EACCES EPERM EROFS",
      PathNotFound: "ENOENT",
      PathTooLong: "ENAMETOOLONG",
      BadPath: "ENOTDIR ELOOP EINVAL EISDIR",
      FileSystemFailed: "EIO ENOSPC EDQUOT ESTALE",
      Unsupported: `${unsupported} EPROTOTYPE`
    },
    listed:
      `${making} ${path} EADDRINUSE EBADF EDESTADDRREQ EDQUOT EEXIST EFAULT EISDIR ENOSPC ENOTSOCK EOPNOTSUPP EPERM`,
    mistakes
  },
  ...[inet, unix].map((address): Row => ({
    call: "accept",
    address,
    reasons: {
      ...resources,
      Aborted: `${resources.Aborted} ${icmp} ${family} ENOTSUP ECONNABORTED ECONNRESET ENOTCONN ETIMEDOUT EPIPE EINVAL`,
      Reset: "ENETRESET",
      AccessDenied: "EACCES EPERM"
    },
    listed: `${icmp} EAGAIN EBADF ECONNABORTED EFAULT EINTR EINVAL EMFILE ENFILE ENOBUFS ENOMEM ENOSR ENOTSOCK EPERM
      EPROTONOSUPPORT ESOCKTNOSUPPORT ETIMEDOUT`,
    mistakes: `${mistakes} EAGAIN`
  })),
  ...[inet, unix].map((address): Row => ({
    call: "transfer",
    address,
    reasons: {
      ...resources,
      Reset: "ECONNRESET ENETRESET ECONNABORTED ENOTCONN ECONNREFUSED EPROTOTYPE",
      BrokenPipe: "EPIPE ESHUTDOWN ERR_STREAM_WRITE_AFTER_END ERR_STREAM_DESTROYED",
      TimedOut: "ETIMEDOUT",
      Unreachable: `${icmp} ENOTSUP EACCES EPERM EADDRNOTAVAIL ENODEV ENXIO`
    },
    listed: `${icmp} EACCES EADDRNOTAVAIL EAGAIN EALREADY EBADF ECONNREFUSED ECONNRESET EDESTADDRREQ EFAULT EINTR EINVAL
      EISCONN EMSGSIZE ENOBUFS ENOMEM ENOTCONN ENOTSOCK EPERM EPIPE ETIMEDOUT`,
    mistakes: `${mistakes} EAGAIN EINVAL EMSGSIZE`
  })),
  {
    call: "send",
    address: inet,
    reasons: {
      ...resources,
      OutOfMemory: `${resources.OutOfMemory} EAGAIN EWOULDBLOCK`,
      Refused: "ECONNREFUSED ECONNRESET",
      Unreachable: `${icmp} ENOTSUP ENETRESET ETIMEDOUT EINVAL`,
      NotConnected: "EDESTADDRREQ ENOTCONN ERR_SOCKET_DGRAM_NOT_CONNECTED",
      AlreadyConnected: "EISCONN ERR_SOCKET_DGRAM_IS_CONNECTED",
      MessageTooLong: "EMSGSIZE",
      AccessDenied: "EACCES EPERM",
      AddressInUse: "EADDRINUSE",
      AddressNotAvailable: `EADDRNOTAVAIL ENODEV ENXIO ${family}`
    },
    listed: `${icmp} EACCES EADDRNOTAVAIL EAFNOSUPPORT EAGAIN EALREADY EBADF ECONNREFUSED ECONNRESET EDESTADDRREQ EFAULT
      EINTR EINVAL EISCONN EMSGSIZE ENOBUFS ENOMEM ENOTCONN ENOTSOCK EPERM EPIPE ETIMEDOUT`,
    // EPIPE is of a direction that was shut down: there is no such call for datagrams here.
    mistakes: "EBADF EFAULT ENOTSOCK EINTR EALREADY EPIPE"
  },
  {
    call: "join",
    address: inet,
    reasons: {
      ...resources,
      OutOfMemory: "ENOMEM ENOSR",
      TooManyGroups: "ENOBUFS ETOOMANYREFS",
      AddressInUse: "EADDRINUSE",
      AddressNotAvailable: `EADDRNOTAVAIL EINVAL ENODEV ENXIO ENETUNREACH EHOSTUNREACH ${family}`,
      AccessDenied: "EACCES EPERM",
      Unsupported: "ENOPROTOOPT EOPNOTSUPP ENOTSUP ENOSYS"
    },
    listed:
      `EACCES EADDRINUSE EADDRNOTAVAIL EBADF EFAULT EHOSTUNREACH EINVAL ENETUNREACH ENOBUFS ENODEV ENOMEM ENOPROTOOPT
      ENOSYS ENOTSOCK ENXIO EOPNOTSUPP EPERM ETOOMANYREFS`,
    mistakes
  }
]

const failed = (call: Call, code: string, address: NetAddress.NetAddress) =>
  toFailure(Object.assign(new Error(`${call} ${code}`), { code }), call, address)

/** The error that a program sees. */
const errorOf = (call: Call, code: string, address: NetAddress.NetAddress): Error & { readonly reason: string } => {
  const failure = failed(call, code, address)
  const { cause } = failure
  const reason = failure.reason as never
  const transport = address._tag === "UnixAddress" ? "unix" : "tcp"
  const target = NetAddress.format(address)
  const partial = new Uint8Array(0)
  switch (call) {
    case "connect":
      return new SocketError.ConnectError({ reason, target, transport, attempts: [], cause })
    case "bind":
      return new SocketError.BindError({ reason, target, transport, cause })
    case "accept":
      return new SocketError.AcceptError({ reason, address: target, count: 1, cause })
    case "transfer":
      return new SocketError.SocketBroken({ operation: "receive", socket: "s", reason, partial, bytesSent: 0, cause })
    case "send":
    case "join":
      return new SocketError.DatagramError({
        operation: call === "join" ? "join" : "send",
        socket: "s",
        target,
        reason,
        cause
      })
  }
}

describe("S10 S01 each code that a call can give has a reason and an advice", () => {
  for (const { address, call, listed, mistakes, reasons } of rows) {
    const title = `${call}, ${address._tag === "UnixAddress" ? "a path" : "a host and port"}`
    const expected = new Map(
      Object.entries(reasons).flatMap(([reason, codes]) => words(codes).map((code) => [code, reason] as const))
    )
    it(`${title}: the reason of every code of Linux and macOS`, () => {
      for (const code of new Set([...names, ...expected.keys()])) {
        expect([code, failed(call, code, address).reason]).toEqual([code, expected.get(code) ?? "Unknown"])
      }
    })

    it(`${title}: none that the manuals list is Unknown, and its message says what to do`, () => {
      const impossible = new Set(words(mistakes))
      for (const code of words(listed)) {
        expect(names).toContain(code)
        if (impossible.has(code)) {
          expect([code, expected.get(code)]).toEqual([code, undefined])
          continue
        }
        const error = errorOf(call, code, address)
        expect([code, error.reason]).not.toEqual([code, "Unknown"])
        expect(error.message).toMatch(new RegExp(`: ${error.reason}: \\w.{12,}`))
        expect(error.message).not.toContain("see the cause")
        if (address._tag === "UnixAddress" && call !== "transfer" && call !== "accept") {
          expect(error.message).not.toMatch(/\bports?\b/)
        }
      }
    })
  }

  it("S01 a code without a reason is shown in the system's words", () => {
    const { message } = errorOf("connect", "EL3HLT", inet)
    expect(message).toMatch(/: Unknown: the system says "connect EL3HLT"; please report it/)
  })

  it("S01 a code that libuv has no name for is known by its number", () => {
    for (const code of ["EDQUOT", "ESTALE", "ENOSR"] as const) {
      const errno = -Os.constants.errno[code]
      const cause = Object.assign(new Error("x"), { code: `Unknown system error ${errno}`, errno })
      expect(toFailure(cause, "bind", unix).reason).toBe(failed("bind", code, unix).reason)
      expect(toFailure(cause, "bind", unix).reason).not.toBe("Unknown")
    }
    const refs = process.platform === "linux" ? -109 : -59
    const cause = Object.assign(new Error("x"), { code: `Unknown system error ${refs}`, errno: refs })
    expect(toFailure(cause, "join", inet).reason).toBe("TooManyGroups")
    expect(toFailure(undefined, "join", inet).reason).toBe("Unknown")
  })

  it("S01 link-local addresses without a zone, or with one that is not here, are ZoneMissing", () => {
    const calls = ["connect", "bind", "send"] as const
    const at = (host: string): NetAddress.NetAddress => NetAddress.inet(host, 7)
    for (const call of calls) {
      for (const code of ["EINVAL", "EHOSTUNREACH", "ENETUNREACH", "EADDRNOTAVAIL"]) {
        expect([call, code, failed(call, code, at("fe80::1")).reason]).toEqual([call, code, "ZoneMissing"])
      }
      expect(failed(call, "EINVAL", at("FEBF::1%nosuch")).reason).toBe("ZoneMissing")
      expect(failed(call, "EINVAL", at("ff02::1")).reason).toBe("ZoneMissing")
      expect(failed(call, "EHOSTUNREACH", at("fe80::1%eth0")).reason).not.toBe("ZoneMissing")
      expect(failed(call, "EACCES", at("fe80::1")).reason).toBe("AccessDenied")
      for (const host of ["fec0::1", "fd00::1", "2001:db8::1", "ff02::1%eth0", "169.254.1.1"]) {
        expect([host, failed(call, "EINVAL", at(host)).reason]).toEqual([
          host,
          call === "bind" ? "AddressNotAvailable" : "Unreachable"
        ])
      }
    }
    // A connection or a group that has one does not name it.
    expect(failed("transfer", "EHOSTUNREACH", at("fe80::1")).reason).toBe("Unreachable")
    expect(failed("join", "EINVAL", at("ff02::1")).reason).toBe("AddressNotAvailable")
  })
})
