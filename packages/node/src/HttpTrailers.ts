/**
 * Trailers: fields after the body of a request or an answer (RFC 9110, section 6.5), such as a digest of what was sent.
 *
 * @since 0.2.0
 */
import { InvalidOption } from "@copas/core/SocketError"
import * as Headers from "@effect/platform/Headers"
import type { RequestError } from "@effect/platform/HttpServerError"
import { HttpServerRequest } from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"
import * as Informational from "./internal/httpServer/informational.js"
import { Request } from "./internal/httpServer/request.js"

/**
 * The trailers of the request. They come after the body, so this reads what of the body was not read yet, within the
 * limit of bodies, and waits for its end; it fails as those who read a body do, and where a trailer is one that must
 * stand in the head. None on another server than `NodeHttpServer`.
 *
 * *Interruption* ends the wait; the body can still be read.
 *
 * @since 0.2.0
 * @category accessors
 */
export const received: Effect.Effect<Headers.Headers, RequestError, HttpServerRequest> = Effect.flatMap(
  HttpServerRequest,
  (request) => request instanceof Request ? request.trailers : Effect.succeed(Headers.empty)
)

/**
 * Sends these fields after the answer's body. To be called before the body ends: by the handler, or by the stream that
 * gives the body. Only a body in chunks, as a stream of unknown length, has room for them in HTTP/1.1: otherwise, and for
 * a client of HTTP/1.0, they are not sent. A second call adds to the first.
 *
 * Fails with `InvalidOption` for values that are no fields. *Interruption* does nothing: it does not wait.
 *
 * @since 0.2.0
 * @category combinators
 * @example
 * ```ts
 * import { HttpTrailers } from "@copas/node"
 * import { HttpServerRequest, HttpServerResponse } from "@effect/platform"
 * import { Effect, Stream } from "effect"
 *
 * const report = Effect.map(HttpServerRequest.HttpServerRequest, (request) => {
 *   const rows = Stream.encodeText(Stream.make("one\n", "two\n"))
 *   const count = Effect.provideService(HttpTrailers.send({ "x-rows": "2" }), HttpServerRequest.HttpServerRequest, request)
 *   return HttpServerResponse.stream(Stream.concat(rows, Stream.drain(Stream.fromEffect(count))))
 * })
 * ```
 */
export const send = (
  fields: Readonly<Record<string, string>>
): Effect.Effect<void, InvalidOption, HttpServerRequest> =>
  Effect.flatMap(HttpServerRequest, (request) => {
    const wrong = Informational.wrongField(fields)
    if (wrong !== undefined) return Effect.fail(new InvalidOption(wrong))
    return Effect.sync(() => {
      if (request instanceof Request) request.exchange.trailers = { ...request.exchange.trailers, ...fields }
    })
  })
