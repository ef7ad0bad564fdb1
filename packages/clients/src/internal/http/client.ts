/**
 * Effect's `HttpClient` over the pipeline: the same policies, for programs that know nothing of `Http`.
 *
 * Such a client has no scope that holds an answer. Small bodies are read at once, and their connections are free; others
 * wait for a reader, for a while.
 */
import * as Transport from "@copas/core/Transport"
import * as HttpClient from "@effect/platform/HttpClient"
import { RequestError } from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Body } from "../../Body.js"
import { type HttpError, InvalidRequest } from "../../HttpError.js"
import type { Target } from "../../HttpRequest.js"
import type { Failure, Response } from "../../HttpResponse.js"
import { type AnyFiber, clockOf, runner, withFiber } from "../effect/fibers.js"
import * as Refs from "../effect/httpClient.js"
import type { Answer, Pipeline } from "./answer.js"
import { convert, StreamFailed } from "./clientBody.js"
import type { Decoders } from "./decoding.js"
import { Gathering } from "./gathering.js"
import { isBodiless, lengthOf } from "./head.js"
import { Incoming } from "./incoming.js"
import * as Responses from "./response.js"
import { showUnread } from "./url.js"

/** Bodies up to here are read with the head: the transport would hold as much of them. */
const mostAtOnce = 64 * 1024

/** How long an answer waits for a reader, in milliseconds. */
const patience = 10_000

/** The request as errors show it, whose URL may have a password in it. */
const shown = (request: HttpClientRequest.HttpClientRequest): HttpClientRequest.HttpClientRequest => {
  const bare = request.url.replace(/^([a-z][a-z0-9+.-]*:[\\/]*)[^\\/?#]*@/i, "$1")
  return bare === request.url ? request : HttpClientRequest.setUrl(request, bare)
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

const failed = (request: HttpClientRequest.HttpClientRequest) => (error: Failure | StreamFailed): RequestError =>
  new RequestError({
    request: shown(request),
    reason: reasonOf(error),
    cause: error instanceof StreamFailed ? error.cause : error,
    description: error instanceof StreamFailed ? "the stream of its body failed" : error.message
  })

const targetOf = (
  request: HttpClientRequest.HttpClientRequest,
  url: URL,
  body: Body<StreamFailed> | undefined
): Target<StreamFailed> => {
  const headers: Record<string, string> = {}
  // The body says its length.
  for (const [name, value] of Object.entries(request.headers)) if (name !== "content-length") headers[name] = value
  return { url, method: request.method, headers, ...(body === undefined ? {} : { body }) } as Target<StreamFailed>
}

const isSmall = (answer: Answer<unknown>): boolean => {
  if (isBodiless(answer)) return true
  const length = lengthOf(answer)
  return length !== undefined && length <= mostAtOnce
}

/** The answer with the bytes of its body, or with what they failed with. */
const atOnce = <E>(answer: Answer<E>): Effect.Effect<Answer<E>> => {
  const gathering = new Gathering(lengthOf(answer))
  const loop: Effect.Effect<Answer<E>, HttpError | E> = Effect.flatMap(answer.read, (chunk) => {
    if (chunk !== undefined) {
      gathering.add(chunk)
      return loop
    }
    let rest = gathering.length === 0 ? undefined : gathering.result
    const read = Effect.sync(() => {
      const bytes = rest
      rest = undefined
      return bytes
    })
    return Effect.succeed({ ...answer, read })
  })
  return Effect.catchAll(loop, (error) => Effect.succeed({ ...answer, read: Effect.fail(error) }))
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
    return Responses.of(incoming, decoders, { request: () => shown(request), onRead: Effect.sync(left) })
  }

  /** A request whose body, if there is one, is at hand. */
  const exchange = (
    request: HttpClientRequest.HttpClientRequest,
    target: Target<StreamFailed>,
    fiber: AnyFiber
  ): Effect.Effect<Response<StreamFailed>, RequestError> =>
    Effect.uninterruptibleMask((restore) => {
      let leave: (() => void) | undefined
      const answered = pipeline.use(target, "any", (answer) => {
        if (isSmall(answer)) return atOnce(answer)
        leave = answer.keep()
        return Effect.succeed(answer)
      })
      return Effect.matchCauseEffect(restore(answered), {
        onFailure: (cause) => {
          leave?.()
          return Effect.mapError(Effect.failCause(cause), failed(request))
        },
        onSuccess: (answer) =>
          Effect.succeed(leave === undefined ? read(answer, request) : waiting(answer, request, fiber, leave))
      })
    })

  const read = <E>(answer: Answer<E>, request: HttpClientRequest.HttpClientRequest): Response<E> =>
    Responses.of(new Incoming(answer, decoders, undefined), decoders, {
      request: () => shown(request),
      onRead: Effect.void
    })

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
          (answer) => isSmall(answer) ? atOnce(answer) : Effect.succeed(answer)
        )
        const close = Scope.close(scope, Exit.void)
        return Effect.matchCauseEffect(restore(Scope.extend(opened, scope)), {
          onFailure: (cause) => Effect.zipRight(close, Effect.mapError(Effect.failCause(cause), failed(request))),
          onSuccess: (answer): Effect.Effect<Response<StreamFailed>> =>
            isSmall(answer)
              ? Effect.as(close, read(answer, request))
              : Effect.succeed(waiting(answer, request, fiber, () => run(close)))
        })
      })
    )

  const execute = (
    request: HttpClientRequest.HttpClientRequest,
    fiber: AnyFiber
  ): Effect.Effect<Response<StreamFailed>, RequestError> => {
    const url = UrlParams.makeUrl(request.url, request.urlParams, request.hash)
    const refuse = (field: string, reason: string) => {
      const { method } = request
      return failed(request)(new InvalidRequest({ method, url: showUnread(request.url), hop: 0, field, reason }))
    }
    // The platform's own error has the URL with its password.
    if (Either.isLeft(url)) return refuse("url", "it is not like http://host:port/path?query")
    const body = convert(request.body)
    if (body === null) return refuse("body", "as a raw body give text, bytes, a form, a blob or a stream")
    const target = targetOf(request, url.right, body)
    const isAtHand = body === undefined || body instanceof Uint8Array
    return isAtHand && pipeline.canKeep ? exchange(request, target, fiber) : scoped(request, target, fiber)
  }

  return HttpClient.makeWith(
    (prepared: Effect.Effect<HttpClientRequest.HttpClientRequest>) =>
      Effect.flatMap(
        prepared,
        (request) => withFiber((fiber) => Refs.traced(fiber, request, execute(request, fiber)))
      ),
    Effect.succeed
  )
}
