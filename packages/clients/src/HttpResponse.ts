/**
 * The results of HTTP requests: answers that are read as they come, whole ones, and downloads.
 *
 * @since 0.2.0
 */
import type { ExchangeConnection, Field } from "@copas/core/HttpTransport"
import type { ConnectError, InvalidOption, UnsupportedOption } from "@copas/core/SocketError"
import type { TlsError } from "@copas/core/TlsError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { ProxyError } from "./Connector.js"
import type { HttpError } from "./HttpError.js"

/**
 * The errors of a request.
 *
 * @since 0.2.0
 * @category errors
 */
export type Failure = HttpError | ConnectError | TlsError | ProxyError | InvalidOption | UnsupportedOption

/**
 * An answer that led on.
 *
 * @since 0.2.0
 * @category models
 */
export interface Redirect {
  readonly method: string
  /** The URL that was asked, without user and password. */
  readonly url: string
  readonly status: number
}

/**
 * When what had come, in milliseconds from the beginning of the last hop. Of a connection that was there before, the first
 * three are 0.
 *
 * @since 0.2.0
 * @category models
 */
export interface Timings {
  readonly lookup: number
  readonly connect: number
  readonly tls: number
  /** The head of the answer. */
  readonly firstByte: number
  /** The end of the body, once it has come. */
  readonly end: number | undefined
}

/**
 * The parts that every answer has.
 *
 * @since 0.2.0
 * @category models
 */
export interface Head {
  readonly status: number
  readonly statusText: string
  /** `"1.1"` also of a server that says 1.0. */
  readonly version: "1.1" | "2"
  /** The URL that was asked last, without user and password. */
  readonly url: string
  /** The redirects that led there, in order. */
  readonly history: ReadonlyArray<Redirect>
  /** The header fields as they came, in order; several `Set-Cookie` are several. */
  readonly fields: ReadonlyArray<Field>
  /** Answers that came before the final one (103 Early Hints …). */
  readonly informational: ReadonlyArray<{ readonly status: number; readonly fields: ReadonlyArray<Field> }>
  /** The fields after the body; none before its end. */
  readonly trailers: ReadonlyArray<Field>
  readonly connection: ExchangeConnection
  readonly timings: Timings
}

/**
 * An answer whose body has not been read. The scope of the request holds it, and releases the body.
 *
 * It is an `HttpClientResponse` of Effect's, so everything that reads such a one reads it: there errors are
 * `ResponseError`, with ours as `cause`. `body`, `bytes` and `whole` fail with ours.
 *
 * @since 0.2.0
 * @category models
 */
export interface Response<E = never> extends HttpClientResponse.HttpClientResponse, Head {
  readonly status: number
  /** The bytes that the body will have as it comes, where the server says so. Undecoded. */
  readonly length: number | undefined
  /** The body, decoded, as it comes. A body is read once. */
  readonly body: Stream.Stream<Uint8Array, Failure | E>
  /** The whole body, at most `limits.body` bytes. */
  readonly bytes: Effect.Effect<Uint8Array, Failure | E>
  /** The answer with its whole body. */
  readonly whole: Effect.Effect<Whole, Failure | E>
}

/**
 * An answer with its whole body.
 *
 * @since 0.2.0
 * @category models
 */
export interface Whole extends Head {
  /** The body, decoded. */
  readonly bytes: Uint8Array
  /** The body as text, by the charset of `Content-Type`; UTF-8 if there is none, or none that the platform knows. */
  readonly text: string
  /** The value of a field by its name, in any case; several are joined by a comma. */
  readonly header: (name: string) => string | undefined
}

/**
 * How far a download or an upload is. `total` is undefined where it is not known.
 *
 * @since 0.2.0
 * @category models
 */
export interface Progress {
  readonly bytes: number
  readonly total: number | undefined
}

/**
 * A download that is whole.
 *
 * @since 0.2.0
 * @category models
 */
export interface Downloaded<out A = void> extends Head {
  /** The sink's result. */
  readonly value: A
  /** Bytes that went into the sink or the file, without those that were there before. */
  readonly bytes: number
  /** Bytes that were there before, with `resume`. */
  readonly resumedAt: number
}
