/** Downloads: into a sink, or into a file that has its name only when it is whole. */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type * as HttpRequest from "../../HttpRequest.js"
import type * as HttpResponse from "../../HttpResponse.js"
import { pulled } from "../effect/streams.js"
import { hex } from "../text/bytes.js"
import { asOptions, done, type Moving, name, opened, type Progress, refusePart, write } from "./moving.js"
import * as Resuming from "./resuming.js"

/** Into a sink. If the sink ends before the body does, the rest is read and dropped: success means that all of it came. */
export const toSink = <A, L, E2, R2, E, R>(
  { decoders, pipeline }: Moving,
  target: HttpRequest.Target<E, R>,
  sink: Sink.Sink<A, Uint8Array, L, E2, R2>,
  progress: Progress
): Effect.Effect<HttpResponse.Downloaded<A>, HttpResponse.Failure | E | E2, R | Exclude<R2, Scope.Scope>> => {
  const { range } = asOptions(target)
  return pipeline.use(target, "2xx", (answer) =>
    Effect.scoped(Effect.gen(function*() {
      if (range === undefined && answer.exchange.status === 206) return yield* refusePart(answer)
      const { moved, pull } = yield* opened(answer, decoders, progress, 0)
      const value = yield* Stream.run(pulled(pull), sink)
      while ((yield* pull) !== undefined);
      return yield* done(answer, value, moved(), 0)
    })))
}

export const toFile = <E, R>(
  moving: Moving,
  target: HttpRequest.Target<E, R>,
  file: HttpRequest.LocalFile,
  progress: Progress
): Effect.Effect<HttpResponse.Downloaded, HttpResponse.Failure | PlatformError | E, R | FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => {
    const options = asOptions(target)
    // A part that the program asks for is not resumed: its positions are not the file's.
    if (file.resume === true && options.range === undefined) {
      return Resuming.download(moving, fs, options, file.path, progress)
    }
    // A name of its own: two downloads of one file do not disturb each other.
    const part = `${file.path}.${hex(moving.primitives.randomBytes(8))}.part`
    return moving.pipeline.use(options, "2xx", (answer) =>
      Effect.onError(
        Effect.gen(function*() {
          if (options.range === undefined && answer.exchange.status === 206) return yield* refusePart(answer)
          const bytes = yield* write(fs, part, "w", { answer, decoders: moving.decoders, offset: 0, progress })
          yield* name(fs, part, file.path)
          return yield* done(answer, undefined, bytes, 0)
        }),
        () => Effect.ignore(fs.remove(part, { force: true }))
      ))
  })
