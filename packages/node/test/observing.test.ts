/** Status, metrics, traces, spans and logs of a program on Node. */
import type { Socket } from "@copas/core"
import { Copas, Metrics, Net, Thread } from "@copas/core"
import { NodeCopas, NodeNet } from "@copas/node"
import { NodeSdk } from "@effect/opentelemetry"
import { expect, it } from "@effect/vitest"
import { InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Deferred, Effect, Exit, HashMap, Layer, Logger, Option } from "effect"

/** A line server and a client that has been answered once. */
const conversation = (handler: (socket: Socket.Socket) => Effect.Effect<unknown, unknown>) =>
  Effect.gen(function*() {
    const listener = yield* Net.listen({ host: "127.0.0.1", port: 0 })
    const server = yield* Copas.addServer(listener, handler, {
      name: "echo",
      timeouts: { receive: "1 minute" },
      onError: () => Effect.void
    })
    const socket = yield* Net.connect({ host: "127.0.0.1", port: listener.port, name: "the client" })
    yield* socket.send("hello\n")
    expect(yield* socket.receiveLine()).toBe("hello")
    return { listener, server, socket }
  })

const echo = (socket: Socket.Socket) => socket.forEachLine((line) => socket.send(`${line}\n`))

const ended = Effect.gen(function*() {
  while ((yield* Copas.status).servers.some(({ active }) => active > 0)) yield* Copas.step(1)
})

it.scopedLive("C25 the status shows every thread, server and socket, and what each thread waits for", () =>
  Effect.gen(function*() {
    const { listener } = yield* conversation(echo)
    const sleeper = yield* Copas.addThread(Thread.pause("1 hour"), { name: "sleeper" })
    const forever = yield* Copas.addThread(Thread.pauseForever, { name: "for ever" })
    const parent = yield* Copas.addThread(
      Effect.zipRight(Copas.addThread(Effect.never, { name: "child" }), Effect.never),
      { name: "parent" }
    )
    while ((yield* Copas.status).counts.ready > 0 || (yield* Copas.status).threads.length < 5) yield* Copas.step(1)
    const status = yield* Copas.status
    const thread = (name: string) => status.threads.find((candidate) => candidate.name === name)!
    expect(status.counts).toEqual({ ready: 0, reading: 1, writing: 0, sleeping: 1, inactive: 1, waiting: 2 })
    expect(thread("echo:handler_1").state).toBe("reading")
    expect(thread("echo:handler_1").waitsFor).toEqual(Option.some("receive on echo:client_1"))
    expect(thread("echo:handler_1").socket).toEqual(Option.some("echo:client_1"))
    expect(Option.isSome(thread("echo:handler_1").waitingMillis)).toBe(true)
    expect(thread("sleeper").state).toBe("sleeping")
    expect(thread("for ever").state).toBe("inactive")
    expect(thread("child").parent).toEqual(Option.some("parent"))
    expect(thread("parent").parent).toEqual(Option.none())
    expect(status.servers).toMatchObject([{
      name: "echo",
      kind: "stream",
      address: `127.0.0.1:${listener.port}`,
      accepted: 1,
      active: 1,
      refused: 0,
      handlerFailures: 0
    }])
    const client = status.sockets.find(({ name }) => name === "the client")!
    expect(client).toMatchObject({ kind: "stream", bytesReceived: 6, bytesSent: 6, receiveBuffered: 0 })
    expect(status.totals).toMatchObject({ connections: 1, threads: 5, bytesReceived: 12, bytesSent: 12 })
    for (const each of [sleeper, forever, parent]) yield* each.interrupt
  }).pipe(Effect.provide(NodeCopas.layer)))

it.scopedLive("C25 while statistics are on, the status tells how long steps took", () =>
  Effect.gen(function*() {
    expect((yield* Copas.status).durations).toEqual(Option.none())
    yield* Copas.setStatistics(true)
    yield* conversation(echo)
    const { durations, steps } = yield* Copas.status
    const measured = Option.getOrThrow(durations)
    expect((yield* Copas.status).durations).toEqual(durations)
    expect(measured.steps).toBeGreaterThan(0)
    expect(measured.steps).toBeLessThanOrEqual(steps)
    expect(measured.minMillis).toBeLessThanOrEqual(measured.averageMillis)
    expect(measured.averageMillis).toBeLessThanOrEqual(measured.maxMillis)
    yield* Copas.setStatistics(false)
    yield* Copas.step("1 millis")
    expect((yield* Copas.status).durations).toEqual(Option.none())
  }).pipe(Effect.provide(NodeCopas.layer)))

it.scopedLive("B metrics count connections, bytes, threads and failures, and Prometheus can read them", () =>
  Effect.gen(function*() {
    yield* Metrics.collect
    const { server, socket } = yield* conversation((socket) =>
      socket.forEachLine(
        (line): Effect.Effect<void, unknown> => line === "boom" ? Effect.fail("boom") : socket.send(`${line}\n`)
      )
    )
    yield* socket.send("boom\n")
    yield* Effect.flip(socket.receiveLine())
    yield* socket.close
    yield* ended
    const page = yield* Metrics.prometheus
    const value = (name: string) => Number(new RegExp(`^${name} (.*)$`, "m").exec(page)?.[1])
    expect(value("copas_connections_total")).toBe(1)
    expect(value("copas_handler_failures_total")).toBe(1)
    expect(value("copas_connections_active\\{dispatcher=\"copas\"\\}")).toBe(0)
    expect(value("copas_threads_total")).toBeGreaterThanOrEqual(1)
    expect(value("copas_received_bytes_total")).toBe(17)
    expect(page).toContain("# TYPE copas_connections_total counter")
    expect(page).toContain("# HELP copas_threads_active Threads that have not ended.")
    expect(page).toMatch(/copas_connection_duration_seconds_bucket\{server="echo",le="\+Inf"\} 1/)
    expect(value("copas_connection_duration_seconds_count\\{server=\"echo\"\\}")).toBe(1)
    yield* Copas.removeServer(server)
  }).pipe(Effect.provide(NodeCopas.layer)))

it.scopedLive("B gauges of two dispatchers stand side by side, and are zero when the dispatcher is gone", () =>
  Effect.gen(function*() {
    const threads = (page: string, dispatcher: string) =>
      new RegExp(`^copas_threads_active\\{dispatcher="${dispatcher}"\\} (.*)$`, "m").exec(page)?.[1]
    const layer = Layer.provide(Copas.layerWith({ name: "twin" }), NodeNet.layer)
    const first = yield* Layer.build(Layer.fresh(layer))
    const page = yield* Effect.scoped(Effect.gen(function*() {
      const second = yield* Layer.build(Layer.fresh(layer))
      yield* Effect.provide(Copas.addThread(Effect.never), first)
      yield* Effect.forEach([1, 2], () => Effect.provide(Copas.addThread(Effect.never), second), { discard: true })
      yield* Effect.provide(Metrics.collect, first)
      return yield* Effect.provide(Metrics.prometheus, second)
    }))
    expect([threads(page, "twin"), threads(page, "twin_2")]).toEqual(["1", "2"])
    const after = yield* Effect.provide(Metrics.prometheus, first)
    expect([threads(after, "twin"), threads(after, "twin_2")]).toEqual(["1", "0"])
  }))

it.scopedLive("B however many collect, each event is counted once, and a program's own observers see them all", () =>
  Effect.gen(function*() {
    const counted = (page: string) =>
      ["copas_connections_total", "copas_connection_duration_seconds_count\\{server=\"echo\"\\}"].map((name) =>
        Number(new RegExp(`^${name} (.*)$`, "m").exec(page)?.[1] ?? 0)
      )
    const before = counted(yield* Metrics.prometheus)
    const ends: Array<string> = []
    for (const who of ["a", "b"]) {
      yield* Copas.observe((event) => {
        if (event.event === "connectionEnded") ends.push(`${who} ${event.server} ${event.name}`)
      })
    }
    yield* Effect.forEach([1, 2, 3], () => Metrics.collect, { concurrency: "unbounded", discard: true })
    const { socket } = yield* conversation(echo)
    yield* socket.close
    yield* ended
    yield* Effect.forEach([1, 2, 3], () => Metrics.collect, { concurrency: "unbounded", discard: true })
    const after = counted(yield* Metrics.prometheus)
    expect(after.map((value, index) => value - before[index]!)).toEqual([1, 1])
    expect(ends).toEqual(["a echo echo:handler_1", "b echo echo:handler_1"])
  }).pipe(Effect.provide(NodeCopas.layer)))

it.scopedLive("B each connection is a span, with its addresses by OpenTelemetry's conventions", () => {
  const exporter = new InMemorySpanExporter()
  const tracing = NodeSdk.layer(() => ({
    resource: { serviceName: "copas" },
    spanProcessor: new SimpleSpanProcessor(exporter)
  }))
  return Effect.gen(function*() {
    const { listener, socket } = yield* conversation(echo)
    const { port } = socket.localAddress
    yield* socket.close
    yield* ended
    const spans = exporter.getFinishedSpans().filter(({ name }) => name === "copas.connection")
    expect(spans).toHaveLength(1)
    expect(spans[0]!.attributes).toMatchObject({
      "copas.server": "echo",
      "copas.thread": "echo:handler_1",
      "network.transport": "tcp",
      "server.address": "127.0.0.1",
      "server.port": listener.port,
      "client.address": "127.0.0.1"
    })
    expect(spans[0]!.attributes["client.port"]).toBe(port)
  }).pipe(Effect.provide(Layer.provideMerge(NodeCopas.layer, tracing)))
})

it.scopedLive("B what a handler logs says its thread and its peer", () =>
  Effect.gen(function*() {
    const logged = yield* Deferred.make<HashMap.HashMap<string, unknown>>()
    const logger = Logger.make(({ annotations, message }) => {
      if (String(message) === "from the handler") Deferred.unsafeDone(logged, Exit.succeed(annotations))
    })
    const { socket } = yield* conversation((socket) =>
      socket.forEachLine((line) => Effect.zipRight(Effect.log("from the handler"), socket.send(`${line}\n`)))
    ).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
    const annotations = yield* Deferred.await(logged)
    expect(HashMap.get(annotations, "copas.thread")).toEqual(Option.some("echo:handler_1"))
    const { host, port } = socket.localAddress
    expect(HashMap.get(annotations, "client.address")).toEqual(Option.some(`${host}:${port}`))
    expect(HashMap.get(annotations, "copas.server")).toEqual(Option.some("echo"))
  }).pipe(Effect.provide(NodeCopas.layer)))
