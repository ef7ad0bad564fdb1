/**
 * Files in answers: `HttpServerResponse.file` and `fileWeb`, on open files.
 *
 * @since 0.2.0
 */
import type { PlatformError } from "@effect/platform/Error"
import type { StreamOptions } from "@effect/platform/FileSystem"
import * as Headers from "@effect/platform/Headers"
import type * as HttpBody from "@effect/platform/HttpBody"
import * as HttpPlatform from "@effect/platform/HttpPlatform"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { badArgument, unreadable } from "./internal/effect/platformErrors.js"
import { FileCut, pieceSize, streamOf } from "./internal/static/body.js"
import { type Handle, openFile, type Refusal } from "./internal/static/opening.js"
import { validatorsOf } from "./internal/static/planner.js"
import type { Slice } from "./internal/static/ranges.js"
import { mediaTypeOf } from "./internal/static/settings.js"

type Options = HttpServerResponse.Options & StreamOptions

/** The bytes that the options ask for, of a file of this size. */
const sliceOf = (method: string, size: number, options: Options): Effect.Effect<Slice, PlatformError> => {
  const [offset, most] = [Number(options.offset ?? 0), Number(options.bytesToRead ?? size)]
  if (!(offset >= 0 && most >= 0)) {
    return Effect.fail(badArgument(method, "offset and bytesToRead must not be negative"))
  }
  const start = Math.min(offset, size)
  return Effect.succeed({ start, end: Math.min(start + most, size) })
}

const headersOf = (
  file: { readonly size: number; readonly modified: bigint; readonly type: string },
  { end, start }: Slice,
  options: Options
): Effect.Effect<HttpServerResponse.Options & { readonly headers: Headers.Headers }> =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const { etag, modified } = validatorsOf({ ...file, coding: undefined }, now)
    const given = options.headers === undefined ? Headers.empty : Headers.fromInput(options.headers)
    const contentType = options.contentType ?? given["content-type"] ?? file.type
    const headers = Headers.merge(
      given,
      Headers.fromInput({
        etag,
        "last-modified": new Date(modified * 1000).toUTCString(),
        "content-type": contentType,
        "content-length": String(end - start)
      })
    )
    const { cookies, status, statusText } = options
    return { cookies, headers, status, statusText }
  })

const failure = (path: string) => ({ cause, why }: Refusal): PlatformError => unreadable(path, why, cause)

/** The body of a larger file opens it again: an answer may be sent more than once, later, or not at all. */
const bodyOf = (path: string, { stats }: Handle, slice: Slice, piece: number): Stream.Stream<Uint8Array, unknown> =>
  Stream.unwrapScoped(
    Effect.flatMap(
      Effect.acquireRelease(Effect.mapError(openFile(path), failure(path)), (handle) => Effect.sync(handle.close)),
      (again) => {
        const isSame = again.stats.dev === stats.dev && again.stats.ino === stats.ino
        if (isSame) return Effect.succeed(streamOf(again, [slice], piece))
        const cause = new Error("another file has taken its place since the head of the answer was made")
        return Effect.fail(new FileCut({ path, at: slice.start, expected: slice.end, cause }))
      }
    )
  )

const fileResponse = (
  path: string,
  options: Options = {}
): Effect.Effect<HttpServerResponse.HttpServerResponse, PlatformError> =>
  Effect.acquireUseRelease(
    Effect.mapError(openFile(path), failure(path)),
    (handle) =>
      Effect.gen(function*() {
        if (!handle.stats.isFile()) return yield* unreadable(path, "EISDIR")
        const size = Number(handle.stats.size)
        const slice = yield* sliceOf("fileResponse", size, options)
        const length = slice.end - slice.start
        const type = mediaTypeOf(path)
        const head = yield* headersOf({ size, modified: handle.stats.mtimeNs, type }, slice, options)
        if (length > pieceSize) {
          const piece = Math.max(1, Math.min(Number(options.chunkSize ?? pieceSize), pieceSize))
          return HttpServerResponse.stream(bodyOf(path, handle, slice, piece), head)
        }
        const bytes = yield* Effect.tryPromise({
          try: () => handle.read(slice.start, length),
          catch: (cause) => unreadable(path, (cause as NodeJS.ErrnoException).code ?? "EIO", cause)
        })
        if (bytes.length < length) return yield* unreadable(path, "EOF")
        return HttpServerResponse.uint8Array(bytes, head)
      }),
    (handle) => Effect.sync(handle.close)
  )

/** The bytes of a slice, wherever chunks end; it reads no further than that. */
const cut = <E>(stream: Stream.Stream<Uint8Array, E>, { end, start }: Slice): Stream.Stream<Uint8Array, E> =>
  end === start ? Stream.empty : stream.pipe(
    Stream.mapAccum(0, (at, bytes) => {
      const after = at + bytes.length
      const piece = bytes.subarray(Math.max(0, start - at), Math.max(0, end - at))
      return [after, { piece, isLast: after >= end }]
    }),
    Stream.takeUntil(({ isLast }) => isLast),
    Stream.map(({ piece }) => piece)
  )

const fileWebResponse = (
  file: HttpBody.HttpBody.FileLike,
  options: Options = {}
): Effect.Effect<HttpServerResponse.HttpServerResponse> =>
  Effect.gen(function*() {
    const slice = yield* Effect.orDie(sliceOf("fileWebResponse", file.size, options))
    const type = file.type === "" ? mediaTypeOf(file.name) : file.type
    const modified = BigInt(Math.floor(file.lastModified)) * 1_000_000n
    const head = yield* headersOf({ size: file.size, modified, type }, slice, options)
    const bytes = Stream.fromReadableStream({
      evaluate: () => file.stream() as ReadableStream<Uint8Array>,
      onError: (cause) => cause
    })
    return HttpServerResponse.stream(cut(bytes, slice), head)
  })

/**
 * The platform of `HttpServerResponse.file` and `fileWeb`, on open files; servers of this package bring it.
 *
 * - `offset` and `bytesToRead` give exactly these bytes, as far as the file has them, and `Content-Length` says so.
 *   (`@effect/platform-node`'s platform sends one byte more than `bytesToRead`, and the next answer begins with it.)
 * - `ETag` is strong once the file has not changed for two seconds, weak until then.
 * - A part of up to 64 KiB is read at once; a larger one while it is sent, in pieces of `chunkSize` (64 KiB at most). If the
 *   file becomes shorter meanwhile, or another one takes its place, the body fails, and the server cuts the connection.
 *
 * `file` fails with a `PlatformError` for a path that leads to no file or may not be read, and for negative numbers, with
 * which `fileWeb` dies.
 *
 * Any path that the program gives is opened, and no request is looked at: for a directory of files, with ranges and
 * conditions, see `StaticFiles`.
 *
 * *Interruption* closes the file.
 *
 * @since 0.2.0
 * @category constructors
 */
export const make: HttpPlatform.HttpPlatform = {
  [HttpPlatform.TypeId]: HttpPlatform.TypeId,
  fileResponse,
  fileWebResponse
}

/**
 * The platform of `make`, as a layer.
 *
 * @since 0.2.0
 * @category layers
 */
export const layer: Layer.Layer<HttpPlatform.HttpPlatform> = Layer.succeed(HttpPlatform.HttpPlatform, make)
