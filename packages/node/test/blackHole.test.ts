/** Connecting to a host that answers nothing. */
import * as Net from "@copas/core/Net"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as NodeNetModule from "node:net"
import { Worker } from "node:worker_threads"
import * as NodeNet from "../src/NodeNet.js"

// Its thread stands still once it listens: it accepts nothing, so the system's queue fills, and then it answers nothing.
const deaf = `
  const { parentPort } = require("node:worker_threads")
  const server = require("node:net").createServer()
  server.listen({ host: "127.0.0.1", port: 0, backlog: 1 }, () => {
    parentPort.postMessage(server.address().port)
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
  })
`

const deafPort = Effect.gen(function*() {
  const worker = yield* Effect.acquireRelease(
    Effect.sync(() => new Worker(deaf, { eval: true })),
    (worker) => Effect.promise(() => worker.terminate())
  )
  const port = yield* Effect.async<number>((resume) => {
    worker.once("message", (port: number) => resume(Effect.succeed(port)))
  })
  // A connection more than the queue takes stays on its way for ever.
  const fillers = yield* Effect.acquireRelease(
    Effect.sync(() => Array.from({ length: 4 }, () => NodeNetModule.connect(port, "127.0.0.1").on("error", () => {}))),
    (sockets) => Effect.sync(() => sockets.forEach((socket) => socket.destroy()))
  )
  yield* Effect.async<void>((resume) => {
    let connected = 0
    for (const filler of fillers) {
      filler.once("connect", () => {
        connected += 1
        if (connected === 2) resume(Effect.void)
      })
    }
  })
  return port
})

const connecting = Effect.sync(() => process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP")).length)

it.scopedLive("C17 connecting to a host that answers nothing ends with the connect time-out, and leaves nothing", () =>
  Effect.gen(function*() {
    const port = yield* deafPort
    const before = yield* connecting
    const error = yield* Effect.flip(
      Effect.scoped(Net.connect({ host: "127.0.0.1", port, timeouts: { connect: "50 millis" } }))
    )
    expect(error).toMatchObject({ _tag: "ConnectError", reason: "TimedOut", target: `127.0.0.1:${port}` })
    expect(yield* Effect.flatMap(Net.Net, (net) => net.sockets)).toEqual([])
    expect(yield* connecting).toBe(before)
  }).pipe(Effect.provide(NodeNet.layer)))

it.scopedLive("S01 interrupting a connect to a host that answers nothing ends at once, and leaves nothing", () =>
  Effect.gen(function*() {
    const port = yield* deafPort
    const before = yield* connecting
    const net = yield* Net.Net
    const fiber = yield* Effect.fork(Effect.scoped(net.connect({ host: "127.0.0.1", port })))
    yield* Effect.repeat(Effect.zipRight(Effect.yieldNow(), net.sockets), { until: (sockets) => sockets.length === 1 })
    yield* Fiber.interrupt(fiber)
    expect(yield* net.sockets).toEqual([])
    expect(yield* connecting).toBe(before)
  }).pipe(Effect.provide(NodeNet.layer)))
