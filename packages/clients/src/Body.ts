/**
 * The bodies of HTTP requests: text, bytes, JSON, forms, files and streams.
 *
 * A body says in its type whether it can be sent again. Bytes, files, and streams that an effect makes again are
 * `Replayable`: a retry, a redirect that keeps the body (307, 308), and a request with a fresh token send them once more. A
 * stream that may be read only once is a `OneShot`, which these refuse.
 *
 * Nothing is read, opened or encoded before the request is sent. Where the length is known, the request says it, and the
 * client fails a request whose body turns out shorter or longer; no server takes it for whole.
 *
 * @since 0.2.0
 */
import type { PlatformError } from "@effect/platform/Error"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import type { ParseError } from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { Scope } from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as Types from "effect/Types"
import * as internal from "./internal/http/body.js"
import * as forms from "./internal/http/multipart.js"
import { encode, pairsOf } from "./internal/http/parameters.js"
import * as MediaType from "./internal/mime/mediaType.js"
import { textOf } from "./internal/options.js"

/**
 * Marks the bodies that this module makes.
 *
 * @since 0.2.0
 * @category symbols
 */
export const TypeId: typeof internal.TypeId = internal.TypeId

/**
 * The type of `TypeId`.
 *
 * @since 0.2.0
 * @category symbols
 */
export type TypeId = typeof TypeId

/**
 * A body that can be sent any number of times, with the errors and the services of making its bytes.
 *
 * @since 0.2.0
 * @category models
 */
export interface Replayable<out E = never, out R = never> {
  readonly [TypeId]: { readonly _E: Types.Covariant<E>; readonly _R: Types.Covariant<R> }
  readonly _tag: "Replayable"
}

/**
 * A body that a request sends at most once.
 *
 * @since 0.2.0
 * @category models
 */
export interface OneShot<out E = never, out R = never> {
  readonly [TypeId]: { readonly _E: Types.Covariant<E>; readonly _R: Types.Covariant<R> }
  readonly _tag: "OneShot"
}

/**
 * The bodies that a request may send. Text goes out in UTF-8 as `text/plain;charset=UTF-8`, bytes as
 * `application/octet-stream`; a `Content-Type` among the headers of the request wins over the type of any body.
 *
 * @since 0.2.0
 * @category models
 */
export type Body<E = never, R = never> = string | Uint8Array | Replayable<E, R> | OneShot<E, R>

/**
 * The bodies that can be sent again.
 *
 * @since 0.2.0
 * @category models
 */
export type ReplayableBody<E = never, R = never> = string | Uint8Array | Replayable<E, R>

/**
 * The options of bodies that have a type.
 *
 * @since 0.2.0
 * @category options
 */
export interface TypeOptions {
  /** The value of `Content-Type`. */
  readonly type?: string | undefined
}

/**
 * The options of bodies that are streams.
 *
 * @since 0.2.0
 * @category options
 */
export interface StreamOptions extends TypeOptions {
  /**
   * The bytes that the stream gives, if that is known: the request then has a `Content-Length`, and fails if they are fewer
   * or more. Without it the bytes go out in chunks (RFC 9112, section 7.1).
   */
  readonly length?: number | undefined
}

/**
 * Whether a body can be sent again: it is text, bytes, or a `Replayable`.
 *
 * @since 0.2.0
 * @category guards
 */
export const isReplayable = (body: Body<unknown, unknown>): body is ReplayableBody<unknown, unknown> =>
  typeof body === "string" || body instanceof Uint8Array || body._tag === "Replayable"

// `Content` is what both models are; its tag says which.
const replayable = <E, R>(content: internal.Content<E, R>): Replayable<E, Exclude<R, Scope>> =>
  content as internal.Content<any, any> as Replayable<any, any>

/**
 * Text in UTF-8. Lone surrogates become U+FFFD.
 *
 * @since 0.2.0
 * @category constructors
 */
export const text = (text: string, options?: TypeOptions): Replayable =>
  replayable(internal.ofText(text, options?.type ?? internal.textType))

/**
 * Bytes at hand. They are not copied: do not change them while the request runs.
 *
 * @since 0.2.0
 * @category constructors
 */
export const bytes = (bytes: Uint8Array, options?: TypeOptions): Replayable =>
  replayable(internal.ofBytes(bytes, options?.type ?? internal.bytesType))

/**
 * A value in JSON (`application/json`), encoded by its schema when it is sent.
 *
 * @since 0.2.0
 * @category constructors
 * @example
 * ```ts
 * import { Body } from "@copas/clients"
 * import { Schema } from "effect"
 *
 * const User = Schema.Struct({ name: Schema.String, born: Schema.Date })
 *
 * const body = Body.json(User)({ name: "Ada", born: new Date("1815-12-10") })
 * ```
 */
export const json = <A, I, R>(schema: Schema.Schema<A, I, R>): (value: A) => Replayable<ParseError, R> => {
  const encode = Schema.encode(Schema.parseJson(schema))
  return (value) => replayable(internal.ofJson<ParseError, R>(() => encode(value)))
}

/**
 * A value in JSON as `JSON.stringify` writes it. A value that JSON cannot hold, such as a `bigint` or one that contains
 * itself, fails the request with `InvalidRequest`.
 *
 * @since 0.2.0
 * @category constructors
 */
export const jsonValue = (value: unknown): Replayable =>
  replayable(internal.ofJson((opening) =>
    Effect.try({
      try: () => JSON.stringify(value),
      catch: (cause) => opening.invalid(`its value has no form in JSON: ${textOf(cause)}`)
    })
  ))

/**
 * The value of a form's field: `undefined` leaves the field out, and an array repeats its name.
 *
 * @since 0.2.0
 * @category models
 */
export type FieldValue = string | number | boolean | bigint

/**
 * The fields of a form, by name or in pairs that keep an order.
 *
 * @since 0.2.0
 * @category models
 */
export type Fields =
  | URLSearchParams
  | Iterable<readonly [name: string, value: FieldValue]>
  | Readonly<Record<string, FieldValue | ReadonlyArray<FieldValue> | undefined>>

/**
 * A form of text fields (`application/x-www-form-urlencoded`, WHATWG URL, section 5).
 *
 * @since 0.2.0
 * @category constructors
 * @example
 * ```ts
 * import { Body } from "@copas/clients"
 *
 * const body = Body.form({ name: "Ada", language: ["Lua", "TypeScript"], newsletter: false })
 * ```
 */
export const form = (fields: Fields): Replayable =>
  replayable(internal.ofText(encode(fields).toString(), "application/x-www-form-urlencoded"))

/**
 * A part of a form with what its head says: `filename` makes it a file, `type` is its media type.
 *
 * @since 0.2.0
 * @category models
 */
export interface Part<out B extends Body<unknown, unknown> = Body<unknown, unknown>> {
  readonly content: B
  readonly filename?: string | undefined
  readonly type?: string | undefined
}

/**
 * The value of a part of a form. A file (`Body.file`) has its name, every other body only one that is given by `Part`.
 *
 * @since 0.2.0
 * @category models
 */
export type PartValue = FieldValue | Body<unknown, unknown> | Part

/**
 * The parts of a form, by name or in pairs that keep an order; an array repeats its name.
 *
 * @since 0.2.0
 * @category models
 */
export type Parts =
  | Iterable<readonly [name: string, value: PartValue]>
  | Readonly<Record<string, PartValue | ReadonlyArray<PartValue> | undefined>>

type Leaf<V> = V extends FieldValue | Uint8Array | undefined ? never
  : V extends { readonly [TypeId]: unknown } ? V
  : V extends ReadonlyArray<infer I> ? Leaf<I>
  : V extends Part<infer B> ? Leaf<B>
  : never

type Leaves<P> = P extends Iterable<readonly [string, infer V]> ? Leaf<V> : Leaf<P[keyof P]>

type ErrorOf<L> = L extends { readonly [TypeId]: { readonly _E: Types.Covariant<infer E> } } ? E : never
type ServicesOf<L> = L extends { readonly [TypeId]: { readonly _R: Types.Covariant<infer R> } } ? R : never

/**
 * The body that a form of such parts is: `OneShot` if one of its parts is.
 *
 * @since 0.2.0
 * @category models
 */
export type Multipart<P> = [Extract<Leaves<P>, OneShot<any, any>>] extends [never]
  ? Replayable<ErrorOf<Leaves<P>>, ServicesOf<Leaves<P>>>
  : OneShot<ErrorOf<Leaves<P>>, ServicesOf<Leaves<P>>>

const isPart = (value: object | null): value is Part => value !== null && "content" in value

/**
 * A form with files (`multipart/form-data`, RFC 7578). Its boundary has 128 random bits, names are escaped as browsers do,
 * and one part after the other is opened and read, so files need little memory. The length is said if that of every part is
 * known.
 *
 * @since 0.2.0
 * @category constructors
 * @example
 * ```ts
 * import { Body } from "@copas/clients"
 *
 * const body = Body.multipart({
 *   title: "Portraits",
 *   photo: [Body.file("ada.jpg"), Body.file("grace.jpg")],
 *   notes: { content: "first draft", filename: "notes.md", type: "text/markdown" }
 * })
 * ```
 */
export const multipart = <const P extends Parts>(parts: P): Multipart<P> =>
  forms.make(
    pairsOf<PartValue>(parts).map(([name, value]): forms.Entry<unknown, unknown> => {
      if (typeof value === "object" && isPart(value)) {
        const { content, filename, type } = value
        return { name, content, filename, type }
      }
      return typeof value === "object"
        ? { name, content: value, filename: internal.filenameOf(value), type: undefined }
        : { name, content: String(value), filename: undefined, type: undefined }
    })
  ) as unknown as Multipart<P>

/**
 * A form as browsers hold it. Line ends in its names and fields become CR LF, as the WHATWG's rules have it.
 *
 * @since 0.2.0
 * @category constructors
 */
export const formData = (form: FormData): Replayable => replayable(forms.make(forms.entriesOf(form)))

/**
 * A blob, with its type. It is read in pieces.
 *
 * @since 0.2.0
 * @category constructors
 */
export const blob = (blob: Blob, options?: TypeOptions): Replayable =>
  replayable(internal.ofBlob(blob, options?.type ?? (blob.type === "" ? internal.bytesType : blob.type)))

/**
 * A file, or a part of one. Its type is by the ending of its name. If the file is shorter or longer than it was when the
 * request began, the request fails before its end is sent.
 *
 * @since 0.2.0
 * @category constructors
 */
export const file = (
  path: string,
  options?: TypeOptions & {
    /** The first byte that is sent. Default 0. */
    readonly offset?: number | undefined
    /** How many bytes are sent. Default: to the end of the file. */
    readonly bytes?: number | undefined
  }
): Replayable<PlatformError, FileSystem> =>
  replayable(internal.ofFile(path, {
    type: options?.type ?? MediaType.ofName(path),
    offset: options?.offset ?? 0,
    bytes: options?.bytes
  }))

/**
 * A stream that `make` makes again for each sending. What `make` acquires is released when the request has ended.
 *
 * @since 0.2.0
 * @category constructors
 * @example
 * ```ts
 * import { Body } from "@copas/clients"
 * import { Effect, Stream } from "effect"
 *
 * const body = Body.from(Effect.sync(() => Stream.encodeText(Stream.make("one\n", "two\n"))), { type: "text/plain" })
 * ```
 */
export const from = <E = never, R = never, E2 = never, R2 = never>(
  make: Effect.Effect<Stream.Stream<Uint8Array, E, R>, E2, R2>,
  options?: StreamOptions
): Replayable<E | E2, Exclude<R | R2, Scope>> =>
  replayable(internal.ofStream("Replayable", make, options?.type ?? internal.bytesType, options?.length))

/**
 * A stream that is read once: it is pulled as fast as the server takes its bytes. If the same stream can be run any number
 * of times, say so by `Body.from(Effect.succeed(stream))`.
 *
 * @since 0.2.0
 * @category constructors
 */
export const stream = <E, R>(stream: Stream.Stream<Uint8Array, E, R>, options?: StreamOptions): OneShot<E, R> =>
  internal.ofStream(
    "OneShot",
    Effect.succeed(stream),
    options?.type ?? internal.bytesType,
    options?.length
  ) as unknown as OneShot<E, R>
