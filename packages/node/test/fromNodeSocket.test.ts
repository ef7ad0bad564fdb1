import { Net, type NetAddress } from "@copas/core"
import { NodeNet, NodeSocket } from "@copas/node"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as NodeNetModule from "node:net"

const portOf = (listener: Net.Listener): number => (listener.address as NetAddress.InetAddress).port

/** A socket of Node's own, connected, that nobody of this library has seen. */
const connected = (port: number) =>
  Effect.async<NodeNetModule.Socket>((resume) => {
    const socket = NodeNetModule.connect({ host: "127.0.0.1", port, allowHalfOpen: true })
    socket.once("connect", () => resume(Effect.succeed(socket)))
  })

it.scopedLive("C14 a socket of Node's is taken over, and its scope closes it", () =>
  Effect.gen(function*() {
    const listener = yield* Net.listen({ host: "127.0.0.1", port: 0 })
    const node = yield* connected(portOf(listener))
    const peer = yield* listener.accept
    yield* Effect.scoped(Effect.gen(function*() {
      const socket = yield* NodeSocket.fromNodeSocket(node, { name: "taken over" })
      expect(socket.name).toBe("taken over")
      yield* socket.send("hello\n")
      expect(yield* peer.receiveLine()).toBe("hello")
      yield* peer.send("welcome\n")
      expect(yield* socket.receiveLine()).toBe("welcome")
      yield* Effect.forkDaemon(Effect.zipRight(Effect.flip(peer.receive()), peer.close))
    }))
    expect(node.destroyed).toBe(true)
    expect(yield* Effect.flatMap(Net.Net, (net) => net.sockets)).not.toContainEqual(
      expect.objectContaining({ name: "taken over" })
    )
  }).pipe(Effect.provide(NodeNet.layer)))

it.scopedLive("C14 what Node had read before the take-over is delivered first", () =>
  Effect.gen(function*() {
    const listener = yield* Net.listen({ host: "127.0.0.1", port: 0 })
    const node = yield* connected(portOf(listener))
    const peer = yield* listener.accept
    yield* peer.send("early\n")
    // Node has it in its own buffer: readable, and not read.
    yield* Effect.async<void>((resume) => {
      node.once("readable", () => resume(Effect.void))
    })
    const socket = yield* NodeSocket.fromNodeSocket(node)
    yield* peer.send("late\n")
    expect(yield* socket.receiveLine()).toBe("early")
    expect(yield* socket.receiveLine()).toBe("late")
  }).pipe(Effect.provide(NodeNet.layer)))

it.scopedLive("C14 a reset before the take-over shows in the first read", () =>
  Effect.gen(function*() {
    const listener = yield* Net.listen({ host: "127.0.0.1", port: 0 })
    const node = yield* connected(portOf(listener))
    const peer = yield* listener.accept
    node.on("error", () => {})
    const closed = new Promise((resolve) => node.once("close", resolve))
    node.resume()
    yield* peer.abort
    yield* Effect.promise(() => closed)
    const socket = yield* NodeSocket.fromNodeSocket(node)
    const error = yield* Effect.flip(socket.receive())
    expect(error._tag).toBe("SocketBroken")
  }).pipe(Effect.provide(NodeNet.layer)))
