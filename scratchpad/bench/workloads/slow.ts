/** A peer that sends and does not read: how much memory the server needs. */
import * as net from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { residentMemory } from "../cpu.js"
import type { LoadContext, Outcome, ServerWorkload } from "../model.js"

const mebibyte = 1 << 20
const offered = 256 * mebibyte

/** Sends and never reads, until all is sent or nothing has moved for two seconds. The bytes that left it. */
const flood = async (context: LoadContext, watch: () => void): Promise<number> => {
  const socket = net.connect({ host: context.host, port: context.port })
  socket.pause()
  let fault: Error | undefined
  socket.on("error", (error) => {
    fault = error
  })
  socket.on("close", () => {
    fault ??= new Error("the server closed the connection")
  })
  const data = Buffer.alloc(1 << 16, "slow")
  let sent = 0
  const send = () => {
    while (sent < offered) {
      sent += data.length
      if (!socket.write(data)) return
    }
  }
  socket.on("drain", send)
  send()
  let taken = 0
  for (let since = performance.now(); performance.now() - since < 2000;) {
    await sleep(20)
    watch()
    if (fault !== undefined) throw fault
    const now = sent - socket.writableLength
    if (now !== taken) since = performance.now()
    taken = now
  }
  socket.removeAllListeners("close")
  socket.resetAndDestroy()
  return taken
}

/** An ordinary exchange first, so that code and buffers of the first connection do not count. */
const warm = (context: LoadContext): Promise<void> =>
  new Promise((resolve, reject) => {
    let left = 4 * mebibyte
    const socket = net.connect({ host: context.host, port: context.port })
    socket.on("error", reject)
    socket.on("data", (chunk) => {
      left -= chunk.length
      if (left > 0) return
      socket.resetAndDestroy()
      resolve()
    })
    for (let sent = 0; sent < 4 * mebibyte; sent += 1 << 16) socket.write(Buffer.alloc(1 << 16))
  })

const load = async (context: LoadContext): Promise<Outcome> => {
  await warm(context)
  await sleep(500)
  const before = residentMemory(context.pid)
  let most = before
  const taken = await flood(context, () => {
    most = Math.max(most, residentMemory(context.pid))
  })
  return {
    figure: (most - before) / mebibyte,
    columns: { "MiB that left the sender": taken / mebibyte },
    remarks: []
  }
}

export const slow: ServerWorkload = {
  kind: "server",
  name: "slow",
  group: "slow",
  title: "echo of 256 MiB to a peer that never reads: growth of RSS at its highest",
  mode: "echo",
  connections: 1,
  baseline: "bare",
  figure: { label: "RSS growth MiB", digits: 1 },
  columns: [{ label: "MiB that left the sender", digits: 1 }],
  goal: { by: "figure", target: 6 },
  load
}
