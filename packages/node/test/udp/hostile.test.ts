/** Floods of datagrams, refusals and faults. */
import { type DatagramSocket, SocketError, Udp } from "@copas/core"
import { NodeNet } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { execFileSync, spawnSync } from "node:child_process"
import * as Dgram from "node:dgram"
import * as Fs from "node:fs"
import { kept } from "../kept.js"
import { hasIpv6, isMember } from "../machine.js"
import { backTo, sockets } from "../tls/support.js"
import { turn, turns, until } from "../turns.js"

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const hasSs = spawnSync("ss", ["--version"]).status === 0

/** A sender that is none of ours, so that nothing of ours slows it down. */
const sender = Effect.acquireRelease(
  Effect.async<Dgram.Socket>((resume) => {
    const socket = Dgram.createSocket("udp4")
    socket.bind(0, "127.0.0.1", () => resume(Effect.succeed(socket)))
  }),
  (socket) => Effect.sync(() => socket.close())
)

/** Two buffers into which libuv reads, 64 KiB each: the test runner's pipe may have had them before or after. */
const readBuffers = 2 * 65_536

const sendAll = (from: Dgram.Socket, port: number, count: number, data: Uint8Array): Effect.Effect<void> =>
  Effect.async((resume) => {
    let left = count
    const next = (): void => {
      if (left === 0) return resume(Effect.void)
      left -= 1
      // The receiver is of this process: it needs its turns.
      from.send(data, port, "127.0.0.1", left % 16 === 0 ? () => setImmediate(next) : next)
    }
    next()
  })

describe("datagrams, floods and faults", () => {
  it.scopedLive(
    "S07 a flood of many thousand datagrams costs no more memory than the queue may hold",
    () =>
      Effect.gen(function*() {
        const maxQueuedBytes = 256 * 1024
        const socket = yield* Udp.bind({ host: "127.0.0.1", maxQueued: 500, maxQueuedBytes })
        const from = yield* sender
        const { port } = socket.localAddress
        // Large ones first: they fill the queue's bytes, before empty ones could fill its places.
        const flood = Effect.gen(function*() {
          for (const size of [60_000, 1400, 1, 0]) yield* sendAll(from, port, 3000, new Uint8Array(size))
        })
        const empty = yield* kept
        yield* flood
        const once = yield* kept
        yield* Effect.repeatN(flood, 1)
        const after = yield* kept
        const stats = yield* socket.stats
        expect(stats.queued).toBeLessThanOrEqual(500)
        expect(stats.queuedBytes).toBeLessThanOrEqual(maxQueuedBytes + 64)
        expect(stats.queuedBytes).toBeGreaterThan(maxQueuedBytes - 60_000)
        expect(stats.dropped).toBeGreaterThan(1000)
        // The queue's bytes are all that is kept of three floods of 184 MB each.
        expect(after.buffers - empty.buffers).toBeGreaterThan(stats.queuedBytes / 2)
        expect(after.buffers - empty.buffers).toBeLessThan(maxQueuedBytes + readBuffers)
        // Of the datagrams that were dropped, 24,000 by the last two floods, not even objects are kept.
        expect(after.heap - once.heap).toBeLessThan(1024 * 1024)
        // It continues as before.
        while ((yield* socket.stats).queued > 0) yield* socket.receive()
        yield* sendAll(from, port, 1, Buffer.from("still here"))
        expect(text(yield* socket.receive())).toBe("still here")
      }).pipe(Effect.provide(NodeNet.layer)),
    60_000
  )

  it.scopedLive("S07 small datagrams in large buffers: what waits keeps about what it counts", () =>
    Effect.gen(function*() {
      const socket = yield* Udp.bind({ host: "127.0.0.1", maxQueued: 4096 })
      const from = yield* sender
      const before = yield* kept
      for (let batch = 0; batch < 40; batch += 1) {
        yield* sendAll(from, socket.port, 100, new Uint8Array([7]))
        yield* turn
      }
      yield* until(Effect.map(socket.stats, ({ queued }) => queued > 1000))
      const after = yield* kept
      const { queued } = yield* socket.stats
      // libuv reads into 64 KiB at a time: each datagram must not keep such a buffer.
      expect(after.buffers - before.buffers).toBeLessThan(queued + readBuffers)
      // 344 bytes of objects each were measured: the datagram, its view, its buffer and its address. Code may be compiled.
      expect(after.heap - before.heap).toBeLessThan(queued * 512 + 256 * 1024)
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scopedLive("S07 more than a datagram carries is MessageTooLong, over both families, and harms nothing", () =>
    Effect.gen(function*() {
      const families = hasIpv6 ? [["127.0.0.1", 65_507], ["::1", 65_527]] as const : [["127.0.0.1", 65_507]] as const
      for (const [host, limit] of families) {
        const server = yield* Udp.bind({ host, receiveBufferSize: 400_000 })
        const client = yield* Udp.connect({ host, port: server.port, sendBufferSize: 400_000 })
        const bound = yield* Udp.bind({ host, sendBufferSize: 400_000 })
        for (const size of [limit + 1, 70_000, 1_000_000]) {
          const data = new Uint8Array(size)
          const expected = { _tag: "MessageTooLong", limit }
          expect(yield* Effect.flip(client.send(data))).toMatchObject(expected)
          expect(yield* Effect.flip(bound.sendTo(data, server.localAddress))).toMatchObject(expected)
          expect(yield* Effect.flip(client.send("é".repeat(Math.ceil(size / 2))))).toMatchObject(expected)
        }
        // 127.0.0.1 carries the largest whole; what the loopback's MTU is, the system cuts and joins.
        const largest = new Uint8Array(65_507).fill(1)
        yield* client.send(largest)
        expect((yield* server.receive()).length).toBe(65_507)
        expect((yield* client.stats).datagramsSent).toBe(1)
      }
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scopedLive("S07 a refusal is told once, typed, to receive or to send; and again for the next one", () =>
    Effect.gen(function*() {
      for (const host of hasIpv6 ? ["127.0.0.1", "::1"] : ["127.0.0.1"]) {
        const port = yield* Effect.scoped(Effect.map(Udp.bind({ host }), (socket) => socket.port))
        const socket = yield* Udp.connect({ host, port })
        for (let round = 0; round < 3; round += 1) {
          const waiting = yield* Effect.fork(Effect.flip(socket.receive()))
          yield* Effect.yieldNow()
          yield* Effect.exit(socket.send("anybody?"))
          expect(yield* Fiber.join(waiting)).toMatchObject({
            _tag: "DatagramError",
            reason: "Refused",
            operation: "receive"
          })
        }
        // Somebody is there now.
        const server = yield* Udp.bind({ host, port })
        yield* until(Effect.map(Effect.exit(socket.send("now")), (exit) => exit._tag === "Success"))
        expect(text(yield* server.receive())).toBe("now")
      }
      // A socket without a peer learns of no refusal.
      const stranger = yield* Udp.bind({ host: "127.0.0.1" })
      const nobody = yield* Effect.scoped(Effect.map(Udp.bind({ host: "127.0.0.1" }), (socket) => socket.localAddress))
      yield* stranger.sendTo("x", nobody)
      yield* turns(5)
      yield* stranger.sendTo("y", nobody)
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scopedLive("S07 datagrams of no bytes, from strangers too, are datagrams, and are counted", () =>
    Effect.gen(function*() {
      const socket = yield* Udp.bind({ host: "127.0.0.1" })
      const from = yield* sender
      yield* sendAll(from, socket.port, 3, new Uint8Array(0))
      for (let index = 0; index < 3; index += 1) {
        expect(yield* socket.receiveFrom).toMatchObject({ data: { length: 0 }, from: { port: from.address().port } })
      }
      expect(yield* socket.stats).toMatchObject({ datagramsReceived: 3, bytesReceived: 0, queued: 0 })
      const peer = yield* Udp.connect({ host: "127.0.0.1", port: socket.port })
      yield* peer.send("")
      expect((yield* socket.receive()).length).toBe(0)
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scopedLive("S07 interrupting a connect, a name's look-up or a receive anywhere leaves no descriptor", () =>
    Effect.gen(function*() {
      const before = yield* sockets
      for (let round = 0; round < 24; round += 1) {
        const effect = Effect.gen(function*() {
          const socket = yield* Udp.connect({ host: round % 2 === 0 ? "localhost" : "127.0.0.1", port: 9 })
          yield* socket.receive()
        })
        const fiber = yield* Effect.fork(Effect.scoped(effect))
        yield* turns(round >> 2)
        yield* Fiber.interrupt(fiber)
      }
      yield* backTo(before)
    }).pipe(Effect.provide(NodeNet.layer)))

  // ---- multicast

  it.scopedLive.skipIf(!Fs.existsSync("/proc/net/igmp"))(
    "S08 a membership ends with its scope however that ends, and with its socket",
    () =>
      Effect.gen(function*() {
        const [one, two, three] = ["239.255.92.1", "239.255.92.2", "239.255.92.3"] as const
        const joined = (socket: DatagramSocket.DatagramSocket, group: string) =>
          socket.join(group, { interface: "127.0.0.1" })
        const socket = yield* Udp.bind()
        // By a failure.
        yield* Effect.exit(Effect.scoped(Effect.zipRight(joined(socket, one), Effect.fail("no"))))
        expect(isMember(one)).toBe(false)
        // By an interruption, anywhere.
        for (let round = 0; round < 8; round += 1) {
          const fiber = yield* Effect.fork(Effect.scoped(Effect.zipRight(joined(socket, two), Effect.never)))
          yield* turns(round >> 1)
          if (round === 7) expect(isMember(two)).toBe(true)
          yield* Fiber.interrupt(fiber)
          expect(isMember(two)).toBe(false)
        }
        // With the socket, whose scope ends first.
        yield* Effect.scoped(Effect.gen(function*() {
          yield* Effect.scoped(Effect.flatMap(Udp.bind(), (inner) => joined(inner, three)))
          expect(isMember(three)).toBe(false)
        }))
        // By a close before the scope.
        yield* Effect.scoped(Effect.gen(function*() {
          const inner = yield* Udp.bind()
          yield* joined(inner, three)
          expect(isMember(three)).toBe(true)
          yield* inner.close
          expect(isMember(three)).toBe(false)
        }))
        // Twice is refused, and the first one stays.
        yield* Effect.scoped(Effect.gen(function*() {
          yield* joined(socket, one)
          expect(yield* Effect.flip(joined(socket, one))).toMatchObject({
            _tag: "DatagramError",
            reason: "AddressInUse"
          })
          expect(isMember(one)).toBe(true)
        }))
        expect(isMember(one)).toBe(false)
      }).pipe(Effect.provide(NodeNet.layer))
  )

  it.scopedLive("S08 with TTL 0 a group is heard on this machine", () =>
    Effect.gen(function*() {
      const group = "239.255.92.9"
      const socket = yield* Udp.bind({ reuseAddress: true })
      const { port } = socket.localAddress
      yield* socket.join(group, { interface: "127.0.0.1" })
      const local = yield* Udp.bind({ host: "127.0.0.1", multicastInterface: "127.0.0.1", multicastTtl: 0 })
      yield* local.sendTo("heard", { host: group, port })
      expect(text(yield* socket.receive())).toBe("heard")
      expect(yield* local.getOption("multicastTtl")).toBe(0)
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scopedLive("S08 groups, sources and interfaces that are none are typed, for both families", () =>
    Effect.gen(function*() {
      const socket = yield* Udp.bind()
      for (const group of ["127.0.0.1", "223.255.255.255", "240.0.0.1", "ff02::1", "", "239.1.1", "not an address"]) {
        expect(yield* Effect.flip(Effect.scoped(socket.join(group)))).toMatchObject({ _tag: "InvalidOption" })
      }
      const group = "239.255.92.4"
      for (const options of [{ interface: "lo" }, { interface: "::1" }, { source: "::1" }, { source: "x" }]) {
        expect(yield* Effect.flip(Effect.scoped(socket.join(group, options)))).toMatchObject({ _tag: "InvalidOption" })
      }
      expect(yield* Effect.flip(Effect.scoped(socket.join(group, { interface: "192.0.2.77" })))).toBeInstanceOf(
        SocketError.DatagramError
      )
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scopedLive.skipIf(!hasSs)(
    "S04 S08 what is set after binding is what the kernel has, and is read back",
    () =>
      Effect.gen(function*() {
        const socket = yield* Udp.bind({ host: "127.0.0.1" })
        const shown = (...args: ReadonlyArray<string>) =>
          execFileSync("ss", [...args, "sport", "=", `:${socket.port}`], { encoding: "utf8" })
        yield* socket.setOption("receiveBufferSize", 50_000)
        yield* socket.setOption("sendBufferSize", 20_000)
        expect(shown("-uanmH")).toMatch(/rb100000.*tb40000/)
        expect(yield* socket.getOption("receiveBufferSize")).toBe(100_000)
        expect(yield* socket.getOption("sendBufferSize")).toBe(40_000)
        for (const [name, value] of [["ttl", 3], ["multicastTtl", 7], ["broadcast", true]] as const) {
          yield* socket.setOption(name, value as never)
          expect(yield* socket.getOption(name)).toBe(value)
        }
        for (const [name, value] of [["ttl", 0], ["ttl", 256], ["multicastTtl", -1], ["multicastTtl", 1.5]] as const) {
          expect(yield* Effect.flip(socket.setOption(name, value))).toMatchObject({
            _tag: "InvalidOption",
            option: name
          })
        }
      }).pipe(Effect.provide(NodeNet.layer))
  )
})
