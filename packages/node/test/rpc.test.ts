import { Copas, PlatformSocket } from "@copas/core"
import { NodeCopas } from "@copas/node"
import { SocketServer } from "@effect/platform"
import { Rpc, RpcClient, RpcGroup, RpcSerialization, RpcServer } from "@effect/rpc"
import { expect, it } from "@effect/vitest"
import { Chunk, Effect, Layer, Schema, Stream } from "effect"

class Arithmetic extends RpcGroup.make(
  Rpc.make("add", { payload: { a: Schema.Number, b: Schema.Number }, success: Schema.Number }),
  Rpc.make("divide", { payload: { a: Schema.Number, b: Schema.Number }, success: Schema.Number, error: Schema.String }),
  Rpc.make("count", { payload: { to: Schema.Number }, success: Schema.Number, stream: true })
) {}

const handlers = Arithmetic.toLayer({
  add: ({ a, b }) => Effect.succeed(a + b),
  divide: ({ a, b }) => b === 0 ? Effect.fail("no") : Effect.succeed(a / b),
  count: ({ to }) => Stream.range(1, to)
})

const server = RpcServer.layer(Arithmetic).pipe(
  Layer.provide(handlers),
  Layer.provide(RpcServer.layerProtocolSocketServer),
  Layer.provideMerge(PlatformSocket.layerServer({ host: "127.0.0.1", port: 0, name: "rpc" })),
  Layer.provide(RpcSerialization.layerNdjson)
)

const client = (port: number) =>
  RpcClient.layerProtocolSocket().pipe(
    Layer.provide(PlatformSocket.layerConnect({ host: "127.0.0.1", port })),
    Layer.provide(RpcSerialization.layerNdjson)
  )

it.scopedLive("B Effect's RPC runs over a Copas server and a Copas client", () =>
  Effect.gen(function*() {
    const { address } = yield* SocketServer.SocketServer
    const port = address._tag === "TcpAddress" ? address.port : 0
    yield* Effect.gen(function*() {
      const rpc = yield* RpcClient.make(Arithmetic)
      expect(yield* rpc.add({ a: 1, b: 2 })).toBe(3)
      expect(yield* Effect.flip(rpc.divide({ a: 1, b: 0 }))).toBe("no")
      const numbers = yield* Stream.runCollect(rpc.count({ to: 1000 }))
      expect(Chunk.size(numbers)).toBe(1000)
      const sums = yield* Effect.forEach(
        Array.from({ length: 200 }, (_, index) => index),
        (index) => rpc.add({ a: index, b: index }),
        { concurrency: "unbounded" }
      )
      expect(sums.at(-1)).toBe(398)
      const status = yield* Copas.status
      expect(status.servers).toHaveLength(1)
    }).pipe(Effect.provide(client(port)))
  }).pipe(Effect.provide(server), Effect.provide(NodeCopas.layer)))
