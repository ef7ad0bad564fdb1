/** What the combinators of Effect's `HttpClient` leave for the client that they are used on. */
import * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { globalValue } from "effect/GlobalValue"
import { type AnyFiber, hasTracer } from "./fibers.js"
import * as References from "./references.js"

/** `HttpClient.withTracerPropagation`. */
export const propagates = (fiber: AnyFiber): boolean => fiber.getFiberRef(HttpClient.currentTracerPropagation)

// Effect's own registry. Without it, as in another version, an answer that nobody reads is released after a while.
const scopedRequests = globalValue(
  "@effect/platform/HttpClient/scopedRequests",
  () => new WeakMap<HttpClientRequest, AbortController>()
)

/** `HttpClient.withScope`: what aborts the request when its scope ends. */
export const aborting = (request: HttpClientRequest): AbortController | undefined => scopedRequests.get(request)

/** How the span of a request is called, if the program says so. */
const spanName = References.reference<string | undefined>("@copas/clients/Http/spanName", () => undefined)

export const spanNameOf = (fiber: AnyFiber): string | undefined => Context.get(fiber.currentContext, spanName)

const defaultName = Context.get(Context.empty(), HttpClient.SpanNameGenerator)

/** `HttpClient.withTracerDisabledWhen` and `HttpClient.withSpanNameGenerator`. */
export const traced = <A, E, R>(
  fiber: AnyFiber,
  request: HttpClientRequest,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  if (!hasTracer(fiber)) return effect
  if (fiber.getFiberRef(HttpClient.currentTracerDisabledWhen)(request)) return Effect.withTracerEnabled(effect, false)
  const name = Context.get(fiber.currentContext, HttpClient.SpanNameGenerator)
  return name === defaultName ? effect : Effect.provideService(effect, spanName, name(request))
}
