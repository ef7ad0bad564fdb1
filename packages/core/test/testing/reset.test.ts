/** What can be read after a reset. */
import { NetMemory } from "@copas/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { bytes, pair, simulated } from "./support.js"

/** The server's end reads nothing, and its buffers hold what the client sent; then the connection breaks. */
const breaking = (breakIt: Effect.Effect<unknown, never, NetMemory.NetMemory>, ended = false) =>
  Effect.gen(function*() {
    const { client, server } = yield* pair({ highWaterMark: 1 })
    for (let count = 0; count < 10; count += 1) {
      yield* client.send(bytes(1000))
      yield* Effect.sleep(1)
    }
    if (ended) yield* client.shutdown("send")
    yield* Effect.sleep(1)
    yield* breakIt
    yield* Effect.sleep(1)
    return { client, server }
  })

const reset = NetMemory.resetConnections()

describe("NetMemory: what had come before a reset", () => {
  for (const chunks of ["joined", "asSent", "random", 1] as const) {
    it.effect(`it is read first, and then the connection is broken (chunks: ${chunks})`, () =>
      simulated(
        { chunks },
        Effect.gen(function*() {
          const { server } = yield* breaking(reset)
          assert.deepStrictEqual(
            yield* server.receiveExactly(10_000),
            Uint8Array.from({ length: 10_000 }, (_, index) => (index % 1000) * 7)
          )
          assert.deepInclude(yield* Effect.flip(server.receive()), { _tag: "SocketBroken", reason: "Reset" })
        })
      ))
  }

  it.effect("an abort by the peer's program does the same", () =>
    simulated(
      {},
      Effect.gen(function*() {
        const { client, server } = yield* breaking(Effect.void)
        yield* client.abort
        yield* Effect.sleep(1)
        assert.strictEqual((yield* server.receiveExactly(10_000)).length, 10_000)
        assert.deepInclude(yield* Effect.flip(server.receive()), { _tag: "SocketBroken", reason: "Reset" })
      })
    ))

  it.effect("a write finds out at once, and what was not read is gone", () =>
    simulated(
      {},
      Effect.gen(function*() {
        const { server } = yield* breaking(reset)
        const error = yield* Effect.flip(Effect.zipRight(server.send("x"), server.flush))
        assert.deepInclude(error, { _tag: "SocketBroken", reason: "Reset" })
        const read = yield* Effect.flip(Effect.forever(server.receive()))
        assert.deepInclude(read, { _tag: "SocketBroken", reason: "Reset" })
      })
    ))

  it.effect("a peer that finished sending before is broken all the same: its end is not a normal one", () =>
    simulated(
      {},
      Effect.gen(function*() {
        const { server } = yield* breaking(reset, true)
        assert.strictEqual((yield* server.receiveExactly(10_000)).length, 10_000)
        assert.deepInclude(yield* Effect.flip(server.receive()), { _tag: "SocketBroken", reason: "Reset" })
      })
    ))

  it.effect("a broken end that nobody reads any more is closed without a word, and its port is free", () =>
    simulated(
      {},
      Effect.gen(function*() {
        const { client, server } = yield* breaking(reset)
        assert.deepStrictEqual(yield* NetMemory.connections, [])
        yield* server.close
        yield* client.abort
        assert.deepInclude(yield* Effect.flip(server.receive()), { _tag: "SocketClosed" })
      })
    ))

  it.effect("a connection that timed out is read to its end first, too", () =>
    simulated(
      { giveUpAfter: "1 minute" },
      Effect.gen(function*() {
        const { server } = yield* breaking(Effect.void)
        yield* NetMemory.partition()
        yield* server.send("no answer comes")
        yield* Effect.sleep("2 minutes")
        assert.strictEqual((yield* server.receiveExactly(10_000)).length, 10_000)
        assert.deepInclude(yield* Effect.flip(server.receive()), { _tag: "SocketBroken", reason: "TimedOut" })
      })
    ))
})
