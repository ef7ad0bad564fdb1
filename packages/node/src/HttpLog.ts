/**
 * The access log of an HTTP server: a line for each request, in the form that web servers have, or as pairs.
 *
 * @since 0.2.0
 */
import * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerError from "@effect/platform/HttpServerError"
import { HttpServerRequest } from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { randomUUID } from "node:crypto"
import { combined, type Entry, logfmt } from "./internal/httpServer/logLines.js"

export type { Entry }

/**
 * The options of an access log.
 *
 * @since 0.2.0
 * @category models
 */
export interface Options {
  /**
   * - `"combined"` (default): Apache's and nginx's format of this name, then the milliseconds and the request's id
   * - `"logfmt"`: pairs such as `method=GET path=/ status=200`
   * - a function, for a form of your own: what a client sent may hold anything, so escape it
   */
  readonly format?: "combined" | "logfmt" | ((entry: Entry) => string) | undefined
  /** Shows the query of the target. Default false, because queries hold tokens. */
  readonly query?: boolean | undefined
  /** Takes a line. Default `Console.log`. It must not fail; what it throws is a defect of the request's. */
  readonly write?: ((line: string) => Effect.Effect<void>) | undefined
  /** The field of the answer that tells the client the request's id. Default `"x-request-id"`. */
  readonly requestIdHeader?: string | false | undefined
  /**
   * The field of a request with the id that a proxy gave it. Only behind a proxy that sets it: otherwise clients choose their
   * ids. An id of other than 1 to 128 letters, digits and `-._~+/=:` is replaced. Default: none, each request gets an id here.
   */
  readonly requestIdFrom?: string | undefined
}

/** The id of a request, in the context of its handlers. */
class RequestId extends Context.Tag("@copas/node/HttpLog/RequestId")<RequestId, string>() {}

/**
 * The id that the access log shows for the request that is being answered; `None` outside of `access`.
 *
 * *Interruption*: it does not wait.
 *
 * @since 0.2.0
 * @category accessors
 */
export const requestId: Effect.Effect<Option.Option<string>> = Effect.serviceOption(RequestId)

const idOf = (given: string | undefined): string =>
  given !== undefined && /^[\w.~+/=:-]{1,128}$/.test(given) ? given : randomUUID()

/** Node's request, where the server runs on it. */
const versionOf = ({ source }: HttpServerRequest): string =>
  Predicate.hasProperty(source, "httpVersion") && typeof source.httpVersion === "string" ? source.httpVersion : "1.1"

const lengthOf = ({ body }: HttpServerResponse.HttpServerResponse): number | undefined =>
  body._tag === "Empty" ? 0 : Option.getOrUndefined(Option.fromNullable(body.contentLength))

/**
 * Middleware that writes a line for each request when its handler has ended, however it ended: 499 is a client that went
 * away. Given to `HttpServer.serve`, the line comes, and its time counts, after the answer was sent; around a route, before.
 *
 * The text that a client sent is escaped, so that no field breaks out of its line, and cut past 1 KiB. The log shows no
 * fields of the request but `Referer` (without its query, as the target), `User-Agent` and `Host`. Logs of handlers have
 * the annotation `request.id`.
 *
 * *Interruption* is the handler's; the line is written.
 *
 * @since 0.2.0
 * @category middleware
 * @example
 * ```ts
 * import { HttpLog } from "@copas/node"
 * import { HttpApp, HttpServerResponse } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const app = HttpLog.access({
 *   format: ({ method, path, status }) => `${method} ${path} ${status}`,
 *   write: (line) => Effect.sync(() => console.log(line)) // GET http://a.example/page 200
 * })(Effect.succeed(HttpServerResponse.text("hello")))
 *
 * HttpApp.toWebHandler(app)(new Request("http://a.example/page?token=secret"))
 * ```
 */
export const access = (options: Options = {}): <E, R>(app: HttpApp.Default<E, R>) => HttpApp.Default<E, R> => {
  const { format = "combined", query = false, requestIdFrom, requestIdHeader = "x-request-id" } = options
  const write = options.write ?? Console.log
  const lineOf = format === "combined" ? combined : format === "logfmt" ? logfmt : format
  const from = requestIdFrom?.toLowerCase()
  const visible = (url: string | undefined) => query ? url : url?.replace(/[?#][^]*$/, "")
  return <E, R>(app: HttpApp.Default<E, R>): HttpApp.Default<E, R> =>
    Effect.gen(function*() {
      const request = yield* HttpServerRequest
      const began = yield* Clock.currentTimeNanos
      const id = idOf(from === undefined ? undefined : request.headers[from])
      const identified = requestIdHeader === false ? app : Effect.zipRight(
        HttpApp.appendPreResponseHandler((_, response) =>
          Effect.succeed(HttpServerResponse.setHeader(response, requestIdHeader, id))
        ),
        app
      )
      return yield* identified.pipe(
        Effect.provide(Context.make(RequestId, id)),
        Effect.annotateLogs("request.id", id),
        Effect.onExit((exit) =>
          Effect.gen(function*() {
            const response = Exit.isSuccess(exit)
              ? exit.value
              : (yield* HttpServerError.causeResponse(exit.cause))[0]
            const nanos = (yield* Clock.currentTimeNanos) - began
            yield* write(lineOf({
              at: new Date(yield* Clock.currentTimeMillis),
              id,
              method: request.method,
              path: visible(request.originalUrl) ?? "",
              version: versionOf(request),
              status: response.status,
              bytes: request.method === "HEAD" ? 0 : lengthOf(response),
              durationMillis: Number(nanos) / 1e6,
              remoteAddress: Option.getOrUndefined(request.remoteAddress),
              host: request.headers["host"],
              referer: visible(request.headers["referer"]),
              userAgent: request.headers["user-agent"]
            }))
          })
        )
      )
    })
}
