/** Bulk echo over one connection. */
import { randomBytes } from "node:crypto"
import * as net from "node:net"
import { cpuColumns, measure } from "../load/window.js"
import type { LoadContext, Outcome, ServerWorkload } from "../model.js"

const mebibyte = 1 << 20
const block = 1 << 16
const throughput = "MiB/s"

const load = async (context: LoadContext): Promise<Outcome> => {
  const total = (context.quick ? 128 : 1024) * mebibyte
  // Before the window, for the JIT and for the kernel's own tuning of the buffers.
  const warmup = (context.quick ? 32 : 128) * mebibyte
  const data = randomBytes(block)
  const landing = Buffer.allocUnsafeSlow(block)
  let sent = 0
  let received = 0
  const outcome = await measure(context, {
    throughput,
    done: () => received / mebibyte,
    saturates: true,
    until: (open) =>
      new Promise((resolve, reject) => {
        const receive = (count: number): boolean => {
          // What comes may straddle two blocks of what was sent.
          for (let at = 0; at < count;) {
            const offset = received % block
            const length = Math.min(count - at, block - offset)
            if (data.compare(landing, at, at + length, offset, offset + length) !== 0) {
              reject(new Error("wrong bytes echoed"))
              return false
            }
            const before = received
            received += length
            at += length
            if (before < warmup && received >= warmup) open()
          }
          if (received >= warmup + total) {
            resolve()
            socket.removeAllListeners("close")
            socket.resetAndDestroy()
            return false
          }
          return true
        }
        const send = () => {
          while (sent < warmup + total) {
            sent += block
            if (!socket.write(data)) return
          }
        }
        const socket = net.connect({
          host: context.host,
          port: context.port,
          noDelay: true,
          onread: { buffer: landing, callback: receive }
        })
        socket.on("connect", send)
        socket.on("drain", send)
        socket.on("error", reject)
        socket.on("close", () => reject(new Error("the server closed the connection")))
      })
  })
  return outcome
}

export const bulk: ServerWorkload = {
  kind: "server",
  name: "bulk",
  group: "bulk",
  title: "bulk echo, 1 GiB in writes of 64 KiB, 1 connection",
  mode: "echo",
  connections: 1,
  baseline: "bare",
  figure: { label: "CPU µs a MiB", digits: 0 },
  columns: cpuColumns(throughput),
  goal: { by: "ratio", target: 1, stretch: 1.1 },
  load
}
