/** Large reads, and chunks that are given back. */
import { Net } from "@copas/core"
import { NodeNet } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { pattern } from "./pattern.js"
import { turn } from "./turns.js"

const pair = (options: { readonly readSize: number; readonly highWaterMark?: number }) =>
  Effect.gen(function*() {
    const listener = yield* Net.listen({ host: "127.0.0.1", port: 0, linger: 0 })
    const port = listener.port
    const client = yield* Net.connect({ host: "127.0.0.1", port, linger: 0, ...options })
    return { client, server: yield* listener.accept }
  })

describe("large reads", () => {
  it.scopedLive.each([1024, 65_536, 1_048_576])(
    "S01 with reads of %d bytes everything arrives in order, the end too, small pieces and large",
    (readSize) =>
      Effect.provide(
        Effect.gen(function*() {
          const { client, server } = yield* pair({ readSize })
          const all = pattern(3_000_000)
          const sending = yield* Effect.fork(Effect.gen(function*() {
            yield* server.send(all.subarray(0, 10))
            yield* server.send(all.subarray(10, 1000))
            yield* server.send(all.subarray(1000))
            yield* server.shutdown("send")
          }))
          const chunks: Array<Uint8Array> = [yield* client.receiveExactly(10)]
          chunks.push(yield* client.receiveAll())
          yield* Fiber.join(sending)
          expect(Buffer.compare(Buffer.concat(chunks), all)).toBe(0)
          // The other direction is as it was.
          yield* client.send("thanks")
          expect(Buffer.from(yield* server.receiveExactly(6)).toString()).toBe("thanks")
        }),
        NodeNet.layer
      )
  )

  it.scopedLive("S01 a chunk that was given out is not written into again", () =>
    Effect.provide(
      Effect.gen(function*() {
        const { client, server } = yield* pair({ readSize: 4096 })
        const chunks: Array<Uint8Array> = []
        for (let index = 0; index < 50; index++) {
          yield* server.send(new Uint8Array(1 + index * 80).fill(index))
          chunks.push(yield* client.receiveExactly(1 + index * 80))
        }
        for (const [index, chunk] of chunks.entries()) expect(chunk.every((byte) => byte === index)).toBe(true)
      }),
      NodeNet.layer
    ))

  it.scopedLive("S01 a chunk that is given back is read into again; one that is not, or is given back twice, is not", () =>
    Effect.provide(
      Effect.gen(function*() {
        const { client, server } = yield* pair({ readSize: 65_536 })
        const kept: Array<readonly [number, Uint8Array]> = []
        const buffers = new Set<ArrayBufferLike>()
        let given = 0
        for (let index = 0; index < 60; index++) {
          yield* server.send(new Uint8Array(60_000).fill(index))
          for (let left = 60_000; left > 0;) {
            const chunk = yield* client.receive()
            left -= chunk.length
            expect(chunk.every((byte) => byte === index)).toBe(true)
            if (index % 10 === 0) {
              kept.push([index, chunk])
              continue
            }
            buffers.add(chunk.buffer)
            given += 1
            client.recycle(chunk)
            client.recycle(chunk)
            client.recycle(new Uint8Array(65_536))
          }
        }
        expect(buffers.size).toBeLessThan(given)
        for (const [index, chunk] of kept) expect(chunk.every((byte) => byte === index)).toBe(true)
      }),
      NodeNet.layer
    ))

  it.scopedLive("S01 a part of a chunk cannot be given back: the rest of it is still to be read", () =>
    Effect.provide(
      Effect.gen(function*() {
        const { client, server } = yield* pair({ readSize: 65_536 })
        for (let index = 0; index < 30; index++) {
          yield* server.send(new Uint8Array(60_000).fill(index))
          for (let left = 60_000; left > 0;) {
            const part = yield* client.receive({ maxBytes: 10_000 })
            left -= part.length
            expect(part.every((byte) => byte === index)).toBe(true)
            client.recycle(part)
          }
        }
      }),
      NodeNet.layer
    ))

  it.scopedLive("S01 a reader that does not read stops the sender with large reads, too", () =>
    Effect.provide(
      Effect.gen(function*() {
        const { client, server } = yield* pair({ readSize: 262_144, highWaterMark: 262_144 })
        const sending = yield* Effect.fork(server.send(pattern(64 * 1024 * 1024)))
        while ((yield* client.stats).receiveBuffered < 262_144) yield* turn
        // As many turns again as would bring all of it.
        for (let turns = 0; turns < 500; turns++) yield* turn
        const { receiveBuffered } = yield* client.stats
        expect(receiveBuffered).toBeLessThan(2 * 262_144 + 1)
        yield* client.abort
        yield* Effect.exit(Fiber.join(sending))
      }),
      NodeNet.layer
    ))

  it.scopedLive("S01 a read size that is none is InvalidOption", () =>
    Effect.provide(
      Effect.gen(function*() {
        const error = yield* Effect.flip(Net.connect({ port: 1, readSize: 0 }))
        expect(error).toMatchObject({ _tag: "InvalidOption", option: "readSize" })
      }),
      NodeNet.layer
    ))
})
