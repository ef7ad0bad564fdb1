/** Workloads of HTTP servers: requests by number and not by time, and the server's own CPU for each. */
import * as net from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { residentMemory } from "../cpu.js"
import { h2load, hasH2load } from "../load/h2load.js"
import { http2Loop, httpLoop, type HttpLoopOptions } from "../load/http-loop.js"
import { hello, page, pageName, part, parts } from "../load/http-server-content.js"
import { cpuColumns, measure } from "../load/window.js"
import type { LoadContext, Outcome, PeerGoal, ServerWorkload } from "../model.js"

const group = "http-server"
const repeats = 7
const connections = 50
const throughput = "requests/s"

interface Requests extends Partial<HttpLoopOptions> {
  readonly name: string
  readonly title: string
  /** What one repeat measures; it is warmed by half as many. */
  readonly requests: number
  readonly sessions?: number
  readonly baseline?: string
  readonly goals?: ReadonlyArray<PeerGoal>
}

const workload = (options: Requests): ServerWorkload => {
  const { baseline = "http-bare", goals, name, perConnection, requests, sessions, title } = options
  const isOthers = hasH2load && perConnection === undefined
  return {
    kind: "server",
    name,
    group,
    title: `${title}; ${requests} requests a repeat, by ${isOthers ? "h2load" : "a loop of our own"} on the other core`,
    mode: name,
    connections,
    baseline,
    repeats,
    figure: { label: "CPU µs a request", digits: 1 },
    columns: cpuColumns(throughput),
    ...(goals === undefined ? {} : { goals }),
    load: async (context) => {
      const what = { connections, target: "/", body: Buffer.from(hello), ...options }
      const loop = isOthers
        ? h2load(context, what)
        : sessions === undefined
        ? httpLoop(context, what)
        : await http2Loop(context, { ...what, sessions })
      const count = context.quick ? Math.ceil(requests / 20) : requests
      const outcome = await measure(context, {
        throughput,
        done: loop.done,
        saturates: false,
        isOthers,
        until: async (open) => {
          await loop.run(Math.ceil(count / 2))
          open()
          await loop.run(count)
        }
      })
      loop.stop()
      return outcome
    }
  }
}

const goal = (peer: string, target: number, stretch: number, to?: string): PeerGoal => ({
  peer,
  by: "ratio",
  target,
  stretch,
  ...(to === undefined ? {} : { to })
})

const connect = (context: LoadContext): Promise<net.Socket> =>
  new Promise((resolve, reject) => {
    const socket = net.connect({ host: context.host, port: context.port })
    socket.once("error", reject)
    socket.once("connect", () => resolve(socket))
  })

/** Sends one request, and returns when its answer has come. */
const ask = (socket: net.Socket, target = "/"): Promise<void> =>
  new Promise((resolve, reject) => {
    let got = ""
    const take = (chunk: Buffer) => {
      got += chunk.toString("latin1")
      if (!got.endsWith(hello)) return
      socket.off("data", take)
      resolve()
    }
    socket.on("data", take)
    socket.once("close", () => reject(new Error("the server closed a connection")))
    socket.write(`GET ${target} HTTP/1.1\r\nHost: bench.test\r\n\r\n`)
  })

const mostIdle = 10_000

const idle: ServerWorkload = {
  kind: "server",
  name: "http-server-idle",
  group,
  title: `${mostIdle} connections that have had an answer and wait`,
  mode: "http-server-idle",
  connections: mostIdle,
  baseline: "http-bare",
  figure: { label: "RSS kB a connection", digits: 1 },
  columns: [{ label: "connections/s", digits: 0 }],
  load: async (context): Promise<Outcome> => {
    const count = context.quick ? 1000 : mostIdle
    const open = async (many: number): Promise<ReadonlyArray<net.Socket>> => {
      const all: Array<net.Socket> = []
      while (all.length < many) {
        const some = Array.from({ length: Math.min(100, many - all.length) }, () => connect(context))
        all.push(...await Promise.all(some))
        await Promise.all(all.slice(-some.length).map((socket) => ask(socket)))
      }
      return all
    }
    const close = (all: ReadonlyArray<net.Socket>) => {
      for (const socket of all) socket.removeAllListeners("close").resetAndDestroy()
    }
    close(await open(200))
    await sleep(500)
    const before = residentMemory(context.pid)
    const begun = performance.now()
    const all = await open(count)
    const took = performance.now() - begun
    await sleep(1000)
    const growth = residentMemory(context.pid) - before
    const alive = await Promise.allSettled(all.filter((_, at) => at % 100 === 0).map((socket) => ask(socket)))
    close(all)
    return {
      figure: growth / 1024 / count,
      columns: { "connections/s": count / took * 1000 },
      remarks: [],
      ...(alive.every(({ status }) => status === "fulfilled") ? {} : { broken: "an idle connection did not answer" })
    }
  }
}

const mebibyte = 1 << 20

const slow: ServerWorkload = {
  kind: "server",
  name: "http-server-slow",
  group,
  title: "a stream of 64 MiB to a client that takes 100 kB/s: growth of RSS at its highest",
  mode: "http-server-slow",
  connections: 1,
  baseline: "http-bare",
  figure: { label: "RSS growth MiB", digits: 1 },
  columns: [{ label: "MiB taken", digits: 1 }],
  goals: [{ peer: "http-copas", by: "figure", target: 1 }],
  load: async (context): Promise<Outcome> => {
    const request = "GET / HTTP/1.1\r\nHost: bench.test\r\nConnection: close\r\n\r\n"
    // Whole ones first, so that the code and the buffers of streams do not count.
    for (let time = 0; time < 2; time++) {
      const socket = await connect(context)
      let size = 0
      socket.on("data", (chunk: Buffer) => {
        size += chunk.length
      })
      socket.write(request)
      await new Promise((resolve) => socket.once("close", resolve))
      if (size < parts * part.length) throw new Error(`the stream had ${size} bytes`)
    }
    await sleep(500)
    const before = residentMemory(context.pid)
    let [most, taken] = [before, 0]
    const socket = await connect(context)
    socket.pause()
    socket.write(request)
    const seconds = context.quick ? 2 : 10
    for (let tick = 0; tick < seconds * 10; tick++) {
      await sleep(100)
      taken += socket.read(Math.min(10_000, socket.readableLength))?.length ?? 0
      most = Math.max(most, residentMemory(context.pid))
    }
    socket.resetAndDestroy()
    return { figure: (most - before) / mebibyte, columns: { "MiB taken": taken / mebibyte }, remarks: [] }
  }
}

export const httpServerWorkloads: ReadonlyArray<ServerWorkload> = [
  workload({
    name: "http-server-small",
    title: `answers of ${hello.length} bytes, ${connections} kept-alive connections`,
    requests: 60_000,
    goals: [
      goal("http-copas", 0.4, 0.5),
      goal("http-copas", 1.6, 2, "http-effect"),
      goal("http-copas-app", 0.5, 0.6),
      goal("http-copas-app", 0.9, 1.1, "xavante"),
      goal("http-lent", 0.85, 0.95)
    ]
  }),
  workload({
    name: "http-server-storm",
    title: `a connection a request, ${connections} at once`,
    requests: 15_000,
    perConnection: 1
  }),
  workload({
    name: "http-server-tls",
    title: `HTTPS, a handshake for each 12 requests, ${connections} connections`,
    requests: 24_000,
    perConnection: 12,
    secure: true,
    goals: [goal("http-copas", 0.8, 0.9)]
  }),
  workload({
    name: "http-server-h2",
    title: `HTTP/2 over TLS, 5 connections of ${connections / 5} streams at once`,
    requests: 30_000,
    sessions: 5,
    secure: true
  }),
  workload({
    name: "http-server-file",
    title: `a file of ${page.length} bytes, ${connections} kept-alive connections`,
    requests: 20_000,
    target: `/${pageName}`,
    body: page,
    baseline: "http-effect",
    goals: [goal("http-copas", 1.3, 2)]
  }),
  idle,
  slow
]
