/** What downloads have in common: counting, telling how far they are, and writing into a file. */
import type { Pull } from "@copas/core/HttpTransport"
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as HttpError from "../../HttpError.js"
import type * as HttpRequest from "../../HttpRequest.js"
import type * as HttpResponse from "../../HttpResponse.js"
import type * as Primitives from "../crypto/primitives.js"
import { now } from "../effect/fibers.js"
import type { Answer, Pipeline } from "./answer.js"
import { decoded, type Decoders, meter as newMeter } from "./decoding.js"
import { AnswerHead, lengthOf } from "./head.js"

/** What downloads and uploads need of the client. */
export interface Moving {
  readonly pipeline: Pipeline
  readonly decoders: Decoders
  readonly primitives: Primitives.Primitives
}

export type Failed<E> = HttpError.HttpError | E
export type Progress = HttpRequest.DownloadOptions["progress"]

/** A download that is whole. */
class WholeDownload<A> extends AnswerHead implements HttpResponse.Downloaded<A> {
  readonly value: A
  readonly bytes: number
  readonly resumedAt: number
  protected readonly endedAt: number

  constructor(answer: Answer<unknown>, endedAt: number, value: A, bytes: number, resumedAt: number) {
    super(answer)
    this.endedAt = endedAt
    this.value = value
    this.bytes = bytes
    this.resumedAt = resumedAt
  }
}

export const done = <A>(answer: Answer<unknown>, value: A, bytes: number, resumedAt: number) =>
  Effect.map(now, (endedAt): HttpResponse.Downloaded<A> => new WholeDownload(answer, endedAt, value, bytes, resumedAt))

export const asOptions = <E, R>(
  target: HttpRequest.Target<E, R>
): HttpRequest.RequestOptions<E, R> & { readonly url: string | URL } =>
  typeof target === "object" && target !== null && !(target instanceof URL) ? target : { url: target }

/** A part of the body that nobody asked for is not the body. */
export const refusePart = (
  answer: Answer<unknown>,
  detail = "it answers a request for all of the body with a part of it (206)"
): Effect.Effect<never, HttpError.HttpProtocolViolation> =>
  Effect.zipRight(
    answer.exchange.cancel,
    new HttpError.HttpProtocolViolation({ ...answer.where(), detail, sent: 0, received: 0 })
  )

interface Body<E> {
  readonly pull: Pull<Failed<E>>
  /** What came so far. */
  readonly moved: () => number
}

/** The decoded body; `progress` is run for each chunk when the next one is asked for, which is when it was used. */
export const opened = <E>(
  answer: Answer<E>,
  decoders: Decoders,
  progress: Progress,
  offset: number
): Effect.Effect<Body<E>, Failed<E>, Scope.Scope> => {
  const meter = newMeter()
  return Effect.map(decoded(answer, decoders, meter), (pull) => {
    const length = meter.isCoded ? undefined : lengthOf(answer)
    const total = length === undefined ? undefined : offset + length
    let bytes = 0
    let reported = 0
    const counted: Pull<Failed<E>> = Effect.map(pull, (chunk) => {
      if (chunk !== undefined) bytes += chunk.length
      return chunk
    })
    const moved = () => bytes
    return progress === undefined ? { pull: counted, moved } : {
      pull: Effect.suspend(() => {
        if (reported === bytes) return counted
        reported = bytes
        return Effect.zipRight(progress({ bytes: offset + bytes, total }), counted)
      }),
      moved
    }
  })
}

/** Writes the body into a file from `offset` on, and gives the bytes that were written. */
export const write = <E>(
  fs: FileSystem.FileSystem,
  path: string,
  flag: FileSystem.OpenFlag,
  body: {
    readonly answer: Answer<E>
    readonly decoders: Decoders
    readonly offset: number
    readonly progress: Progress
  }
): Effect.Effect<number, Failed<E> | PlatformError> => {
  const { answer, decoders, offset, progress } = body
  return Effect.scoped(Effect.gen(function*() {
    const { moved, pull } = yield* opened(answer, decoders, progress, offset)
    const file = yield* fs.open(path, { flag })
    if (offset > 0) yield* file.seek(FileSystem.Size(offset), "start")
    const loop: Effect.Effect<void, Failed<E> | PlatformError> = Effect.flatMap(
      pull,
      (chunk) => chunk === undefined ? Effect.void : Effect.zipRight(file.writeAll(chunk), loop)
    )
    yield* loop
    // Another program that writes into it would make a whole file of two halves.
    const size = Number((yield* file.stat).size)
    if (size === offset + moved()) return moved()
    return yield* new HttpError.BodyTruncated({
      ...answer.where(),
      expected: offset + moved(),
      received: moved(),
      detail: `the file has ${size} bytes: another program writes into it`
    })
  }))
}

/** Gives the file its name. Once begun, this ends: an interruption meanwhile would not know which name it has. */
export const name = (fs: FileSystem.FileSystem, part: string, path: string): Effect.Effect<void, PlatformError> =>
  Effect.uninterruptible(fs.rename(part, path))
