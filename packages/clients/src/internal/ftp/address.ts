/**
 * Addresses of data connections: PASV and PORT (RFC 959), EPSV and EPRT (RFC 2428).
 */
import * as NetAddress from "@copas/core/NetAddress"
import * as Either from "effect/Either"
import * as FtpError from "../../FtpError.js"
import * as Reply from "../replies/reply.js"
import * as Bytes from "../text/bytes.js"

export interface Passive {
  /** What the server says its host is. Behind a NAT it is wrong, and from a hostile server it is someone else's. */
  readonly host: string
  readonly port: number
}

const violation = (what: string, reply: Reply.Reply): FtpError.ProtocolViolation =>
  new FtpError.ProtocolViolation({
    protocol: "ftp",
    what,
    received: Reply.show(reply)
  })

const six =
  /(?<![\d.,-])(-?\d{1,3}) ?, ?(-?\d{1,3}) ?, ?(-?\d{1,3}) ?, ?(-?\d{1,3}) ?, ?(-?\d{1,3}) ?, ?(-?\d{1,3})(?![\d,])/

/**
 * 227. RFC 1123, section 4.1.2.6: the six numbers stand anywhere in the text, with parentheses or without. A server
 * that prints signed bytes (-64 for 192) is understood.
 */
export const parsePasv = (reply: Reply.Reply): Either.Either<Passive, FtpError.ProtocolViolation> => {
  const match = six.exec(Reply.text(reply))
  if (match === null) return Either.left(violation("the reply to PASV has no address in it", reply))
  const numbers = match.slice(1).map(Number)
  if (numbers.some((number) => number < -128 || number > 255)) {
    return Either.left(violation("the reply to PASV has a number past 255 in its address", reply))
  }
  const [a, b, c, d, high = 0, low = 0] = numbers.map((number) => number & 255)
  const port = high * 256 + low
  if (port === 0) return Either.left(violation("the reply to PASV has the port 0", reply))
  return Either.right({ host: `${a}.${b}.${c}.${d}`, port })
}

// <d>[net-prt]<d>[net-addr]<d>port<d>. RFC 2428 wants the first two empty; IBM i uses `!` for the delimiter. A digit
// as delimiter is allowed there, but no one has seen it, and it would make any long number match.
const extended = /([!-/:-~])[12]?\1[0-9A-Fa-f:.]{0,45}?\1(\d{1,5})\1/

/**
 * 229. Only the port counts: the host is the control connection's.
 */
export const parseEpsv = (reply: Reply.Reply): Either.Either<number, FtpError.ProtocolViolation> => {
  const match = extended.exec(Reply.text(reply))
  if (match === null) return Either.left(violation("the reply to EPSV has no port in it", reply))
  const port = Number(match[2])
  return port > 0 && port < 65_536
    ? Either.right(port)
    : Either.left(violation("the reply to EPSV has a port that does not exist", reply))
}

const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/** An IPv4 address in IPv6 clothing, as a dual-stack socket reports it, is an IPv4 address to the server. */
export const unmap = (host: string): string => {
  const inner = mapped.exec(host)?.[1]
  return inner !== undefined && NetAddress.familyOf(inner) === "IPv4" ? inner : host
}

const refuse = (what: string, host: string, port: number, reason: string) =>
  Either.left(
    new FtpError.InvalidArgument({
      protocol: "ftp",
      what,
      argument: Bytes.show(NetAddress.formatHostPort(host, port)),
      reason
    })
  )

const isPort = (port: number): boolean => Number.isInteger(port) && port > 0 && port < 65_536

/**
 * The argument of PORT. IPv4 alone has one.
 */
export const formatPort = (host: string, port: number): Either.Either<string, FtpError.InvalidArgument> => {
  const plain = unmap(host)
  if (NetAddress.familyOf(plain) !== "IPv4") return refuse("PORT", host, port, "it is not an IPv4 address; use EPRT")
  if (!isPort(port)) return refuse("PORT", host, port, "a port is between 1 and 65535")
  return Either.right(`${plain.replaceAll(".", ",")},${port >> 8},${port & 255}`)
}

/**
 * The argument of EPRT. A zone (`%eth0`) means something on this machine only, and is left out.
 */
export const formatEprt = (host: string, port: number): Either.Either<string, FtpError.InvalidArgument> => {
  const plain = unmap(host).split("%")[0]!
  const family = NetAddress.familyOf(plain)
  if (family === undefined) return refuse("EPRT", host, port, "it is not a numeric address")
  if (!isPort(port)) return refuse("EPRT", host, port, "a port is between 1 and 65535")
  return Either.right(`|${family === "IPv4" ? 1 : 2}|${plain}|${port}|`)
}
