/**
 * How the body of a request gets from what the program gave to what the transport pulls: in two steps, so that a body of
 * many parts knows its length before any of them is opened.
 */
import type { Pull, WireBody } from "@copas/core/HttpTransport"
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as Types from "effect/Types"
import type { Body } from "../../Body.js"
import { pullOf } from "../effect/streams.js"
import { textOf } from "../options.js"
import * as Showing from "../showing.js"

/** What a body needs of the client that opens it. */
export interface Opening<F> {
  /** Makes the error for a body that cannot be sent as it is. */
  readonly invalid: (reason: string) => F
  readonly randomBytes: (length: number) => Uint8Array
}

/** A body whose length and type are known as far as they will be, and of which nothing was read. */
export interface Measured<E, R> {
  readonly type: string | undefined
  readonly data: Uint8Array | {
    readonly length: number | undefined
    /** Begins to read; the scope ends it. */
    readonly start: Effect.Effect<Pull<E>, E, R | Scope.Scope>
  }
}

export const TypeId: unique symbol = Symbol.for("@copas/clients/Body")

/** What `Replayable` and `OneShot` are inside. */
export class Content<E, R> {
  declare readonly [TypeId]: { readonly _E: Types.Covariant<E>; readonly _R: Types.Covariant<R> }
  readonly _tag: "Replayable" | "OneShot"
  /** The part of a path that is a file's name, for forms. */
  readonly filename: string | undefined
  readonly measure: <F>(opening: Opening<F>) => Effect.Effect<Measured<E | F, R>, E | F, R | Scope.Scope>

  constructor(_tag: "Replayable" | "OneShot", measure: Content<E, R>["measure"], filename?: string) {
    this._tag = _tag
    this.measure = measure
    this.filename = filename
    Object.assign(this, Showing.of("@copas/clients/Body", () => ({ _tag })))
  }
}

/** A body that is ready to be sent. Its length is `wire.length`. */
export interface Opened<E> {
  /** What `Content-Type` says. */
  readonly type: string | undefined
  readonly wire: WireBody<E>
}

const encoder = new TextEncoder()
export const textType = "text/plain;charset=UTF-8"
export const bytesType = "application/octet-stream"

export const isTagged = (body: unknown): body is Content<unknown, unknown> => body instanceof Content

export const filenameOf = (body: object): string | undefined => isTagged(body) ? body.filename : undefined

/** The content of each kind of body; types are no check of a program without any. */
export const measure = <E, R, F>(
  body: Body<E, R>,
  opening: Opening<F>
): Effect.Effect<Measured<E | F, R>, E | F, R | Scope.Scope> =>
  typeof body === "string"
    ? Effect.succeed({ type: textType, data: encoder.encode(body) })
    : body instanceof Uint8Array
    ? Effect.succeed({ type: bytesType, data: body })
    : isTagged(body)
    ? (body as Content<E, R>).measure(opening)
    : Effect.fail(opening.invalid("it is neither text nor bytes nor a body of the module Body"))

/**
 * Opens a body for one sending. What it opens lasts as long as the scope; nothing is read before the first pull, except
 * what its length takes.
 */
export const open = <E, R, F>(
  body: Body<E, R>,
  opening: Opening<F>
): Effect.Effect<Opened<E | F>, E | F, R | Scope.Scope> =>
  Effect.flatMap(measure(body, opening), ({ data, type }): Effect.Effect<Opened<E | F>, E | F, R | Scope.Scope> => {
    if (data instanceof Uint8Array) return Effect.succeed({ type, wire: data })
    const { length, start } = data
    const wrong = lengthFault(length)
    if (wrong !== undefined) return Effect.fail(opening.invalid(wrong))
    return Effect.map(start, (pull) => ({ type, wire: { length, pull } }))
  })

const lengthFault = (length: number | undefined): string | undefined =>
  length === undefined || Number.isSafeInteger(length) && length >= 0
    ? undefined
    : `its length must be a whole number, 0 or more; it is ${length}`

/** Bytes at hand. */
export const ofBytes = (bytes: Uint8Array, type: string | undefined): Content<never, never> =>
  new Content("Replayable", () => Effect.succeed({ type, data: bytes }))

export const ofText = (text: string, type: string | undefined): Content<never, never> =>
  new Content("Replayable", () => Effect.sync(() => ({ type, data: encoder.encode(text) })))

/** A value in JSON, which has no text for `undefined`, functions and symbols. */
export const ofJson = <E, R>(
  encode: <F>(opening: Opening<F>) => Effect.Effect<string | undefined, E | F, R>
): Content<E, R> =>
  new Content(
    "Replayable",
    <F>(opening: Opening<F>) =>
      Effect.flatMap(encode(opening), (text): Effect.Effect<Measured<never, never>, F> =>
        text === undefined
          ? Effect.fail(opening.invalid("its value has no form in JSON"))
          : Effect.succeed({ type: "application/json", data: encoder.encode(text) }))
  )

/** The bytes of a stream, one chunk at a time and no empty one. */
const pullStream = <E, R, F>(
  stream: Stream.Stream<Uint8Array, E, R>,
  opening: Opening<F>
): Effect.Effect<Pull<E | F>, never, R | Scope.Scope> =>
  Effect.flatMap(Effect.context<R>(), (context) =>
    Effect.map(pullOf(stream), (next) => {
      let waiting: ReadonlyArray<Uint8Array> | undefined = []
      let index = 0
      const more = Effect.provide(next, context)
      const pull: Pull<E | F> = Effect.suspend((): Pull<E | F> => {
        while (waiting !== undefined && index < waiting.length) {
          const chunk: unknown = waiting[index++]
          if (!(chunk instanceof Uint8Array)) {
            return Effect.fail(opening.invalid(`its stream gave a ${typeof chunk} where bytes must be`))
          }
          if (chunk.length > 0) return Effect.succeed(chunk)
        }
        return waiting === undefined ? Effect.succeed(undefined) : Effect.flatMap(more, (chunks) => {
          waiting = chunks
          index = 0
          return pull
        })
      })
      return pull
    }))

/** A stream, made again for each sending by `make`. */
export const ofStream = <E, R, E2, R2>(
  tag: "Replayable" | "OneShot",
  make: Effect.Effect<Stream.Stream<Uint8Array, E, R>, E2, R2>,
  type: string | undefined,
  length: number | undefined
): Content<E | E2, R | R2> =>
  new Content(tag, <F>(opening: Opening<F>) =>
    Effect.succeed<Measured<E | E2 | F, R | R2>>({
      type,
      data: { length, start: Effect.flatMap(make, (stream) => pullStream(stream, opening)) }
    }))

/** What is read at once of a file or a blob. */
const sliceSize = 256 * 1024

/** A blob, which is read slice by slice. */
export const ofBlob = (blob: Blob, type: string | undefined): Content<never, never> =>
  new Content("Replayable", <F>(opening: Opening<F>) =>
    Effect.sync((): Measured<F, never> => ({
      type,
      data: {
        length: blob.size,
        start: Effect.sync(() => {
          let offset = 0
          return Effect.suspend((): Pull<F> => {
            if (offset >= blob.size) return Effect.succeed(undefined)
            const end = Math.min(offset + sliceSize, blob.size)
            return Effect.map(
              Effect.tryPromise({
                try: () => blob.slice(offset, end).arrayBuffer(),
                catch: (cause) => opening.invalid(`its blob could not be read: ${textOf(cause)}`)
              }),
              (buffer) => {
                offset = end
                return new Uint8Array(buffer)
              }
            )
          })
        })
      }
    })))

/** A file, or `bytes` of it from `offset` on. It is opened when its turn comes, and closed with the scope. */
export const ofFile = (
  path: string,
  options: { readonly type: string; readonly offset: number; readonly bytes: number | undefined }
): Content<PlatformError, FileSystem.FileSystem> => {
  const { bytes, offset, type } = options
  const measured = <F>(opening: Opening<F>) =>
    Effect.flatMap(
      FileSystem.FileSystem,
      (fs) =>
        Effect.flatMap(fs.stat(path), (info): Effect.Effect<Measured<PlatformError | F, never>, F> => {
          const fault = lengthFault(offset) ?? lengthFault(bytes)
          if (fault !== undefined) return Effect.fail(opening.invalid(`the file ${path}: ${fault}`))
          if (info.type === "Directory") return Effect.fail(opening.invalid(`${path} is a directory`))
          // The length of a pipe or a device is not known.
          const size = info.type === "File" ? Number(info.size) : undefined
          if (size !== undefined && size < offset + (bytes ?? 0)) {
            return Effect.fail(
              opening.invalid(
                bytes === undefined
                  ? `the file ${path} has ${size} bytes, and is to be sent from byte ${offset} on`
                  : `the file ${path} has ${size} bytes, and ${bytes} from byte ${offset} on are to be sent`
              )
            )
          }
          const length = bytes ?? (size === undefined ? undefined : size - offset)
          return Effect.succeed({ type, data: { length, start: pullFile(fs, path, offset, bytes) } })
        })
    )
  return new Content("Replayable", measured, path.split(/[\\/]/).at(-1))
}

const pullFile = (
  fs: FileSystem.FileSystem,
  path: string,
  offset: number,
  bytes: number | undefined
): Effect.Effect<Pull<PlatformError>, PlatformError, Scope.Scope> =>
  Effect.gen(function*() {
    const file = yield* fs.open(path, { flag: "r" })
    if (offset > 0) yield* file.seek(FileSystem.Size(offset), "start")
    let left = bytes ?? Infinity
    // Each read has memory of its own: the transport may still hold what it was given before.
    return Effect.suspend(() => {
      if (left === 0) return Effect.succeed(undefined)
      return Effect.map(file.readAlloc(Math.min(sliceSize, left)), (read) => {
        const chunk = Option.getOrUndefined(read)
        left = chunk === undefined ? 0 : left - chunk.length
        return chunk
      })
    })
  })

/** Fails where a pull gives more or fewer bytes than `length`: within a form nobody else would see it. */
export const exactly = <E, F>(pull: Pull<E>, length: number, wrong: (given: string) => F): Pull<E | F> => {
  let given = 0
  return Effect.flatMap(pull, (chunk): Pull<F> => {
    if (chunk === undefined) return given === length ? Effect.succeed(chunk) : Effect.fail(wrong(`${given}`))
    given += chunk.length
    return given > length ? Effect.fail(wrong(`${given} or more`)) : Effect.succeed(chunk)
  })
}
