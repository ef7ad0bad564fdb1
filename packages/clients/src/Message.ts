/**
 * Mail messages (RFC 5322, RFC 2045 to 2049): composes texts, files and headers into the bytes of a message.
 *
 * A message is a description. It is checked when it is made: if an address, a field or a file name cannot be sent as it is,
 * an error says where, and nothing is repaired. The bytes are 7-bit, whatever the server accepts, lines have at most 998
 * bytes, and Bcc appears only in the envelope.
 *
 * @example
 * ```ts
 * import { Message } from "@copas/clients"
 * import { Effect, Either, Stream } from "effect"
 *
 * const message = Either.getOrThrow(Message.make({
 *   from: "Ada <ada@example.test>",
 *   to: ["charles@example.test", { name: "Mary, S.", address: "mary@example.test" }],
 *   subject: "Grüße",
 *   text: "The engine works.",
 *   html: "<p>The engine <b>works</b>.</p>",
 *   attachments: [{ filename: "notes.txt", content: "Bernoulli" }]
 * }))
 * const bytes = Stream.decodeText(Message.encode(message)).pipe(Stream.mkString)
 * console.log(Effect.runSync(bytes).includes("Subject: =?UTF-8?B?R3LDvMOfZQ==?=")) // true
 * ```
 *
 * @since 0.2.0
 */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import type * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Stream from "effect/Stream"
import type * as Types from "effect/Types"
import type * as Address from "./Address.js"
import type { DkimError, Signer } from "./Dkim.js"
import * as build from "./internal/mime/build.js"
import * as outgoing from "./internal/mime/outgoing.js"
import type { InvalidAddress, InvalidMessage, MessageChanged } from "./MessageError.js"

/**
 * Marks a `Message`: `isMessage` looks for it.
 *
 * @since 0.2.0
 * @category symbols
 */
export const TypeId: unique symbol = Symbol.for("@copas/clients/Message")

/**
 * The type of `TypeId`.
 *
 * @since 0.2.0
 * @category symbols
 */
export type TypeId = typeof TypeId

/**
 * Marks a `Part`: `isPart` looks for it.
 *
 * @since 0.2.0
 * @category symbols
 */
export const PartTypeId: unique symbol = Symbol.for("@copas/clients/Message/Part")

/**
 * The type of `PartTypeId`.
 *
 * @since 0.2.0
 * @category symbols
 */
export type PartTypeId = typeof PartTypeId

/**
 * Text, bytes at hand, or bytes that a stream makes while they are sent. `send` has the errors and services of the stream.
 *
 * @since 0.2.0
 * @category models
 */
export type Content<E = never, R = never> = string | Uint8Array | Stream.Stream<Uint8Array, E, R>

/**
 * The sender and the recipients, for the server only (RFC 5321, section 2.3.1). No server answers the sender `"<>"`, which
 * delivery reports have.
 *
 * @since 0.2.0
 * @category models
 */
export interface Envelope {
  readonly from: Address.Mailbox | "<>"
  /** Each address once. */
  readonly to: ReadonlyArray<Address.Mailbox>
}

/**
 * A whole message.
 *
 * @since 0.2.0
 * @category models
 */
export interface Message<out E = never, out R = never> {
  readonly [TypeId]: { readonly _E: Types.Covariant<E>; readonly _R: Types.Covariant<R> }
  readonly envelope: Envelope
  /** The Message-ID, where it was given; otherwise each sending makes one. */
  readonly messageId: Option.Option<string>
}

/**
 * A part of a message's tree.
 *
 * @since 0.2.0
 * @category models
 */
export interface Part<out E = never, out R = never> {
  readonly [PartTypeId]: { readonly _E: Types.Covariant<E>; readonly _R: Types.Covariant<R> }
}

/**
 * One or several addresses; a text is read as a list (`Address.parseList`).
 *
 * @since 0.2.0
 * @category models
 */
export type Recipients = Address.Input | Address.Group | ReadonlyArray<Address.Input | Address.Group>

/**
 * A file in a message: its bytes, its name and its media type. `E` and `R` are the errors and services of a stream.
 *
 * @since 0.2.0
 * @category models
 */
export interface AttachmentOptions<E = never, R = never> {
  readonly content: Content<E, R>
  /** The name that readers save it under. */
  readonly filename?: string | undefined
  /** The media type, with parameters if need be. Default: by the file name's ending, else `application/octet-stream`. */
  readonly type?: string | undefined
  /** A stream's size in bytes, where it is known. A stream that gives another number fails with `MessageChanged`. */
  readonly size?: number | undefined
  /** By which html refers to it: `logo` for `<img src="cid:logo">`. Required of `inline` ones. */
  readonly contentId?: string | undefined
  readonly description?: string | undefined
}

/**
 * Another form of the text, by its media type.
 *
 * @since 0.2.0
 * @category models
 */
export interface AlternativeOptions<E = never, R = never> {
  readonly type: string
  readonly content: Content<E, R>
}

/**
 * An invitation (RFC 5545, RFC 6047): the last of the alternatives.
 *
 * @since 0.2.0
 * @category models
 */
export interface CalendarOptions {
  readonly content: string
  /** `REQUEST`, `CANCEL` …. Default: what the content says. Another than that is refused. */
  readonly method?: string | undefined
  /** With a name it is attached as well. */
  readonly filename?: string | undefined
}

/**
 * The fields of a mailing list (RFC 2369, RFC 2919, RFC 8058). Addresses are URLs: `mailto:`, `https:`.
 *
 * @since 0.2.0
 * @category models
 */
export interface ListOptions {
  readonly id?: string | undefined
  readonly unsubscribe?: string | ReadonlyArray<string> | undefined
  /** Unsubscribing takes one POST to the `https:` URL of `unsubscribe`. */
  readonly oneClick?: boolean | undefined
  readonly subscribe?: string | ReadonlyArray<string> | undefined
  readonly post?: string | ReadonlyArray<string> | undefined
  readonly help?: string | ReadonlyArray<string> | undefined
  readonly owner?: string | ReadonlyArray<string> | undefined
  readonly archive?: string | ReadonlyArray<string> | undefined
}

/**
 * The options of `make`: the fields of a message, and its texts and files.
 *
 * @since 0.2.0
 * @category models
 */
export interface MessageOptions<E = never, R = never> {
  readonly from: Recipients
  /** The mailbox that sends it on behalf of `from`: required where `from` has several (RFC 5322, section 3.6.2). */
  readonly sender?: Address.Input | undefined
  readonly to?: Recipients | undefined
  readonly cc?: Recipients | undefined
  /** In the envelope, and never in the message. */
  readonly bcc?: Recipients | undefined
  readonly replyTo?: Recipients | undefined
  readonly subject?: string | undefined
  readonly text?: Content<E, R> | undefined
  readonly html?: Content<E, R> | undefined
  readonly calendar?: CalendarOptions | undefined
  /** Other forms of the text, between `text` and `html`: a reader shows the last that it knows. */
  readonly alternatives?: ReadonlyArray<AlternativeOptions<E, R>> | undefined
  /** The files that `html` refers to by `cid:`. */
  readonly inline?: ReadonlyArray<AttachmentOptions<E, R>> | undefined
  readonly attachments?: ReadonlyArray<AttachmentOptions<E, R> | Part<E, R>> | undefined
  /** The whole tree, in place of the six before. */
  readonly content?: Part<E, R> | undefined
  /** Fields that have no option here. Those that have one, and the fields of MIME, are refused. */
  readonly headers?: Readonly<Record<string, string | ReadonlyArray<string>>> | undefined
  /** Default: the time of sending. A number is in milliseconds since 1970. */
  readonly date?: Date | DateTime.DateTime | number | undefined
  /** Default: a random one at the sender's domain. */
  readonly messageId?: string | undefined
  readonly inReplyTo?: string | ReadonlyArray<string> | undefined
  readonly references?: string | ReadonlyArray<string> | undefined
  readonly priority?: "high" | "normal" | "low" | undefined
  /** RFC 3834: no automaton answers it. */
  readonly autoSubmitted?: "auto-generated" | "auto-replied" | undefined
  readonly list?: ListOptions | undefined
  /** The signers; several sign at once. */
  readonly dkim?: Signer | ReadonlyArray<Signer> | undefined
}

/**
 * The options of `part`.
 *
 * @since 0.2.0
 * @category models
 */
export interface PartOptions<E = never, R = never> {
  /** The media type, with parameters if need be: `text/plain; format=flowed`. */
  readonly type: string
  readonly content: Content<E, R>
  readonly filename?: string | undefined
  readonly disposition?: "inline" | "attachment" | undefined
  readonly contentId?: string | undefined
  readonly description?: string | undefined
  readonly size?: number | undefined
}

/**
 * The options of `raw`.
 *
 * @since 0.2.0
 * @category models
 */
export interface RawOptions {
  readonly envelope: {
    readonly from: Address.Input | "<>"
    readonly to: Recipients
  }
  /** A stream's size in bytes, where it is known. */
  readonly size?: number | undefined
  /** The form of body that the server must support. Default: by looking at bytes at hand, and `8bitmime` for a stream. */
  readonly body?: "7bit" | "8bitmime" | "binarymime" | undefined
}

/**
 * True if `value` is a `Message`.
 *
 * @since 0.2.0
 * @category guards
 */
export const isMessage = (value: unknown): value is Message<unknown, unknown> => Predicate.hasProperty(value, TypeId)

/**
 * True if `value` is a `Part`.
 *
 * @since 0.2.0
 * @category guards
 */
export const isPart = (value: unknown): value is Part<unknown, unknown> => Predicate.hasProperty(value, PartTypeId)

/**
 * Makes a message. Its tree has a level where one is needed:
 * `mixed( alternative( text, alternatives…, related( html, inline… ), calendar ), attachments… )`.
 *
 * Text and html go out as they are where all is ASCII and no line is too long, else in quoted-printable or base64,
 * whichever is shorter; attachments in base64, so that they arrive byte for byte. Lone surrogates become U+FFFD.
 *
 * @since 0.2.0
 * @category constructors
 */
export const make: <E = never, R = never>(
  options: MessageOptions<E, R>
) => Either.Either<Message<E, R>, InvalidMessage | InvalidAddress> = build.make

/**
 * A part of its own: text (`type` is `text/…` and `content` a string) with its line ends as CR LF, or bytes.
 *
 * @since 0.2.0
 * @category parts
 */
export const part: <E = never, R = never>(options: PartOptions<E, R>) => Either.Either<Part<E, R>, InvalidMessage> =
  build.makePart

/**
 * A ready-made part, header and body, such as S/MIME's or PGP's: it goes out as it is.
 *
 * Give a signed part with CR LF line ends; others become CR LF, and the signature would not fit.
 *
 * @since 0.2.0
 * @category parts
 */
export const rawPart: <E = never, R = never>(
  content: Content<E, R>,
  options?: { readonly size?: number | undefined }
) => Part<E, R> = build.rawPart

/**
 * Parts within one: `multipart("mixed", [ … ])`. At most 64 levels and 10,000 parts. Parameters are those of the field
 * Content-Type, such as `{ protocol: "application/pgp-signature" }`.
 *
 * @since 0.2.0
 * @category parts
 */
export const multipart: <E = never, R = never>(
  subtype: string,
  parts: ReadonlyArray<Part<E, R>>,
  options?: { readonly parameters?: Readonly<Record<string, string>> | undefined }
) => Either.Either<Part<E, R>, InvalidMessage> = build.multipart

/**
 * A whole message that was composed elsewhere. It goes out as it is, except that line ends become CR LF (unless it is
 * `binarymime`) and that dots are stuffed.
 *
 * @since 0.2.0
 * @category constructors
 */
export const raw: <E = never, R = never>(
  content: Content<E, R>,
  options: RawOptions
) => Either.Either<Message<E, R>, InvalidMessage | InvalidAddress> = build.raw

/**
 * The bytes of a message, without dot-stuffing, in chunks of about 64 KiB. If Date or Message-ID were not given, they are
 * made when the stream runs, so each run is a message of its own.
 *
 * @since 0.2.0
 * @category conversions
 */
export const encode: <E, R>(message: Message<E, R>) => Stream.Stream<Uint8Array, E | MessageChanged | DkimError, R> =
  outgoing.encode

/**
 * The number of bytes that `encode` gives, if the size of each content is known. It runs no stream.
 *
 * @since 0.2.0
 * @category getters
 */
export const size: (message: Message<unknown, unknown>) => Option.Option<number> = outgoing.size

/**
 * The sender and the recipients of a message, as they go to the server. They include those of `bcc`.
 *
 * @since 0.2.0
 * @category getters
 */
export const envelope = (message: Message<unknown, unknown>): Envelope => message.envelope

/**
 * A file as an attachment, with the last part of its path as the name, and with its size. Each sending reads it again.
 *
 * @since 0.2.0
 * @category constructors
 */
export const file = (
  path: string,
  options?: Omit<AttachmentOptions, "content" | "size">
): Effect.Effect<AttachmentOptions<PlatformError>, PlatformError, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    Effect.map(fs.stat(path), ({ size }) => ({
      filename: path.split(/[\\/]/).at(-1)!,
      ...options,
      content: fs.stream(path),
      size: Number(size)
    })))
