/** Ping-pong over UDP. */
import { datagramLoop } from "../load/datagram-loop.js"
import { cpuColumns, measure } from "../load/window.js"
import type { ServerWorkload } from "../model.js"

const clients = 50
const throughput = "messages/s"

export const datagrams: ServerWorkload = {
  kind: "server",
  name: "udp",
  group: "udp",
  title: `UDP ping-pong of 64 bytes, ${clients} clients`,
  mode: "udp",
  connections: clients,
  baseline: "bare",
  figure: { label: "CPU µs a message", digits: 2 },
  columns: cpuColumns(throughput),
  goal: { by: "ratio", target: 0.85, stretch: 0.95 },
  load: async (context) => {
    const loop = datagramLoop(context, clients, 64)
    const outcome = await measure(context, { throughput, done: loop.done, saturates: true })
    loop.stop()
    const fault = loop.fault()
    return fault === undefined ? outcome : { ...outcome, broken: fault }
  }
}
