/** Ping-pong and handshakes over TLS. */
import { tlsEcho, tlsHandshakes, type TlsLoop } from "../load/tls-loop.js"
import { cpuColumns, measure } from "../load/window.js"
import type { Goal, LoadContext, ServerWorkload } from "../model.js"

const connections = 50

const workload = (options: {
  readonly name: string
  readonly title: string
  readonly unit: string
  readonly goal: Goal
  readonly start: (context: LoadContext) => Promise<TlsLoop> | TlsLoop
}): ServerWorkload => ({
  kind: "server",
  name: options.name,
  group: "tls",
  title: options.title,
  mode: "tls",
  connections,
  baseline: "bare",
  figure: { label: `CPU µs a ${options.unit}`, digits: 2 },
  columns: cpuColumns(`${options.unit}s/s`),
  goal: options.goal,
  load: async (context) => {
    const loop = await options.start(context)
    // A client of TLS costs as much as a server: the load cannot keep it busy, so idle time says nothing here.
    const outcome = await measure({ ...context, warmup: context.warmup * 2 }, {
      throughput: `${options.unit}s/s`,
      done: loop.done,
      saturates: false
    })
    loop.stop()
    const fault = loop.fault()
    return fault === undefined ? outcome : { ...outcome, broken: fault }
  }
})

export const tlsWorkloads: ReadonlyArray<ServerWorkload> = [
  workload({
    name: "tls-echo",
    title: `TLS 1.3 ping-pong of 64 bytes, ${connections} connections`,
    unit: "message",
    goal: { by: "ratio", target: 0.85 },
    start: (context) => tlsEcho(context, connections, 64)
  }),
  workload({
    name: "tls-handshakes",
    title: `TLS 1.3: connect, full handshake, line out, line back, close; ${connections} clients at once`,
    unit: "connection",
    goal: { by: "ratio", target: 0.9 },
    start: (context) => tlsHandshakes(context, connections)
  })
]
