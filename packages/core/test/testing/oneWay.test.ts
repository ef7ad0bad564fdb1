/** Conditions of one direction of a link. */
import { NetMemory, Simulation } from "@copas/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber } from "effect"
import { bytes, elapsed, seeded } from "./support.js"

/** Two hosts and a connection between them: `a` is the client, `b` the server. */
const twoHosts = (options: NetMemory.Options = {}) =>
  Effect.gen(function*() {
    const network = yield* NetMemory.make({ link: { latency: 10 }, ...options })
    const a = yield* network.addHost("a")
    const b = yield* network.addHost("b")
    const listener = yield* b.net.listen({ host: "0.0.0.0", port: 7, linger: 0 })
    const connect = a.net.connect({ host: "b", port: 7, linger: 0 })
    return { network, a, b, listener, connect }
  })

const connected = (options: NetMemory.Options = {}) =>
  Effect.gen(function*() {
    const hosts = yield* twoHosts(options)
    const client = yield* hosts.connect
    const server = yield* hosts.listener.accept
    return { ...hosts, client, server }
  })

describe("NetMemory: one direction", () => {
  it.effect("loss and latency of one direction leave the other as it is", () =>
    seeded(Effect.gen(function*() {
      const { client, network, server } = yield* connected({ link: {} })
      yield* network.setLink({ latency: 300 }, { from: "a", to: "b" })
      const exchange = Effect.gen(function*() {
        yield* client.send("to b\n")
        const [, there] = yield* elapsed(server.receiveLine())
        yield* server.send("to a\n")
        const [, back] = yield* elapsed(client.receiveLine())
        return [there, back]
      })
      assert.deepStrictEqual(yield* exchange, [300, 0])
      yield* network.setLink({ latency: 300 }, { from: "b", to: "a" })
      yield* network.setLink({}, { from: "a", to: "b" })
      assert.deepStrictEqual(yield* exchange, [0, 300])
    })))

  it.effect("datagrams are lost in one direction alone", () =>
    seeded(Effect.gen(function*() {
      const { a, b, network } = yield* twoHosts({ link: {} })
      const one = yield* a.net.bindUdp({ host: "0.0.0.0", port: 5 })
      const other = yield* b.net.bindUdp({ host: "0.0.0.0", port: 5 })
      yield* network.setLink({ loss: 0.5 }, { from: "a", to: "b" })
      for (let count = 0; count < 200; count += 1) {
        yield* one.sendTo("x", { host: "b", port: 5 })
        yield* other.sendTo("x", { host: "a", port: 5 })
        yield* Effect.sleep(1)
      }
      const received = [(yield* one.stats).datagramsReceived, (yield* other.stats).datagramsReceived]
      assert.strictEqual(received[0], 200)
      assert.isAbove(received[1]!, 50)
      assert.isBelow(received[1]!, 150)
      yield* network.partition({ from: ["b"], to: ["a"] })
      yield* other.sendTo("x", { host: "a", port: 5 })
      yield* Effect.sleep("1 second")
      assert.strictEqual((yield* one.stats).datagramsReceived, 200)
    })))

  it.effect("a partition of one direction holds that one up; the other's data arrives, and all continues when it heals", () =>
    seeded(Effect.gen(function*() {
      const { client, network, server } = yield* connected()
      yield* network.partition({ from: ["a"], to: ["b"] })
      yield* client.send("held up\n")
      yield* server.send("arrives\n")
      assert.strictEqual(yield* client.receiveLine(), "arrives")
      const line = yield* Effect.fork(server.receiveLine())
      yield* Effect.sleep("1 minute")
      assert.strictEqual((yield* Fiber.poll(line))._tag, "None")
      yield* network.heal
      assert.strictEqual(yield* Fiber.join(line), "held up")
    })))

  it.effect("the sender that is never acknowledged is told so, though its data arrived; the other one, too", () =>
    seeded(Effect.gen(function*() {
      const { client, network, server } = yield* connected({ giveUpAfter: "1 minute" })
      yield* network.partition({ from: ["a"], to: ["b"] })
      yield* server.send("arrives\n")
      assert.strictEqual(yield* client.receiveLine(), "arrives")
      const [error, millis] = yield* elapsed(Effect.flip(server.receiveLine()))
      assert.deepInclude(error, { _tag: "SocketBroken", reason: "TimedOut" })
      assert.isAtMost(millis, 60_000)
      // It sends, and hears all the time, but never that its own came through.
      yield* client.send("held up\n")
      const broken = yield* Effect.flip(client.receiveLine())
      assert.deepInclude(broken, { _tag: "SocketBroken", reason: "TimedOut" })
    })))

  it.effect("without acknowledgements a sender has no more room than the buffers, and continues when it heals", () =>
    seeded(Effect.gen(function*() {
      const { client, network, server } = yield* connected({ bufferSize: 10_000 })
      yield* network.partition({ from: ["b"], to: ["a"] })
      const sending = yield* Effect.fork(client.send(bytes(100_000)))
      const reading = yield* Effect.fork(server.receiveExactly(100_000))
      yield* Effect.sleep("1 minute")
      assert.strictEqual((yield* server.stats).bytesReceived, 10_000)
      yield* network.heal
      yield* Fiber.join(sending)
      assert.strictEqual((yield* Fiber.join(reading)).length, 100_000)
    })))

  for (const [title, cut] of [["question", ["a", "b"]], ["answer", ["b", "a"]]] as const) {
    it.effect(`connecting gives up when its ${title} does not come through, and continues when it does in time`, () =>
      seeded(Effect.gen(function*() {
        const { connect, listener, network } = yield* twoHosts()
        yield* network.partition({ from: [cut[0]], to: [cut[1]] })
        const [error, millis] = yield* elapsed(Effect.flip(connect))
        assert.deepInclude(error, { _tag: "ConnectError", reason: "TimedOut" })
        assert.isAtLeast(millis, 127_000)
        assert.isAtMost(millis, 127_010)
        const connecting = yield* Effect.fork(connect)
        yield* Effect.sleep("1 minute")
        yield* network.heal
        yield* Fiber.join(connecting)
        yield* listener.accept
      })))
  }

  it.effect("groups take the place of a cut direction, and a cut direction that of groups", () =>
    seeded(Effect.gen(function*() {
      const { client, network, server } = yield* connected()
      const arrives = (from: typeof client, to: typeof client) =>
        Effect.gen(function*() {
          yield* from.send("x")
          const got = yield* Effect.timeoutOption(to.receive(), "1 second")
          return got._tag === "Some"
        })
      yield* network.partition({ from: ["a"], to: ["b"] })
      yield* network.partition([["a"], ["b"]])
      assert.isFalse(yield* arrives(server, client))
      yield* network.partition({ from: ["a"], to: ["b"] })
      assert.isTrue(yield* arrives(server, client))
      assert.isFalse(yield* arrives(client, server))
    })))

  it.effect("a host that is not there is InvalidOption, in either form", () =>
    seeded(Effect.gen(function*() {
      const { network } = yield* twoHosts()
      const wrong = [
        network.setLink({}, { from: "a", to: "nobody" }),
        network.setLink({}, { from: "nobody", to: "b" }),
        network.partition({ from: ["nobody"], to: ["b"] }),
        network.partition({ from: ["a"], to: ["nobody"] })
      ]
      for (const effect of wrong) {
        assert.deepInclude(yield* Effect.flip(effect), { _tag: "InvalidOption", option: "host" })
      }
    })))

  it.effect("C15 a direction that is cut, and healed, is the same twice with the same seed", () =>
    Effect.gen(function*() {
      const once = Effect.scoped(Effect.gen(function*() {
        const { client, network, server } = yield* connected({ link: { latency: 5, jitter: 20, loss: 0.2 } })
        const log: Array<string> = []
        yield* Effect.fork(Effect.forever(Effect.zipRight(
          Effect.zipRight(network.partition({ from: ["a"], to: ["b"] }), Effect.sleep(300)),
          Effect.zipRight(network.heal, Effect.sleep(200))
        )))
        yield* Effect.fork(Effect.forEach(
          Array.from({ length: 50 }, (_, index) => index),
          (index) => Effect.zipRight(client.send(`${index}\n`), Effect.sleep(20))
        ))
        for (let index = 0; index < 50; index += 1) {
          log.push(`${yield* server.receiveLine()} at ${yield* Clock.currentTimeMillis}`)
        }
        return log
      }))
      assert.deepStrictEqual(yield* Simulation.run(once, { seed: 4 }), yield* Simulation.run(once, { seed: 4 }))
    }))
})
