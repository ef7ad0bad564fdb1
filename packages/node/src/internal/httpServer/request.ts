/** A request as handlers see it: `@effect/platform`'s `HttpServerRequest` on its public types. */
import * as Cookies from "@effect/platform/Cookies"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Headers from "@effect/platform/Headers"
import * as IncomingMessage from "@effect/platform/HttpIncomingMessage"
import type { HttpMethod } from "@effect/platform/HttpMethod"
import { RequestError } from "@effect/platform/HttpServerError"
import * as ServerRequest from "@effect/platform/HttpServerRequest"
import * as Multipart from "@effect/platform/Multipart"
import type * as Path from "@effect/platform/Path"
import type * as Socket from "@effect/platform/Socket"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import type { ReadonlyRecord } from "effect/Record"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type HttpConnection, TypeId as ConnectionId } from "../../HttpConnection.js"
import { BodyFault } from "./body.js"
import type { Exchange, NodeRequest, NodeResponse } from "./exchange.js"
import * as Parts from "./multipart.js"

const limitOf = (size: Option.Option<FileSystem.Size>): number => Option.isNone(size) ? Infinity : Number(size.value)

export class Request extends Inspectable.Class implements ServerRequest.HttpServerRequest {
  readonly [ServerRequest.TypeId]: ServerRequest.TypeId = ServerRequest.TypeId
  readonly [IncomingMessage.TypeId]: IncomingMessage.TypeId = IncomingMessage.TypeId
  readonly exchange: Exchange
  readonly url: string
  private readonly ownHeaders: Headers.Headers | undefined
  private readonly ownAddress: string | undefined

  constructor(exchange: Exchange, url: string, headers?: Headers.Headers, remoteAddress?: string) {
    super()
    this.exchange = exchange
    this.url = url
    this.ownHeaders = headers
    this.ownAddress = remoteAddress
  }

  /** For what asks @effect/platform-node for the request of Node's. */
  get source(): NodeRequest {
    return this.exchange.source
  }

  /** The same for the answer. */
  get response(): NodeResponse {
    return this.exchange.response
  }

  get [ConnectionId](): HttpConnection {
    return this.exchange.connection
  }

  get originalUrl(): string {
    return this.exchange.source.url!
  }

  get method(): HttpMethod {
    return this.exchange.source.method as HttpMethod
  }

  get headers(): Headers.Headers {
    return this.ownHeaders ?? this.exchange.headers
  }

  get remoteAddress(): Option.Option<string> {
    return Option.fromNullable(this.ownAddress ?? this.exchange.remoteAddress)
  }

  private cookiesMemo: ReadonlyRecord<string, string> | undefined = undefined
  get cookies(): ReadonlyRecord<string, string> {
    return this.cookiesMemo ??= Cookies.parseHeader(this.headers["cookie"] ?? "")
  }

  modify(
    options: {
      readonly url?: string | undefined
      readonly headers?: Headers.Headers | undefined
      readonly remoteAddress?: string | undefined
    }
  ): ServerRequest.HttpServerRequest {
    return new Request(
      this.exchange,
      options.url ?? this.url,
      options.headers ?? this.ownHeaders,
      options.remoteAddress ?? this.ownAddress
    )
  }

  // ---- the body

  private error(cause: unknown): RequestError {
    return new RequestError({
      request: this,
      reason: "Decode",
      cause,
      ...(cause instanceof Error ? { description: cause.message } : {})
    })
  }

  private get whole(): Effect.Effect<Buffer, RequestError> {
    return Effect.flatMap(
      IncomingMessage.MaxBodySize,
      (size) => Effect.mapError(this.exchange.body.whole(limitOf(size)), (fault) => this.error(fault))
    )
  }

  get text(): Effect.Effect<string, RequestError> {
    return Effect.map(this.whole, (bytes) => bytes.toString("utf8"))
  }

  get json(): Effect.Effect<unknown, RequestError> {
    return Effect.tryMap(this.text, {
      try: (text) => text === "" ? null : JSON.parse(text) as unknown,
      catch: (cause) => this.error(cause)
    })
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, RequestError> {
    return Effect.map(this.text, (text) => UrlParams.fromInput(new URLSearchParams(text)))
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, RequestError> {
    return Effect.map(this.whole, (bytes) => new Uint8Array(bytes).buffer)
  }

  get stream(): Stream.Stream<Uint8Array, RequestError> {
    return Stream.unwrap(
      Effect.map(
        IncomingMessage.MaxBodySize,
        (size) => Stream.mapError(this.exchange.body.stream(limitOf(size)), (fault) => this.error(fault))
      )
    )
  }

  get multipartStream(): Stream.Stream<Multipart.Part, Multipart.MultipartError> {
    return Stream.unwrap(
      Effect.map(IncomingMessage.MaxBodySize, (size) => Parts.stream(this.exchange.body, limitOf(size), this.headers))
    )
  }

  private multipartMemo: typeof this.multipart | undefined = undefined
  get multipart(): Effect.Effect<
    Multipart.Persisted,
    Multipart.MultipartError,
    Scope.Scope | FileSystem.FileSystem | Path.Path
  > {
    return this.multipartMemo ??= Effect.runSync(Effect.cached(Multipart.toPersisted(this.multipartStream)))
  }

  get upgrade(): Effect.Effect<Socket.Socket, RequestError> {
    return this.exchange.upgrade?.(this) ??
      Effect.fail(
        new RequestError({ request: this, reason: "Decode", description: "not an upgradeable ServerRequest" })
      )
  }

  /** Those of Node, once the body has come. */
  get trailers(): Effect.Effect<Headers.Headers, RequestError> {
    return Effect.flatMap(
      IncomingMessage.MaxBodySize,
      (size) =>
        Effect.flatMap(Effect.mapError(this.exchange.body.ended(limitOf(size)), (fault) => this.error(fault)), () => {
          const { rawTrailers, trailers } = this.exchange.source
          const problem = this.exchange.checkTrailers(rawTrailers)
          if (problem === undefined) return Effect.succeed(trailers as unknown as Headers.Headers)
          const fault = new BodyFault(400, problem.reason)
          this.exchange.body.complain(fault)
          return Effect.fail(this.error(fault))
        })
    )
  }

  override toString(): string {
    return `ServerRequest(${this.method} ${this.url})`
  }

  toJSON(): unknown {
    return IncomingMessage.inspect(this, {
      _id: "@effect/platform/HttpServerRequest",
      method: this.method,
      url: this.originalUrl
    })
  }
}
