/** What the tests of lent sockets share: pairs, and waits for what streams of Node report. */
import { Net, type NetAddress, type Socket, type SocketOptions } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { NodeNet } from "@copas/node"
import { Effect, Layer } from "effect"
import type { Duplex } from "node:stream"
import * as Fixture from "../tls/fixture.js"
import { turn, until } from "../turns.js"

/** Both networks; a lent socket is Node's own on the first. */
export const networks: ReadonlyArray<
  readonly [name: string, network: Layer.Layer<Net.Net | Fixture.TestPki>, isNative: boolean]
> = [
  ["Node's network", Layer.merge(NodeNet.layer, Fixture.layer), true],
  ["the network in memory", Layer.merge(NetMemory.layer, Fixture.layer), false]
]

export const pair = (
  options: { readonly client?: SocketOptions.CommonOptions; readonly server?: SocketOptions.CommonOptions } = {}
) =>
  Effect.gen(function*() {
    const listener = yield* Net.listen({ host: "127.0.0.1", port: 0, linger: 0, ...options.server })
    const client = yield* Net.connect({ host: "127.0.0.1", port: listener.port, linger: 0, ...options.client })
    return { client, server: yield* listener.accept, listener }
  })

export const received = (socket: Socket.Socket, bytes: number): Effect.Effect<void> =>
  until(Effect.map(socket.stats, ({ bytesReceived }) => bytesReceived >= bytes))

export const once = <A>(stream: Duplex, event: string): Effect.Effect<A> =>
  Effect.async((resume) => {
    stream.once(event, (value: A) => resume(Effect.succeed(value)))
  })

/** Node says so a tick before it emits the error. */
export const closed = (stream: Duplex): Effect.Effect<void> =>
  Effect.suspend(() => stream.closed ? turn : once<void>(stream, "close"))

/** Collects what comes; `bytes` waits until so many have. */
export const collect = (stream: Duplex) => {
  const chunks: Array<Buffer> = []
  let size = 0
  let hasEnded = false
  stream.on("data", (chunk: Buffer) => {
    chunks.push(chunk)
    size += chunk.length
  })
  stream.on("end", () => {
    hasEnded = true
  })
  return {
    whole: () => Buffer.concat(chunks),
    bytes: (count: number) => Effect.map(until(Effect.sync(() => size >= count)), () => Buffer.concat(chunks)),
    ended: until(Effect.sync(() => hasEnded))
  }
}

/** The error with which a stream ends, or none. It must be asked for before. */
export const errorOf = (stream: Duplex) => {
  let error: unknown
  stream.on("error", (given) => {
    error = given
  })
  return Effect.map(closed(stream), () => error)
}

export const shown = (address: NetAddress.NetAddress) =>
  address._tag === "InetAddress" ? [address.host, address.port] : [address.path]
