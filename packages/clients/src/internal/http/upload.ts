/** Uploads: a stream or a file as the body of a request, with the server's answer. */
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import * as Body from "../../Body.js"
import type * as HttpRequest from "../../HttpRequest.js"
import type * as HttpResponse from "../../HttpResponse.js"
import { Content, type Measured, type Opening } from "./body.js"
import { asOptions, type Moving } from "./moving.js"
import * as Whole from "./whole.js"

/** The same body, which says how far it is with each chunk: no later, as the answer may come before the body's end is asked for. */
const reporting = <E, R>(
  content: Content<E, R>,
  progress: NonNullable<HttpRequest.UploadOptions["progress"]>
): Content<E, R> =>
  new Content(
    content._tag,
    <F>(opening: Opening<F>) =>
      Effect.map(content.measure(opening), (measured): Measured<E | F, R> => {
        const { data } = measured
        if (data instanceof Uint8Array) return measured
        const { length, start } = data
        const counting = Effect.map(start, (pull) => {
          let bytes = 0
          return Effect.tap(pull, (chunk) => {
            if (chunk === undefined) return Effect.void
            bytes += chunk.length
            return progress({ bytes, total: length })
          })
        })
        return { ...measured, data: { length, start: counting } }
      })
  )

export const upload = <E, R>(
  { decoders, pipeline }: Moving,
  target: HttpRequest.Target,
  from: { readonly path: string } | Stream.Stream<Uint8Array, E, R>,
  options: HttpRequest.UploadOptions = {}
): Effect.Effect<HttpResponse.Whole, HttpResponse.Failure | PlatformError | E, R | FileSystem.FileSystem> => {
  const { progress } = options
  const body = "path" in from ? Body.file(from.path, options) : Body.stream(from, options)
  const content = body as unknown as Content<PlatformError | E, R | FileSystem.FileSystem>
  const sent = {
    method: "PUT",
    ...asOptions(target),
    body: progress === undefined ? content : reporting(content, progress)
  } as unknown as HttpRequest.Target<PlatformError | E, R | FileSystem.FileSystem>
  return pipeline.use(sent, "2xx", (answer) => Whole.whole(answer, decoders))
}
