/**
 * Effect's `HttpClient` over the pipeline: the same policies, for programs that know nothing of `Http`.
 *
 * Such a client has no scope that holds an answer. Small bodies are read at once, and their connections are free; others
 * wait for a reader, for a while.
 */
import type { Pull } from "@copas/core/HttpTransport"
import * as Transport from "@copas/core/Transport"
import type { Headers } from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import { RequestError } from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { Body } from "../../Body.js"
import { type HttpError, InvalidRequest } from "../../HttpError.js"
import type { Target } from "../../HttpRequest.js"
import type { Failure, Response } from "../../HttpResponse.js"
import { type AnyFiber, clockOf, millisOf, runner, withFiber } from "../effect/fibers.js"
import * as Refs from "../effect/httpClient.js"
import { Gathering } from "../gathering.js"
import type { Answer, Pipeline } from "./answer.js"
import { convert, StreamFailed } from "./clientBody.js"
import { type Decoders, undoneOf } from "./decoding.js"
import { isBodiless, lengthOf } from "./head.js"
import { Incoming } from "./incoming.js"
import * as Responses from "./response.js"
import { showUnread } from "./url.js"
import { gatheringOf } from "./whole.js"

/** Bodies up to here are read with the head: the transport would hold as much of them. */
const mostAtOnce = 64 * 1024

/** How long an answer waits for a reader, in milliseconds. */
const patience = 10_000

/** The request as errors show it: secrets may stand in its URL, in its fields and in its body. */
const shown = (
  request: HttpClientRequest.HttpClientRequest,
  show: Pipeline["show"]
): HttpClientRequest.HttpClientRequest => {
  const url = UrlParams.makeUrl(request.url, request.urlParams, Option.none())
  const text = Either.isLeft(url) ? showUnread(request.url) : show(url.right)
  return HttpClientRequest.make(request.method)(text)
}

/** Trying again cannot help, so the reason is none that `HttpClient.retryTransient` tries again. */
const reasonOf = (error: Failure | StreamFailed): RequestError["reason"] => {
  switch (error._tag) {
    case "AddressForbidden":
    case "RedirectRefused":
    case "TooManyRedirects":
      return "InvalidUrl"
    case "InvalidRequest":
      return error.field === "url" ? "InvalidUrl" : "Encode"
    case "InvalidOption":
    case "UnsupportedOption":
    case "StreamFailed":
      return "Encode"
    default:
      return "Transport"
  }
}

const failed =
  (request: HttpClientRequest.HttpClientRequest, show: Pipeline["show"]) =>
  (error: Failure | StreamFailed): RequestError =>
    new RequestError({
      request: shown(request, show),
      reason: reasonOf(error),
      cause: error instanceof StreamFailed ? error.cause : error,
      description: error instanceof StreamFailed ? "the stream of its body failed" : error.message
    })

const hasFields = (headers: Headers): boolean => {
  for (const name in headers) if (name !== "content-length") return true
  return false
}

const targetOf = (
  request: HttpClientRequest.HttpClientRequest,
  url: string | URL,
  body: Body<StreamFailed> | undefined
): Target<StreamFailed> => {
  if (request.method === "GET" && body === undefined && !hasFields(request.headers)) return url
  const headers: Record<string, string> = {}
  // The body says its length.
  for (const name of Object.keys(request.headers)) if (name !== "content-length") headers[name] = request.headers[name]!
  return { url, method: request.method, headers, ...(body === undefined ? {} : { body }) } as Target<StreamFailed>
}

const isSmall = (answer: Answer<unknown>): boolean => {
  if (isBodiless(answer)) return true
  const length = lengthOf(answer)
  return length !== undefined && length <= mostAtOnce
}

/** The answer with what came of it, of which no more comes. */
const held = <E>(answer: Answer<E>, read: Answer<E>["read"]): Answer<E> => answer.reading({ read, isLeft: () => false })

/** An answer, and its body if that was read at once. */
interface Answered<E> {
  readonly answer: Answer<E>
  readonly gathering: Gathering | undefined
}

/** The answer with the bytes of its body, or with what they failed with. */
const atOnce = <E>(answer: Answer<E>): Effect.Effect<Answered<E>> => {
  const whole = gatheringOf(answer)
  if (whole !== undefined) return Effect.succeed({ answer, gathering: whole })
  const gathering = new Gathering(lengthOf(answer))
  const loop: Effect.Effect<Answered<E>, HttpError | E> = Effect.flatMap(answer.read, (chunk) => {
    if (chunk === undefined) return Effect.succeed({ answer, gathering })
    gathering.add(chunk)
    return loop
  })
  const broken = (error: HttpError | E) => ({ answer: held(answer, Effect.fail(error)), gathering: undefined })
  return Effect.catchAll(loop, (error) => Effect.succeed(broken(error)))
}

/** A pull of bytes at hand. */
const pullOf = ({ length, result }: Gathering): Pull<never> => {
  let rest = length === 0 ? undefined : result
  return Effect.sync(() => {
    const bytes = rest
    rest = undefined
    return bytes
  })
}

/** Run once, whoever comes first. */
const once = (task: () => void): () => void => {
  let isDone = false
  return () => {
    if (isDone) return
    isDone = true
    task()
  }
}

export const make = (pipeline: Pipeline, decoders: Decoders): HttpClient.HttpClient => {
  const lendingOf = (
    request: HttpClientRequest.HttpClientRequest,
    onRead: Effect.Effect<void>,
    gathering?: Gathering
  ): Responses.Lending => ({ request, shown: () => shown(request, pipeline.show), onRead, gathering })

  /** The answer while nobody reads it: it is left after a while, or when the scope of `HttpClient.withScope` ends. */
  const waiting = <E>(
    answer: Answer<E>,
    request: HttpClientRequest.HttpClientRequest,
    fiber: AnyFiber,
    leave: () => void
  ): Response<E> => {
    const incoming = new Incoming(answer, decoders, undefined)
    const left = once(leave)
    const release = (reason: "scope" | "unread") => {
      incoming.release(reason)
      left()
    }
    const aborting = Refs.aborting(request)
    if (aborting === undefined) {
      incoming.onBegin = Transport.timekeeper(clockOf(fiber)).after(patience, () => release("unread"))
    } else if (aborting.signal.aborted) release("scope")
    else aborting.signal.addEventListener("abort", () => release("scope"), { once: true })
    return Responses.of(incoming, decoders, lendingOf(request, Effect.sync(left)))
  }

  /** A request whose body, if there is one, is at hand. */
  const exchange = (
    request: HttpClientRequest.HttpClientRequest,
    target: Target<StreamFailed>,
    fiber: AnyFiber
  ): Effect.Effect<Response<StreamFailed>, RequestError> =>
    Effect.uninterruptibleMask((restore) => {
      let leave: (() => void) | undefined
      const answered = pipeline.useIn(restore, target, (answer) => {
        if (isSmall(answer)) return atOnce(answer)
        leave = answer.keep()
        return Effect.succeed({ answer, gathering: undefined })
      })
      return Effect.matchCauseEffect(answered, {
        onFailure: (cause) => {
          leave?.()
          return Effect.mapError(Effect.failCause(cause), failed(request, pipeline.show))
        },
        onSuccess: (answered) =>
          Effect.succeed(
            leave === undefined ? read(answered, request, fiber) : waiting(answered.answer, request, fiber, leave)
          )
      })
    })

  /** The answer of which no more comes. */
  const read = <E>(
    { answer, gathering }: Answered<E>,
    request: HttpClientRequest.HttpClientRequest,
    fiber: AnyFiber
  ): Response<E> => {
    if (gathering === undefined) {
      return Responses.of(new Incoming(answer, decoders, undefined), decoders, lendingOf(request, Effect.void))
    }
    const isPlain = gathering.length <= answer.limits.body && undoneOf(answer, decoders) === undefined
    const incoming = new Incoming(isPlain ? answer : held(answer, pullOf(gathering)), decoders, undefined)
    incoming.endAt = millisOf(clockOf(fiber))
    return Responses.of(incoming, decoders, lendingOf(request, Effect.void, isPlain ? gathering : undefined))
  }

  /** A request that has a scope of its own, for its body. */
  const scoped = (
    request: HttpClientRequest.HttpClientRequest,
    target: Target<StreamFailed>,
    fiber: AnyFiber
  ): Effect.Effect<Response<StreamFailed>, RequestError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.zip(Scope.make(), runner), ([scope, run]) => {
        const opened = Effect.flatMap(
          pipeline.open(target, "any"),
          (answer): Effect.Effect<Answered<StreamFailed>> =>
            isSmall(answer) ? atOnce(answer) : Effect.succeed({ answer, gathering: undefined })
        )
        const close = Scope.close(scope, Exit.void)
        return Effect.matchCauseEffect(restore(Scope.extend(opened, scope)), {
          onFailure: (cause) =>
            Effect.zipRight(close, Effect.mapError(Effect.failCause(cause), failed(request, pipeline.show))),
          onSuccess: (answered): Effect.Effect<Response<StreamFailed>> =>
            isSmall(answered.answer)
              ? Effect.as(close, read(answered, request, fiber))
              : Effect.succeed(waiting(answered.answer, request, fiber, () => run(close)))
        })
      })
    )

  const execute = (
    request: HttpClientRequest.HttpClientRequest,
    fiber: AnyFiber
  ): Effect.Effect<Response<StreamFailed>, RequestError> => {
    const isWhole = request.urlParams.length === 0 && Option.isNone(request.hash)
    const url: Either.Either<string | URL, Error> = isWhole
      ? Either.right(request.url)
      : UrlParams.makeUrl(request.url, request.urlParams, request.hash)
    const refuse = (field: string, reason: string) => {
      const { method } = request
      return failed(request, pipeline.show)(
        new InvalidRequest({ method, url: showUnread(request.url), hop: 0, field, reason })
      )
    }
    // The platform's own error has the URL with its password.
    if (Either.isLeft(url)) return refuse("url", "it is not like http://host:port/path?query")
    const body = convert(request.body)
    if (body === null) return refuse("body", "as a raw body give text, bytes, a form, a blob or a stream")
    const target = targetOf(request, url.right, body)
    const isAtHand = body === undefined || body instanceof Uint8Array
    return isAtHand && pipeline.canKeep ? exchange(request, target, fiber) : scoped(request, target, fiber)
  }

  const executed = (request: HttpClientRequest.HttpClientRequest) =>
    withFiber((fiber) => Refs.traced(fiber, request, execute(request, fiber)))

  return HttpClient.makeWith(
    (prepared: Effect.Effect<HttpClientRequest.HttpClientRequest>) =>
      // Unless the program changes its requests, they are at hand.
      Exit.isExit(prepared) && Exit.isSuccess(prepared)
        ? executed(prepared.value as HttpClientRequest.HttpClientRequest)
        : Effect.flatMap(prepared, executed),
    Effect.succeed
  )
}
