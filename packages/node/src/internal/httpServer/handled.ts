/** An app as what the fiber of a connection runs for each request: `HttpApp.toHandled`, for a fiber that lives on. */
import * as HttpApp from "@effect/platform/HttpApp"
import type * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpServerError from "@effect/platform/HttpServerError"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { isSocketError } from "@effect/platform/Socket"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { failureOf } from "../effect/causes.js"
import { type AnyFiber, withFiber } from "../effect/fibers.js"
import * as Serving from "../effect/serving.js"
import type { Exchange } from "./exchange.js"
import * as Responding from "./responding.js"

/** The service under which a fiber has the exchange that it answers. */
export const exchangeKey = "@copas/node/internal/httpServer/Exchange"

const exchangeOf = (fiber: AnyFiber): Exchange => Serving.serviceOf<Exchange>(fiber, exchangeKey)!

type Response = HttpServerResponse.HttpServerResponse
type Answer<E = unknown> = Effect.Effect<Response, E, any>

/** Runs the program's own handlers of answers, and writes what they give. */
const answer = (fiber: AnyFiber, response: Response): Answer => {
  const exchange = exchangeOf(fiber)
  const handler = Serving.preResponseHandlerOf(fiber)
  if (handler !== undefined) {
    return Effect.tap(handler(exchange.request, response), (changed) => Responding.write(exchange, changed))
  }
  const written = Responding.write(exchange, response)
  return written === Effect.void ? Effect.succeed(response) : Effect.as(written, response)
}

/** The body could not be read: unless the handler answers otherwise, the status says why. It is no failure of the server. */
const faultOf = (exchange: Exchange, cause: Cause.Cause<unknown>): Response | undefined => {
  const { fault } = exchange
  return fault !== undefined && Serving.isExpected(cause)
    ? HttpServerResponse.empty({ status: fault.status })
    : undefined
}

/** Gives an answer for a failure, and fails on, with the answer in the cause: middleware looks for it there. */
const failed = (fiber: AnyFiber, cause: Cause.Cause<unknown>): Answer => {
  const exchange = exchangeOf(fiber)
  exchange.exit = Exit.failCause(cause)
  // An answer that was begun cannot be replaced: it was cut.
  if (exchange.response.headersSent) return Effect.failCause(cause)
  const refusal = faultOf(exchange, cause)
  if (refusal !== undefined) return answer(fiber, refusal)
  return Effect.flatMap(HttpServerError.causeResponse(cause), ([response, shown]) => {
    const answered = answer(fiber, response)
    return Serving.isNothing(shown) ? answered : Effect.zipRight(answered, Effect.failCause(shown))
  })
}

const timed = (app: Answer, millis: number): Answer =>
  // In an uninterruptible region it would wait for the app that takes too long.
  Effect.timeoutFailCause(Effect.interruptible(app), {
    duration: millis,
    onTimeout: () => Cause.die(HttpServerResponse.empty({ status: 503 }))
  })

/**
 * What answers one request in the fiber that runs it, in an uninterruptible region, as `toHandled` has it: the handlers of a
 * router can be interrupted, unless their route says otherwise, and so can streams; an app of another kind decides itself.
 * It never fails. Where nobody sees spans, none is made.
 */
export const make = (
  app: Effect.Effect<Response, any, any>,
  middleware: HttpMiddleware.HttpMiddleware | undefined,
  handlerMillis: number
): Effect.Effect<void, never, any> => {
  const timely = handlerMillis === Infinity ? app : timed(app, handlerMillis)
  const responded: Answer = Effect.catchAllCause(
    Effect.flatMap(timely, (response) => withFiber((fiber) => answer(fiber, response))),
    (cause) => withFiber((fiber) => failed(fiber, cause))
  )
  const plain: Answer = middleware === undefined ? responded : middleware(responded as any)
  const untraced = Effect.matchCauseEffect(plain, {
    onFailure: (cause) => withFiber((fiber) => ended(fiber, cause)),
    onSuccess: (response) =>
      withFiber((fiber) => {
        const exchange = exchangeOf(fiber)
        return exchange.isHandled ? Effect.void : Effect.catchAllCause(
          Responding.write(exchange, response),
          (cause) => ended(fiber, cause)
        )
      })
  })
  const traced = tracedOf(timely, middleware)
  return withFiber((fiber) => Serving.hasTracer(fiber) ? traced : untraced)
}

/** Effect's middleware that makes spans is not to be had but in `toHandled`. */
const tracedOf = (
  app: Answer,
  middleware: HttpMiddleware.HttpMiddleware | undefined
): Effect.Effect<void, never, any> => {
  const answered: Answer = Effect.catchAllCause(app, (cause) =>
    withFiber((fiber) => {
      const refusal = faultOf(exchangeOf(fiber), cause)
      return refusal === undefined ? Effect.failCause(cause) : Effect.succeed(refusal)
    }))
  const handled = HttpApp.toHandled(
    answered as HttpApp.Default<unknown>,
    (_request, response) => withFiber((fiber) => Responding.write(exchangeOf(fiber), response)),
    middleware
  )
  return Effect.catchAllCause(handled, (cause) => withFiber((fiber) => ended(fiber, cause)))
}

/** Middleware failed, or the failure was answered already: what is left is to report it. */
const ended = (fiber: AnyFiber, cause: Cause.Cause<unknown>): Effect.Effect<void> => {
  const exchange = exchangeOf(fiber)
  exchange.exit = Exit.failCause(cause)
  const [answered, shown] = HttpServerError.causeResponseStripped(cause)
  // What a client did wrong is its answer, and no failure of the server.
  const isPeers = exchange.isUpgraded && isSocketError(failureOf(cause))
  const reported = answered.status >= 500 && Option.isSome(shown) && Serving.isMistake(shown.value) && !isPeers
    ? exchange.host.report(shown.value)
    : Effect.void
  if (exchange.isGone || exchange.response.headersSent) return reported
  return Effect.zipRight(
    Effect.catchAllCause(
      Effect.flatMap(HttpServerError.causeResponse(cause), ([response]) => Responding.write(exchange, response)),
      () => Effect.ignore(Responding.write(exchange, HttpServerResponse.empty({ status: 500 })))
    ),
    reported
  )
}
