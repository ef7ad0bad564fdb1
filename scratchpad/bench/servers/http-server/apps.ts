/** The apps of Effect's server and of this library's: the same for both. */
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { join } from "node:path"
import { hello, pageName, part, parts } from "../../load/http-server-content.js"

/** Made for each request, as programs do. */
export const says = Effect.sync(() => HttpServerResponse.text(hello))

export const routed = HttpRouter.empty.pipe(HttpRouter.get("/", says))

export const file = (folder: string) =>
  HttpRouter.empty.pipe(HttpRouter.get(`/${pageName}`, HttpServerResponse.file(join(folder, pageName))))

export const streams = HttpRouter.empty.pipe(
  HttpRouter.get(
    "/",
    Effect.sync(() =>
      HttpServerResponse.stream(Stream.flattenChunks(Stream.take(Stream.repeatValue(Chunk.of(part)), parts)))
    )
  )
)
