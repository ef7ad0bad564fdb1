/** Sends that do not wait: taken or refused at once, within a bound, and in order with the others. */
import * as Effect from "effect/Effect"
import type { DatagramSocket } from "../../DatagramSocket.js"
import * as Net from "../../Net.js"
import type { Socket, TraceEvent } from "../../Socket.js"
import type { OfferError } from "../../SocketError.js"
import type { Certificates } from "../TlsMaterial.js"
import { bound, came, connectedTo } from "./datagramSupport.js"
import {
  begin,
  type Case,
  connected,
  failure,
  holds,
  outcome,
  pattern,
  same,
  test,
  textOf,
  turn,
  until
} from "./support.js"
import { fixture, test as tlsTest, type TlsCase } from "./tlsSupport.js"

const mark = 100_000
const marks = { client: { sendHighWaterMark: mark }, server: { highWaterMark: mark } }

/** The answers to offers of these lengths, all in one turn. What was taken is `pattern(total)`. */
const offers = (socket: Socket, lengths: ReadonlyArray<number>): Effect.Effect<ReadonlyArray<boolean>, OfferError> => {
  const bytes = pattern(lengths.reduce((sum, length) => sum + length, 0))
  let at = 0
  return Effect.forEach(lengths, (length) =>
    Effect.map(socket.offer(bytes.subarray(at, at + length)), (taken) => {
      if (taken) at += length
      return taken
    }))
}

/** Offers until the peer, which does not read, takes no more; gives how many were taken. */
const offerUntilStuck = (socket: Socket, data: Uint8Array): Effect.Effect<number, OfferError> =>
  Effect.gen(function*() {
    let taken = 0
    for (let refused = 0; refused < 50;) {
      if (yield* socket.offer(data)) {
        taken += 1
        refused = 0
      } else {
        refused += 1
        holds((yield* socket.stats).sendBuffered <= Math.max(mark, data.length), "the bound is kept")
        yield* turn
      }
    }
    return taken
  })

/** The cases of stream sockets. */
export const cases: ReadonlyArray<Case> = [
  test(
    "C22 an offer is taken whole while there is room to the mark, and refused whole when there is none",
    Effect.gen(function*() {
      const { client, server } = yield* connected(marks)
      const answers = yield* offers(client, [40_000, 40_000, 40_000, 20_000, 1, 0])
      same(answers, [true, true, false, true, false, true], "what was taken")
      same((yield* client.stats).sendBuffered, mark, "what waits")
      same(yield* server.receiveExactly(mark), pattern(mark), "what came")
      yield* client.flush
      same(yield* client.offer("€".repeat(10)), true, "an offer with room again")
      same(textOf(yield* server.receiveExactly(30)), "€".repeat(10), "the text")
    })
  ),
  test(
    "C22 texts are measured in bytes",
    Effect.gen(function*() {
      const { client, server } = yield* connected(marks)
      same(yield* client.offer("a".repeat(40_000)), true, "the first")
      same(yield* client.offer("€".repeat(20_001)), false, "60,003 bytes")
      same(yield* client.offer("€".repeat(20_000)), true, "60,000 bytes")
      same((yield* server.receiveExactly(mark)).length, mark, "what came")
    })
  ),
  test(
    "C22 offers to a peer that does not read hold no more than the mark, and none that was taken is lost",
    Effect.gen(function*() {
      const { client, server } = yield* connected(marks)
      const data = pattern(10_000)
      const taken = yield* offerUntilStuck(client, data)
      for (let count = 0; count < taken; count += 1) {
        same(yield* server.receiveExactly(data.length), data, "one of them")
      }
      yield* client.shutdown("send")
      same((yield* server.receiveAll()).length, 0, "what follows")
    })
  ),
  test(
    "C22 a socket with nothing to send takes an offer of any length",
    Effect.gen(function*() {
      const { client, server } = yield* connected(marks)
      const long = pattern(1_000_000)
      same(yield* client.offer(long), true, "the long one")
      same(yield* client.offer("!"), false, "the next one")
      same(yield* server.receiveExactly(long.length), long, "what came")
      yield* client.flush
      same(yield* client.offer("x".repeat(200_000)), true, "a long text")
      same((yield* server.receiveExactly(200_000)).length, 200_000, "the text")
    })
  ),
  test(
    "C22 an offer does not overtake the sends that wait, and comes after those before it",
    Effect.gen(function*() {
      const { client, server } = yield* connected(marks)
      const filled = 10_000 * (yield* offerUntilStuck(client, pattern(10_000)))
      const first = yield* begin(client.send("1".repeat(mark)))
      const second = yield* begin(client.send("2"))
      same(yield* client.offer("?"), false, "an offer while sends wait")
      same((yield* server.receiveExactly(filled + mark)).length, filled + mark, "what came first")
      yield* outcome(first)
      yield* outcome(second)
      same(yield* client.offer("3"), true, "an offer when they are through")
      yield* client.send("4")
      same(textOf(yield* server.receiveExactly(3)), "234", "the order")
    })
  ),
  test(
    "C22 an offer neither waits nor forks, whether it is taken or refused",
    Effect.gen(function*() {
      const { client } = yield* connected(marks)
      // What suspends fails `runSync`.
      same(Effect.runSync(client.offer(pattern(mark))), true, "the first")
      same(Effect.runSync(client.offer("!")), false, "the second")
    })
  ),
  test(
    "C22 a closed, a finished and a broken socket take no offer",
    Effect.gen(function*() {
      const finished = yield* connected()
      yield* finished.client.shutdown("send")
      same((yield* failure(finished.client.offer("x"), "SocketClosed")).by, "here", "after its end")
      yield* finished.client.close
      same((yield* failure(finished.client.offer("x"), "SocketClosed")).by, "here", "after close")
      same((yield* finished.server.receiveAll()).length, 0, "what came")
      const broken = yield* connected()
      yield* broken.server.abort
      yield* until(Effect.map(Effect.either(broken.client.offer("x")), ({ _tag }) => _tag === "Left"))
      const error = yield* failure(broken.client.offer("x"), "SocketBroken")
      same([error.operation, error.bytesSent], ["send", 0], "the error")
    })
  ),
  test(
    "C22 a trace, the socket's numbers and the network's count what was offered and taken",
    Effect.gen(function*() {
      const { client, server } = yield* connected(marks)
      const net = yield* Net.Net
      const before = yield* net.bytes
      const events: Array<TraceEvent> = []
      yield* client.observe((event) => events.push(event))
      same(yield* offers(client, [60_000, 60_000]), [true, false], "what was taken")
      yield* client.flush
      same((yield* server.receiveExactly(60_000)).length, 60_000, "what came")
      same((yield* client.stats).bytesSent, 60_000, "the socket's number")
      same((yield* net.bytes).bytesSent - before.bytesSent, 60_000, "the network's number")
      const sent = events.flatMap(({ bytes, event }) => event === "sent" ? [bytes ?? 0] : [])
      same(sent.reduce((sum, bytes) => sum + bytes, 0), 60_000, "the trace")
    })
  ),
  test(
    "C22 a broadcast reaches every member that reads, and one that does not read misses what does not fit",
    Effect.gen(function*() {
      const { client: slow, listener, server: slowEnd } = yield* connected(marks)
      const members: Array<Socket> = [slow]
      const ends: Array<Socket> = []
      for (let count = 0; count < 5; count += 1) {
        members.push(yield* Net.connect({ host: "127.0.0.1", port: listener.port, linger: 0 }))
        ends.push(yield* listener.accept)
      }
      yield* offerUntilStuck(slow, pattern(10_000))
      const data = pattern(10_000)
      for (let round = 0; round < 3; round += 1) {
        const answers = yield* Effect.forEach(members, (member) => member.offer(data))
        same(answers, [false, true, true, true, true, true], "what was taken")
        for (const end of ends) same(yield* end.receiveExactly(data.length), data, "the message")
      }
      yield* slowEnd.abort
    })
  )
]

/** The cases of secure sockets. */
export const tlsCases = (certificates: Certificates): ReadonlyArray<TlsCase> => {
  const { pair } = fixture(certificates)
  return [
    tlsTest(
      "C22 over TLS an offer is taken or refused as without it, in order with the sends",
      Effect.gen(function*() {
        const { client, server } = yield* pair()
        yield* client.send("begin")
        const answers = yield* offers(client, [100_000, 100_000, 100_000, 50_000])
        same(answers, [true, true, false, true], "what was taken")
        yield* Effect.fork(client.send("end"))
        same(textOf(yield* server.receiveExactly(5)), "begin", "the first")
        same(yield* server.receiveExactly(250_000), pattern(250_000), "what was taken")
        same(textOf(yield* server.receiveExactly(3)), "end", "the last")
        yield* client.close
        yield* failure(client.offer("x"), "SocketClosed")
      })
    )
  ]
}

const offering = (socket: DatagramSocket, count: number): Effect.Effect<number, unknown> =>
  Effect.gen(function*() {
    let taken = 0
    for (let sent = 0; sent < count; sent += 1) taken += (yield* socket.offer("x")) ? 1 : 0
    return taken
  })

/** The cases of datagram sockets. */
export const datagramCases: ReadonlyArray<Case> = [
  test(
    "C23 an offered datagram arrives and is counted, at a peer and at anybody",
    Effect.gen(function*() {
      const socket = yield* bound()
      const client = yield* connectedTo(socket)
      const events: Array<TraceEvent> = []
      yield* client.observe((event) => events.push(event))
      same(yield* client.offer("héllo"), true, "the peer's")
      const { data, from } = yield* socket.receiveFrom
      same(textOf(data), "héllo", "what came")
      same(yield* socket.offerTo("back", from), true, "the reply")
      same(textOf(yield* client.receive()), "back", "the reply")
      const other = yield* bound()
      same(yield* socket.offerTo("a", { host: "127.0.0.1", port: other.port }), true, "to a stranger")
      same(textOf(yield* other.receive()), "a", "what the stranger got")
      same((yield* client.stats).datagramsSent, 1, "datagrams")
      same((yield* client.stats).bytesSent, 6, "bytes")
      same(events.filter(({ event }) => event === "sent").map(({ bytes }) => bytes), [6], "the trace")
    })
  ),
  test(
    "C23 64 datagrams may be under way; an offer past that is refused, and taken when they are out",
    Effect.gen(function*() {
      const socket = yield* bound()
      const client = yield* connectedTo(socket)
      same(Effect.runSync(offering(client, 70)), 64, "how many were taken")
      yield* until(Effect.map(client.stats, ({ datagramsSent }) => datagramsSent === 64))
      same(yield* client.offer("x"), true, "an offer afterwards")
      yield* came(socket, 65)
    })
  ),
  test(
    "C23 an offer fails at once where a send would, and looks no name up",
    Effect.gen(function*() {
      const socket = yield* bound()
      same((yield* failure(socket.offer("x"), "DatagramError")).reason, "NotConnected", "without a peer")
      const to = { host: "127.0.0.1", port: socket.port }
      yield* failure(socket.offerTo(new Uint8Array(70_000), to), "MessageTooLong")
      same(
        (yield* failure(socket.offerTo("x", { ...to, host: "localhost" }), "InvalidOption")).option,
        "host",
        "a name"
      )
      same((yield* failure(socket.offerTo("x", { ...to, port: 0 }), "InvalidOption")).option, "port", "no port")
      const client = yield* connectedTo(socket)
      same((yield* failure(client.offerTo("x", to), "DatagramError")).reason, "AlreadyConnected", "with a peer")
      yield* client.close
      same((yield* failure(client.offer("x"), "SocketClosed")).by, "here", "a closed socket")
      same((yield* client.stats).datagramsSent, 0, "what was sent")
    })
  )
]
