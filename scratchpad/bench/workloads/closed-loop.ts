/** Workloads in which a connection sends when its answer has come. */
import { echoLoop, lineRequest } from "../load/echo-loop.js"
import { cpuColumns, measure } from "../load/window.js"
import type { Goal, ServerWorkload } from "../model.js"

interface Options {
  readonly name: string
  readonly group: string
  readonly title: string
  readonly mode: string
  readonly connections: number
  /** Lines of 64 bytes in one write. */
  readonly lines: number
  readonly saturates: boolean
  readonly goal?: Goal
}

const throughput = "messages/s"

/** A workload in which each connection sends, waits for the whole reply, and sends again. */
export const closedLoop = (options: Options): ServerWorkload => ({
  kind: "server",
  name: options.name,
  group: options.group,
  title: options.title,
  mode: options.mode,
  connections: options.connections,
  baseline: "bare",
  figure: { label: "CPU µs a message", digits: 2 },
  columns: cpuColumns(throughput),
  ...(options.goal === undefined ? {} : { goal: options.goal }),
  load: async (context) => {
    const loop = await echoLoop(context, {
      connections: options.connections,
      units: options.lines,
      request: (connection) => lineRequest(connection, 64, options.lines)
    })
    const outcome = await measure(context, { throughput, done: loop.done, saturates: options.saturates })
    loop.stop()
    const fault = loop.fault()
    return fault === undefined ? outcome : { ...outcome, broken: fault }
  }
})
