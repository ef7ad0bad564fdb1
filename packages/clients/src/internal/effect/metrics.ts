/** Effect's metrics, at once and without an effect. */
import type * as Metric from "effect/Metric"

/** Adds to a gauge. */
export const add = (gauge: Metric.Metric.Gauge<number>, difference: number): void => gauge.unsafeModify(difference, [])
