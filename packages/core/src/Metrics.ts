/**
 * The dispatcher's counters as Effect metrics, and as a page that Prometheus reads.
 *
 * The dispatcher counts in plain numbers. `collect` brings the metrics up to date with them, so metrics cost nothing on the
 * path of a byte: call it before you take a snapshot, or let `layer` call it from time to time.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricKeyType from "effect/MetricKeyType"
import type * as MetricPair from "effect/MetricPair"
import * as MetricState from "effect/MetricState"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Copas from "./Copas.js"
import { record } from "./internal/effect/metrics.js"
import { millisOrDie } from "./internal/time/optionValues.js"
import type { Totals } from "./Status.js"

const counter = (name: string, description: string): Metric.Metric.Counter<number> =>
  Metric.counter(name, { description, incremental: true })

/**
 * Connections handed to a server's handler, over all dispatchers of the process.
 *
 * @since 0.1.0
 * @category metrics
 */
export const connections: Metric.Metric.Counter<number> = counter(
  "copas_connections_total",
  "Connections handed to a server's handler."
)

/**
 * Connections of servers that are open now, by dispatcher.
 *
 * @since 0.1.0
 * @category metrics
 */
export const connectionsActive: Metric.Metric.Gauge<number> = Metric.gauge("copas_connections_active", {
  description: "Connections of servers that are open now."
})

/**
 * How long handlers ran, in seconds, by server.
 *
 * @since 0.1.0
 * @category metrics
 */
export const connectionDuration: Metric.Metric.Histogram<number> = Metric.histogram(
  "copas_connection_duration_seconds",
  MetricBoundaries.exponential({ start: 0.001, factor: 4, count: 10 }),
  "How long handlers ran."
)

/**
 * Handlers of connections that failed or died. One that was interrupted, or whose conversation ended between two
 * messages, is none.
 *
 * @since 0.1.0
 * @category metrics
 */
export const handlerFailures: Metric.Metric.Counter<number> = counter(
  "copas_handler_failures_total",
  "Handlers that failed or died."
)

/**
 * Connections that the system could not hand over, because descriptors ran out for example, and failed TLS handshakes.
 *
 * @since 0.1.0
 * @category metrics
 */
export const acceptFailures: Metric.Metric.Counter<number> = counter(
  "copas_accept_failures_total",
  "Connections that the system could not hand over, because descriptors ran out for example, and failed TLS handshakes."
)

/**
 * Bytes that stream sockets received. Datagrams do not count.
 *
 * @since 0.1.0
 * @category metrics
 */
export const bytesReceived: Metric.Metric.Counter<number> = counter(
  "copas_received_bytes_total",
  "Bytes that stream sockets received."
)

/**
 * Bytes of stream sockets that the system took. Datagrams do not count.
 *
 * @since 0.1.0
 * @category metrics
 */
export const bytesSent: Metric.Metric.Counter<number> = counter(
  "copas_sent_bytes_total",
  "Bytes of stream sockets that the system took."
)

/**
 * Threads ever added, the handlers of connections included.
 *
 * @since 0.1.0
 * @category metrics
 */
export const threads: Metric.Metric.Counter<number> = counter("copas_threads_total", "Threads ever added.")

/**
 * Threads that have not ended, by dispatcher.
 *
 * @since 0.1.0
 * @category metrics
 */
export const threadsActive: Metric.Metric.Gauge<number> = Metric.gauge("copas_threads_active", {
  description: "Threads that have not ended."
})

const counters: ReadonlyArray<readonly [keyof Totals, Metric.Metric.Counter<number>]> = [
  ["connections", connections],
  ["handlerFailures", handlerFailures],
  ["acceptFailures", acceptFailures],
  ["bytesReceived", bytesReceived],
  ["bytesSent", bytesSent],
  ["threads", threads]
]

/**
 * What the metrics have counted already, for each dispatcher. All callers of `collect` share this record, so nothing is
 * counted twice.
 */
const reported = new WeakMap<Copas.Service, Record<keyof Totals, number>>()

const gauge = (metric: Metric.Metric.Gauge<number>, dispatcher: string, value: number): void =>
  record(Metric.tagged(metric, "dispatcher", dispatcher), value)

/** Listens to the dispatcher for as long as it lasts: this scope is never closed. */
const listen = (copas: Copas.Service): Effect.Effect<void> =>
  Effect.flatMap(Scope.make(), (scope) =>
    Scope.extend(
      copas.observe((event) => {
        if (event.event === "connectionEnded") {
          record(Metric.tagged(connectionDuration, "server", event.server), event.durationMillis / 1000)
        } else if (event.event === "released") {
          gauge(connectionsActive, copas.name, 0)
          gauge(threadsActive, copas.name, 0)
        }
      }),
      scope
    ))

/**
 * Brings the metrics up to date with the dispatcher. From the first call on, the durations of handlers are recorded as
 * they end, and the gauges of the dispatcher become zero when it is released.
 *
 * Counters add up over all dispatchers of the process; gauges have a label `dispatcher` with the dispatcher's name
 * (`Copas.layerWith`). Any number of callers may collect, by turns or at once: each event is counted once.
 *
 * @since 0.1.0
 * @category collecting
 */
export const collect: Effect.Effect<void, never, Copas.Copas> = Effect.flatMap(
  Copas.Copas,
  (copas) =>
    Effect.flatMap(copas.counters, (now) =>
      Effect.suspend(() => {
        const isFirst = !reported.has(copas)
        // Without a yield: another fiber may collect at the same time, from newer or older counters than these.
        const before = reported.get(copas)
        const after = { ...now }
        for (const [name, metric] of counters) {
          const had = before?.[name] ?? 0
          after[name] = Math.max(had, now[name])
          record(metric, after[name] - had)
        }
        reported.set(copas, after)
        gauge(connectionsActive, copas.name, now.connectionsActive)
        gauge(threadsActive, copas.name, now.threadsActive)
        return isFirst ? listen(copas) : Effect.void
      }))
)

/**
 * Collects from time to time, and once more when it is released.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options?: { readonly every?: Duration.DurationInput | undefined }
): Layer.Layer<never, never, Copas.Copas> =>
  Layer.scopedDiscard(Effect.gen(function*() {
    const copas = yield* Copas.Copas
    yield* Effect.addFinalizer(() => Effect.provideService(collect, Copas.Copas, copas))
    const every = yield* millisOrDie("every", options?.every ?? "10 seconds")
    yield* Effect.forkScoped(Effect.repeat(collect, Schedule.spaced(every)))
  }))

/**
 * Brings the dispatcher's metrics up to date, then shows every metric of this process as a page for Prometheus (text format
 * 0.0.4).
 *
 * @since 0.1.0
 * @category collecting
 * @example
 * ```ts
 * import { Copas, Metrics } from "@copas/core"
 * import { NetMemory } from "@copas/core/testing"
 * import { Effect, Layer } from "effect"
 *
 * const layer = Layer.provideMerge(Copas.layer, NetMemory.layer)
 * Effect.runPromise(Metrics.prometheus.pipe(Effect.provide(layer))).then((page) =>
 *   console.log(page.includes("copas_threads_active{dispatcher=\"copas\"} 0")) // true
 * )
 * ```
 */
export const prometheus: Effect.Effect<string, never, Copas.Copas> = Effect.zipRight(
  collect,
  Effect.map(Metric.snapshot, (pairs) => page(pairs))
)

type Pair = MetricPair.MetricPair.Untyped

const page = (pairs: ReadonlyArray<Pair>): string => {
  const families = new Map<string, Array<Pair>>()
  for (const pair of pairs) {
    const name = metricName(pair)
    families.set(name, [...families.get(name) ?? [], pair])
  }
  const lines: Array<string> = []
  for (const [name, family] of families) {
    const [{ metricKey }] = family as [Pair]
    if (metricKey.description._tag === "Some") {
      lines.push(`# HELP ${name} ${metricKey.description.value.replace(/\\/g, "\\\\").replace(/\n/g, "\\n")}`)
    }
    lines.push(`# TYPE ${name} ${typeOf(metricKey.keyType)}`)
    for (const pair of family) lines.push(...samples(name, pair))
  }
  return lines.join("\n") + "\n"
}

// Prometheus takes letters, digits, underscores and colons.
const metricName = ({ metricKey }: Pair): string => metricKey.name.replace(/[^a-zA-Z0-9_:]/g, "_")

const typeOf = (keyType: unknown): string =>
  MetricKeyType.isCounterKey(keyType)
    ? "counter"
    : MetricKeyType.isGaugeKey(keyType)
    ? "gauge"
    : MetricKeyType.isHistogramKey(keyType)
    ? "histogram"
    : MetricKeyType.isSummaryKey(keyType)
    ? "summary"
    : "counter"

const labelValue = (value: string): string => value.replace(/\\/g, "\\\\").replace(/"/g, "\\\"").replace(/\n/g, "\\n")

const sample = (
  name: string,
  { metricKey }: Pair,
  value: number | bigint,
  ...more: ReadonlyArray<readonly [string, string]>
): string => {
  const labels = [
    ...metricKey.tags.map(({ key, value }) => [key.replace(/[^a-zA-Z0-9_]/g, "_"), value] as const),
    ...more
  ].map(([key, text]) => `${key}="${labelValue(text)}"`)
  return `${name}${labels.length === 0 ? "" : `{${labels.join(",")}}`} ${value}`
}

const samples = (name: string, pair: Pair): ReadonlyArray<string> => {
  const state: unknown = pair.metricState
  if (MetricState.isCounterState(state)) return [sample(name, pair, state.count)]
  if (MetricState.isGaugeState(state)) return [sample(name, pair, state.value)]
  if (MetricState.isFrequencyState(state)) {
    return Array.from(state.occurrences, ([value, count]) => sample(name, pair, count, ["value", value]))
  }
  if (MetricState.isHistogramState(state)) {
    const buckets = state.buckets
      .filter(([upTo]) => upTo !== Infinity)
      .map(([upTo, count]) => sample(`${name}_bucket`, pair, count, ["le", String(upTo)]))
    const all = sample(`${name}_bucket`, pair, state.count, ["le", "+Inf"])
    return [...buckets, all, sample(`${name}_sum`, pair, state.sum), sample(`${name}_count`, pair, state.count)]
  }
  if (MetricState.isSummaryState(state)) {
    const quantiles = state.quantiles.flatMap(([quantile, value]) =>
      value._tag === "Some" ? [sample(name, pair, value.value, ["quantile", String(quantile)])] : []
    )
    return [...quantiles, sample(`${name}_sum`, pair, state.sum), sample(`${name}_count`, pair, state.count)]
  }
  return []
}
