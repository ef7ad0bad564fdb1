/** The in-memory network of one machine. */
import { Copas, Net, NetAddress, type Socket } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { bytes, pair } from "./support.js"

describe("NetMemory: one machine", () => {
  it.scoped("S01 the names and addresses of the machine are localhost, 127.0.0.1 and ::1", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ host: "::", port: 0, linger: 0 })
      for (const host of ["localhost", "LOCALHOST.", "127.0.0.1", "127.1.2.3", "::1", "0.0.0.0"]) {
        const socket = yield* Net.connect({ host, port: listener.port, linger: 0 })
        const accepted = yield* listener.accept
        assert.strictEqual(NetAddress.format(accepted.remoteAddress), NetAddress.format(socket.localAddress), host)
      }
      const unknown = yield* Effect.flip(Net.connect({ host: "mail.example", port: 25 }))
      assert(unknown._tag === "ConnectError")
      assert.strictEqual(unknown.reason, "HostNotFound")
      const elsewhere = yield* Effect.flip(Net.connect({ host: "192.0.2.1", port: 25 }))
      assert(elsewhere._tag === "ConnectError")
      assert.strictEqual(elsewhere.reason, "Unreachable")
      const foreign = yield* Effect.flip(Net.listen({ host: "192.0.2.1", port: 25 }))
      assert(foreign._tag === "BindError")
      assert.strictEqual(foreign.reason, "AddressNotAvailable")
    }).pipe(Effect.provide(NetMemory.layer)))

  it.scoped("C22 a sender that waits for room learns that its peer is gone, also when it went in the middle of reading", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ port: 0, linger: 0 })
      yield* Copas.addServer(listener, (socket) => socket.receive())
      const client = yield* Net.connect({ port: listener.port, linger: 0 })
      const error = yield* Effect.flip(Effect.zipRight(client.send(bytes(500)), client.flush))
      assert.strictEqual(error._tag, "SocketBroken")
    }).pipe(Effect.provide(Layer.provideMerge(Copas.layer, NetMemory.layerWith({ bufferSize: 100 })))))

  it.scoped("S01 an address is in use while its listener is open, and free afterwards, in all its overlaps", () =>
    Effect.gen(function*() {
      const bind = (options: Net.ListenOptions) => Effect.scoped(Net.listen(options))
      const inUse = (options: Net.ListenOptions) =>
        Effect.map(Effect.flip(bind(options)), (error) => {
          assert(error._tag === "BindError")
          assert.strictEqual(error.reason, "AddressInUse")
        })
      yield* Effect.scoped(Effect.gen(function*() {
        yield* Net.listen({ host: "127.0.0.1", port: 80 })
        yield* inUse({ host: "127.0.0.1", port: 80 })
        yield* inUse({ host: "0.0.0.0", port: 80 })
        yield* inUse({ host: "::", port: 80 })
        yield* bind({ host: "::", port: 80, ipv6Only: true })
        yield* bind({ host: "::1", port: 80 })
        yield* Net.listen({ path: "/run/copas.sock" })
        yield* inUse({ path: "/run/copas.sock" })
      }))
      yield* bind({ host: "::", port: 80 })
      yield* bind({ path: "/run/copas.sock" })
    }).pipe(Effect.provide(NetMemory.layer)))

  it.scoped("S01 listeners that share a port each get their part, and a local port can be used for two peers, not twice for one", () =>
    Effect.gen(function*() {
      const one = yield* Net.listen({ port: 80, reusePort: true })
      const two = yield* Net.listen({ port: 80, reusePort: true })
      for (let count = 0; count < 20; count += 1) yield* Net.connect({ port: 80, localPort: 5000 + count, linger: 0 })
      const counts = [(yield* one.stats).pending, (yield* two.stats).pending]
      assert.strictEqual(counts[0]! + counts[1]!, 20)
      assert.isAbove(Math.min(...counts), 0)
      yield* Net.listen({ port: 81 })
      yield* Net.connect({ port: 81, localPort: 5000, host: "127.0.0.1", linger: 0 })
      const again = yield* Effect.flip(Net.connect({ port: 81, localPort: 5000, host: "127.0.0.1" }))
      assert(again._tag === "ConnectError")
      assert.strictEqual(again.reason, "AddressInUse")
    }).pipe(Effect.provide(NetMemory.layer)))

  it.scoped("S10 a path connects to its listener; without one it is PathNotFound, an abstract name Refused", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ path: "/run/echo", linger: 0 })
      const client = yield* Net.connect({ path: "/run/echo", linger: 0 })
      const server = yield* listener.accept
      yield* client.send("over a path\n")
      assert.strictEqual(yield* server.receiveLine(), "over a path")
      const nobody = yield* Effect.flip(Net.connect({ path: "/run/nobody" }))
      assert(nobody._tag === "ConnectError")
      assert.strictEqual(nobody.reason, "PathNotFound")
      yield* listener.close
      for (const [path, reason] of [["/run/echo", "PathNotFound"], ["\0nobody", "Refused"]] as const) {
        const error = yield* Effect.flip(Net.connect({ path }))
        assert(error._tag === "ConnectError")
        assert.deepStrictEqual([path, error.reason, error.transport], [path, reason, "unix"])
        assert.notMatch(error.message, /\bport\b/)
      }
    }).pipe(Effect.provide(NetMemory.layer)))

  it.scoped("S04 options are remembered, a wrong value is refused, and buffer sizes bound what a peer that does not read takes", () =>
    Effect.gen(function*() {
      const { client, server } = yield* pair({ highWaterMark: 1000, sendHighWaterMark: 0 })
      yield* client.setOption("keepAlive", "30 seconds")
      assert.strictEqual(yield* client.getOption("keepAlive"), "30 seconds")
      const wrong = yield* Effect.flip(client.setOption("sendBufferSize", 0.5))
      assert.strictEqual(wrong._tag, "InvalidOption")
      yield* client.setOption("sendBufferSize", 1000)
      yield* server.setOption("receiveBufferSize", 2000)
      const sending = yield* Effect.fork(client.send(bytes(100_000)))
      // What fits: the system's two buffers, and the chunk that filled the reader's.
      let before = -1
      for (;;) {
        const { bytesReceived } = yield* server.stats
        if (bytesReceived === before) break
        before = bytesReceived
        yield* Effect.yieldNow()
        yield* Effect.yieldNow()
        yield* Effect.yieldNow()
      }
      assert.isAtMost(before, 1000 + 3000)
      assert.deepStrictEqual(yield* server.receiveExactly(100_000), bytes(100_000))
      yield* Fiber.join(sending)
    }).pipe(Effect.provide(NetMemory.layer)))

  it.scoped("C20 a receiver may write into what came, and the sender's bytes stay as they were", () =>
    Effect.gen(function*() {
      const { client, server } = yield* pair()
      const sent = bytes(10)
      yield* client.send(sent)
      const came = yield* server.receive()
      came.fill(0)
      assert.deepStrictEqual(sent, bytes(10))
    }).pipe(Effect.provide(NetMemory.layer)))

  for (const chunks of ["joined", "asSent", "random", 1, 7] as const) {
    it.scoped(`C20 lines and blocks are the same however the network cuts them: ${chunks}`, () =>
      Effect.gen(function*() {
        const { client, server } = yield* pair()
        const sizes: Array<number> = []
        yield* server.trace((event) => {
          if (event.event === "received") sizes.push(event.bytes!)
        })
        yield* Effect.fork(Effect.zipRight(
          Effect.forEach(["one\n", "two\r\n", "thr", "ee\n", bytes(500)], (data) => client.send(data)),
          client.shutdown("send")
        ))
        assert.deepStrictEqual(
          [yield* server.receiveLine(), yield* server.receiveLine(), yield* server.receiveLine()],
          ["one", "two", "three"]
        )
        assert.deepStrictEqual(yield* server.receiveExactly(500), bytes(500))
        assert.strictEqual((yield* server.receiveAll()).length, 0)
        if (typeof chunks === "number") assert.isAtMost(Math.max(...sizes), chunks)
        if (chunks === "asSent") assert.deepStrictEqual(sizes, [4, 5, 3, 3, 500])
        if (chunks === "joined") assert.deepStrictEqual(sizes, [515])
      }).pipe(Effect.provide(NetMemory.layerWith({ chunks }))))
  }

  it.scoped("an endless exchange lets the event loop's other work come", () =>
    Effect.gen(function*() {
      const { client, server } = yield* pair()
      const bounce = (socket: Socket.Socket) =>
        Effect.forever(Effect.flatMap(socket.receive(), (chunk) => socket.send(chunk)))
      yield* client.send("ping")
      const playing = yield* Effect.fork(Effect.all([bounce(client), bounce(server)], { concurrency: 2 }))
      yield* Effect.async<void>((resume) => {
        setTimeout(() => resume(Effect.void), 1)
      })
      yield* Fiber.interrupt(playing)
      assert.isAbove((yield* client.stats).bytesReceived, 4)
    }).pipe(Effect.provide(NetMemory.layer)))

  it.effect("a network that makes no sense is refused with the option's name", () =>
    Effect.gen(function*() {
      const wrong: ReadonlyArray<readonly [string, NetMemory.Options]> = [
        ["latency", { link: { latency: -1 } }],
        ["latency", { link: { latency: Infinity } }],
        ["loss", { link: { loss: 1 } }],
        ["bandwidth", { link: { bandwidth: 0 } }],
        ["chunks", { chunks: 0 }],
        ["seed", { seed: 0.5 }],
        ["bufferSize", { bufferSize: 1 }]
      ]
      for (const [option, options] of wrong) {
        const error = yield* Effect.flip(NetMemory.make(options))
        assert.strictEqual(error.option, option)
      }
      const network = yield* NetMemory.make()
      yield* network.addHost("one", { addresses: ["10.0.0.9"] })
      for (
        const refused of [
          network.addHost("ONE"),
          network.addHost("a b"),
          network.addHost("two", { addresses: ["10.0.0.9"] }),
          network.addHost("two", { addresses: ["two"] }),
          network.partition([["nobody"]]),
          network.setLink({}, ["one", "nobody"])
        ]
      ) {
        assert.strictEqual((yield* Effect.flip(refused))._tag, "InvalidOption")
      }
    }))
})
