/**
 * The metrics of pools: those of one server add up.
 */
import * as Metric from "effect/Metric"
import { add } from "../../effect/metrics.js"
import type { Counts } from "./connections.js"

const gauge = (name: string, description: string): Metric.Metric.Gauge<number> => Metric.gauge(name, { description })

export const connectionsOpen = gauge("smtp_pool_connections_open", "Connections of SMTP pools that are open now.")
export const connectionsIdle = gauge(
  "smtp_pool_connections_idle",
  "Connections of SMTP pools that no caller uses now."
)
export const callersWaiting = gauge("smtp_pool_waiting", "Callers that wait for a connection of an SMTP pool.")

/** Returns a function to call with a pool's counts whenever they may have changed. */
export const make = (server: string): (counts: Counts) => void => {
  const [open, idle, waiting] = [connectionsOpen, connectionsIdle, callersWaiting].map((metric) =>
    Metric.tagged(metric, "server", server)
  ) as [Metric.Metric.Gauge<number>, Metric.Metric.Gauge<number>, Metric.Metric.Gauge<number>]
  let told = { open: 0, idle: 0, waiting: 0 }
  return (counts) => {
    if (counts.open !== told.open) add(open, counts.open - told.open)
    if (counts.idle !== told.idle) add(idle, counts.idle - told.idle)
    if (counts.waiting !== told.waiting) add(waiting, counts.waiting - told.waiting)
    told = counts
  }
}
