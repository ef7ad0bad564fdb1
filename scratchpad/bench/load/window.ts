/** Windows of measurement: what the load did, and the CPU time it cost, after a warm-up. */
import { setTimeout as sleep } from "node:timers/promises"
import { readCpu, usedBetween } from "../cpu.js"
import type { Column, LoadContext, Outcome } from "../model.js"

/** The columns of every workload whose figure is CPU time. */
export const cpuColumns = (throughput: string): ReadonlyArray<Column> => [
  { label: throughput, digits: 0 },
  { label: "server busy %", digits: 0 },
  { label: "load busy %", digits: 0 }
]

interface WindowOptions {
  /** The label of the throughput's column. */
  readonly throughput: string
  /** What has been done since the start, in the unit of the figure. */
  readonly done: () => number
  /** Whether a server that is less than half busy says something about the run. */
  readonly saturates: boolean
  /** The load is made by processes that this one starts. */
  readonly isOthers?: boolean
  /** Opens the window, and ends with it; the default goes by time. */
  readonly until?: (open: () => void) => Promise<void>
}

/** Measures the server's CPU time for each thing done between two moments. Both are read here, in one process. */
export const measure = async (context: LoadContext, options: WindowOptions): Promise<Outcome> => {
  const parent = options.isOthers === true ? process.pid : undefined
  const mark = () => ({ cpu: readCpu([context.pid, process.pid], parent), done: options.done() })
  let from = mark()
  const open = () => {
    from = mark()
  }
  if (options.until === undefined) {
    await sleep(context.warmup * 1000)
    open()
    await sleep(context.seconds * 1000)
  } else {
    await options.until(open)
  }
  const to = mark()
  const used = usedBetween(from.cpu, to.cpu)
  const [server, load] = used.each as [number, number]
  const done = to.done - from.done
  // Stopped or starved by others is not broken.
  const silent = done === 0 && used.remarks.length === 0
  const busy = (used: number) => used / (to.cpu.at - from.cpu.at) * 100
  return {
    figure: done === 0 ? Number.NaN : server / 1000 / done,
    columns: {
      [options.throughput]: done / (to.cpu.at - from.cpu.at) * 1e9,
      "server busy %": busy(server),
      "load busy %": busy(load)
    },
    remarks: [...used.remarks, ...judge(options, busy(server), busy(load))],
    ...(silent ? { broken: "nothing came back" } : {})
  }
}

const judge = (options: WindowOptions, server: number, load: number): ReadonlyArray<string> => {
  // With both at their limit the server is measured as it should be.
  if (load > 90 && server < 90) return ["the load generator was saturated: the throughput is its own"]
  return options.saturates && server < 50 ? ["the server was idle half of the time"] : []
}
