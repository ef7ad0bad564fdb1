/** Effect's metrics, from callbacks. */
import type * as Metric from "effect/Metric"

/** Counts, or sets, at once: no fiber is there to do it. */
export const record = <In>(metric: Metric.Metric<any, In, any>, value: In): void => metric.unsafeUpdate(value, [])
