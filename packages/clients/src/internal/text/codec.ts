/**
 * How a session reads and writes names.
 *
 * RFC 2640 asks for UTF-8, but old servers send what their disk has. So the bytes are always kept beside the text, and
 * wherever a path is asked for, bytes will do instead: a name that does not decode can still be fetched.
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Bytes from "./bytes.js"

export interface Codec {
  readonly name: string
  /** Total: what cannot be decoded becomes U+FFFD. */
  readonly decode: (bytes: Uint8Array) => string
  /** None when a character has no bytes in this encoding. It is never replaced: the name would be another one. */
  readonly encode: (text: string) => Option.Option<Uint8Array>
}

// A byte order mark is part of a name, not a mark.
const utf8Decoder = new TextDecoder("utf-8", { ignoreBOM: true })
const utf8Encoder = new TextEncoder()
// With the `u` flag this matches surrogates that are not a pair, which the encoder would replace without a word.
const loneSurrogate = /[\uD800-\uDFFF]/u

export const utf8: Codec = {
  name: "utf-8",
  decode: (bytes) => utf8Decoder.decode(bytes),
  encode: (text) => loneSurrogate.test(text) ? Option.none() : Option.some(utf8Encoder.encode(text))
}

const beyondAscii = /[^\0-\x7f]/

/** Texts of the server may be in UTF-8 (RFC 6531), and nothing of 8 bits leaves. */
export const ascii: Codec = {
  name: "ASCII",
  decode: utf8.decode,
  encode: (text) => beyondAscii.test(text) ? Option.none() : Option.some(Bytes.fromBinary(text))
}

const beyondLatin1 = /[^\0-\xff]/

export const latin1: Codec = {
  name: "iso-8859-1",
  decode: (bytes) => Bytes.toBinary(bytes),
  encode: (text) => beyondLatin1.test(text) ? Option.none() : Option.some(Bytes.fromBinary(text))
}

/**
 * A codec for an encoding of one byte a character (`windows-1252`, `koi8-r`, `iso-8859-2`). The platform decodes those
 * but does not encode them, so the table is turned around. Left is why the label has no codec.
 */
export const singleByte = (label: string): Either.Either<Codec, string> => {
  const decoder = Either.try(() => new TextDecoder(label, { ignoreBOM: true }))
  if (Either.isLeft(decoder)) return Either.left("this platform does not know it")
  const table = Array.from(decoder.right.decode(Uint8Array.from({ length: 256 }, (_, byte) => byte)))
  // Of a longer encoding no byte past ASCII means anything alone, or two of them mean one character.
  const isTable = table.length === 256 && table.slice(128).some((character) => character !== "\uFFFD") &&
    table.slice(0, 128).every((character, byte) => character.charCodeAt(0) === byte)
  if (!isTable) {
    return Either.left("it is not an encoding of one byte a character; give a codec of your own")
  }
  const bytes = new Map<string, number>()
  for (const [byte, character] of table.entries()) {
    if (character !== "\uFFFD") bytes.set(character, byte)
  }
  return Either.right({
    name: decoder.right.encoding,
    decode: (input) => decoder.right.decode(input),
    encode: (text) => {
      const encoded: Array<number> = []
      for (const character of text) {
        const byte = bytes.get(character)
        if (byte === undefined) return Option.none()
        encoded.push(byte)
      }
      return Option.some(Uint8Array.from(encoded))
    }
  })
}

/**
 * Whether the text stands for these bytes and no others.
 */
export const isExact = (codec: Codec, bytes: Uint8Array, text: string): boolean =>
  Option.exists(codec.encode(text), (encoded) => Bytes.equals(encoded, bytes))
