/**
 * What a part of a message holds, and in which transfer encoding it goes out (RFC 2045, section 6).
 */
import type * as Stream from "effect/Stream"
import * as base64 from "./base64.js"
import { eol } from "./lines.js"
import { isAscii } from "./phrase.js"
import * as quotedPrintable from "./quotedPrintable.js"
import { CR, LF, runAll, type Transducer } from "./transducer.js"

/** Bytes that are made while they are sent. */
export interface Source {
  readonly stream: Stream.Stream<Uint8Array, unknown, unknown>
  /** How many bytes the stream gives, where that is known. */
  readonly size: number | undefined
  /** The part's name in errors. */
  readonly where: string
  readonly encoding: "base64" | "eol" | "identity"
}

export interface Body {
  readonly transferEncoding: "7bit" | "8bit" | "binary" | "quoted-printable" | "base64"
  /** Text of ASCII alone, with CR LF for line ends; or bytes; or what gives bytes. */
  readonly data: string | Uint8Array | Source
  /** How the bytes at hand become the body's. */
  readonly encode: ((bytes: Uint8Array) => Uint8Array) | undefined
  /** A line of it may begin with a dot, or its line ends may be other than CR LF. */
  readonly needsStuffing: boolean
}

const utf8 = new TextEncoder()
const crlf = Uint8Array.of(CR, LF)
const longestLine = 998

const hasOtherLineEnd = (bytes: Uint8Array): boolean => {
  for (let index = 0; index < bytes.length; index++) {
    if (bytes[index] === LF && bytes[index - 1] !== CR || bytes[index] === CR && bytes[index + 1] !== LF) return true
  }
  return false
}

const lineEnd = /\r\n|\r|\n/g
const asLines = (text: string): string => /(?:^|[^\r])\n|\r(?!\n)/.test(text) ? text.replace(lineEnd, "\r\n") : text

/**
 * Whether a text can go out as it is: printable ASCII and tabs, no line past 998 octets, none that ends in white space
 * (transports drop it) or that looks like a boundary of ours.
 */
const isPlain = (text: string): boolean => {
  let column = 0
  let before = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === 10 || code === 13) {
      if (before === 32 || before === 9) return false
      column = 0
    } else if (code > 126 || code < 32 && code !== 9 || ++column > longestLine) return false
    before = code
  }
  return before !== 32 && before !== 9 && !text.includes("--=_")
}

const inBase64 = (bytes: Uint8Array): Uint8Array => runAll(base64.encoder(76), bytes)
const inQuotedPrintable = (bytes: Uint8Array): Uint8Array => runAll(quotedPrintable.encoder(false), bytes)

const base64Size = (bytes: number): number => base64.encodedLength(bytes, 76)

/** Text for people: its line ends are CR LF. Readable where most of it is ASCII. */
export const text = (given: string): Body => {
  const lines = asLines(given)
  if (isPlain(lines)) {
    const needsStuffing = lines.startsWith(".") || lines.includes("\n.")
    return { transferEncoding: "7bit", data: lines, encode: undefined, needsStuffing }
  }
  const bytes = utf8.encode(lines)
  let escaped = 0
  for (const byte of bytes) {
    if (byte > 126 || byte < 32 && byte !== 9 && byte !== 10 && byte !== 13 || byte === 61) escaped++
  }
  if ((bytes.length + 2 * escaped) * 78 / 75 <= base64Size(bytes.length)) {
    const data = inQuotedPrintable(bytes)
    return { transferEncoding: "quoted-printable", data, encode: undefined, needsStuffing: false }
  }
  return atHand(bytes)
}

/** Bytes that come back as they were. */
export const atHand = (data: string | Uint8Array): Body => {
  const bytes = typeof data === "string" ? utf8.encode(data) : data
  return {
    transferEncoding: "base64",
    data: bytes,
    encode: inBase64,
    needsStuffing: false
  }
}

/** A stream's bytes, which come back as they were. */
export const streamed = (
  stream: Stream.Stream<Uint8Array, unknown, unknown>,
  size: number | undefined,
  where: string
): Body => ({
  transferEncoding: "base64",
  data: { stream, size, where, encoding: "base64" },
  encode: undefined,
  needsStuffing: false
})

/** What goes out as it is, except for line ends; as binary, those too. */
export const identity = (
  data: string | Uint8Array | Stream.Stream<Uint8Array, unknown, unknown>,
  transferEncoding: "7bit" | "8bit" | "binary",
  size: number | undefined,
  where: string
): Body => {
  if (typeof data === "string") {
    const lines = asLines(data)
    const bytes = isAscii(lines) ? lines : utf8.encode(lines)
    return { transferEncoding, data: bytes, encode: undefined, needsStuffing: true }
  }
  if (data instanceof Uint8Array) {
    const bytes = transferEncoding === "binary" || !hasOtherLineEnd(data) ? data : runAll(eol(crlf), data)
    return { transferEncoding, data: bytes, encode: undefined, needsStuffing: true }
  }
  const encoding = transferEncoding === "binary" ? "identity" : "eol"
  return {
    transferEncoding,
    data: { stream: data, size, where, encoding },
    encode: undefined,
    needsStuffing: true
  }
}

/** What the widest of a message's bytes at hand demand of the way that it goes. */
export const widthOf = (data: string | Uint8Array): "7bit" | "8bit" | "binary" => {
  const bytes = typeof data === "string" ? utf8.encode(data) : data
  let column = 0
  let is8Bit = false
  for (const byte of bytes) {
    if (byte === 10 || byte === 13) column = 0
    else if (byte === 0 || ++column > longestLine) return "binary"
    else if (byte > 127) is8Bit = true
  }
  return is8Bit ? "8bit" : "7bit"
}

/** How many bytes the encoded stream has, where that is known. */
export const encodedSizeOf = (source: Source): number | undefined =>
  source.size === undefined ? undefined : source.encoding === "base64" ? base64Size(source.size) : source.size

/** The machine that encodes a stream. */
export const encoderOf = (source: Source): Transducer | undefined =>
  source.encoding === "base64" ? base64.encoder(76) : source.encoding === "eol" ? eol(crlf) : undefined
