/**
 * What stands before the path in a URL (RFC 3986, section 3.2): user, password, host and port.
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Bytes from "./text/bytes.js"
import * as Codec from "./text/codec.js"

export interface Authority {
  /** Without brackets. */
  readonly host: string
  readonly port?: number
  readonly user?: string
  readonly password?: Redacted.Redacted<string>
}

/** Percent-encoding as bytes (RFC 3986, section 2.1). */
export const decodePercent = (text: string): Either.Either<Uint8Array, string> => {
  const encoded = Codec.utf8.encode(text)
  if (Option.isNone(encoded)) return Either.left("half of a surrogate pair stands in it")
  const bytes: Array<number> = []
  const source = encoded.value
  for (let index = 0; index < source.length; index++) {
    if (source[index] !== 37) {
      bytes.push(source[index]!)
      continue
    }
    const hex = Bytes.toBinary(source.subarray(index + 1, index + 3))
    if (!/^[0-9A-Fa-f]{2}$/.test(hex)) return Either.left("a % in it is not followed by two hex digits; write %25")
    bytes.push(Number.parseInt(hex, 16))
    index += 2
  }
  return Either.right(Uint8Array.from(bytes))
}

/** The same where the bytes go into a command: %0D%0A would begin a second one. LuaSocket sends it. */
export const decodePart = (text: string): Either.Either<Uint8Array, string> =>
  Either.filterOrLeft(
    decodePercent(text),
    (bytes) => bytes.every((byte) => byte >= 32 && byte !== 127),
    () => "it has a control character in it"
  )

/** Decoded bytes as text, or why they are none; `what` they are begins the sentence. */
export const textOf = (bytes: Uint8Array, what: string): Either.Either<string, string> => {
  const decoded = Codec.utf8.decode(bytes)
  return Codec.isExact(Codec.utf8, bytes, decoded) ? Either.right(decoded) : Either.left(`${what} is not in UTF-8`)
}

/** A user or password of a URL. */
export const decodeLogin = (text: string): Either.Either<string, string> =>
  Either.flatMap(decodePart(text), (bytes) => textOf(bytes, "user or password"))

const ipv6 = /^\[([0-9A-Fa-f:.]+)\]$/

// The platform's parser knows international names and every way to write an IPv4 address.
const decodeHost = (text: string): Either.Either<string, string> => {
  const parsed = Either.try(() => new URL(`ftp://${text}/`).hostname)
  const plain = !/[\s%<>^|`{}\\@/?#]/.test(text) && (!text.includes(":") || ipv6.test(text))
  if (!plain || Either.isLeft(parsed) || parsed.right === "") return Either.left("its host is not one")
  return Either.right(ipv6.exec(parsed.right)?.[1] ?? parsed.right)
}

/**
 * A URL without what may be a password in it, however wrong it is: all between the colon of the user and the last `@` of all
 * (a bare / in a password is none to the grammar, but is one to its owner), and, where there is no `@`, all after what
 * would be a user.
 */
export const hidden = (text: string): string => {
  // Without its slashes only what is a scheme for sure: before another colon may stand a user.
  const scheme = /^(?:[A-Za-z][A-Za-z0-9+.-]*:\/\/|(?:ftpe?s?|https?|smtps?|lmtp|socks5h?):)/i.exec(text)?.[0] ?? ""
  const at = text.lastIndexOf("@")
  const colon = text.indexOf(":", scheme.length)
  if (colon < 0) return Bytes.show(text)
  if (at > colon) return Bytes.show(`${text.slice(0, colon)}:****${text.slice(at)}`)
  // What follows a host's colon is a port. Anything else may be the password of a URL that was cut short.
  const rest = /^:\d{0,5}(?=[/?#]|$)/.exec(text.slice(colon))
  return Bytes.show(rest === null ? `${text.slice(0, colon)}:****` : text)
}

/** The parts, decoded, or why they cannot be had. */
export const parse = (authority: string): Either.Either<Authority, string> => {
  const at = authority.lastIndexOf("@")
  const login = at < 0 ? undefined : authority.slice(0, at)
  const hostPort = /^([^]*?)(?::(\d*))?$/.exec(authority.slice(at + 1))!
  const host = decodeHost(hostPort[1]!)
  if (Either.isLeft(host)) return Either.left(host.left)
  const port = hostPort[2] ? Number(hostPort[2]) : undefined
  if (port !== undefined && !(port > 0 && port < 65_536)) return Either.left("a port is between 1 and 65535")

  const colon = login === undefined ? -1 : login.indexOf(":")
  const user = login === undefined ? undefined : decodeLogin(colon < 0 ? login : login.slice(0, colon))
  const password = login === undefined || colon < 0 ? undefined : decodeLogin(login.slice(colon + 1))
  if (user !== undefined && Either.isLeft(user)) return Either.left(user.left)
  if (password !== undefined && Either.isLeft(password)) return Either.left(password.left)
  return Either.right({
    host: host.right,
    ...(port === undefined ? {} : { port }),
    ...(user === undefined ? {} : { user: user.right }),
    ...(password === undefined ? {} : { password: Redacted.make(password.right) })
  })
}
