/**
 * FTP URLs: RFC 1738, section 3.2, with the host and the percent-encoding of RFC 3986.
 *
 * The platform's `URL` will not do for the path: it resolves `%2e%2e`, turns `\` into `/`, and does not know `;type=`.
 */
import * as Either from "effect/Either"
import * as FtpError from "../../FtpError.js"
import * as Authority from "../authority.js"
import * as Bytes from "../text/bytes.js"

/** `ftp` in clear, `ftps` under TLS from the first byte, `ftpes` with AUTH TLS. */
export type Scheme = "ftp" | "ftps" | "ftpes"

/** `a` as text, `i` as it is, `d` a listing. */
export type TransferType = "a" | "i" | "d"

export interface FtpUrl extends Authority.Authority {
  readonly scheme: Scheme
  /** The path's parts in bytes, decoded. The RFC gives each but the last to a CWD of its own. */
  readonly segments: ReadonlyArray<Uint8Array>
  readonly type?: TransferType
}

const schemes: ReadonlyArray<string> = ["ftp", "ftps", "ftpes"]
const shape = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)(?:\/([^]*)|())$/

/**
 * The URL, or why it is not one. A literal `?` is part of the path: FTP knows no query.
 */
export const parse = (text: string): Either.Either<FtpUrl, FtpError.InvalidArgument> => {
  const refuse = (reason: string) =>
    Either.left(
      new FtpError.InvalidArgument({ protocol: "ftp", what: "a URL", argument: Authority.hidden(text), reason })
    )
  const match = shape.exec(text)
  if (match === null) return refuse("it is not like ftp://user:password@host:port/path;type=i")
  const scheme = match[1]!.toLowerCase()
  if (!schemes.includes(scheme)) return refuse("its scheme is none of ftp, ftps and ftpes")
  let path = match[3] ?? ""
  if (path.includes("#")) return refuse("FTP knows no fragment; write %23 for a # in a name")

  const authority = Authority.parse(match[2]!)
  if (Either.isLeft(authority)) return refuse(authority.left)

  const typecode = /;type=([^/;]*)$/i.exec(path)
  const type = typecode?.[1]!.toLowerCase()
  if (type !== undefined && !/^[aid]$/.test(type)) return refuse("its ;type= is none of a, i and d")
  if (typecode !== null) path = path.slice(0, typecode.index)

  const segments: Array<Uint8Array> = []
  for (const part of path === "" ? [] : path.split("/")) {
    const segment = Authority.decodePart(part)
    if (Either.isLeft(segment)) return refuse(segment.left)
    segments.push(segment.right)
  }
  return Either.right({
    scheme: scheme as Scheme,
    ...authority.right,
    segments,
    ...(type === undefined ? {} : { type: type as TransferType })
  })
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
