/** Datagrams on Node: broadcast, shared ports, other programs. */
import { NetAddress, SocketError, Udp } from "@copas/core"
import { NodeNet } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Dgram from "node:dgram"
import * as Fs from "node:fs"
import * as Os from "node:os"

const hasIpv6 = Object.values(Os.networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === "::1")
)
const descriptors = (): number => Fs.readdirSync("/proc/self/fd").length
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

describe("datagrams on Node", () => {
  it.scoped.skipIf(!hasIpv6)(
    "S07 IPv6 works as IPv4 does, with 20 bytes more to a datagram",
    () =>
      Effect.gen(function*() {
        const server = yield* Udp.bind({ host: "::1" })
        const client = yield* Udp.connect({ host: "::1", port: server.port })
        yield* client.send("six")
        const { data, from } = yield* server.receiveFrom
        expect(text(data)).toBe("six")
        expect(from).toMatchObject({ host: "::1", family: "IPv6", port: client.port })
        yield* client.send(new Uint8Array(Udp.maxDatagramSize + 20))
        expect((yield* server.receive()).length).toBe(65527)
        const error = yield* Effect.flip(client.send(new Uint8Array(65528)))
        expect(error).toMatchObject({ _tag: "MessageTooLong", limit: 65527 })
      }).pipe(Effect.provide(NodeNet.layer))
  )

  it.scoped.skipIf(!hasIpv6)(
    "S07 a socket on :: speaks to both families, one with ipv6Only to its own",
    () =>
      Effect.gen(function*() {
        const both = yield* Udp.bind({ host: "::" })
        const four = yield* Udp.bind({ host: "127.0.0.1" })
        yield* both.sendTo("to four", { host: "127.0.0.1", port: four.port })
        const { data, from } = yield* four.receiveFrom
        expect(text(data)).toBe("to four")
        yield* four.sendTo("back", from)
        const back = yield* both.receiveFrom
        expect(NetAddress.format(back.from)).toBe(`[::ffff:127.0.0.1]:${four.port}`)
        yield* both.sendTo("again", back.from)
        expect(text(yield* four.receive())).toBe("again")
        const only = yield* Udp.bind({ host: "::", ipv6Only: true })
        const error = yield* Effect.flip(only.sendTo("x", { host: "127.0.0.1", port: 9 }))
        expect(error).toMatchObject({ _tag: "DatagramError", reason: "Unreachable" })
      }).pipe(Effect.provide(NodeNet.layer))
  )

  it.scoped.skipIf(!hasIpv6 || !Fs.existsSync("/proc/net/igmp6"))(
    "S08 an IPv6 group is joined on an interface by name",
    () =>
      Effect.gen(function*() {
        const loopback = Object.entries(Os.networkInterfaces()).find(([, addresses]) =>
          addresses?.some(({ address }) => address === "::1")
        )![0]
        const socket = yield* Udp.bind({ host: "::" })
        const isMember = Effect.sync(() =>
          Fs.readFileSync("/proc/net/igmp6", "utf8").includes(`ff01${"0".repeat(26)}77`)
        )
        yield* Effect.scoped(Effect.gen(function*() {
          yield* socket.join("ff01::77", { interface: `::%${loopback}` })
          expect(yield* isMember).toBe(true)
        }))
        expect(yield* isMember).toBe(false)
        yield* socket.setOption("multicastInterface", `::%${loopback}`)
      }).pipe(Effect.provide(NodeNet.layer))
  )

  it.scoped("S08 with the option a broadcast goes out, and the loopback's own comes in", () =>
    Effect.gen(function*() {
      const receiver = yield* Udp.bind()
      const sender = yield* Udp.bind({ host: "127.0.0.1", broadcast: true })
      yield* sender.sendTo("to all", { host: "127.255.255.255", port: receiver.port })
      expect(text(yield* receiver.receive())).toBe("to all")
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scoped("S07 reusePort is shared where Node can, and UnsupportedOption where it cannot", () =>
    Effect.gen(function*() {
      const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
      const canShare = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12)
      const outcome = yield* Effect.either(Effect.gen(function*() {
        const { localAddress: { port } } = yield* Udp.bind({ host: "127.0.0.1", reusePort: true })
        yield* Udp.bind({ host: "127.0.0.1", port, reusePort: true })
      }))
      if (canShare) expect(outcome._tag).toBe("Right")
      else expect(outcome).toMatchObject({ _tag: "Left", left: { _tag: "UnsupportedOption", option: "reusePort" } })
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scoped("S07 a datagram from node:dgram with nothing of ours arrives, and ours arrives there", () =>
    Effect.gen(function*() {
      const ours = yield* Udp.bind({ host: "127.0.0.1" })
      const theirs = yield* Effect.acquireRelease(
        Effect.sync(() => Dgram.createSocket("udp4")),
        (socket) => Effect.sync(() => socket.close())
      )
      const heard = Effect.async<string>((resume) => {
        theirs.once("message", (message) => resume(Effect.succeed(message.toString())))
        theirs.send("from theirs", ours.port, "127.0.0.1")
      })
      const [answer] = yield* Effect.all([
        heard,
        Effect.flatMap(ours.receiveFrom, ({ data, from }) => ours.sendTo(`got ${text(data)}`, from))
      ], { concurrency: 2 })
      expect(answer).toBe("got from theirs")
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scoped("S07 a socket keeps its port, its options and its groups when it is disconnected", () =>
    Effect.gen(function*() {
      const peer = yield* Udp.bind({ host: "127.0.0.1" })
      const socket = yield* Udp.bind({ receiveBufferSize: 40_000, ttl: 7 })
      const { port } = socket.localAddress
      yield* socket.join("239.255.91.18", { interface: "127.0.0.1" })
      yield* socket.connect(peer.localAddress)
      yield* socket.disconnect
      expect(socket.port).toBe(port)
      expect(yield* socket.getOption("receiveBufferSize")).toBe(80_000)
      const sender = yield* Udp.bind({ host: "127.0.0.1", multicastInterface: "127.0.0.1" })
      yield* sender.sendTo("to the group", { host: "239.255.91.18", port })
      expect(text(yield* socket.receive())).toBe("to the group")
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scoped.skipIf(!Fs.existsSync("/proc/self/fd"))(
    "S07 no descriptor is left by a failed or an interrupted bind",
    () =>
      Effect.gen(function*() {
        const taken = yield* Udp.bind({ host: "127.0.0.1" })
        const failing = Effect.scoped(Udp.bind({ host: "127.0.0.1", port: taken.port }))
        const before = descriptors()
        const wrong = Effect.scoped(Udp.bind({ host: "127.0.0.1", multicastInterface: "192.0.2.77" }))
        for (let round = 0; round < 20; round += 1) {
          expect(yield* Effect.flip(failing)).toBeInstanceOf(SocketError.BindError)
          expect(yield* Effect.flip(wrong)).toBeInstanceOf(SocketError.InvalidOption)
          yield* Effect.scoped(Effect.raceFirst(Udp.bind({ host: "127.0.0.1" }), Effect.void))
        }
        expect(descriptors()).toBe(before)
      }).pipe(Effect.provide(NodeNet.layer))
  )
})
