/**
 * What single replies say: 257 (PWD, MKD), 213 (SIZE, MDTM, MFMT), 150 and 125 (transfers), STOU.
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as FtpError from "../../FtpError.js"
import * as Reply from "../replies/reply.js"
import * as Bytes from "../text/bytes.js"
import type * as Codec from "../text/codec.js"
import * as Time from "./time.js"

const violation = (what: string, reply: Reply.Reply): FtpError.ProtocolViolation =>
  new FtpError.ProtocolViolation({
    protocol: "ftp",
    what,
    received: Reply.show(reply)
  })

export interface Pathname {
  readonly path: string
  readonly rawPath: Uint8Array
}

const quote = "\""

// Ends where the doubling rule says so, unless text follows at once: then the server did not double its quotes.
const closes = (binary: string, position: number): boolean => {
  const next = binary[position + 1]
  return next === undefined || next === " " || next === "\t" || next === "." || next === ","
}

const quoted = (binary: string): string | undefined => {
  const start = binary.indexOf(quote)
  if (start < 0) return undefined
  let path = ""
  for (let position = start + 1; position < binary.length; position++) {
    const character = binary[position]!
    if (character !== quote) path += character
    else if (binary[position + 1] === quote) {
      path += quote
      position++
    } else if (closes(binary, position)) return path
    else path += quote
  }
  const last = binary.lastIndexOf(quote)
  return last > start ? binary.slice(start + 1, last).replaceAll("\"\"", quote) : undefined
}

/**
 * The path of a 257. RFC 959, appendix II: in quotes, each quote in it doubled. Old servers leave the quotes out.
 */
export const parsePathname = (
  reply: Reply.Reply,
  codec: Codec.Codec
): Either.Either<Pathname, FtpError.ProtocolViolation> => {
  for (const raw of reply.rawLines) {
    const binary = Bytes.toBinary(raw)
    const found = quoted(binary) ?? /^\s*(\/\S*)/.exec(binary)?.[1]
    if (found === undefined || found === "") continue
    const rawPath = Bytes.fromBinary(found)
    return Either.right({ path: codec.decode(rawPath), rawPath })
  }
  return Either.left(violation("the reply has no path in it", reply))
}

/**
 * A count of bytes, when it is one that a number holds exactly.
 */
export const parseCount = (digits: string): number | undefined => {
  const value = Number(digits)
  return /^\d+$/.test(digits) && Number.isSafeInteger(value) ? value : undefined
}

/**
 * 213 to SIZE. Some servers put text before the number or after it.
 */
export const parseSize = (reply: Reply.Reply): Either.Either<number, FtpError.ProtocolViolation> => {
  const text = Reply.text(reply)
  const digits = (/^\s*(\d+)(?!\S)/.exec(text) ?? /^\s*(\d+)[\s,]/.exec(text) ?? /(?<!\d)(\d{1,40})\s*$/.exec(text))
    ?.[1]
  if (digits === undefined) return Either.left(violation("the reply to SIZE has no number in it", reply))
  const size = parseCount(digits)
  return size === undefined
    ? Either.left(violation(`the reply to SIZE is past ${Number.MAX_SAFE_INTEGER}, which no file is`, reply))
    : Either.right(size)
}

/**
 * 213 to MDTM (`20240229101112.5`) and to MFMT (`Modify=20240229101112; path`).
 */
export const parseModified = (reply: Reply.Reply): Either.Either<Time.Timestamp, FtpError.ProtocolViolation> => {
  const text = Reply.text(reply)
  const value = /(?<!\d)\d{14}\d?(?:\.\d+)?(?!\d)/.exec(text)?.[0]
  const time = value === undefined ? undefined : Time.parse(value)
  return time === undefined ? Either.left(violation("the reply has no time in it", reply)) : Either.right(time)
}

/**
 * The name that a server chose for STOU: `FILE: name` (RFC 1123, section 4.1.2.9) or `(unique file name: name)`.
 */
export const uniqueName = (reply: Reply.Reply, codec: Codec.Codec): Option.Option<Pathname> => {
  for (const raw of reply.rawLines) {
    const binary = Bytes.toBinary(raw)
    const found = /\bFILE: ?(.+)$/i.exec(binary)?.[1] ??
      /\bunique file name: ?(.+)$/i.exec(binary)?.[1]?.replace(/\)\.?$/, "")
    if (found === undefined || found === "") continue
    const rawPath = Bytes.fromBinary(found)
    return Option.some({ path: codec.decode(rawPath), rawPath })
  }
  return Option.none()
}
