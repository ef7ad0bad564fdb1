/** Socket options as the kernel has them, read with `ss`. */
import type { Listener, SocketOptions } from "@copas/core"
import { type DatagramSocket, Net, type Socket, Udp } from "@copas/core"
import { NodeNet } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn, spawnSync } from "node:child_process"
import { hasIpv6 } from "../machine.js"

/** The numbers of Linux, the level first: socket(7), tcp(7), ip(7), ipv6(7). */
const options = {
  SO_REUSEADDR: [1, 2],
  SO_BROADCAST: [1, 6],
  SO_SNDBUF: [1, 7],
  SO_RCVBUF: [1, 8],
  SO_KEEPALIVE: [1, 9],
  TCP_NODELAY: [6, 1],
  TCP_KEEPIDLE: [6, 4],
  TCP_KEEPINTVL: [6, 5],
  TCP_KEEPCNT: [6, 6],
  IP_TTL: [0, 2],
  IP_MULTICAST_IF: [0, 32],
  IP_MULTICAST_TTL: [0, 33],
  IP_MULTICAST_LOOP: [0, 34],
  IPV6_UNICAST_HOPS: [41, 16],
  IPV6_MULTICAST_HOPS: [41, 18],
  IPV6_MULTICAST_LOOP: [41, 19],
  IPV6_V6ONLY: [41, 26]
} as const

type Name = keyof typeof options

const hasPerl = process.platform === "linux" && spawnSync("perl", ["-MSocket", "-e", "1"]).status === 0

/** Prints what the kernel has of the socket that it was started with as descriptor 3. */
const program = `
open(my $socket, "+<&=3") or die "no socket";
for (@ARGV) {
  my ($level, $name) = split /,/;
  my $value = getsockopt($socket, $level, $name) // die "getsockopt $level $name: $!";
  print unpack(length($value) == 1 ? "C" : "i", $value), "\\n";
}`

interface WithDescriptor {
  readonly _handle: { readonly fd: number } | null
}

/** Hands a duplicate of the descriptor to a program that asks the kernel. */
const kernel = (below: unknown, ...names: ReadonlyArray<Name>): Effect.Effect<ReadonlyArray<number>> =>
  Effect.async((resume) => {
    const handle = (below as WithDescriptor)._handle
    const child = spawn("perl", ["-MSocket", "-e", program, ...names.map((name) => options[name].join(","))], {
      stdio: ["ignore", "pipe", "inherit", handle?.fd ?? -1]
    })
    let shown = ""
    child.stdout!.on("data", (chunk: Buffer) => {
      shown += chunk.toString()
    })
    child.once("close", () => resume(Effect.succeed(shown.trim().split("\n").map(Number))))
  })

/** The `node:net` socket below one of ours. */
const streamBelow = (socket: Socket.Socket): unknown =>
  (socket as unknown as { readonly transport: { readonly socket: unknown } }).transport.socket

/** The handle of the `node:dgram` socket below one of ours. */
const datagramBelow = (socket: DatagramSocket.DatagramSocket): WithDescriptor => {
  const below = (socket as unknown as { readonly transport: { readonly socket: object } }).transport.socket
  const state = Object.getOwnPropertySymbols(below).find(({ description }) => description === "state symbol")!
  const { handle } = (below as Record<symbol, { readonly handle: { readonly fd: number } }>)[state]!
  return { _handle: handle }
}

const listenerBelow = (listener: Listener.Listener): unknown =>
  (listener as unknown as { readonly transport: { readonly server: unknown } }).transport.server

describe.skipIf(!hasPerl)("options, as getsockopt has them", () => {
  const pair = (given: SocketOptions.SocketOptions) =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0, linger: 0, ...given })
      const client = yield* Net.connect({ host: "127.0.0.1", port: listener.port, linger: 0, ...given })
      return [client, yield* listener.accept] as const
    })

  it.scopedLive("S04 noDelay is on by default, off when that is asked for, and follows setOption, on both ends", () =>
    Effect.gen(function*() {
      const asked = (socket: Socket.Socket) =>
        Effect.map(kernel(streamBelow(socket), "TCP_NODELAY"), ([value]) => value)
      for (const [given, expected] of [[{}, 1], [{ noDelay: true }, 1], [{ noDelay: false }, 0]] as const) {
        for (const socket of yield* pair(given)) {
          expect([given, yield* asked(socket)]).toEqual([given, expected])
          yield* socket.setOption("noDelay", false)
          expect(yield* asked(socket)).toBe(0)
          yield* socket.setOption("noDelay", true)
          expect(yield* asked(socket)).toBe(1)
        }
      }
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scopedLive("S04 keepAlive and its idle time are the kernel's; the interval and the count are libuv's, as the guide says", () =>
    Effect.gen(function*() {
      for (const socket of yield* pair({ keepAlive: "77 seconds" })) {
        const asked = kernel(
          streamBelow(socket),
          "SO_KEEPALIVE",
          "TCP_KEEPIDLE",
          "TCP_KEEPINTVL",
          "TCP_KEEPCNT"
        )
        expect(yield* asked).toEqual([1, 77, 1, 10])
        yield* socket.setOption("keepAlive", "120 seconds")
        expect((yield* asked).slice(0, 2)).toEqual([1, 120])
        yield* socket.setOption("keepAlive", false)
        expect((yield* asked)[0]).toBe(0)
      }
      for (const socket of yield* pair({})) {
        expect(yield* kernel(streamBelow(socket), "SO_KEEPALIVE")).toEqual([0])
      }
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scopedLive("S04 a listener shares its address with old connections, and v6 alone when that is asked for", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0 })
      expect(yield* kernel(listenerBelow(listener), "SO_REUSEADDR")).toEqual([1])
      if (!hasIpv6) return
      for (const ipv6Only of [true, false]) {
        const six = yield* Net.listen({ host: "::", port: 0, ipv6Only })
        expect(yield* kernel(listenerBelow(six), "IPV6_V6ONLY")).toEqual([ipv6Only ? 1 : 0])
      }
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scopedLive("S04 S08 the options of a datagram socket are the kernel's, when it is made and later", () =>
    Effect.gen(function*() {
      const socket = yield* Udp.bind({
        reuseAddress: true,
        broadcast: true,
        ttl: 9,
        multicastTtl: 7,
        multicastLoop: false,
        multicastInterface: "127.0.0.1",
        receiveBufferSize: 40_000,
        sendBufferSize: 30_000
      })
      const asked = (...names: ReadonlyArray<Name>) => kernel(datagramBelow(socket), ...names)
      expect(yield* asked("SO_REUSEADDR", "SO_BROADCAST", "IP_TTL", "IP_MULTICAST_TTL", "IP_MULTICAST_LOOP")).toEqual([
        1,
        1,
        9,
        7,
        0
      ])
      expect(yield* asked("SO_RCVBUF", "SO_SNDBUF")).toEqual([80_000, 60_000])
      // 127.0.0.1 in the order of the network.
      const [at = 0] = yield* asked("IP_MULTICAST_IF")
      expect([at & 255, (at >>> 24) & 255]).toEqual([127, 1])
      yield* socket.setOption("broadcast", false)
      yield* socket.setOption("ttl", 1)
      yield* socket.setOption("multicastTtl", 0)
      yield* socket.setOption("multicastLoop", true)
      expect(yield* asked("SO_BROADCAST", "IP_TTL", "IP_MULTICAST_TTL", "IP_MULTICAST_LOOP")).toEqual([0, 1, 0, 1])
      const plain = yield* Udp.bind()
      expect(yield* kernel(datagramBelow(plain), "SO_REUSEADDR", "SO_BROADCAST", "IP_MULTICAST_TTL")).toEqual([0, 0, 1])
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scopedLive.skipIf(!hasIpv6)("S04 S08 the same over IPv6", () =>
    Effect.gen(function*() {
      const socket = yield* Udp.bind({ host: "::", ipv6Only: true, ttl: 9, multicastTtl: 7, multicastLoop: false })
      expect(
        yield* kernel(
          datagramBelow(socket),
          "IPV6_V6ONLY",
          "IPV6_UNICAST_HOPS",
          "IPV6_MULTICAST_HOPS",
          "IPV6_MULTICAST_LOOP"
        )
      ).toEqual([1, 9, 7, 0])
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scopedLive("S07 a socket that was disconnected, and so made again, has what was set on it", () =>
    Effect.gen(function*() {
      const peer = yield* Udp.bind({ host: "127.0.0.1" })
      const socket = yield* Udp.bind({ host: "127.0.0.1", ttl: 5, broadcast: true, receiveBufferSize: 40_000 })
      const { port } = socket.localAddress
      yield* socket.connect(peer.localAddress)
      yield* socket.disconnect
      expect(socket.port).toBe(port)
      expect(yield* kernel(datagramBelow(socket), "IP_TTL", "SO_BROADCAST", "SO_RCVBUF")).toEqual([5, 1, 80_000])
    }).pipe(Effect.provide(NodeNet.layer)))
})
