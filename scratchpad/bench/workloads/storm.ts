/** Short connections: connect, a line, a line back, close. */
import * as net from "node:net"
import { cpuColumns, measure } from "../load/window.js"
import type { LoadContext, Outcome, ServerWorkload } from "../model.js"

const throughput = "connections/s"
const clients = 50
const line = Buffer.from("a line of sixty-four bytes ".padEnd(63, "abcdefghij") + "\n")

/** One for all, as in echo-loop; longer than the line, so that too much is seen. */
const landing = Buffer.allocUnsafeSlow(line.length + 1)

type Closer = "server" | "client"

/** Connects, sends a line, and calls back when the line has come and the connection is closed. */
const visit = (context: LoadContext, closer: Closer, then: (fault: string | undefined) => void) => {
  let at = 0
  let fault: string | undefined
  const socket = net.connect({
    host: context.host,
    port: context.port,
    // Without it Node would shut down and wait before it closes: one more system call, and a turn.
    allowHalfOpen: true,
    onread: {
      buffer: landing,
      callback: (count, data) => {
        if (at + count > line.length || line.compare(data, 0, count, at, at + count) !== 0) {
          fault ??= "wrong bytes echoed"
        }
        at += count
        if (closer === "client" && at >= line.length) socket.destroy()
        return true
      }
    }
  })
  // Before it is connected: the line leaves with the end of the handshake.
  socket.write(line)
  socket.on("end", () => socket.destroy())
  socket.on("error", (error) => {
    fault ??= error.message
  })
  socket.on("close", () => then(fault ?? (at === line.length ? undefined : "the server closed before it had answered")))
}

const load = (closer: Closer) => async (context: LoadContext): Promise<Outcome> => {
  let done = 0
  let fault: string | undefined
  let stopped = false
  const again = (): void =>
    visit(context, closer, (failed) => {
      fault ??= failed
      if (failed === undefined) done++
      // A connect that was refused at once would otherwise be repeated without end.
      if (!stopped && fault === undefined) again()
    })
  for (let i = 0; i < clients; i++) again()
  // A connection runs through far more code than a message, and a second has fewer of them: the JIT needs longer.
  const outcome = await measure({ ...context, warmup: context.warmup * 2 }, {
    throughput,
    done: () => done,
    saturates: true
  })
  stopped = true
  return fault === undefined ? outcome : { ...outcome, broken: fault }
}

const storm = (name: string, title: string, mode: string, closer: Closer): ServerWorkload => ({
  kind: "server",
  name,
  group: "storm",
  title: `connect, line out, line back, close; ${clients} clients at once; ${title}`,
  mode,
  connections: clients,
  baseline: "bare",
  figure: { label: "CPU µs a connection", digits: 1 },
  columns: cpuColumns(throughput),
  goal: { by: "ratio", target: 0.6, stretch: 0.8 },
  load: load(closer)
})

export const storms: ReadonlyArray<ServerWorkload> = [
  storm("storm-return", "the server closes when its handler returns", "storm", "server"),
  storm("storm-hangup", "the client closes, and the handler's next read finds the end", "lines", "client")
]
