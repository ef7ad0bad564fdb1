/**
 * The options of HTTP: those of requests, and those that a client has for all of its requests.
 *
 * @since 0.2.0
 */
import type { NetAddress } from "@copas/core/NetAddress"
import type { ClientContext, ClientOptions } from "@copas/core/TlsContext"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Schedule from "effect/Schedule"
import type * as Body from "./Body.js"
import type { Connector } from "./Connector.js"
import type { Progress } from "./HttpResponse.js"

/**
 * Header fields: by name, with several values where a field is sent several times, or in pairs, which keep their order.
 * `undefined` leaves a field out, a default of the client too. Values are Latin-1 (RFC 9110, section 5.5).
 *
 * `Host`, `Content-Length`, `Transfer-Encoding`, `Connection` and `Expect` are not for the caller to set.
 *
 * @since 0.2.0
 * @category models
 */
export type Fields =
  | Iterable<readonly [name: string, value: string]>
  | Readonly<Record<string, string | number | ReadonlyArray<string> | undefined>>

/**
 * Credentials for the origin of the URL and no other: Basic (RFC 7617), or a bearer token (RFC 6750).
 *
 * @since 0.2.0
 * @category models
 */
export type Auth =
  | { readonly user: string; readonly password?: Redacted.Redacted<string> | undefined }
  | {
    /**
     * A token, or how to get one: it runs for each request, and once more if the server answers 401. What it fails with is
     * the cause of `CredentialsFailed`.
     */
    readonly token: Redacted.Redacted<string> | Effect.Effect<Redacted.Redacted<string>, unknown>
  }

/**
 * Which bytes of the resource are wanted (RFC 9110, section 14.2): from `start` to `end`, which is included, or the last
 * ones.
 *
 * @since 0.2.0
 * @category models
 */
export type Range =
  | { readonly start: number; readonly end?: number | undefined }
  | { readonly last: number }

/**
 * All are bounds on one phase; `total` is one on the whole, the body of the answer included. `Infinity` turns one off.
 *
 * @since 0.2.0
 * @category models
 */
export interface Timeouts {
  /** To a connection: the wait for a free one, the name, proxies and handshakes included. Default 10 seconds. */
  readonly connect?: Duration.DurationInput | undefined
  /** How long the sending of the request may stand still. Default 60 seconds. */
  readonly send?: Duration.DurationInput | undefined
  /** From the end of the request to the whole head of the answer. Default 60 seconds. */
  readonly response?: Duration.DurationInput | undefined
  /** How long the body of the answer may stand still while it is read. Default 60 seconds. */
  readonly receive?: Duration.DurationInput | undefined
  /** From the call to the end of the answer, with redirects and retries. Default none. */
  readonly total?: Duration.DurationInput | undefined
}

/**
 * Bounds on what a server may send.
 *
 * @since 0.2.0
 * @category models
 */
export interface Limits {
  /** Bytes of the head of an answer. Default 64 KiB. */
  readonly head?: number | undefined
  /** Fields of the head, and of the trailers. Default 1,000. */
  readonly fields?: number | undefined
  /** Bytes of a body that is read into memory as a whole, after decoding. Default 16 MiB. */
  readonly body?: number | undefined
  /** Content codings, one over the other. Default 3. */
  readonly codings?: number | undefined
  /** How many bytes decoding may make of one, on the average, once more than 1 MiB came out. Default 250. */
  readonly ratio?: number | undefined
}

/**
 * Sending again: when a connection could not be made for a reason that may pass, and for idempotent methods when one was
 * lost, a time-out expired, or the server answered 408, 425, 429, 500, 502, 503 or 504.
 *
 * The schedule's input is the error; a `Retry-After` that the server sends replaces its delay. When the schedule ends, the
 * last answer or error is the result.
 *
 * @since 0.2.0
 * @category models
 */
export interface RetryOptions {
  /** Default: three more tries after about 0.5, 1 and 2 seconds, each spread by a fifth either way. */
  readonly schedule?: Schedule.Schedule<unknown, unknown> | undefined
  /** The longest that a `Retry-After` makes the client wait. Default 60 seconds. */
  readonly maxRetryAfter?: Duration.DurationInput | undefined
}

/**
 * `true` is the default schedule; `false` sends once, though the client's defaults say otherwise.
 *
 * @since 0.2.0
 * @category models
 */
export type Retry = boolean | Schedule.Schedule<unknown, unknown> | RetryOptions

/**
 * Keeps cookies for the requests of a client; `Cookies.jar` makes one. `header` gives what the field `Cookie` says for a
 * URL, and `store` takes the values of `Set-Cookie` of an answer, one by one.
 *
 * @since 0.2.0
 * @category models
 */
export interface CookieJar {
  readonly header: (url: URL) => Effect.Effect<string | undefined>
  readonly store: (url: URL, values: ReadonlyArray<string>) => Effect.Effect<void>
}

/**
 * The statuses that are a success: numbers, classes such as `"2xx"`, or a function.
 *
 * @since 0.2.0
 * @category models
 */
export type Expect =
  | number
  | "1xx"
  | "2xx"
  | "3xx"
  | "4xx"
  | "5xx"
  | "any"
  | ReadonlyArray<number | "2xx" | "3xx" | "4xx" | "5xx">
  | ((status: number) => boolean)

/**
 * The options that a client may have for all of its requests, and a request for itself. A request's own win; `timeouts`,
 * `limits` and `headers` are joined part by part.
 *
 * @since 0.2.0
 * @category models
 */
export interface CommonOptions {
  readonly headers?: Fields | undefined
  /**
   * Credentials of the origin of the URL. A URL with user and password (`https://user:password@host/`) means Basic, too: it
   * wins over the client's, and the request's own over it. They are never sent to another origin.
   */
  readonly auth?: Auth | undefined
  /** The value of the field `Accept`. Default any type. */
  readonly accept?: string | undefined
  /**
   * Which redirects (301, 302, 303, 307, 308) are followed.
   *
   * - `true`, the default: those of GET and HEAD, and 308 with any method, but none from `https:` to `http:`
   * - `"all"`: those of other methods, too, and to `http:`. 303 becomes GET, as do 301 and 302 of a POST
   * - `false`: none
   *
   * A redirect that is not followed because of its method is the answer.
   */
  readonly redirect?: boolean | "all" | undefined
  /** How many redirects are followed. Default 5; `false` means no limit but 50. */
  readonly maxRedirects?: number | false | undefined
  /**
   * Names of header fields that go to other origins, too, when a redirect leads there. Without it these do: `Accept*`,
   * `User-Agent`, `Range`, `If-*`, and `Content-*` with the body. `Authorization` and `Cookie` of the caller go if named.
   */
  readonly keepHeaders?: ReadonlyArray<string> | undefined
  readonly timeouts?: Timeouts | undefined
  /**
   * Makes the connections, as Copas's `create`. Default `Connector.direct`. It makes them in clear, and the client adds TLS.
   * Give the same function each time: requests share connections only of one connector.
   */
  readonly connector?: Connector | undefined
  /**
   * A proxy by its URL (`http:`, `https:`, `socks5:`, `socks5h:`, `socks4:`, `socks4a:`), or `"environment"`, that is
   * `Proxy.environment`. Through an HTTP proxy all requests go by CONNECT, those of `http:`, too: it can read these, but is
   * no part of them. Default none; `connector` wins.
   */
  readonly proxy?: string | URL | "environment" | undefined
  /**
   * For `https:`: a context of `Tls.client`, or the options for one. Default the platform's authorities. Redirects to other
   * origins use it, too: a client certificate in it is shown to servers there that ask for one.
   */
  readonly tls?: ClientContext | ClientOptions | undefined
  /**
   * The name that the server's certificate must have, and that is asked for (SNI), at the origin of the URL. Default its
   * host. Redirects to other origins go by their hosts.
   */
  readonly serverName?: string | undefined
  /** Cookies are kept and sent by this jar. Default none; `false` turns the client's off. */
  readonly cookies?: CookieJar | false | undefined
  /** Default false. */
  readonly retry?: Retry | undefined
  readonly limits?: Limits | undefined
  /** `"prefer"` speaks HTTP/2 where a server of `https:` takes it (ALPN). Default `"never"`. */
  readonly http2?: "never" | "prefer" | undefined
  /** Other statuses fail with `UnexpectedStatus`. Default any; of `text`, `bytes`, `json`, `download`, `upload` 2xx. */
  readonly expect?: Expect | undefined
  /** Undo content codings (gzip, deflate, br, zstd), and say in the request which ones can be undone. Default true. */
  readonly decode?: boolean | undefined
  /**
   * Where connections may go: `"any"`, `"public"`, or a function that is asked for each address, at every hop, just before
   * it is connected to. Through a proxy it is the proxy's address that is asked about; names go to the proxy unseen.
   *
   * Default any, but a redirect from a public host to one that is not public is `AddressForbidden`.
   */
  readonly addresses?: "any" | "public" | ((address: NetAddress) => boolean) | undefined
}

/**
 * The options of a client.
 *
 * @since 0.2.0
 * @category models
 */
export interface Defaults extends CommonOptions {
  /** The value of the field `User-Agent`; `false` sends none. Default `copas`. */
  readonly userAgent?: string | false | undefined
  readonly pool?: {
    /** Connections to one origin at a time; further requests wait for one, within `timeouts.connect`. Default 64. */
    readonly connections?: number | undefined
    /** How long a connection without a request is kept for the next one. Default 4 seconds. */
    readonly idle?: Duration.DurationInput | undefined
  } | undefined
  /**
   * Names of parameters whose values stand in no error, span and log; they are added to those that commonly are secrets
   * (`access_token`, `sig`, `api_key` …). `"all"` hides every value.
   */
  readonly redactQuery?: ReadonlyArray<string> | "all" | undefined
  /**
   * The origins that are told which span a request belongs to (`traceparent`, W3C Trace Context). Default `"same"`: that of
   * the URL, and of its redirects those to the same origin.
   */
  readonly propagateTo?: "same" | "all" | "none" | ReadonlyArray<string> | undefined
}

/**
 * The options of a request whose body can be sent again.
 *
 * @since 0.2.0
 * @category models
 */
export type ReplayableOptions<E = never, R = never> = OwnOptions & {
  readonly body?: Body.ReplayableBody<E, R> | undefined
}

interface OwnOptions extends CommonOptions {
  /** Default GET, with a body POST. */
  readonly method?: string | undefined
  /** Parameters that are added to those of the URL. */
  readonly query?: Body.Fields | undefined
  readonly range?: Range | undefined
}

/**
 * Makes options of options, those of requests that are sent again.
 *
 * @since 0.2.0
 * @category models
 */
export interface Retrying {
  <E = never, R = never>(
    options: ReplayableOptions<E, R> & { readonly url: string | URL }
  ): ReplayableOptions<E, R> & { readonly url: string | URL }
  <E = never, R = never>(options: ReplayableOptions<E, R>): ReplayableOptions<E, R>
}

/**
 * The options of one request. A body that can be given only once (`Body.stream`) cannot be sent again, so `retry` is not for
 * it.
 *
 * @since 0.2.0
 * @category models
 */
export type RequestOptions<E = never, R = never> =
  | ReplayableOptions<E, R>
  | (OwnOptions & { readonly body?: Body.Body<E, R> | undefined; readonly retry?: false | undefined })

/**
 * A request: a URL, or options with one.
 *
 * @since 0.2.0
 * @category models
 */
export type Target<E = never, R = never> =
  | string
  | URL
  | (RequestOptions<E, R> & { readonly url: string | URL })

/**
 * The options of `Http.download`.
 *
 * @since 0.2.0
 * @category models
 */
export interface DownloadOptions {
  /** Is run after each chunk that was written. */
  readonly progress?: ((progress: Progress) => Effect.Effect<void>) | undefined
}

/**
 * The options of `Http.upload`. `length` is for streams: a file has its own.
 *
 * @since 0.2.0
 * @category models
 */
export interface UploadOptions extends Body.StreamOptions {
  /** Is run with each chunk that is handed over. */
  readonly progress?: ((progress: Progress) => Effect.Effect<void>) | undefined
}

/**
 * A local file that a download is written to. It has another name (`….part`) until it is whole. With `resume` the part that
 * is there is kept, and the rest is asked for, if the server still has the same file.
 *
 * @since 0.2.0
 * @category models
 */
export interface LocalFile {
  readonly path: string
  readonly resume?: boolean | undefined
}
