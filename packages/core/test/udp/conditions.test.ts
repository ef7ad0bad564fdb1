/** Datagrams over links that delay, lose and cut. */
import { Net, Udp } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

describe("datagrams in memory", () => {
  it.scoped("B a datagram takes its link's latency, by the clock", () =>
    Effect.gen(function*() {
      const server = yield* Udp.bind({ host: "127.0.0.1" })
      const client = yield* Udp.connect({ host: "127.0.0.1", port: server.port })
      yield* client.send("slow")
      const fiber = yield* Effect.fork(server.receive())
      yield* TestClock.adjust("39 millis")
      expect(fiber.unsafePoll()).toBe(null)
      yield* TestClock.adjust("1 millis")
      expect(text(yield* Fiber.join(fiber))).toBe("slow")
    }).pipe(Effect.provide(NetMemory.layerWith({ link: { latency: "40 millis" } }))))

  it.scoped("B a link loses datagrams by its seed, and the same ones each time", () => {
    const run = Effect.scoped(Effect.gen(function*() {
      const server = yield* Udp.bind({ host: "127.0.0.1" })
      const client = yield* Udp.connect({ host: "127.0.0.1", port: server.port })
      for (let index = 0; index < 100; index += 1) yield* client.send(String(index))
      yield* TestClock.adjust("1 second")
      const { queued } = yield* server.stats
      return yield* Effect.replicateEffect(Effect.map(server.receive(), text), queued)
    })).pipe(Effect.provide(NetMemory.layerWith({ link: { loss: 0.3 }, seed: 42 })))
    return Effect.gen(function*() {
      const first = yield* run
      expect(first.length).toBeGreaterThan(40)
      expect(first.length).toBeLessThan(95)
      expect(yield* run).toEqual(first)
    })
  })

  it.scoped("B a partition swallows datagrams, and healing lets the next through", () =>
    Effect.gen(function*() {
      const server = yield* Udp.bind({ host: "127.0.0.1" })
      const client = yield* Udp.connect({ host: "127.0.0.1", port: server.port })
      yield* NetMemory.partition()
      yield* client.send("lost")
      yield* TestClock.adjust("1 second")
      yield* NetMemory.heal
      yield* client.send("found")
      yield* TestClock.adjust("1 second")
      expect(text(yield* server.receive())).toBe("found")
    }).pipe(Effect.provide(NetMemory.layer)))

  it.scoped("S10 a Unix-domain path that is too long is PathTooLong in memory too", () =>
    Effect.gen(function*() {
      const path = `/tmp/${"x".repeat(120)}`
      expect(yield* Effect.flip(Net.listen({ path }))).toMatchObject({ _tag: "BindError", reason: "PathTooLong" })
      expect(yield* Effect.flip(Net.connect({ path }))).toMatchObject({ _tag: "ConnectError", reason: "PathTooLong" })
      const listener = yield* Net.listen({ path: "/run/app.sock", mode: 0o600 })
      expect(yield* Effect.flip(Net.listen({ path: "/run/app.sock" }))).toMatchObject({ reason: "AddressInUse" })
      yield* listener.close
      yield* Net.listen({ path: "/run/app.sock" })
    }).pipe(Effect.provide(NetMemory.layer)))
})
