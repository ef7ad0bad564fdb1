/**
 * Answers whose bodies have not been read: what `Http` gives, which is an `HttpClientResponse` of Effect's as well.
 */
import type { Field } from "@copas/core/HttpTransport"
import * as Cookies from "@effect/platform/Cookies"
import * as Headers from "@effect/platform/Headers"
import { ResponseError } from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import type { HttpMethod } from "@effect/platform/HttpMethod"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { HttpError } from "../../HttpError.js"
import type * as HttpResponse from "../../HttpResponse.js"
import { pulled } from "../effect/streams.js"
import type { Gathering } from "../gathering.js"
import type { Answer } from "./answer.js"
import { type Decoders, undoneOf } from "./decoding.js"
import { valuesOf } from "./fields.js"
import { AnswerHead, lengthOf } from "./head.js"
import { Incoming } from "./incoming.js"
import * as Whole from "./whole.js"

type Failed<E> = HttpError | E

/** Fields by name in lower case. No name is special: a server may choose `__proto__`. */
const headersOf = (fields: ReadonlyArray<Field>, isDecoded: boolean): Headers.Headers => {
  const record: Record<string, string> = Object.create(null)
  for (const [given, value] of fields) {
    const name = given.toLowerCase()
    // They are about the bytes on the wire, which a reader of the decoded body does not see.
    if (isDecoded && (name === "content-encoding" || name === "content-length")) continue
    const before = record[name]
    record[name] = before === undefined ? value : `${before}, ${value}`
  }
  return Headers.fromInput(record)
}

/**
 * What an answer has that no scope of the program's holds, as of Effect's client. A body that was read as a whole is kept:
 * programs of such clients read it again.
 */
export interface Lending {
  readonly request: HttpClientRequest.HttpClientRequest
  /** The request in errors, without its secrets. */
  readonly shown: () => HttpClientRequest.HttpClientRequest
  /** Is run when the body has been read, or reading it has failed or was given up. */
  readonly onRead: Effect.Effect<void>
  /** The body, if it was read already. */
  readonly gathering?: Gathering | undefined
}

class ReceivedResponse<E> extends AnswerHead implements HttpResponse.Response<E> {
  private readonly incoming: Incoming<E>
  private readonly isDecoded: boolean
  private readonly lending: Lending | undefined
  private kept: Gathering | undefined

  constructor(incoming: Incoming<E>, isDecoded: boolean, lending: Lending | undefined) {
    super(incoming.answer)
    this.incoming = incoming
    this.isDecoded = isDecoded
    this.lending = lending
    this.kept = lending?.gathering
  }

  // Fields of names that are computed cost 6 µs an answer.
  get [HttpIncomingMessage.TypeId](): HttpIncomingMessage.TypeId {
    return HttpIncomingMessage.TypeId
  }

  get [HttpClientResponse.TypeId](): HttpClientResponse.TypeId {
    return HttpClientResponse.TypeId
  }

  protected get endedAt(): number | undefined {
    return this.incoming.endAt
  }

  /** The request as it is known here: its fields have credentials in them, and stay with the pipeline. */
  get request(): HttpClientRequest.HttpClientRequest {
    if (this.lending !== undefined) return this.lending.request
    const { method, url } = this.answer.where()
    return HttpClientRequest.make(method as HttpMethod)(url)
  }

  private cachedHeaders: Headers.Headers | undefined
  get headers(): Headers.Headers {
    return this.cachedHeaders ??= headersOf(this.fields, this.isDecoded)
  }

  private cachedCookies: Cookies.Cookies | undefined
  get cookies(): Cookies.Cookies {
    return this.cachedCookies ??= Cookies.fromSetCookie(valuesOf(this.fields, "set-cookie"))
  }

  get remoteAddress(): Option.Option<string> {
    const { remoteAddress } = this.connection
    return Option.some(remoteAddress._tag === "InetAddress" ? remoteAddress.host : remoteAddress.path)
  }

  get length(): number | undefined {
    return lengthOf(this.answer)
  }

  // ---- the body, with our errors

  private use<A, E2>(use: (gathering: Gathering) => Effect.Effect<A, E2>): Effect.Effect<A, Failed<E> | E2> {
    return Effect.suspend(() => {
      if (this.kept !== undefined) return use(this.kept)
      const { incoming, lending } = this
      const all = Effect.flatMap(incoming.begin, (pull) => Whole.gather(incoming.answer, pull, incoming.meter))
      const gathered = this.isDecoded ? Effect.scoped(all) : all as Effect.Effect<Gathering, Failed<E>>
      if (lending === undefined) return Effect.flatMap(gathered, use)
      return Effect.flatMap(Effect.ensuring(gathered, lending.onRead), (gathering) => {
        this.kept = gathering
        return use(gathering)
      })
    })
  }

  get body(): Stream.Stream<Uint8Array, Failed<E>> {
    const stream = Stream.suspend(() =>
      this.kept !== undefined
        ? Stream.make(this.kept.result)
        : Stream.unwrapScoped(Effect.map(this.incoming.begin, pulled))
    )
    return this.lending === undefined ? stream : Stream.ensuring(stream, this.lending.onRead)
  }

  get bytes(): Effect.Effect<Uint8Array, Failed<E>> {
    return this.use(({ result }) => Effect.succeed(result))
  }

  get whole(): Effect.Effect<HttpResponse.Whole, Failed<E>> {
    return Effect.map(this.bytes, (bytes) => new Whole.WholeAnswer(this.answer, this.endedAt, bytes))
  }

  // ---- the body, as programs of Effect's client read it

  private failed(cause: unknown): ResponseError {
    return new ResponseError({
      request: this.lending?.shown() ?? this.request,
      response: this,
      reason: "Decode",
      cause,
      ...(cause instanceof Error ? { description: cause.message } : {})
    })
  }

  private failing<A, E2>(read: Effect.Effect<A, E2>): Effect.Effect<A, ResponseError> {
    return Effect.mapError(read, (error) => this.failed(error))
  }

  get stream(): Stream.Stream<Uint8Array, ResponseError> {
    return Stream.mapError(this.body, (error) => this.failed(error))
  }

  get text(): Effect.Effect<string, ResponseError> {
    return this.failing(this.use(({ view }) => Whole.textOf(this.answer, view)))
  }

  /** As of Effect's clients, no text is `null`. */
  get json(): Effect.Effect<unknown, ResponseError> {
    return this.failing(
      this.use(({ length, view }) => length === 0 ? Effect.succeed(null) : Whole.jsonOf(this.answer, view))
    )
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, ResponseError> {
    return Effect.map(this.text, (text) => UrlParams.fromInput(new URLSearchParams(text)))
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, ResponseError> {
    return this.failing(this.use(({ result: { buffer, byteLength, byteOffset } }) =>
      Effect.succeed(
        byteOffset === 0 && byteLength === buffer.byteLength && buffer instanceof ArrayBuffer
          ? buffer
          : buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer
      )
    ))
  }

  get formData(): Effect.Effect<FormData, ResponseError> {
    return Effect.flatMap(this.failing(this.bytes), (bytes) =>
      Effect.tryPromise({
        try: () => new Response(bytes, { headers: { "content-type": this.headers["content-type"] ?? "" } }).formData(),
        catch: (error) => this.failed(error)
      }))
  }
}

/** The answer, for as long as the scope lasts. */
export const make = <E>(
  answer: Answer<E>,
  decoders: Decoders
): Effect.Effect<HttpResponse.Response<E>, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => of(new Incoming(answer, decoders, scope), decoders, undefined))

export const of = <E>(
  incoming: Incoming<E>,
  decoders: Decoders,
  lending: Lending | undefined
): HttpResponse.Response<E> =>
  new ReceivedResponse(incoming, undoneOf(incoming.answer, decoders) !== undefined, lending)
