/**
 * What a client says to a proxy, and what it makes of the answers: CONNECT (RFC 9110, section 9.3.6), SOCKS5 (RFC 1928)
 * and its user and password (RFC 1929), SOCKS4 and SOCKS4A (the memos of NEC's SOCKS 4.2).
 */
import * as NetAddress from "@copas/core/NetAddress"
import type { Socket } from "@copas/core/Socket"
import type { LineTooLong, ReceiveError, SendError } from "@copas/core/SocketError"
import * as Effect from "effect/Effect"
import type { ProxyError } from "../Connector.js"
import * as Bytes from "./text/bytes.js"

export interface Credentials {
  readonly user: string
  readonly password: string
}

/** Where the proxy is to connect to. The host is one of `wireHost`. */
export interface Target {
  readonly host: string
  readonly port: number
}

type Reason = ProxyError["reason"]

/** The proxy did not connect. */
export class Failure {
  readonly _tag = "ProxyFailure"
  readonly reason: Reason
  /** The status of HTTP, or the code of SOCKS. */
  readonly code: number | undefined
  readonly detail: string
  constructor(reason: Reason, code: number | undefined, detail: string) {
    this.reason = reason
    this.code = code
    this.detail = detail
  }
}

export type Talk = (socket: Socket, target: Target, credentials: Credentials | undefined) => Told
type Told = Effect.Effect<void, Failure | SendError | ReceiveError>

const encoder = new TextEncoder()

/**
 * The host as it goes to a proxy: an address without its zone, which means something on this machine only, or a name in
 * ASCII. `undefined` for what is neither: it could become another line of the request.
 */
export const wireHost = (host: string): string | undefined => {
  if (NetAddress.familyOf(host) !== undefined) return host.split("%")[0]!
  return /^[A-Za-z0-9._-]{1,253}$/.test(host) ? host : undefined
}

// ---- HTTP

const mostHead = 64 * 1024
const statuses: Readonly<Record<number, Reason>> = {
  401: "Forbidden",
  403: "Forbidden",
  407: "AuthenticationRequired",
  502: "TargetUnreachable",
  503: "TargetUnreachable",
  504: "TargetUnreachable"
}

/** Asks an HTTP proxy for a tunnel. What comes after the answer's head stays in the socket: it is the target's. */
export const connect: Talk = (socket, target, credentials) => {
  const authority = NetAddress.formatHostPort(target.host, target.port)
  const login = credentials === undefined
    ? ""
    : `Proxy-Authorization: Basic ${
      btoa(Bytes.toBinary(encoder.encode(`${credentials.user}:${credentials.password}`)))
    }\r\n`
  const head = Effect.catchTag(
    socket.receiveUntil("\r\n\r\n", { maxLength: mostHead }),
    "LineTooLong",
    (_: LineTooLong) => Effect.fail(new Failure("BadReply", undefined, `a head of more than ${mostHead} bytes`))
  )
  const answer: Told = Effect.flatMap(head, (bytes) => {
    const line = Bytes.toBinary(bytes).split("\r\n")[0]!
    const code = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(line)?.[1]
    if (code === undefined) return Effect.fail(new Failure("BadReply", undefined, Bytes.show(line)))
    const status = Number(code)
    // RFC 9110, section 15.2: any number of these may come before the answer.
    if (status >= 100 && status < 200 && status !== 101) return answer
    if (status >= 200 && status < 300) return Effect.void
    return Effect.fail(new Failure(statuses[status] ?? "Refused", status, Bytes.show(line)))
  })
  return Effect.zipRight(socket.send(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${login}\r\n`), answer)
}

// ---- SOCKS5

/** The sixteen bytes of an IPv6 address that `NetAddress.familyOf` takes for one. */
const ipv6Bytes = (address: string): ReadonlyArray<number> => {
  // The platform writes it in hexadecimal groups alone, also where the end was an IPv4 address.
  const [before = "", after] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split("::")
  const groups = (text: string) => text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16))
  const [left, right] = [groups(before), groups(after ?? "")]
  const all = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right]
  return all.flatMap((group) => [group >> 8, group & 255])
}

const text = (value: string): ReadonlyArray<number> => {
  const bytes = encoder.encode(value)
  return [bytes.length, ...bytes]
}

const addressBytes = (host: string): ReadonlyArray<number> => {
  switch (NetAddress.familyOf(host)) {
    case "IPv4":
      return [1, ...host.split(".").map(Number)]
    case "IPv6":
      return [4, ...ipv6Bytes(host)]
    default:
      return [3, ...text(host)]
  }
}

const codes: ReadonlyArray<readonly [Reason, string]> = [
  ["Refused", "it failed"],
  ["Forbidden", "its rules do not allow the connection"],
  ["TargetUnreachable", "there is no route to the network"],
  ["TargetUnreachable", "there is no route to the host"],
  ["TargetUnreachable", "the target refused the connection"],
  ["TargetUnreachable", "the target is too far away"],
  ["Refused", "it knows no CONNECT"],
  ["Refused", "it does not take this kind of address"]
]

/** Asks a SOCKS5 proxy for a connection. A name is looked up by the proxy. */
export const socks5: Talk = (socket, target, credentials) =>
  Effect.gen(function*() {
    const bad = (what: string, bytes: Uint8Array) => new Failure("BadReply", undefined, `${what}: ${bytes.join(" ")}`)
    yield* socket.send(Uint8Array.from(credentials === undefined ? [5, 1, 0] : [5, 2, 0, 2]))
    const chosen = yield* socket.receiveExactly(2)
    const method = chosen[1]
    if (chosen[0] !== 5) return yield* Effect.fail(bad("it is not SOCKS5", chosen))
    if (method === 255) {
      return yield* Effect.fail(
        new Failure("AuthenticationRequired", 255, "it takes no way to log in that is known here")
      )
    }
    if (method === 2 && credentials !== undefined) {
      const { password, user } = credentials
      yield* socket.send(Uint8Array.from([1, ...text(user), ...text(password)]))
      const status = yield* socket.receiveExactly(2)
      if (status[1] !== 0) {
        return yield* Effect.fail(new Failure("AuthenticationRequired", status[1], "user or password was refused"))
      }
    } else if (method !== 0) return yield* Effect.fail(bad("it chose what was not offered", chosen))
    const port = [target.port >> 8, target.port & 255]
    yield* socket.send(Uint8Array.from([5, 1, 0, ...addressBytes(target.host), ...port]))
    const head = yield* socket.receiveExactly(4)
    const code = head[1]!
    if (head[0] !== 5) return yield* Effect.fail(bad("its reply is not one", head))
    if (code !== 0) {
      const [reason, detail] = codes[code - 1] ?? ["Refused" as const, `it gave the code ${code}`]
      return yield* Effect.fail(new Failure(reason, code, detail))
    }
    // The address that it is bound to says nothing of use, but stands before the target's bytes.
    const length = head[3] === 1 ? 4 : head[3] === 4 ? 16 : head[3] === 3 ? (yield* socket.receiveExactly(1))[0]! : -1
    if (length < 0) return yield* Effect.fail(bad("its reply has an unknown kind of address", head))
    yield* socket.receiveExactly(length + 2)
  })

// ---- SOCKS4

const socks4Codes: Readonly<Record<number, readonly [Reason, string]>> = {
  91: ["Refused", "it refused, or could not reach the target; SOCKS4 does not say which"],
  92: ["AuthenticationRequired", "it asks the ident service of this machine, which does not answer"],
  93: ["AuthenticationRequired", "the ident service of this machine names another user"]
}

/** Asks a SOCKS4 proxy for a connection: to an address of IPv4, or, as SOCKS4A, to a name that the proxy looks up. */
export const socks4: Talk = (socket, target, credentials) =>
  Effect.gen(function*() {
    const isAddress = NetAddress.familyOf(target.host) === "IPv4"
    yield* socket.send(Uint8Array.from([
      4,
      1,
      target.port >> 8,
      target.port & 255,
      // 0.0.0.x, which is no address: a name comes after the user.
      ...(isAddress ? target.host.split(".").map(Number) : [0, 0, 0, 1]),
      ...encoder.encode(credentials?.user ?? ""),
      0,
      ...(isAddress ? [] : [...encoder.encode(target.host), 0])
    ]))
    const reply = yield* socket.receiveExactly(8)
    const code = reply[1]!
    if (reply[0] !== 0 || code < 90 || code > 93) {
      return yield* Effect.fail(new Failure("BadReply", undefined, `its reply is not one: ${reply.join(" ")}`))
    }
    if (code === 90) return
    const [reason, detail] = socks4Codes[code]!
    return yield* Effect.fail(new Failure(reason, code, detail))
  })
