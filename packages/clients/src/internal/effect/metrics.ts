/** Effect's metrics, at once and without an effect. */
import type * as Metric from "effect/Metric"

/** Adds to a gauge. */
export const add = (gauge: Metric.Metric.Gauge<number>, difference: number): void => gauge.unsafeModify(difference, [])

/** Counts, or sets. */
export const record = <In>(metric: Metric.Metric<any, In, any>, value: In): void => metric.unsafeUpdate(value, [])
