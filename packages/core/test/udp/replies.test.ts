/** Replies to the sender of a datagram, which do not wait. */
import {
  DatagramSocket,
  type DatagramTransport,
  Net,
  NetAddress,
  type NetPlatform,
  type Transport,
  Udp
} from "@copas/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"

/** A platform that sends nothing by itself: the test says how each datagram went. */
const scripted = () => {
  const sent: Array<(failure: Transport.Failure | undefined) => void> = []
  let events: DatagramTransport.DatagramEvents | undefined
  const transport: DatagramTransport.DatagramTransport = {
    localAddress: NetAddress.inet("127.0.0.1", 5000),
    remoteAddress: undefined,
    open: (given) => {
      events = given
      given.bound()
    },
    send: (_, __, done) => {
      sent.push(done)
    },
    connect: (_, done) => queueMicrotask(() => done(undefined)),
    disconnect: () => undefined,
    join: () => undefined,
    leave: () => {},
    close: () => queueMicrotask(() => events!.closed()),
    setOption: () => undefined,
    getOption: () => undefined
  }
  const unused = (): never => {
    throw new Error("not a part of this platform")
  }
  const platform: NetPlatform.Platform = {
    name: "script",
    endOfTurn: queueMicrotask,
    connect: unused,
    listen: unused,
    lookup: unused,
    unsupported: () => undefined,
    byteLength: (text) => text.length,
    decode: unused,
    datagrams: { bind: () => transport, unsupported: () => undefined }
  }
  return {
    layer: Layer.sync(Net.Net, () => Net.make(platform)),
    sent,
    deliver: (text: string, port = 7) => events!.deliver(new TextEncoder().encode(text), "192.0.2.1", port)
  }
}

const failed: Transport.Failure = { reason: "OutOfMemory", cause: new Error("ENOBUFS") }

describe("replies", () => {
  it.scoped("S07 a reply does not wait; one that was not sent counts as unsent, and the next one waits and fails", () => {
    const { deliver, layer, sent } = scripted()
    return Effect.gen(function*() {
      const socket = yield* Udp.bind()
      deliver("ask")
      const { from } = yield* socket.receiveFrom
      yield* socket.sendTo("answer", from)
      expect((yield* socket.stats).datagramsSent).toBe(0)
      sent.pop()!(failed)
      expect(yield* socket.stats).toMatchObject({ datagramsSent: 0, unsent: 1 })
      const second = yield* Effect.fork(Effect.flip(socket.sendTo("again", from)))
      yield* Effect.yieldNow()
      sent.pop()!(failed)
      expect(yield* Fiber.join(second)).toMatchObject({ _tag: "DatagramError", reason: "OutOfMemory" })
      const third = yield* Effect.fork(socket.sendTo("once more", from))
      yield* Effect.yieldNow()
      sent.pop()!(undefined)
      yield* Fiber.join(third)
      yield* socket.sendTo("as before", from)
      sent.pop()!(undefined)
      expect(yield* socket.stats).toMatchObject({ datagramsSent: 2, unsent: 1 })
    }).pipe(Effect.provide(layer))
  })

  it.scoped("S07 who is not known to be there is waited for, and so are replies when too many are under way", () => {
    const { deliver, layer, sent } = scripted()
    return Effect.gen(function*() {
      const socket = yield* Udp.bind()
      const stranger = yield* Effect.fork(socket.sendTo("x", { host: "192.0.2.9", port: 9 }))
      yield* Effect.yieldNow()
      expect(stranger.unsafePoll()).toBe(null)
      sent.pop()!(undefined)
      yield* Fiber.join(stranger)
      deliver("ask")
      const { from } = yield* socket.receiveFrom
      const flood = yield* Effect.fork(Effect.forEach(Array.from({ length: 100 }), () => socket.sendTo("x", from)))
      yield* Effect.yieldNow()
      expect(flood.unsafePoll()).toBe(null)
      expect(sent.length).toBe(65)
      yield* Effect.repeat(
        Effect.zipRight(Effect.sync(() => sent.splice(0).forEach((done) => done(undefined))), Effect.yieldNow()),
        { until: () => flood.unsafePoll() !== null }
      )
      for (const done of sent.splice(0)) done(undefined)
      expect(yield* socket.stats).toMatchObject({ datagramsSent: 101, unsent: 0 })
    }).pipe(Effect.provide(layer))
  })

  it.scoped("S07 a reply to a sender without a port is a DatagramError, as other replies that cannot be sent", () => {
    const { deliver, layer } = scripted()
    return Effect.gen(function*() {
      const socket = yield* Udp.bind()
      deliver("no reply, please", 0)
      const { data, from } = yield* socket.receiveFrom
      const error = yield* Effect.flip(socket.sendTo(data, from))
      expect(error).toMatchObject({ _tag: "DatagramError", reason: "Unreachable", target: "192.0.2.1:0" })
    }).pipe(Effect.provide(layer))
  })

  it.scoped("C23 forEach hands over one datagram after the other, until one cannot be handled", () => {
    const { deliver, layer } = scripted()
    return Effect.gen(function*() {
      const socket = yield* Udp.bind()
      for (const text of ["a", "b", "c", "d"]) deliver(text)
      const seen: Array<string> = []
      const error = yield* Effect.flip(DatagramSocket.forEach(socket, ({ data }) => {
        seen.push(new TextDecoder().decode(data))
        return seen.length === 3 ? Effect.fail("enough") : Effect.void
      }))
      expect(error).toBe("enough")
      expect(seen).toEqual(["a", "b", "c"])
      expect((yield* socket.stats).queued).toBe(1)
    }).pipe(Effect.provide(layer))
  })
})
