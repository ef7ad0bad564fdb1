/**
 * The HTTP client (RFC 9110, 9111 without a cache, 9112 and 9113), over the platform's `HttpTransport`.
 *
 * `text`, `bytes` and `json` give whole bodies; `request` and the calls named after methods give answers that are read as
 * they come; `download` and `upload` move files and streams.
 *
 * It promises this: credentials go to the origin that the caller named and to no other; a body that is cut is an error;
 * nothing that a server sends fills the memory; no text of a caller becomes a second request; each phase has one time-out.
 * Errors are in `HttpError`.
 *
 * @since 0.2.0
 */
import type { HttpTransport } from "@copas/core/HttpTransport"
import type * as Net from "@copas/core/Net"
import type { InvalidOption, UnsupportedOption } from "@copas/core/SocketError"
import type { TlsError } from "@copas/core/TlsError"
import type { PlatformError } from "@effect/platform/Error"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ParseError } from "effect/ParseResult"
import type * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import type * as Body from "./Body.js"
import type { Connector } from "./Connector.js"
import type * as HttpRequest from "./HttpRequest.js"
import type { Defaults, RequestOptions, Target } from "./HttpRequest.js"
import type { Downloaded, Failure, Response, Whole } from "./HttpResponse.js"
import * as Routes from "./internal/http/route.js"
import * as Service_ from "./internal/http/service.js"

/**
 * The options of requests.
 *
 * @since 0.2.0
 * @category models
 */
export type { Defaults, RequestOptions, Target } from "./HttpRequest.js"

/**
 * The results of requests: answers that are read as they come, whole ones, downloads; and the errors of a request.
 *
 * @since 0.2.0
 * @category models
 */
export type { Downloaded, Failure, Response, Whole } from "./HttpResponse.js"

/**
 * The errors of making a client: its options are checked, and its TLS context is made, at once.
 *
 * @since 0.2.0
 * @category errors
 */
export type MakeFailure = InvalidOption | UnsupportedOption | TlsError

/**
 * A call named after a method.
 *
 * @since 0.2.0
 * @category models
 */
export type Call = <E = never, R = never>(
  url: string | URL,
  options?: RequestOptions<E, R>
) => Effect.Effect<Response<E>, Failure | E, R | Scope.Scope>

/**
 * The calls of a client. Each is described at the accessor of its name in this module.
 *
 * @since 0.2.0
 * @category models
 */
export interface Service {
  readonly request: {
    <E = never, R = never>(url: string | URL, body?: Body.Body<E, R>): Effect.Effect<Whole, Failure | E, R>
    <E = never, R = never>(
      options: RequestOptions<E, R> & { readonly url: string | URL }
    ): Effect.Effect<Response<E>, Failure | E, R | Scope.Scope>
  }
  readonly get: Call
  readonly head: Call
  readonly post: Call
  readonly put: Call
  readonly patch: Call
  readonly del: Call
  readonly options: Call
  readonly text: <E = never, R = never>(target: Target<E, R>) => Effect.Effect<string, Failure | E, R>
  readonly bytes: <E = never, R = never>(target: Target<E, R>) => Effect.Effect<Uint8Array, Failure | E, R>
  readonly json: {
    <E = never, R = never>(target: Target<E, R>): Effect.Effect<unknown, Failure | E, R>
    <A, I, R2, E = never, R = never>(
      target: Target<E, R>,
      schema: Schema.Schema<A, I, R2>
    ): Effect.Effect<A, Failure | ParseError | E, R | R2>
  }
  readonly download: {
    <E = never, R = never>(
      target: Target<E, R>,
      to: HttpRequest.LocalFile,
      options?: HttpRequest.DownloadOptions
    ): Effect.Effect<Downloaded, Failure | PlatformError | E, R | FileSystem>
    <A, L, E2, R2, E = never, R = never>(
      target: Target<E, R>,
      to: Sink.Sink<A, Uint8Array, L, E2, R2>,
      options?: HttpRequest.DownloadOptions
    ): Effect.Effect<Downloaded<A>, Failure | E | E2, R | R2>
  }
  readonly upload: {
    (
      target: Target,
      from: { readonly path: string },
      options?: HttpRequest.UploadOptions
    ): Effect.Effect<Whole, Failure | PlatformError, FileSystem>
    <E, R>(
      target: Target,
      from: Stream.Stream<Uint8Array, E, R>,
      options?: HttpRequest.UploadOptions
    ): Effect.Effect<Whole, Failure | E, R>
  }
  /** The same client for programs of Effect's `HttpClient`: see `layerHttpClient`. */
  readonly client: HttpClient.HttpClient
}

/**
 * The HTTP client.
 *
 * @since 0.2.0
 * @category tags
 */
export class Http extends Context.Tag("@copas/clients/Http")<Http, Service>() {}

/**
 * Makes a client with options for all its requests. It opens nothing: connections are the transport's, whose scope ends
 * them. *Interruption* leaves nothing open.
 *
 * @since 0.2.0
 * @category constructors
 */
export const make = (defaults: Defaults = {}): Effect.Effect<Service, MakeFailure, Net.Net | HttpTransport> =>
  Service_.make(defaults)

/**
 * The client over the network and the transport of the context: `NodeCopas.layer` has both.
 *
 * @since 0.2.0
 * @category layers
 */
export const layer = (defaults: Defaults = {}): Layer.Layer<Http, MakeFailure, Net.Net | HttpTransport> =>
  Layer.effect(Http, make(defaults))

/**
 * The client with options from the configuration; give secrets by `Config.redacted`.
 *
 * @since 0.2.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Config.Wrap<Defaults>
): Layer.Layer<Http, MakeFailure | ConfigError, Net.Net | HttpTransport> =>
  Layer.effect(Http, Effect.flatMap(Config.unwrap(config), make))

/**
 * Effect's `HttpClient` with what this client does. A status is an answer, whatever `expect` says; `RequestError` and
 * `ResponseError` have our error as `cause`. No scope holds an answer: one that nobody reads for 10 seconds is released.
 *
 * @since 0.2.0
 * @category layers
 */
export const layerHttpClient = (
  defaults: Defaults = {}
): Layer.Layer<HttpClient.HttpClient, MakeFailure, Net.Net | HttpTransport> =>
  Layer.effect(HttpClient.HttpClient, Effect.map(make(defaults), ({ client }) => client))

/**
 * Connects to a Unix-domain socket, whatever host the URL names. Give the same connector each time: requests share
 * connections only of one connector.
 *
 * @since 0.2.0
 * @category constructors
 * @example
 * ```ts
 * import { Http } from "@copas/clients"
 *
 * const docker = Http.layer({ connector: Http.unix("/run/docker.sock") })
 * const version = Http.json("http://localhost/version")
 * ```
 */
export const unix = (path: string): Connector => Routes.unix(path)

/**
 * The options of a request that is sent again when it may be: see `RequestOptions.retry`. It takes no body that can be given
 * only once.
 *
 * @since 0.2.0
 * @category retrying
 * @example
 * ```ts
 * import { Body, Http } from "@copas/clients"
 * import { Schedule } from "effect"
 *
 * const twice = Http.retrying(Schedule.addDelay(Schedule.recurs(2), () => "1 seconds"))
 * const put = Http.text(twice({ url: "https://a.example/x", method: "PUT", body: Body.jsonValue({ a: 1 }) }))
 * ```
 */
export const retrying = (
  retry: Schedule.Schedule<unknown, unknown> | HttpRequest.RetryOptions = {}
): HttpRequest.Retrying =>
(options: object): any => ({ ...options, retry })

// Each accessor is one function of the service.
const call = (name: "get" | "head" | "post" | "put" | "patch" | "del" | "options") =>
<E = never, R = never>(
  url: string | URL,
  options?: RequestOptions<E, R>
): Effect.Effect<Response<E>, Failure | E, Http | R | Scope.Scope> =>
  Effect.flatMap(Http, (http) => http[name](url, options))

/**
 * Sends a request in one of the two forms of Copas's `http.request`.
 *
 * - A URL, and a body if it is to be posted: gives the whole answer, whatever its status. A string goes out as
 *   `application/x-www-form-urlencoded`, as in Lua.
 * - Options: gives the answer as soon as its head has come; the scope holds it. Leaving the scope releases the body.
 *
 * A status of 400 and more is an answer, unless `expect` says otherwise. *Interruption* closes the connection.
 *
 * @since 0.2.0
 * @category accessors
 * @example
 * ```ts
 * import { Http } from "@copas/clients"
 * import { HttpPeer } from "@copas/clients/testing"
 * import { NetMemory } from "@copas/core/testing"
 * import { NodeHttpTransport } from "@copas/node"
 * import { Effect, Layer, Stream } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const peer = yield* HttpPeer.make({ handler: ({ method }) => ({ body: ["a chunk, ", `and another for ${method}`] }) })
 *   const answer = yield* Http.request({ url: peer.url, headers: { "X-Client": "example" } })
 *   const text = yield* answer.body.pipe(Stream.decodeText(), Stream.mkString)
 *   return `${answer.status}: ${text}`
 * })
 *
 * const layer = Http.layer().pipe(Layer.provideMerge(NodeHttpTransport.layer), Layer.provideMerge(NetMemory.layer))
 * Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(layer)))
 *   .then(console.log) // 200: a chunk, and another for GET
 * ```
 */
export const request: {
  <E = never, R = never>(url: string | URL, body?: Body.Body<E, R>): Effect.Effect<Whole, Failure | E, Http | R>
  <E = never, R = never>(
    options: RequestOptions<E, R> & { readonly url: string | URL }
  ): Effect.Effect<Response<E>, Failure | E, Http | R | Scope.Scope>
} = (...args: [any, any?]): any => Effect.flatMap(Http, (http) => http.request(...args))

/**
 * GET (RFC 9110, section 9.3.1), as `request` with options.
 *
 * @since 0.2.0
 * @category accessors
 */
export const get = call("get")

/**
 * HEAD (RFC 9110, section 9.3.2), as `request` with options. It stays HEAD over redirects; the body is empty.
 *
 * @since 0.2.0
 * @category accessors
 */
export const head = call("head")

/**
 * POST (RFC 9110, section 9.3.3), as `request` with options.
 *
 * @since 0.2.0
 * @category accessors
 */
export const post = call("post")

/**
 * PUT (RFC 9110, section 9.3.4), as `request` with options.
 *
 * @since 0.2.0
 * @category accessors
 */
export const put = call("put")

/**
 * PATCH (RFC 5789), as `request` with options.
 *
 * @since 0.2.0
 * @category accessors
 */
export const patch = call("patch")

/**
 * DELETE (RFC 9110, section 9.3.5), as `request` with options.
 *
 * @since 0.2.0
 * @category accessors
 */
export const del = call("del")

/**
 * OPTIONS (RFC 9110, section 9.3.7), as `request` with options.
 *
 * @since 0.2.0
 * @category accessors
 */
export const options = call("options")

/**
 * Gives the body of a successful answer (2xx, or `expect`) as text, at most `limits.body` bytes. Lua's `http.request(url)`.
 * Another status is `UnexpectedStatus`. *Interruption* closes the connection.
 *
 * @since 0.2.0
 * @category accessors
 */
export const text = <E = never, R = never>(target: Target<E, R>): Effect.Effect<string, Failure | E, Http | R> =>
  Effect.flatMap(Http, (http) => http.text(target))

/**
 * Gives the body of a successful answer as bytes. See `text`. *Interruption* closes the connection.
 *
 * @since 0.2.0
 * @category accessors
 */
export const bytes = <E = never, R = never>(target: Target<E, R>): Effect.Effect<Uint8Array, Failure | E, Http | R> =>
  Effect.flatMap(Http, (http) => http.bytes(target))

/**
 * Gives the value that the body of a successful answer is in JSON, decoded by the schema if there is one. See `text`. What
 * is no JSON is `DecodeFailed`, and what the schema refuses `ParseError`. *Interruption* closes the connection.
 *
 * @since 0.2.0
 * @category accessors
 */
export const json: {
  <E = never, R = never>(target: Target<E, R>): Effect.Effect<unknown, Failure | E, Http | R>
  <A, I, R2, E = never, R = never>(
    target: Target<E, R>,
    schema: Schema.Schema<A, I, R2>
  ): Effect.Effect<A, Failure | ParseError | E, Http | R | R2>
} = (...args: [any, any?]): any => Effect.flatMap(Http, (http) => http.json(...args))

/**
 * Downloads a body into a file or a sink, and succeeds when all of it is there. Into a file it is written under another
 * name, which is changed when it is whole.
 *
 * *Interruption* closes the connection, and removes what came of the file; with `resume` it is kept for the next time.
 *
 * @since 0.2.0
 * @category accessors
 */
export const download: {
  <E = never, R = never>(
    target: Target<E, R>,
    to: HttpRequest.LocalFile,
    options?: HttpRequest.DownloadOptions
  ): Effect.Effect<Downloaded, Failure | PlatformError | E, Http | R | FileSystem>
  <A, L, E2, R2, E = never, R = never>(
    target: Target<E, R>,
    to: Sink.Sink<A, Uint8Array, L, E2, R2>,
    options?: HttpRequest.DownloadOptions
  ): Effect.Effect<Downloaded<A>, Failure | E | E2, Http | R | R2>
} = (...args: [any, any, any?]): any => Effect.flatMap(Http, (http) => http.download(...args))

/**
 * Uploads a file or a stream, by PUT unless the target says otherwise, and gives the server's answer. *Interruption* cuts
 * the connection, so that the server does not take what came for the whole.
 *
 * @since 0.2.0
 * @category accessors
 */
export const upload: {
  (
    target: Target,
    from: { readonly path: string },
    options?: HttpRequest.UploadOptions
  ): Effect.Effect<Whole, Failure | PlatformError, Http | FileSystem>
  <E, R>(
    target: Target,
    from: Stream.Stream<Uint8Array, E, R>,
    options?: HttpRequest.UploadOptions
  ): Effect.Effect<Whole, Failure | E, Http | R>
} = (...args: [any, any, any?]): any => Effect.flatMap(Http, (http) => http.upload(...args))
