/**
 * The requests of HTTP servers as Effect metrics, beside those of the dispatcher (`Metrics` of `@copas/core`).
 *
 * A server counts in plain numbers, and `collect` brings the metrics up to date with them.
 *
 * @since 0.2.0
 */
import { Copas, type Service } from "@copas/core/Copas"
import * as Metrics from "@copas/core/Metrics"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as Schedule from "effect/Schedule"
import { orFail } from "./internal/effect/eithers.js"
import { record } from "./internal/effect/metrics.js"
import { bounds, classes, type Recorder, recordersOf } from "./internal/httpServer/recorder.js"
import { millis } from "./internal/optionValues.js"

/**
 * Requests that were answered, by the class of the status: label `status`, `2xx` for example; `aborted` are those whose client
 * went away before its answer began.
 *
 * @since 0.2.0
 * @category metrics
 */
export const requests: Metric.Metric.Counter<number> = Metric.counter("copas_http_requests_total", {
  description: "Requests that HTTP servers answered.",
  incremental: true
})

/**
 * How long requests took, from the end of their head until their answer was handed over, in seconds, by server.
 *
 * @since 0.2.0
 * @category metrics
 */
export const requestDuration: Metric.Metric.Histogram<number> = Metric.histogram(
  "copas_http_request_duration_seconds",
  MetricBoundaries.fromIterable(bounds.map((millis) => millis / 1000)),
  "How long requests took."
)

/**
 * Requests that are being answered now, by dispatcher.
 *
 * @since 0.2.0
 * @category metrics
 */
export const requestsInFlight: Metric.Metric.Gauge<number> = Metric.gauge("copas_http_requests_in_flight", {
  description: "Requests that are being answered now."
})

/** What the metrics have counted already of each server. */
const reported = new WeakMap<Recorder, ReadonlyArray<number>>()

const report = (recorder: Recorder): void => {
  const before = reported.get(recorder)
  reported.set(recorder, [...recorder.counts])
  for (const [index, name] of classes.entries()) {
    const more = recorder.counts[index]! - (before?.[index] ?? 0)
    if (more > 0) record(Metric.tagged(requests, "status", name), more)
  }
}

const attach = (recorder: Recorder): void => {
  const duration = Metric.tagged(requestDuration, "server", recorder.name)
  recorder.metrics = {
    duration: (millis) => record(duration, millis / 1000),
    ended: () => report(recorder)
  }
}

const update = (copas: Service): void => {
  const recorders = recordersOf(copas)
  if (recorders.attach === undefined) {
    recorders.attach = attach
    for (const recorder of recorders.all) attach(recorder)
  }
  let inFlight = 0
  for (const recorder of recorders.all) {
    report(recorder)
    inFlight += recorder.underWay.size
  }
  record(Metric.tagged(requestsInFlight, "dispatcher", copas.name), inFlight)
}

/**
 * Brings the metrics up to date with all HTTP servers of the dispatcher. From the first call on, durations are recorded as
 * requests end. Any number of callers may collect: each request is counted once.
 *
 * @since 0.2.0
 * @category collecting
 */
export const collect: Effect.Effect<void, never, Copas> = Effect.map(Copas, update)

/**
 * Collects from time to time, every 10 seconds by default, and once more when it is released.
 *
 * A time that is no duration above zero is a defect (`InvalidOption`).
 *
 * @since 0.2.0
 * @category layers
 */
export const layer = (
  options?: { readonly every?: Duration.DurationInput | undefined }
): Layer.Layer<never, never, Copas> =>
  Layer.scopedDiscard(Effect.gen(function*() {
    const copas = yield* Copas
    yield* Effect.addFinalizer(() => Effect.sync(() => update(copas)))
    const every = yield* Effect.orDie(orFail(millis("every", options?.every ?? "10 seconds", 1)))
    yield* Effect.forkScoped(Effect.repeat(collect, Schedule.spaced(Duration.millis(every))))
  }))

/**
 * Brings the metrics of the dispatcher and of its HTTP servers up to date, then shows every metric of this process as a page
 * for Prometheus, as `Metrics.prometheus` does.
 *
 * @since 0.2.0
 * @category collecting
 * @example
 * ```ts
 * import { Copas } from "@copas/core"
 * import { HttpMetrics } from "@copas/node"
 * import { HttpRouter, HttpServerResponse } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const app = HttpRouter.get(
 *   HttpRouter.empty,
 *   "/metrics",
 *   Effect.map(HttpMetrics.prometheus, (page) => HttpServerResponse.text(page, { contentType: "text/plain; version=0.0.4" }))
 * )
 * ```
 */
export const prometheus: Effect.Effect<string, never, Copas> = Effect.zipRight(collect, Metrics.prometheus)
