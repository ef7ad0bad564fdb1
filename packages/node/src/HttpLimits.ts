/**
 * Limits of some routes of an HTTP server, in place of those of the whole server.
 *
 * @since 0.2.0
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import { withMaxBodySize } from "@effect/platform/HttpIncomingMessage"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import { orFail } from "./internal/effect/eithers.js"
import { count, millis } from "./internal/optionValues.js"

/**
 * Bounds the body of requests to a handler, in bytes as they come: `text`, `json`, `stream` and `multipart` alike. A request
 * past it is answered with 413, and its connection ends. `Infinity` is no limit.
 *
 * A size that is no whole number, or negative, is a defect (`InvalidOption`). *Interruption* is the handler's.
 *
 * @since 0.2.0
 * @category combinators
 * @example
 * ```ts
 * import { HttpLimits } from "@copas/node"
 * import { HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const upload = Effect.gen(function*() {
 *   const { text } = yield* HttpServerRequest.HttpServerRequest
 *   return HttpServerResponse.text(`${(yield* text).length} characters`)
 * })
 *
 * const app = HttpRouter.empty.pipe(
 *   HttpRouter.put("/note", HttpLimits.withBody(upload, 64 * 1024)),
 *   HttpRouter.put("/film", HttpLimits.withBody(upload, 4 * 1024 ** 3))
 * )
 * ```
 */
export const withBody: {
  (bytes: number): <E, R>(app: HttpApp.Default<E, R>) => HttpApp.Default<E, R>
  <E, R>(app: HttpApp.Default<E, R>, bytes: number): HttpApp.Default<E, R>
} = dual(2, <E, R>(app: HttpApp.Default<E, R>, bytes: number): HttpApp.Default<E, R> =>
  Effect.flatMap(
    Effect.orDie(orFail(count("bytes", bytes, 0))),
    (most) => withMaxBodySize(app, most === Infinity ? Option.none() : Option.some(most))
  ))

/**
 * Bounds how long a handler takes until it gives its answer, the time to read the request's body among it: then it is
 * interrupted, and the answer is 503. How long a stream of the answer takes is not bounded.
 *
 * A time that is no duration above zero is a defect (`InvalidOption`). *Interruption* is the handler's.
 *
 * @since 0.2.0
 * @category combinators
 * @example
 * ```ts
 * import { HttpLimits } from "@copas/node"
 * import { HttpApp, HttpServerResponse } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const slow = Effect.as(Effect.sleep("1 minute"), HttpServerResponse.text("at last"))
 *
 * const handler = HttpApp.toWebHandler(HttpLimits.withTimeout(slow, "10 millis"))
 * handler(new Request("http://a.example/")).then(({ status }) => console.log(status)) // 503
 * ```
 */
export const withTimeout: {
  (duration: Duration.DurationInput): <E, R>(app: HttpApp.Default<E, R>) => HttpApp.Default<E, R>
  <E, R>(app: HttpApp.Default<E, R>, duration: Duration.DurationInput): HttpApp.Default<E, R>
} = dual(
  2,
  <E, R>(app: HttpApp.Default<E, R>, duration: Duration.DurationInput): HttpApp.Default<E, R> =>
    Effect.flatMap(
      Effect.orDie(orFail(millis("duration", duration, 1))),
      (most) =>
        most === Infinity ? app : Effect.timeoutTo(Effect.interruptible(app), {
          duration: most,
          onSuccess: (response): HttpServerResponse.HttpServerResponse => response,
          onTimeout: () => HttpServerResponse.empty({ status: 503 })
        })
    )
)
