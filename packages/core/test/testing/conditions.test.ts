/** Links of the in-memory network: latency, bandwidth, loss, jitter, partitions. */
import { Net, NetAddress } from "@copas/core"
import { NetMemory, Simulation } from "@copas/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Exit, Fiber, type Scope, TestClock } from "effect"
import { bytes, elapsed, pair, simulated } from "./support.js"

describe("NetMemory: conditions", () => {
  it.scoped("latency is TestClock's time: connecting takes a round trip, and a line half of one", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 80, linger: 0 })
      const connecting = yield* Effect.fork(Net.connect({ port: 80, linger: 0 }))
      yield* TestClock.adjust("199 millis")
      assert.isTrue((yield* Fiber.poll(connecting))._tag === "None")
      yield* TestClock.adjust("1 milli")
      const client = yield* Fiber.join(connecting)
      const accepting = yield* Effect.fork(listener.accept)
      yield* client.send("hello\n")
      yield* TestClock.adjust("100 millis")
      const server = yield* Fiber.join(accepting)
      assert.strictEqual(yield* server.receiveLine(), "hello")
    }).pipe(Effect.provide(NetMemory.layerWith({ link: { latency: "100 millis" } }))))

  it.effect("bandwidth is shared by the connections of a link, and counts headers", () =>
    simulated(
      { link: { bandwidth: 100_000 }, bufferSize: 1_000_000 },
      Effect.gen(function*() {
        const one = yield* pair()
        const two = yield* pair()
        const [, millis] = yield* elapsed(Effect.all([
          one.client.send(bytes(50_000)),
          two.client.send(bytes(50_000)),
          one.server.receiveExactly(50_000),
          two.server.receiveExactly(50_000)
        ], { concurrency: "unbounded" }))
        assert.isAtLeast(millis, 1000)
        assert.isAtMost(millis, 1010)
      })
    ))

  it.effect("what overtakes on a jittery link that loses packets waits: a stream stays in order", () =>
    simulated(
      { link: { latency: 10, jitter: 50, loss: 0.3 } },
      Effect.gen(function*() {
        const { client, server } = yield* pair()
        const lines = Array.from({ length: 100 }, (_, index) => `line ${index}`)
        yield* Effect.fork(
          Effect.forEach(lines, (line) => Effect.zipRight(client.send(`${line}\n`), Effect.sleep("1 milli")))
        )
        assert.deepStrictEqual(yield* Effect.forEach(lines, () => server.receiveLine()), lines)
        // At this loss it is next to certain that something was sent again, which takes 200 ms at least.
        assert.isAbove(yield* Clock.currentTimeMillis, 300)
      })
    ))

  it.effect("a partition holds streams up, and when it heals they continue where they were", () =>
    simulated(
      { link: { latency: 10 } },
      Effect.gen(function*() {
        const { client, server } = yield* pair({ timeouts: { receive: "5 seconds" } })
        yield* client.send("before\n")
        assert.strictEqual(yield* server.receiveLine(), "before")
        yield* client.send("lost on its way\n")
        yield* Effect.sleep("5 millis")
        yield* NetMemory.partition()
        yield* client.send("sent meanwhile\n")
        assert.strictEqual((yield* Effect.flip(server.receiveLine()))._tag, "SocketTimeout")
        yield* NetMemory.heal
        const [lines, millis] = yield* elapsed(Effect.all([server.receiveLine(), server.receiveLine()]))
        assert.deepStrictEqual(lines, ["lost on its way", "sent meanwhile"])
        assert.strictEqual(millis, 10)
      })
    ))

  it.effect("through a partition that does not end connecting times out, and a connection with something to say breaks", () =>
    simulated(
      { giveUpAfter: "1 minute", connectGiveUpAfter: "10 seconds" },
      Effect.gen(function*() {
        const { client, server } = yield* pair()
        yield* NetMemory.partition()
        const [refused, connecting] = yield* elapsed(Effect.flip(Net.connect({ host: "127.0.0.1", port: 80 })))
        assert(refused._tag === "ConnectError")
        assert.strictEqual(refused.reason, "TimedOut")
        assert.strictEqual(connecting, 10_000)
        yield* client.send("is anybody there?\n")
        const [broken, breaking] = yield* elapsed(Effect.flip(client.receive()))
        assert(broken._tag === "SocketBroken")
        assert.strictEqual(broken.reason, "TimedOut")
        assert.strictEqual(breaking, 60_000)
        // The other end has nothing to say, so it never notices.
        assert.strictEqual(
          (yield* Effect.timeoutOption(Effect.exit(server.receive()), "1 day"))._tag,
          "None"
        )
      })
    ))

  it.effect("a peer that vanishes says nothing: only time-outs and keep-alive tell", () =>
    simulated(
      { link: { latency: 5 } },
      Effect.gen(function*() {
        const { client, server } = yield* pair()
        assert.strictEqual(yield* NetMemory.vanish("client"), 1)
        yield* client.send("never comes")
        assert.strictEqual((yield* Effect.timeoutOption(Effect.exit(server.receive()), "1 hour"))._tag, "None")
        yield* server.setOption("keepAliveInterval", "10 seconds")
        yield* server.setOption("keepAliveCount", 3)
        yield* server.setOption("keepAlive", "1 minute")
        const [error, millis] = yield* elapsed(Effect.flip(server.receive()))
        assert(error._tag === "SocketBroken")
        assert.strictEqual(error.reason, "TimedOut")
        assert.isAtMost(millis, 60_000 + 3 * 10_000)
      })
    ))

  it.effect("keep-alive leaves a connection alone whose peer is there", () =>
    simulated(
      { link: { latency: 5 } },
      Effect.gen(function*() {
        const { client, server } = yield* pair({ keepAlive: "1 minute", keepAliveCount: 2 })
        yield* Effect.sleep("1 day")
        yield* client.send("still here\n")
        assert.strictEqual(yield* server.receiveLine(), "still here")
      })
    ))

  it.effect("memory stays bounded when a peer vanished: the sender waits, and its time-out ends that", () =>
    simulated(
      {},
      Effect.gen(function*() {
        const { client } = yield* pair({ timeouts: { send: "3 seconds" } })
        yield* NetMemory.vanish("server", ({ serverHost }) => serverHost === "localhost")
        const error = yield* Effect.flip(Effect.forever(client.send(bytes(100_000))))
        assert.strictEqual(error._tag, "SocketTimeout")
        assert.isAtMost((yield* client.stats).bytesSent, 100_000)
      })
    ))

  it.scoped("connections that are reset break at both ends, and only those that were chosen", () =>
    Effect.gen(function*() {
      const one = yield* pair()
      const two = yield* pair()
      const port = one.listener.port
      const reset = yield* NetMemory.resetConnections(({ server }) => NetAddress.portOf(server) === port)
      assert.strictEqual(reset, 1)
      for (const socket of [one.client, one.server]) {
        const error = yield* Effect.flip(socket.receive())
        assert(error._tag === "SocketBroken")
        assert.strictEqual(error.reason, "Reset")
      }
      yield* two.client.send("fine\n")
      assert.strictEqual(yield* two.server.receiveLine(), "fine")
      assert.strictEqual((yield* NetMemory.connections).length, 1)
    }).pipe(Effect.provide(NetMemory.layer)))
})

describe("NetMemory: many hosts", () => {
  const hosts = (options: NetMemory.Options = {}) =>
    Effect.gen(function*() {
      const network = yield* NetMemory.make({ link: { latency: 10 }, ...options })
      const [a, b, c] = [yield* network.addHost("a"), yield* network.addHost("b"), yield* network.addHost("c")]
      return { network, a, b, c }
    })

  const echo = Effect.gen(function*() {
    const listener = yield* Net.listen({ host: "0.0.0.0", port: 7 })
    return yield* Effect.forever(
      Effect.flatMap(
        listener.accept,
        (socket) => Effect.forkScoped(Effect.forever(Effect.flatMap(socket.receive(), (chunk) => socket.send(chunk))))
      )
    )
  })

  const ask = (from: NetMemory.Host, to: string) =>
    Effect.scoped(Effect.gen(function*() {
      const socket = yield* from.net.connect({
        host: to,
        port: 7,
        timeouts: { connect: "1 second", receive: "1 second" },
        linger: 0
      })
      yield* socket.send("hello\n")
      return yield* socket.receiveLine()
    }))

  it.effect("every host has its own ports and paths, and is found by its name and address", () =>
    Simulation.run(Effect.scoped(Effect.gen(function*() {
      const { a, b, c } = yield* hosts()
      assert.deepStrictEqual([a.addresses, b.addresses], [["10.0.0.1"], ["10.0.0.2"]])
      yield* b.start(echo)
      yield* c.start(echo)
      yield* Effect.yieldNow()
      assert.strictEqual(yield* ask(a, "b"), "hello")
      assert.strictEqual(yield* ask(a, "10.0.0.3"), "hello")
      const error = yield* Effect.flip(ask(a, "localhost"))
      assert(error._tag === "ConnectError")
      assert.strictEqual(error.reason, "Refused")
      const loopbackOnly = yield* c.net.listen({ host: "127.0.0.1", port: 8 })
      assert.strictEqual(NetAddress.format(loopbackOnly.address), "127.0.0.1:8")
      assert.isTrue(Exit.isFailure(yield* Effect.exit(a.net.connect({ host: "c", port: 8 }))))
    }))))

  it.effect("a partition cuts groups of hosts apart, and links of pairs differ", () =>
    Simulation.run(Effect.scoped(Effect.gen(function*() {
      const { a, b, c, network } = yield* hosts()
      for (const host of [b, c]) yield* host.start(echo)
      yield* network.setLink({ latency: "300 millis" }, ["a", "c"])
      const [, near] = yield* elapsed(ask(a, "b"))
      const [, far] = yield* elapsed(ask(a, "c"))
      assert.deepStrictEqual([near, far], [40, 1200])
      yield* network.partition([["a", "b"]])
      assert.strictEqual(yield* ask(a, "b"), "hello")
      const cut = yield* Effect.flip(ask(b, "c"))
      assert(cut._tag === "ConnectError")
      assert.strictEqual(cut.reason, "TimedOut")
      yield* network.heal
      assert.strictEqual(yield* ask(b, "c"), "hello")
    }))))

  it.effect("a host that crashes is silent; up again, its programs run again and old connections are reset", () =>
    Simulation.run(Effect.scoped(Effect.gen(function*() {
      const { a, b } = yield* hosts()
      let starts = 0
      let ends = 0
      yield* b.start(Effect.zipRight(
        Effect.addFinalizer(() =>
          Effect.sync(() => {
            ends += 1
          })
        ),
        Effect.suspend(() => {
          starts += 1
          return echo
        })
      ))
      const socket = yield* a.net.connect({ host: "b", port: 7, linger: 0 })
      yield* b.crash
      assert.deepStrictEqual([starts, ends, yield* b.isUp], [1, 1, false])
      assert.strictEqual((yield* Effect.timeoutOption(Effect.exit(socket.receive()), "1 minute"))._tag, "None")
      assert.strictEqual((yield* Effect.flip(ask(a, "b")))._tag, "ConnectError")
      yield* socket.send("are you there?\n")
      yield* b.restart
      const error = yield* Effect.flip(socket.receive())
      assert(error._tag === "SocketBroken")
      assert.strictEqual(error.reason, "Reset")
      assert.deepStrictEqual([starts, ends, yield* b.isUp], [2, 1, true])
      assert.strictEqual(yield* ask(a, "b"), "hello")
    }))))

  it.effect("a program on a crashed host cannot listen or connect, and its sockets are broken", () =>
    Simulation.run(Effect.scoped(Effect.gen(function*() {
      const { a, b } = yield* hosts()
      yield* b.start(echo)
      const socket = yield* a.net.connect({ host: "b", port: 7 })
      yield* a.crash
      assert.strictEqual((yield* Effect.flip(socket.receive()))._tag, "SocketBroken")
      assert.strictEqual((yield* Effect.flip(a.net.listen({ port: 0 })))._tag, "BindError")
      assert.strictEqual((yield* Effect.flip(a.net.connect({ host: "b", port: 7 })))._tag, "ConnectError")
    }))))

  it.effect("S10 a crash leaves the socket file of a listener behind: Refused, in use without takeOver, taken over with it", () =>
    Simulation.run(Effect.scoped(Effect.gen(function*() {
      const { a } = yield* hosts()
      const path = "/run/left.sock"
      const abstract = "\0left"
      const isReady = yield* Deferred.make<void>()
      const listen = Effect.all([a.net.listen({ path }), a.net.listen({ path: abstract })])
      yield* a.start(Effect.suspend(() =>
        Effect.runSync(Deferred.isDone(isReady))
          ? Effect.void
          : Effect.zipRight(Effect.intoDeferred(Effect.orDie(Effect.asVoid(listen)), isReady), Effect.never)
      ))
      yield* Deferred.await(isReady)
      yield* a.crash
      yield* a.restart
      const reasonOf = (effect: Effect.Effect<unknown, { readonly _tag: string }, Scope.Scope>) =>
        Effect.map(
          Effect.flip(Effect.scoped(effect)),
          (error) => "reason" in error ? [error._tag, error.reason] : [error._tag]
        )
      assert.deepStrictEqual(yield* reasonOf(a.net.connect({ path })), ["ConnectError", "Refused"])
      assert.deepStrictEqual(yield* reasonOf(a.net.connect({ path: abstract })), ["ConnectError", "Refused"])
      assert.deepStrictEqual(yield* reasonOf(a.net.listen({ path, takeOver: false })), ["BindError", "AddressInUse"])
      yield* Effect.scoped(Effect.zipRight(a.net.listen({ path }), a.net.connect({ path, linger: 0 })))
      assert.deepStrictEqual(yield* reasonOf(a.net.connect({ path })), ["ConnectError", "PathNotFound"])
      yield* Effect.scoped(a.net.listen({ path: abstract, takeOver: false }))
    }))))

  it.effect("nothing is left on the network when its programs have ended", () =>
    Simulation.run(Effect.gen(function*() {
      const { a, b, network } = yield* hosts({ link: { latency: 10, loss: 0.1 } })
      yield* Effect.scoped(Effect.gen(function*() {
        yield* b.start(echo)
        for (let count = 0; count < 20; count += 1) yield* Effect.exit(ask(a, "b"))
      }))
      yield* Effect.sleep("1 minute")
      assert.deepStrictEqual(yield* network.connections, [])
      assert.deepStrictEqual(yield* a.net.sockets, [])
      assert.deepStrictEqual(yield* b.net.sockets, [])
    })))
})
