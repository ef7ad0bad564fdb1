/**
 * The state of an HTTP server: the requests under way, the last ones, and counts since it began.
 *
 * The server keeps a few numbers and the last 64 requests; the rest is gathered when it is asked.
 *
 * @since 0.2.0
 */
import { HttpServer } from "@effect/platform/HttpServer"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { bounds, classes, pathOf, type Recorder, recorderOf } from "./internal/httpServer/recorder.js"

/**
 * A request. Of its target there is the path, cut after 256 characters, because queries hold tokens.
 *
 * @since 0.2.0
 * @category models
 */
export interface RequestStatus {
  readonly method: string
  readonly path: string
  /** That of the client, as far as proxies are trusted; `None` on a Unix-domain socket. */
  readonly remoteAddress: Option.Option<string>
  /** The connection, as in `Copas.status`. */
  readonly socketName: string
  /** From 1 on, on its connection. */
  readonly requestNumber: number
  /** Milliseconds since its handler began. */
  readonly ageMillis: number
}

/**
 * A request that has ended.
 *
 * @since 0.2.0
 * @category models
 */
export interface EndedStatus extends RequestStatus {
  /** `None`: its client went away before the answer began. */
  readonly status: Option.Option<number>
  /** How long it took, in milliseconds, until its answer was handed over. */
  readonly durationMillis: number
}

/**
 * A class of status codes, or requests whose client went away before the answer began.
 *
 * @since 0.2.0
 * @category models
 */
export type StatusClass = (typeof classes)[number]

/**
 * The state of a server. Counts only grow.
 *
 * @since 0.2.0
 * @category models
 */
export interface HttpServerStatus {
  readonly name: string
  /** How many requests are under way, and the 1000 oldest of them. */
  readonly inFlight: number
  readonly underWay: ReadonlyArray<RequestStatus>
  /** Up to 64, the newest first. */
  readonly recent: ReadonlyArray<EndedStatus>
  /** Requests that were answered, with and without a handler, or whose client went away. */
  readonly requests: number
  readonly byClass: Readonly<Record<StatusClass, number>>
  /** Requests that broke a rule of HTTP or a limit, and were answered without a handler. */
  readonly refused: number
  /** Of requests that a handler answered. */
  readonly durations: {
    readonly count: number
    readonly totalMillis: number
    /** How many took at most so many milliseconds, and longer than the bucket before. */
    readonly buckets: ReadonlyArray<{ readonly upToMillis: number; readonly count: number }>
  }
}

const mostShown = 1000

const statusOf = (recorder: Recorder): HttpServerStatus => {
  const now = recorder.now()
  const underWay: Array<RequestStatus> = []
  for (const exchange of recorder.underWay) {
    if (underWay.length === mostShown) break
    underWay.push({
      method: exchange.source.method!,
      path: pathOf(exchange),
      remoteAddress: Option.fromNullable(exchange.remoteAddress),
      socketName: exchange.host.socket.name,
      requestNumber: exchange.number,
      ageMillis: now - exchange.beganAt
    })
  }
  return {
    name: recorder.name,
    inFlight: recorder.underWay.size,
    underWay,
    recent: recorder.recent.map(({ endedAt, remoteAddress, status, ...recorded }) => ({
      ...recorded,
      remoteAddress: Option.fromNullable(remoteAddress),
      status: Option.fromNullable(status),
      ageMillis: now - endedAt + recorded.durationMillis
    })),
    requests: recorder.requests,
    byClass: Object.fromEntries(
      classes.map((name, index) => [name, recorder.counts[index]!])
    ) as Record<StatusClass, number>,
    refused: recorder.refusals,
    durations: {
      count: recorder.buckets.reduce((sum, count) => sum + count, 0),
      totalMillis: recorder.totalMillis,
      buckets: recorder.buckets.map((count, index) => ({ upToMillis: bounds[index] ?? Infinity, count }))
    }
  }
}

/**
 * The state of the server in the context; `None` of another server than `NodeHttpServer`.
 *
 * *Interruption*: it does not wait.
 *
 * @since 0.2.0
 * @category accessors
 * @example
 * ```ts
 * import { HttpServerStatus, NodeHttpServer } from "@copas/node"
 * import { HttpClient, HttpServer, HttpServerResponse } from "@effect/platform"
 * import { Effect, Option } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   yield* HttpServer.serveEffect(HttpServerResponse.text("hello"))
 *   const response = yield* HttpClient.get("/page")
 *   yield* response.text
 *   return Option.getOrThrow(yield* HttpServerStatus.current)
 * })
 *
 * Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(NodeHttpServer.layerTest))).then(
 *   ({ byClass }) => console.log(byClass["2xx"]) // 1
 * )
 * ```
 */
export const current: Effect.Effect<Option.Option<HttpServerStatus>, never, HttpServer> = Effect.map(
  HttpServer,
  (server) => Option.map(Option.fromNullable(recorderOf(server)), statusOf)
)
