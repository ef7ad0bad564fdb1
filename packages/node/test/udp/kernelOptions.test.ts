/** Datagram and listener options as the kernel has them, read from its tables. */
import type { SocketOptions } from "@copas/core"
import { Net, SocketError, Udp } from "@copas/core"
import { NodeNet } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync, spawnSync } from "node:child_process"
import { isMember } from "../machine.js"

// The system is asked what it thinks was set.
const hasSs = spawnSync("ss", ["--version"]).status === 0
const ss = (...args: ReadonlyArray<string>): string => execFileSync("ss", args, { encoding: "utf8" })
const pair = (options: SocketOptions.SocketOptions) =>
  Effect.gen(function*() {
    const listener = yield* Net.listen({ port: 0, linger: 0, ...options })
    const client = yield* Net.connect({ host: "127.0.0.1", port: listener.port, linger: 0, ...options })
    const server = yield* listener.accept
    const port = client.localPort
    const shown = (which: "sport" | "dport") => Effect.sync(() => ss("-tnoH", which, "=", `:${port}`))
    return { client, listener, server, shown }
  })

describe.skipIf(!hasSs)("options, as the system has them", () => {
  it.scoped("S04 keepAlive sets the idle time on both ends, and can be switched off and on", () =>
    Effect.gen(function*() {
      const { client, server, shown } = yield* pair({ keepAlive: "30 seconds" })
      expect(yield* shown("sport")).toMatch(/timer:\(keepalive,(30|29)/)
      expect(yield* shown("dport")).toMatch(/timer:\(keepalive,(30|29)/)
      yield* client.setOption("keepAlive", false)
      expect(yield* shown("sport")).not.toContain("keepalive")
      yield* client.setOption("keepAlive", "90 seconds")
      expect(yield* shown("sport")).toMatch(/timer:\(keepalive,1min(30|29)|timer:\(keepalive,1min/)
      expect(yield* client.getOption("keepAlive")).toBe("90 seconds")
      expect(yield* server.getOption("keepAlive")).toBe("30 seconds")
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scoped("S04 without keepAlive the system does not probe", () =>
    Effect.gen(function*() {
      const { client, shown } = yield* pair({})
      expect(yield* shown("sport")).not.toContain("keepalive")
      expect(yield* client.getOption("keepAlive")).toBe(false)
      expect(yield* client.getOption("noDelay")).toBe(true)
      yield* client.setOption("noDelay", false)
      expect(yield* client.getOption("noDelay")).toBe(false)
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scoped("S01 the backlog and ipv6Only reach the system", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0, backlog: 37 })
      expect(ss("-ltnH", "sport", "=", `:${listener.port}`)).toMatch(/LISTEN\s+\d+\s+37\s/)
      const only = yield* Net.listen({ host: "::", port: 0, ipv6Only: true })
      expect(ss("-6ltneH", "sport", "=", `:${only.port}`)).toContain("v6only:1")
      const both = yield* Net.listen({ host: "::", port: 0 })
      expect(ss("-6ltneH", "sport", "=", `:${both.port}`)).not.toContain("v6only:1")
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scoped("S04 what node:net cannot set is UnsupportedOption: when connecting, listening and later", () =>
    Effect.gen(function*() {
      const cannot: ReadonlyArray<SocketOptions.SocketOptions> = [
        { keepAliveInterval: "5 seconds" },
        { keepAliveCount: 3 },
        { sendBufferSize: 65536 },
        { receiveBufferSize: 65536 },
        { fastOpen: true },
        { deferAccept: "1 second" },
        { dontRoute: true },
        { bindToDevice: "lo" }
      ]
      const { client } = yield* pair({})
      for (const options of cannot) {
        const [[name, value] = ["noDelay", true]] = Object.entries(options)
        const refusals = [
          yield* Effect.flip(Effect.scoped(Net.listen({ port: 0, ...options }))),
          yield* Effect.flip(Effect.scoped(Net.connect({ port: 1, ...options }))),
          yield* Effect.flip(client.setOption(name as keyof SocketOptions.SocketOptions, value)),
          yield* Effect.flip(client.getOption(name as keyof SocketOptions.SocketOptions))
        ]
        for (const refusal of refusals) expect(refusal).toMatchObject({ _tag: "UnsupportedOption", option: name })
      }
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scoped("S04 a Unix-domain socket has neither noDelay nor keepAlive, and a part of a second is not cut off", () =>
    Effect.gen(function*() {
      const path = "/tmp/copas-never-made.sock"
      for (const options of [{ noDelay: true }, { keepAlive: true }]) {
        expect(yield* Effect.flip(Effect.scoped(Net.connect({ path, ...options })))).toBeInstanceOf(
          SocketError.UnsupportedOption
        )
        expect(yield* Effect.flip(Effect.scoped(Net.listen({ path, ...options })))).toBeInstanceOf(
          SocketError.UnsupportedOption
        )
      }
      const error = yield* Effect.flip(Effect.scoped(Net.connect({ port: 1, keepAlive: "1500 millis" })))
      expect(error).toMatchObject({ _tag: "InvalidOption", option: "keepAlive" })
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scoped("S04 the buffers of a datagram socket are the system's, which shows twice of what was set", () =>
    Effect.gen(function*() {
      const socket = yield* Udp.bind({ host: "127.0.0.1", receiveBufferSize: 40_000, sendBufferSize: 30_000 })
      const shown = ss("-uanmH", "sport", "=", `:${socket.port}`)
      expect(shown).toContain("rb80000")
      expect(shown).toContain("tb60000")
      expect(yield* socket.getOption("receiveBufferSize")).toBe(80_000)
      expect(yield* socket.getOption("sendBufferSize")).toBe(60_000)
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scoped("S08 a membership is the system's for as long as its scope", () =>
    Effect.gen(function*() {
      const group = "239.255.91.17"
      const socket = yield* Udp.bind()
      expect(isMember(group)).toBe(false)
      yield* Effect.scoped(Effect.gen(function*() {
        yield* socket.join(group, { interface: "127.0.0.1" })
        expect(isMember(group)).toBe(true)
      }))
      expect(isMember(group)).toBe(false)
    }).pipe(Effect.provide(NodeNet.layer)))

  it.scoped("S08 multicastLoop is the system's", () =>
    Effect.gen(function*() {
      const socket = yield* Udp.bind()
      const shown = Effect.sync(() => ss("-uanH", "--inet-sockopt", "sport", "=", `:${socket.port}`))
      expect(yield* shown).toContain("mc_loop")
      yield* socket.setOption("multicastLoop", false)
      expect(yield* shown).not.toContain("mc_loop")
    }).pipe(Effect.provide(NodeNet.layer)))
})
