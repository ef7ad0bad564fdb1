/** The halves of a datagram socket, each alone. */
import { expect, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import type { Datagram } from "../../src/DatagramSocket.js"
import type { DatagramConnection } from "../../src/internal/datagram/connection.js"
import { DatagramInbound } from "../../src/internal/datagram/inbound.js"
import { DatagramOutbound } from "../../src/internal/datagram/outbound.js"
import { Sender } from "../../src/internal/datagram/sender.js"
import { none } from "../../src/internal/time/timeouts.js"
import { inet } from "../../src/NetAddress.js"
import type { Failure } from "../../src/Transport.js"
import { begin, bytes, fakeConnection, text } from "../socket/fakeConnection.js"

const refused: Failure = { reason: "Refused", cause: undefined }

interface FakeDatagrams extends DatagramConnection {
  peer: DatagramConnection["peer"]
  timeouts: DatagramConnection["timeouts"]
  isClosing: boolean
}

/** A socket with a peer, of three datagrams or a hundred bytes; the test completes what the transport was given. */
const opened = Effect.map(fakeConnection, ({ deadlines, id, mark, name, netState, said, traced }) => {
  const done: Array<(failure?: Failure) => void> = []
  const reported: Array<Failure> = []
  const whole: FakeDatagrams = {
    id,
    mark,
    name,
    deadlines,
    traced,
    timeouts: none,
    isClosing: false,
    netState: { platform: { ...netState.platform, lookup: () => Effect.die("no name is looked up") } },
    transport: {
      send: (data, to, whenDone) => {
        said.push(`send ${typeof data === "string" ? data : text(data)}${to === undefined ? "" : ` to ${to.port}`}`)
        done.push(whenDone)
      }
    },
    target: { address: inet("127.0.0.1", 1), ipv6Only: false },
    peer: inet("127.0.0.1", 7),
    shownPeer: "127.0.0.1:7",
    inbound: { report: (failure) => reported.push(failure), takeFailure: () => reported.shift() }
  }
  const inbound = new DatagramInbound(whole, 3, 1000)
  const next = inbound.read(({ data }: Datagram) => text(data))
  const deliver = (value: string) => Effect.sync(() => inbound.deliver(bytes(value), inet("127.0.0.1", 7)))
  return { whole, inbound, outbound: new DatagramOutbound(whole), next, deliver, done, reported, said }
})

it.effect("C23 datagrams wait in their order, and those past the bound are dropped and counted", () =>
  Effect.gen(function*() {
    const { deliver, inbound, next } = yield* opened
    for (const value of ["a", "b", "c", "d"]) yield* deliver(value)
    expect([inbound.queued, inbound.dropped, inbound.datagrams]).toEqual([3, 1, 3])
    expect([yield* next, yield* next, yield* next]).toEqual(["a", "b", "c"])
    const reading = yield* begin(next)
    yield* deliver("e")
    expect(yield* Fiber.join(reading)).toBe("e")
    expect(inbound.queuedBytes).toBe(0)
  }))

it.effect("C17 each waiting read has a time-out of its own, and a failure is reported to one of them", () =>
  Effect.gen(function*() {
    const { inbound, next, whole } = yield* opened
    whole.timeouts = { ...none, receive: 1000 }
    const first = yield* begin(Effect.flip(next))
    yield* TestClock.adjust(600)
    const second = yield* begin(Effect.flip(next))
    yield* TestClock.adjust(400)
    expect(yield* Fiber.join(first)).toMatchObject({ _tag: "SocketTimeout", timeout: "receive", afterMillis: 1000 })
    expect(inbound.readers.length).toBe(1)
    inbound.report(refused)
    expect(yield* Fiber.join(second)).toMatchObject({ _tag: "DatagramError", reason: "Refused" })
    expect(inbound.takeFailure()).toBeUndefined()
  }))

it.effect("C23 the first send to a peer waits for the system's word, those after it do not", () =>
  Effect.gen(function*() {
    const { done, outbound, said } = yield* opened
    const first = yield* begin(outbound.send("a", undefined))
    expect(first.unsafePoll()).toBe(null)
    done.shift()!()
    yield* Fiber.join(first)
    yield* outbound.send("bc", undefined)
    expect(said).toEqual(["send a", "sent 1", "send bc"])
    done.shift()!()
    expect([outbound.datagrams, outbound.bytes]).toEqual([2, 3])
  }))

it.effect("C23 one that no call waited for and that was not sent is counted and reported, and the next one waits", () =>
  Effect.gen(function*() {
    const { done, outbound, reported } = yield* opened
    expect(yield* outbound.offer("a", undefined)).toBe(true)
    done.shift()!(refused)
    expect([outbound.unsent, outbound.datagrams, reported]).toEqual([1, 0, [refused]])
    expect(yield* Effect.flip(outbound.offer("b", undefined))).toMatchObject({ reason: "Refused", operation: "send" })
    const next = yield* begin(outbound.send("c", undefined))
    expect(next.unsafePoll()).toBe(null)
    done.shift()!()
    yield* Fiber.join(next)
    expect([outbound.unsent, outbound.datagrams]).toEqual([1, 1])
  }))

it.effect("C23 64 offers may be under way, whoever they are for", () =>
  Effect.gen(function*() {
    const { done, outbound, whole } = yield* opened
    whole.peer = undefined
    const to = (port: number) => new Sender("127.0.0.1", port, "IPv4", whole)
    for (let port = 1; port <= 64; port += 1) expect(yield* outbound.offer("x", to(port))).toBe(true)
    expect(yield* outbound.offer("x", to(65))).toBe(false)
    done.shift()!()
    expect(yield* outbound.offer("x", to(65))).toBe(true)
    expect(yield* outbound.offer("x", to(66))).toBe(false)
  }))

it.effect("C17 a send that the system does not take has its time-out, and closing ends it", () =>
  Effect.gen(function*() {
    const { outbound, whole } = yield* opened
    whole.timeouts = { ...none, send: 1000 }
    const late = yield* begin(Effect.flip(outbound.send("a", undefined)))
    yield* TestClock.adjust(1000)
    expect(yield* Fiber.join(late)).toMatchObject({ _tag: "SocketTimeout", timeout: "send" })
    const closed = yield* begin(Effect.flip(outbound.send("b", undefined)))
    whole.isClosing = true
    outbound.failAll()
    expect(yield* Fiber.join(closed)).toMatchObject({ _tag: "SocketClosed", by: "here" })
    expect(yield* Effect.flip(outbound.offer("c", undefined))).toMatchObject({ _tag: "SocketClosed", by: "here" })
  }))
