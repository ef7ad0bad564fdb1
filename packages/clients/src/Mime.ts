/**
 * MIME's codings: base64, quoted-printable, line ends, dot-stuffing, wrapping, encoded words and parameters, for bytes at
 * hand and as transforms of a `Stream`. LuaSocket's `mime` module.
 *
 * An `Encoder` never fails; a `Decoder` may. Both are descriptions: one value serves any number of texts at once. A stream
 * gives the same bytes however its input is cut, and holds at most one chunk and a line.
 *
 * @example
 * ```ts
 * import { Mime } from "@copas/clients"
 * import { Either } from "effect"
 *
 * const encoded = Mime.encode(Mime.base64Encoder(), "Grüße")
 * console.log(new TextDecoder().decode(encoded)) // R3LDvMOfZQ==
 *
 * const decoded = Either.getOrThrow(Mime.decode(Mime.base64Decoder(), encoded))
 * console.log(new TextDecoder().decode(decoded)) // Grüße
 * ```
 *
 * @since 0.2.0
 */
import * as ErrorSummary from "@copas/core/ErrorSummary"
import * as Either from "effect/Either"
import { absurd } from "effect/Function"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import * as base64 from "./internal/mime/base64.js"
import * as encodedWord from "./internal/mime/encodedWord.js"
import * as lines from "./internal/mime/lines.js"
import * as parameters from "./internal/mime/parameters.js"
import * as quotedPrintable from "./internal/mime/quotedPrintable.js"
import { through } from "./internal/mime/streaming.js"
import * as transducer from "./internal/mime/transducer.js"

/**
 * An input is not what its decoder reads.
 *
 * `offset` counts the bytes of the input (the characters of a field) before the fault. If the input is known to be damaged,
 * use a decoder with `lenient: true`, which skips what is wrong.
 *
 * @since 0.2.0
 * @category errors
 */
export class MimeError extends Schema.TaggedError<MimeError>("@copas/clients/Mime/MimeError")("MimeError", {
  /** The form that was read: `base64`, `quoted-printable`, `dot-stuffing` or `parameters`. */
  coding: Schema.String,
  offset: Schema.Number,
  expected: Schema.String,
  /** The input at that place, cut to a few characters. */
  got: Schema.String
}) {
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    return `${this.coding}: expected ${this.expected} at offset ${this.offset}, but got ${this.got}; correct the input, ` +
      `or decode with \`lenient: true\`, which skips what is wrong`
  }
}

declare const EncoderTypeId: unique symbol
declare const DecoderTypeId: unique symbol

/**
 * A coding that accepts any bytes.
 *
 * @since 0.2.0
 * @category models
 */
export interface Encoder {
  readonly [EncoderTypeId]: "Encoder"
}

/**
 * A coding that does not accept all bytes.
 *
 * @since 0.2.0
 * @category models
 */
export interface Decoder {
  readonly [DecoderTypeId]: "Decoder"
}

interface Coding extends Encoder, Decoder {
  readonly coding: string
  readonly open: () => transducer.Transducer
}

const define = (coding: string, open: () => transducer.Transducer): Coding => ({ coding, open }) as Coding
const open = (self: Encoder | Decoder): transducer.Transducer => (self as Coding).open()
const failure = (self: Decoder, fault: transducer.Fault): MimeError =>
  new MimeError({ coding: (self as Coding).coding, ...fault })

const utf8 = new TextEncoder()
const bytesOf = (data: string | Uint8Array): Uint8Array => typeof data === "string" ? utf8.encode(data) : data

/**
 * Encodes bytes at hand; a string is taken as UTF-8.
 *
 * @since 0.2.0
 * @category encoding
 */
export const encode = (encoder: Encoder, data: string | Uint8Array): Uint8Array =>
  transducer.runAll(open(encoder), bytesOf(data))

/**
 * Decodes bytes at hand; a string is taken as UTF-8.
 *
 * @since 0.2.0
 * @category decoding
 */
export const decode = (decoder: Decoder, data: string | Uint8Array): Either.Either<Uint8Array, MimeError> => {
  const running = open(decoder)
  const decoded = transducer.runAll(running, bytesOf(data))
  return running.fault === undefined ? Either.right(decoded) : Either.left(failure(decoder, running.fault))
}

/**
 * Encodes a stream of bytes.
 *
 * @since 0.2.0
 * @category encoding
 */
export const encodeStream = (
  encoder: Encoder
): <E, R>(stream: Stream.Stream<Uint8Array, E, R>) => Stream.Stream<Uint8Array, E, R> =>
  through<never>(() => open(encoder), (fault) => absurd(fault as never))

/**
 * Decodes a stream of bytes. The stream emits the bytes before a fault, then fails.
 *
 * @since 0.2.0
 * @category decoding
 */
export const decodeStream = (
  decoder: Decoder
): <E, R>(stream: Stream.Stream<Uint8Array, E, R>) => Stream.Stream<Uint8Array, E | MimeError, R> =>
  through(() => open(decoder), (fault) => failure(decoder, fault))

/**
 * Applies one encoder after another. LuaSocket's `ltn12.filter.chain`.
 *
 * @since 0.2.0
 * @category encoding
 */
export const chain = (first: Encoder, ...others: ReadonlyArray<Encoder>): Encoder =>
  others.reduce(
    (before, after) => define("chain", () => transducer.chain(open(before), open(after))),
    first
  )

/**
 * Whether a decoder skips what is wrong in its input instead of failing. Default: it fails.
 *
 * @since 0.2.0
 * @category models
 */
export interface DecodeOptions {
  readonly lenient?: boolean | undefined
}

/**
 * Base64 (RFC 2045, section 6.8), in lines of `lineLength` letters (default 76) with CR LF between them and none after
 * the last. `lineLength: "unlimited"` gives one line (RFC 4648). Another number is rounded down to a multiple of four,
 * and is at least 4.
 *
 * @since 0.2.0
 * @category encoding
 */
export const base64Encoder = (options?: { readonly lineLength?: number | "unlimited" | undefined }): Encoder => {
  const given = options?.lineLength ?? 76
  const lineLength = given === "unlimited" ? 0 : Math.max(4, Math.floor(given / 4) * 4)
  return define("base64", () => base64.encoder(lineLength))
}

/**
 * Base64 back to bytes. White space is ignored everywhere. Any other byte outside of the alphabet, an incomplete last
 * group, and bytes after the padding are faults.
 *
 * @since 0.2.0
 * @category decoding
 */
export const base64Decoder = (options?: DecodeOptions): Decoder =>
  define("base64", () => base64.decoder(options?.lenient === true))

/**
 * Quoted-printable (RFC 2045, section 6.7), in lines of 76 characters at most. In text, each CR LF, CR and LF becomes
 * CR LF; with `binary: true`, CR and LF are bytes like others and come back as they were.
 *
 * @since 0.2.0
 * @category encoding
 */
export const quotedPrintableEncoder = (options?: { readonly binary?: boolean | undefined }): Encoder =>
  define("quoted-printable", () => quotedPrintable.encoder(options?.binary === true))

/**
 * Quoted-printable back to bytes, its line breaks as CR LF. White space at a line's end is dropped, as rule 3 demands: a
 * transport added it. An "=" without two hexadecimal digits or a line end after it, and 8-bit or control characters, are
 * faults.
 *
 * @since 0.2.0
 * @category decoding
 */
export const quotedPrintableDecoder = (options?: DecodeOptions): Decoder =>
  define("quoted-printable", () => quotedPrintable.decoder(options?.lenient === true))

/**
 * Each CR LF, CR and LF becomes `marker` (default CR LF). LuaSocket's `mime.normalize`, which also takes LF CR for one
 * line end; here it is two.
 *
 * @since 0.2.0
 * @category encoding
 */
export const eol = (marker = "\r\n"): Encoder => {
  const bytes = utf8.encode(marker)
  return define("eol", () => lines.eol(bytes))
}

/**
 * Makes content ready for `DATA` (RFC 5321, section 4.5.2): a line that begins with a dot gets one more. Line ends become
 * CR LF in the same pass, because a server may take a bare CR or LF for a line end that the stuffing did not see. The dot
 * that ends the message is not part of it.
 *
 * @since 0.2.0
 * @category encoding
 */
export const dotStuff: Encoder = define("dot-stuffing", lines.dotStuffer)

/**
 * Undoes dot-stuffing: removes the first dot of each line. A line of a single dot, which ends a message, is a fault.
 *
 * @since 0.2.0
 * @category decoding
 */
export const dotUnstuff = (options?: DecodeOptions): Decoder =>
  define("dot-stuffing", () => lines.dotUnstuffer(options?.lenient === true))

/**
 * Puts a CR LF before each byte that would make its line longer than `width` bytes (default 76, at least 1). Line ends
 * of the input become CR LF. It counts bytes, not characters: wrap only ASCII text, such as base64.
 *
 * @since 0.2.0
 * @category encoding
 */
export const wrap = (width = 76): Encoder => {
  const bounded = Math.max(1, Math.floor(width))
  return define("wrap", () => lines.wrap(bounded))
}

/**
 * A text as encoded words (RFC 2047), with a space between two of them where a header may fold. Each is at most 75
 * characters and valid UTF-8 by itself; a lone surrogate becomes U+FFFD.
 *
 * `Message` does this in each field that needs it.
 *
 * @since 0.2.0
 * @category header fields
 */
export const encodeWords = (text: string): string => encodedWord.encode(text).join(" ")

/**
 * Decodes the encoded words in a field's text. Other text, and encoded words of an unknown charset, stay as they are.
 *
 * @since 0.2.0
 * @category header fields
 */
export const decodeWords = (text: string): string => encodedWord.decode(text)

/**
 * A parameter of a field such as `Content-Disposition`: `name=value`, quoted where needed, or in UTF-8 with percent signs
 * and in numbered pieces (RFC 2231). A semicolon and a space separate the pieces, so a header may fold there. A name that
 * is not a token (RFC 2045, section 5.1), or a value with a control character, is a `MimeError`.
 *
 * @since 0.2.0
 * @category header fields
 */
export const encodeParameter = (name: string, value: string): Either.Either<string, MimeError> => {
  const fault = (offset: number, expected: string, got: string) =>
    Either.left(new MimeError({ coding: "parameters", offset, expected, got }))
  if (!parameters.isToken(name)) return fault(0, "a token as the name", JSON.stringify(name.slice(0, 20)))
  const control = parameters.controlIn(value)
  return control === -1
    ? Either.right(parameters.encode(name, value).join("; "))
    : fault(control, `a value of ${name} without control characters`, transducer.showByte(value.charCodeAt(control)))
}

/**
 * A structured field in its parts: the value before the first semicolon, and the parameters by name in lower case, with
 * RFC 2231's pieces joined and decoded.
 *
 * @since 0.2.0
 * @category header fields
 */
export const decodeParameters = (
  field: string,
  options?: DecodeOptions
): Either.Either<{ readonly value: string; readonly parameters: ReadonlyMap<string, string> }, MimeError> => {
  const parsed = parameters.decode(field, options?.lenient === true)
  return "offset" in parsed
    ? Either.left(new MimeError({ coding: "parameters", ...parsed }))
    : Either.right(parsed)
}
