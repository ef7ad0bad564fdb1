/** Effect's RPC over Copas servers and sockets. */
import * as Copas from "@copas/core/Copas"
import * as Net from "@copas/core/Net"
import * as PlatformSocket from "@copas/core/PlatformSocket"
import { NetMemory } from "@copas/core/testing"
import * as SocketServer from "@effect/platform/SocketServer"
import * as Rpc from "@effect/rpc/Rpc"
import * as RpcClient from "@effect/rpc/RpcClient"
import * as RpcGroup from "@effect/rpc/RpcGroup"
import * as RpcSerialization from "@effect/rpc/RpcSerialization"
import * as RpcServer from "@effect/rpc/RpcServer"
import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as NodeCopas from "../src/NodeCopas.js"

class NoSuchUser extends Schema.TaggedError<NoSuchUser>()("NoSuchUser", { id: Schema.Number }) {}

class Users extends RpcGroup.make(
  Rpc.make("Name", { payload: { id: Schema.Number }, success: Schema.String, error: NoSuchUser }),
  Rpc.make("Echo", { payload: { bytes: Schema.Uint8Array }, success: Schema.Uint8Array }),
  Rpc.make("Count", { payload: { to: Schema.Number }, success: Schema.Number, stream: true }),
  Rpc.make("Wait", { success: Schema.Void })
) {}

class Waiting extends Effect.Tag("Waiting")<Waiting, {
  readonly begun: Deferred.Deferred<void>
  readonly ended: Deferred.Deferred<Exit.Exit<unknown, unknown>>
}>() {}

const handlers = Users.toLayer(Effect.gen(function*() {
  const { begun, ended } = yield* Waiting
  return {
    Name: ({ id }) => id < 0 ? Effect.fail(new NoSuchUser({ id })) : Effect.succeed(`user ${id}`),
    Echo: ({ bytes }) => Effect.succeed(bytes),
    Count: ({ to }) => Stream.range(1, to),
    Wait: () =>
      Effect.onExit(
        Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never),
        (exit) => Deferred.succeed(ended, exit)
      )
  }
}))

const waiting = Layer.effect(
  Waiting,
  Effect.all({ begun: Deferred.make<void>(), ended: Deferred.make<Exit.Exit<unknown, unknown>>() })
)

const server = RpcServer.layer(Users).pipe(
  Layer.provide(handlers),
  Layer.provide(RpcServer.layerProtocolSocketServer),
  Layer.provideMerge(PlatformSocket.layerServer({ host: "127.0.0.1", port: 0, name: "rpc" }))
)

const portOf = Effect.map(SocketServer.SocketServer, ({ address }) => address._tag === "TcpAddress" ? address.port : 0)

const client = Effect.gen(function*() {
  const port = yield* portOf
  const protocol = yield* Layer.build(Layer.provide(
    RpcClient.layerProtocolSocket({ retryTransientErrors: false }),
    PlatformSocket.layerConnect({ host: "127.0.0.1", port, linger: 0 })
  ))
  return yield* Effect.provide(RpcClient.make(Users), protocol)
})

type Network = Layer.Layer<Copas.Copas | Net.Net>

const networks: ReadonlyArray<readonly [string, Network, Layer.Layer<RpcSerialization.RpcSerialization>]> = [
  ["Node, NDJSON", NodeCopas.layer, RpcSerialization.layerNdjson],
  ["Node, MessagePack", NodeCopas.layer, RpcSerialization.layerMsgPack],
  ["memory, NDJSON", Layer.provideMerge(Copas.layer, NetMemory.layer), RpcSerialization.layerNdjson],
  [
    "memory, NDJSON, in pieces of any size",
    Layer.provideMerge(Copas.layer, Layer.orDie(NetMemory.layerWith({ chunks: "random", seed: 7 }))),
    RpcSerialization.layerNdjson
  ]
]

for (const [name, network, serialization] of networks) {
  const layer = server.pipe(Layer.provideMerge(waiting), Layer.provideMerge(serialization), Layer.provideMerge(network))

  describe(`@effect/rpc over Copas: ${name}`, () => {
    it.scopedLive("calls get their answers, and failures are typed", () =>
      Effect.gen(function*() {
        const users = yield* client
        expect(yield* users.Name({ id: 7 })).toBe("user 7")
        const error = yield* Effect.flip(users.Name({ id: -1 }))
        expect(error).toEqual(new NoSuchUser({ id: -1 }))
        const bytes = Uint8Array.from({ length: 100_000 }, (_, index) => index & 255)
        expect(yield* users.Echo({ bytes })).toEqual(bytes)
      }).pipe(Effect.provide(layer)))

    it.scopedLive("many calls at once over one connection each get their own answer", () =>
      Effect.gen(function*() {
        const users = yield* client
        const ids = Array.from({ length: 200 }, (_, index) => index)
        const names = yield* Effect.forEach(ids, (id) => users.Name({ id }), { concurrency: "unbounded" })
        expect(names).toEqual(ids.map((id) => `user ${id}`))
        const { servers } = yield* Copas.status
        expect(servers.map(({ active, name }) => [name, active])).toEqual([["rpc", 1]])
      }).pipe(Effect.provide(layer)))

    it.scopedLive("a stream of answers comes in order and to its end", () =>
      Effect.gen(function*() {
        const users = yield* client
        const counted = yield* Stream.runCollect(users.Count({ to: 1000 }))
        expect(Chunk.toReadonlyArray(counted)).toEqual(Array.from({ length: 1000 }, (_, index) => index + 1))
      }).pipe(Effect.provide(layer)))

    it.scopedLive("interrupting a call interrupts it on the server, and the connection continues", () =>
      Effect.gen(function*() {
        const users = yield* client
        const { begun, ended } = yield* Waiting
        const call = yield* Effect.fork(users.Wait())
        yield* Deferred.await(begun)
        yield* Fiber.interrupt(call)
        expect(Exit.isInterrupted(yield* Deferred.await(ended))).toBe(true)
        expect(yield* users.Name({ id: 1 })).toBe("user 1")
      }).pipe(Effect.provide(layer)))

    it.scopedLive("a client that goes away ends its calls on the server", () =>
      Effect.gen(function*() {
        const { begun, ended } = yield* Waiting
        const calling = yield* Effect.fork(Effect.scoped(Effect.flatMap(client, (users) => users.Wait())))
        yield* Deferred.await(begun)
        yield* Fiber.interrupt(calling)
        expect(Exit.isInterrupted(yield* Deferred.await(ended))).toBe(true)
      }).pipe(Effect.provide(layer)))
  })
}

it.scopedLive("after the layers are released nothing listens and no connection is left", () =>
  Effect.gen(function*() {
    const net = yield* Net.Net
    const port = yield* Effect.scoped(Effect.gen(function*() {
      const context = yield* Layer.build(
        server.pipe(Layer.provideMerge(waiting), Layer.provideMerge(RpcSerialization.layerNdjson))
      )
      return yield* Effect.gen(function*() {
        const users = yield* client
        expect(yield* users.Name({ id: 1 })).toBe("user 1")
        return yield* portOf
      }).pipe(Effect.provide(context))
    }))
    yield* Effect.repeat(Effect.zipRight(Effect.yieldNow(), Copas.finished), { until: (finished) => finished })
    expect(yield* net.sockets).toEqual([])
    const error = yield* Effect.flip(Effect.scoped(net.connect({ host: "127.0.0.1", port })))
    expect(error).toMatchObject({ _tag: "ConnectError", reason: "Refused" })
  }).pipe(Effect.provide(NodeCopas.layer)))
