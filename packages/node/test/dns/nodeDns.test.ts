/** Look-ups on Node, by the system and by name servers. */
import { Dns, Net, SocketError } from "@copas/core"
import { DnsMemory } from "@copas/core/testing"
import { NodeCopas, NodeDns } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import * as Os from "node:os"
import { asking, codes } from "./nameServer.js"

describe("Dns on Node", () => {
  it.live("S09 localhost stands for the loopback, and the machine has a name", () =>
    Effect.gen(function*() {
      const found = yield* Dns.lookup("localhost", { family: "IPv4" })
      expect(found).toEqual([{ host: "127.0.0.1", family: "IPv4" }])
      expect(yield* Dns.hostName).toBe(Os.hostname())
      expect((yield* Dns.nameInfo("127.0.0.1", 80)).service).toMatch(/^(http|80)$/)
    }).pipe(Effect.provide(NodeDns.layer)))

  it.live("S09 a name server's addresses come with their time to live", () =>
    asking(() => "192.0.2.7", () =>
      Effect.gen(function*() {
        expect(yield* Dns.resolve("www.example", "A")).toEqual([{ address: "192.0.2.7", ttlSeconds: 60 }])
        expect(yield* Dns.lookup("www.example", { family: "IPv4" })).toEqual([{ host: "192.0.2.7", family: "IPv4" }])
      })))

  for (
    const [code, reason] of [
      [codes.formatError, "BadQuery"],
      [codes.serverFailure, "ServerFailure"],
      [codes.nameError, "NotFound"],
      [codes.notImplemented, "NotImplemented"],
      [codes.refused, "Refused"],
      [codes.noError, "NoData"]
    ] as const
  ) {
    it.live(`S09 a reply with code ${code} is ${reason}`, () =>
      asking(() => code, () =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(Dns.resolve("www.example", "A"))
          expect(error).toMatchObject({ _tag: "DnsError", reason, name: "www.example", query: "A" })
        })))
  }

  it.live("S09 a server that says nothing is TimedOut", () =>
    asking(() => undefined, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Dns.resolve("www.example", "A"))
        expect(error).toMatchObject({ reason: "TimedOut" })
      }), { timeout: "100 millis" }))

  it.live("S09 a reply that makes no sense ends typed, and soon", () =>
    asking(() => Buffer.from([0x84, 0x80, 0, 1, 255, 255, 0, 0, 0, 0, 255, 255]), () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Dns.resolve("www.example", "A"))
        expect(error).toBeInstanceOf(SocketError.DnsError)
      }), { timeout: "100 millis" }))

  it.live("S09 interruption takes a question back", () =>
    asking(() => undefined, (asked) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(Dns.resolve("slow.example", "A"))
        yield* Effect.repeat(Effect.yieldNow(), { until: () => asked.length > 0 })
        const exit = yield* Fiber.interrupt(fiber)
        expect(exit._tag).toBe("Failure")
        expect(asked).toEqual(["slow.example"])
      }), { timeout: "1 hour" }))

  it.live("S09 a hosts table of one's own is what the network asks too", () => {
    const names = DnsMemory.layer({ hosts: { "service.test": ["127.0.0.1"] } })
    return Effect.gen(function*() {
      const listener = yield* Net.listen({ host: "service.test", port: 0 })
      expect(listener.address).toMatchObject({ host: "127.0.0.1" })
      const error = yield* Effect.flip(Net.connect({ host: "other.test", port: 9 }))
      expect(error).toMatchObject({ _tag: "ConnectError", reason: "HostNotFound" })
    }).pipe(Effect.scoped, Effect.provide(Layer.provide(NodeCopas.layerDns, names)))
  })

  it.live("S09 servers, time-outs and tries that make no sense are InvalidOption", () =>
    Effect.gen(function*() {
      const wrong: ReadonlyArray<NodeDns.Options> = [
        { servers: ["not an address"] },
        { servers: [] },
        { timeout: -1 },
        { tries: 0 }
      ]
      for (const options of wrong) {
        const error = yield* Effect.flip(Effect.provide(Dns.hostName, NodeDns.layerWith(options)))
        expect(error).toBeInstanceOf(SocketError.InvalidOption)
      }
    }))

  it.live("S09 a type that Node cannot ask for is UnsupportedOption", () =>
    asking(() => codes.nameError, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Dns.resolve("_25._tcp.mail.example", "TLSA"))
        const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
        const canAsk = major > 23 || (major === 23 && minor >= 9) || (major === 22 && minor >= 15)
        expect(error._tag).toBe(canAsk ? "DnsError" : "UnsupportedOption")
      })))
})
