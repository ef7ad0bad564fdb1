/** What a request shows to tracers: one span, by the names of OpenTelemetry's conventions for HTTP clients. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Tracer from "effect/Tracer"
import { firstError } from "../effect/causes.js"
import { type AnyFiber, hasTracer } from "../effect/fibers.js"
import { propagates, spanNameOf } from "../effect/httpClient.js"
import { known, type Plan } from "./plan.js"
import { show } from "./url.js"

/** What is known of a request at its end. */
export interface Watch {
  /** What `traceparent` says (W3C Trace Context, section 3.2). */
  readonly traceparent: string | undefined
  status: number | undefined
  version: string | undefined
  /** How often a request was sent. */
  sent: number
}

const portOf = ({ port, protocol }: URL): number => port !== "" ? Number(port) : protocol === "https:" ? 443 : 80

const describe = (span: Tracer.Span, exit: Exit.Exit<unknown, unknown>, watch: Watch): void => {
  const { sent, status, version } = watch
  if (status !== undefined) span.attribute("http.response.status_code", status)
  if (version !== undefined) span.attribute("network.protocol.version", version)
  if (sent > 1) span.attribute("http.request.resend_count", sent - 1)
  const error = Exit.isFailure(exit)
    ? (firstError(exit) as { readonly _tag?: string } | undefined)?._tag ?? "interrupted"
    : status !== undefined && status >= 400
    ? String(status)
    : undefined
  if (error !== undefined) span.attribute("error.type", error)
}

/** A span of one request, with its redirects and further tries. Without a tracer there is none. */
export const request = <A, E, R, EB, RB>(
  fiber: AnyFiber,
  { method, settings: { hidden }, url }: Plan<EB, RB>,
  send: (watch: Watch | undefined) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  if (!hasTracer(fiber)) return send(undefined)
  const isKnown = known.has(method)
  const attributes = {
    "http.request.method": isKnown ? method : "_OTHER",
    ...(isKnown ? {} : { "http.request.method_original": method }),
    "url.full": show(url, hidden),
    "server.address": url.hostname,
    "server.port": portOf(url)
  }
  const options = { kind: "client", captureStackTrace: false, attributes } as const
  return Effect.useSpan(spanNameOf(fiber) ?? (isKnown ? method : "HTTP"), options, (span) => {
    const flags = span.sampled ? "01" : "00"
    const traceparent = propagates(fiber) ? `00-${span.traceId}-${span.spanId}-${flags}` : undefined
    const watch: Watch = { traceparent, status: undefined, version: undefined, sent: 0 }
    return Effect.withParentSpan(
      Effect.onExit(send(watch), (exit) => Effect.sync(() => describe(span, exit, watch))),
      span
    )
  })
}
