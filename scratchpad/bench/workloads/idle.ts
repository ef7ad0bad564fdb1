/** The memory of 10,000 idle connections. */
import * as net from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { residentMemory } from "../cpu.js"
import type { LoadContext, Outcome, ServerWorkload } from "../model.js"

const connections = 10_000

const connect = (context: LoadContext): Promise<net.Socket> =>
  new Promise((resolve, reject) => {
    const socket = net.connect({ host: context.host, port: context.port })
    socket.once("error", reject)
    socket.once("connect", () => resolve(socket))
  })

/** Opens `count` connections, a hundred at a time: a backlog that overflows would make some wait for a second. */
const connectAll = async (context: LoadContext, count: number): Promise<ReadonlyArray<net.Socket>> => {
  const all: Array<net.Socket> = []
  while (all.length < count) {
    all.push(...await Promise.all(Array.from({ length: Math.min(100, count - all.length) }, () => connect(context))))
  }
  return all
}

const echoed = (socket: net.Socket, text: string): Promise<boolean> =>
  new Promise((resolve) => {
    let got = ""
    socket.on("data", (chunk) => {
      got += chunk.toString()
      if (got.length >= text.length) resolve(got === text)
    })
    socket.on("close", () => resolve(false))
    socket.write(text)
  })

const load = async (context: LoadContext): Promise<Outcome> => {
  // A few that come and go first: what the first connections load and compile is not memory of a connection.
  for (const socket of await connectAll(context, 200)) {
    await echoed(socket, "hello")
    socket.resetAndDestroy()
  }
  await sleep(500)
  const before = residentMemory(context.pid)
  const count = context.quick ? 2000 : connections
  const started = performance.now()
  const sockets = await connectAll(context, count)
  const opened = performance.now() - started
  await sleep(1000)
  const growth = residentMemory(context.pid) - before
  // Idle and served, not just held by the kernel: one in a hundred proves it.
  const alive = await Promise.all(
    sockets.filter((_, i) => i % 100 === 0).map((socket, i) => echoed(socket, `alive ${i}`))
  )
  for (const socket of sockets) socket.resetAndDestroy()
  return {
    figure: growth / 1024 / count,
    columns: { "connections/s": count / opened * 1000 },
    remarks: [],
    ...(alive.every((one) => one) ? {} : { broken: "an idle connection did not answer" })
  }
}

export const idle: ServerWorkload = {
  kind: "server",
  name: "idle",
  group: "idle",
  title: `${connections} idle connections`,
  mode: "echo",
  connections,
  baseline: "bare",
  figure: { label: "RSS kB a connection", digits: 1 },
  columns: [{ label: "connections/s", digits: 0 }],
  goal: { by: "figure", target: 9 },
  load
}
