/**
 * FTP URLs: RFC 1738, section 3.2, with the host and the percent-encoding of RFC 3986.
 *
 * The platform's `URL` will not do for the path: it resolves `%2e%2e`, turns `\` into `/`, and does not know `;type=`.
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as FtpError from "../../FtpError.js"
import * as Bytes from "../text/bytes.js"
import * as Codec from "../text/codec.js"

/** `ftp` in clear, `ftps` under TLS from the first byte, `ftpes` with AUTH TLS. */
export type Scheme = "ftp" | "ftps" | "ftpes"

/** `a` as text, `i` as it is, `d` a listing. */
export type TransferType = "a" | "i" | "d"

export interface FtpUrl {
  readonly scheme: Scheme
  /** Without brackets. */
  readonly host: string
  readonly port?: number
  readonly user?: string
  readonly password?: Redacted.Redacted<string>
  /** The path's parts in bytes, decoded. The RFC gives each but the last to a CWD of its own. */
  readonly segments: ReadonlyArray<Uint8Array>
  readonly type?: TransferType
}

export const defaultPort = (scheme: Scheme): number => scheme === "ftps" ? 990 : 21

const schemes: ReadonlyArray<string> = ["ftp", "ftps", "ftpes"]
const shape = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)(?:\/([^]*)|())$/

const decodePart = (text: string): Either.Either<Uint8Array, string> => {
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
  // %0D%0A would begin a second command. LuaSocket sends it.
  return bytes.some((byte) => byte < 32 || byte === 127)
    ? Either.left("it has a control character in it")
    : Either.right(Uint8Array.from(bytes))
}

const decodeText = (text: string): Either.Either<string, string> =>
  Either.flatMap(decodePart(text), (bytes) => {
    const decoded = Codec.utf8.decode(bytes)
    return Codec.isExact(Codec.utf8, bytes, decoded)
      ? Either.right(decoded)
      : Either.left("user or password is not in UTF-8")
  })

const ipv6 = /^\[([0-9A-Fa-f:.]+)\]$/

// The platform's parser knows international names and every way to write an IPv4 address.
const decodeHost = (text: string): Either.Either<string, string> => {
  const parsed = Either.try(() => new URL(`ftp://${text}/`).hostname)
  const plain = !/[\s%<>^|`{}\\@/?#]/.test(text) && (!text.includes(":") || ipv6.test(text))
  if (!plain || Either.isLeft(parsed) || parsed.right === "") return Either.left("its host is not one")
  return Either.right(ipv6.exec(parsed.right)?.[1] ?? parsed.right)
}

// Up to the last @ of all: a password with a bare / in it is no password to the grammar, but it is one to its owner.
const hidden = (text: string): string => {
  const at = text.lastIndexOf("@")
  const colon = text.indexOf(":", text.indexOf("//") + 2)
  return Bytes.show(colon < 0 || colon > at ? text : `${text.slice(0, colon)}:****${text.slice(at)}`)
}

/**
 * The URL, or why it is not one. A literal `?` is part of the path: FTP knows no query.
 */
export const parse = (text: string): Either.Either<FtpUrl, FtpError.InvalidArgument> => {
  const refuse = (reason: string) =>
    Either.left(new FtpError.InvalidArgument({ protocol: "ftp", what: "a URL", argument: hidden(text), reason }))
  const match = shape.exec(text)
  if (match === null) return refuse("it is not like ftp://user:password@host:port/path;type=i")
  const scheme = match[1]!.toLowerCase()
  if (!schemes.includes(scheme)) return refuse("its scheme is none of ftp, ftps and ftpes")
  const authority = match[2]!
  let path = match[3] ?? ""
  if (path.includes("#")) return refuse("FTP knows no fragment; write %23 for a # in a name")

  const at = authority.lastIndexOf("@")
  const login = at < 0 ? undefined : authority.slice(0, at)
  const hostPort = /^([^]*?)(?::(\d*))?$/.exec(authority.slice(at + 1))!
  const host = decodeHost(hostPort[1]!)
  if (Either.isLeft(host)) return refuse(host.left)
  const port = hostPort[2] ? Number(hostPort[2]) : undefined
  if (port !== undefined && !(port > 0 && port < 65_536)) return refuse("a port is between 1 and 65535")

  const colon = login === undefined ? -1 : login.indexOf(":")
  const user = login === undefined ? undefined : decodeText(colon < 0 ? login : login.slice(0, colon))
  const password = login === undefined || colon < 0 ? undefined : decodeText(login.slice(colon + 1))
  if (user !== undefined && Either.isLeft(user)) return refuse(user.left)
  if (password !== undefined && Either.isLeft(password)) return refuse(password.left)

  const typecode = /;type=([^/;]*)$/i.exec(path)
  const type = typecode?.[1]!.toLowerCase()
  if (type !== undefined && !/^[aid]$/.test(type)) return refuse("its ;type= is none of a, i and d")
  if (typecode !== null) path = path.slice(0, typecode.index)

  const segments: Array<Uint8Array> = []
  for (const part of path === "" ? [] : path.split("/")) {
    const segment = decodePart(part)
    if (Either.isLeft(segment)) return refuse(segment.left)
    segments.push(segment.right)
  }
  return Either.right({
    scheme: scheme as Scheme,
    host: host.right,
    ...(port === undefined ? {} : { port }),
    ...(user === undefined ? {} : { user: user.right }),
    ...(password === undefined ? {} : { password: Redacted.make(password.right) }),
    segments,
    ...(type === undefined ? {} : { type: type as TransferType })
  })
}

// RFC 3986's unreserved characters, and those reserved ones that mean nothing in an FTP path. `;` begins the type.
const literal = /[A-Za-z0-9\-._~!$&'()*+,=:@]/
const literalUser = /[A-Za-z0-9\-._~!$&'()*+,=;]/

const encodePart = (bytes: Uint8Array, allowed: RegExp): string => {
  let text = ""
  for (const byte of bytes) {
    const character = String.fromCharCode(byte)
    text += byte < 128 && allowed.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`
  }
  return text
}

const encodeText = (text: string): string => encodePart(new TextEncoder().encode(text), literalUser)

/**
 * The URL as text. The password is left out unless it is asked for.
 */
export const format = (url: FtpUrl, options?: { readonly password?: boolean }): string => {
  const password = options?.password === true && url.password !== undefined
    ? `:${encodeText(Redacted.value(url.password))}`
    : ""
  const login = url.user === undefined ? "" : `${encodeText(url.user)}${password}@`
  const host = url.host.includes(":") ? `[${url.host}]` : url.host
  const port = url.port === undefined ? "" : `:${url.port}`
  const path = url.segments.map((segment) => encodePart(segment, literal)).join("/")
  const type = url.type === undefined ? "" : `;type=${url.type}`
  return `${url.scheme}://${login}${host}${port}/${path}${type}`
}

/**
 * The path as one argument of a command, `/` between its parts. Without segments it is empty: the directory that the
 * login begins in. It begins with `/` if the URL's path does so, encoded (`/%2Fetc`) or not (`//etc`), as in curl;
 * other empty parts mean nothing and are left out, but the last, which says that it is a directory.
 */
export const toPath = (url: FtpUrl): Uint8Array => {
  const slash = Bytes.fromBinary("/")
  const pieces: Array<Uint8Array> = []
  for (const [index, segment] of url.segments.entries()) {
    const isLast = index === url.segments.length - 1
    if (segment.length === 0 && !(index === 0 && !isLast)) continue
    pieces.push(segment)
    if (!isLast && segment[segment.length - 1] !== 47) pieces.push(slash)
  }
  return Bytes.concat(pieces)
}
