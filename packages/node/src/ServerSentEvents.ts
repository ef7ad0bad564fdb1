/**
 * Server-sent events: a stream as the answer that an `EventSource` of a browser reads (WHATWG HTML, section 9.2).
 *
 * @since 0.2.0
 */
import { Copas } from "@copas/core/Copas"
import type { InvalidOption } from "@copas/core/SocketError"
import * as Headers from "@effect/platform/Headers"
import { HttpServerRequest } from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as HttpConnection from "./HttpConnection.js"
import { orFail } from "./internal/effect/eithers.js"
import { invalid, millis } from "./internal/optionValues.js"

/**
 * An event. A string is an event of that data alone.
 *
 * @since 0.2.0
 * @category models
 */
export interface Event {
  /** The text, of any number of lines; CR LF and CR arrive as LF. */
  readonly data: string
  /** The name that a listener listens for. Default: that of `message`. One line. */
  readonly event?: string | undefined
  /**
   * The id that the browser sends as `Last-Event-ID` when it connects again. One line, without NUL. `""` forgets the last
   * one.
   */
  readonly id?: string | undefined
  /** How long the browser waits before it connects again, from this event on. */
  readonly retry?: Duration.DurationInput | undefined
}

/**
 * The options of an answer.
 *
 * @since 0.2.0
 * @category models
 */
export interface Options {
  /** How long the browser waits before it connects again. Default: the browser's own, some seconds. */
  readonly retry?: Duration.DurationInput | undefined
  /**
   * How often a line that means nothing is sent, so that nothing on the way takes the connection for dead, and the server
   * sees that a client has gone. Default 15 seconds; `Duration.infinity` sends none.
   */
  readonly heartbeat?: Duration.DurationInput | undefined
  readonly headers?: Headers.Input | undefined
}

const lineEnd = /\r\n|[\r\n]/
const heartbeat = ":\n\n"

const retryField = (input: Duration.DurationInput): Either.Either<string, InvalidOption> =>
  Either.flatMap(millis("retry", input, 0), (value) =>
    value === Infinity
      ? Either.left(invalid("retry", value, "a duration that ends"))
      : Either.right(`retry: ${Math.round(value)}\n`))

/**
 * Writes an event as it is sent. A line end in `event` or `id`, which would begin another field, and NUL in `id`, with which
 * browsers ignore it, are `InvalidOption`.
 *
 * @since 0.2.0
 * @category encoding
 * @example
 * ```ts
 * import { ServerSentEvents } from "@copas/node"
 * import { Either } from "effect"
 *
 * const encoded = ServerSentEvents.encode({ event: "news", id: "7", data: "two\nlines" })
 * console.log(Either.getOrThrow(encoded))
 * // event: news
 * // id: 7
 * // data: two
 * // data: lines
 * ```
 */
export const encode = (event: Event | string): Either.Either<string, InvalidOption> => {
  if (typeof event === "string") return encode({ data: event })
  const { data, event: name, id, retry } = event
  if (name !== undefined && lineEnd.test(name)) return Either.left(invalid("event", name, "a name of one line"))
  if (id !== undefined && /[\0\r\n]/.test(id)) return Either.left(invalid("id", id, "one line, without NUL"))
  const lines = data.split(lineEnd).map((line) => `data: ${line}\n`).join("")
  const fields = `${name === undefined ? "" : `event: ${name}\n`}${id === undefined ? "" : `id: ${id}\n`}${lines}\n`
  return retry === undefined ? Either.right(fields) : Either.map(retryField(retry), (field) => field + fields)
}

/**
 * Answers with a stream of events, on any server of `@effect/platform`. The head goes out at once, and each event as it
 * comes. The stream may use what the handler has.
 *
 * When the stream ends, or fails, the answer does, and the browser connects again after `retry`, with the last `id`
 * (`lastEventId`); an answer of 204 stops it. The stream also ends when its server begins to drain, if that is `NodeHttpServer`, or else when
 * the dispatcher in the handler's context exits.
 * An event that cannot be encoded fails the answer.
 *
 * Fails with `InvalidOption` if an option makes no sense. *Interruption*, as when the client has gone, ends the stream.
 *
 * @since 0.2.0
 * @category constructors
 * @example
 * ```ts
 * import { ServerSentEvents } from "@copas/node"
 * import { HttpApp } from "@effect/platform"
 * import { Stream } from "effect"
 *
 * const news = ServerSentEvents.response(Stream.make("one", { event: "last", data: "two" }), { retry: "3 seconds" })
 *
 * const answer = HttpApp.toWebHandler(news)(new Request("http://a.example/news"))
 * answer.then((response) => response.text()).then((text) => console.log(text.includes("event: last"))) // true
 * ```
 */
export const response = <E, R>(
  events: Stream.Stream<Event | string, E, R>,
  options: Options = {}
): Effect.Effect<HttpServerResponse.HttpServerResponse, InvalidOption, R> =>
  Effect.gen(function*() {
    const every = yield* orFail(millis("heartbeat", options.heartbeat ?? "15 seconds", 1))
    const retry = options.retry === undefined ? "" : yield* orFail(retryField(options.retry))
    const context = yield* Effect.context<R>()
    const request = yield* Effect.serviceOption(HttpServerRequest)
    const connection = Option.flatMap(request, HttpConnection.of)
    const copas = yield* Effect.serviceOption(Copas)
    const serversEnd = Option.orElse(
      Option.map(connection, ({ waitForDrain }) => waitForDrain),
      () => Option.map(copas, ({ waitForExit }) => waitForExit)
    )

    const encoded: Stream.Stream<string, E | InvalidOption> = Stream.provideContext(
      Stream.mapEffect(events, (event) => orFail(encode(event))),
      context
    )
    const kept = every === Infinity
      ? encoded
      : Stream.merge(encoded, Stream.as(Stream.fromSchedule(Schedule.spaced(every)), heartbeat), {
        haltStrategy: "left"
      })
    // Servers send the head with the first bytes, and a browser is connected when it has the head.
    const body = Stream.concat(Stream.succeed(retry === "" ? heartbeat : `${retry}\n`), kept)
    return HttpServerResponse.stream(
      Stream.encodeText(Option.isNone(serversEnd) ? body : Stream.interruptWhen(body, serversEnd.value)),
      {
        contentType: "text/event-stream",
        headers: Headers.merge(
          Headers.fromInput({ "cache-control": "no-cache", "x-accel-buffering": "no" }),
          Headers.fromInput(options.headers)
        )
      }
    )
  })

/**
 * The `id` of the last event that the browser saw before it connected again, if there is one: begin after it.
 *
 * @since 0.2.0
 * @category accessors
 */
export const lastEventId: Effect.Effect<Option.Option<string>, never, HttpServerRequest> = Effect.map(
  HttpServerRequest,
  ({ headers }) =>
    // Browsers send its UTF-8 (WHATWG HTML, section 9.2.3), and fields come as Latin-1.
    Option.map(Option.filter(Option.fromNullable(headers["last-event-id"]), (id) => id !== ""), (id) =>
      Buffer.from(id, "latin1").toString("utf8"))
)
