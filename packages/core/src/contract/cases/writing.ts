/** How a socket sends: in order, together, and no faster than the peer takes it. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { hasEnded, type RunningFiber } from "../../internal/effect/fibers.js"
import type { Net } from "../../Net.js"
import type { Socket } from "../../Socket.js"
import type { SendError } from "../../SocketError.js"
import {
  type Case,
  connected,
  failureOf,
  holds,
  mentions,
  outcome,
  pattern,
  received,
  same,
  settled,
  test,
  textOf,
  turn,
  until
} from "./support.js"

const chunkSize = 65536
const chunk = pattern(chunkSize)

/** Sends chunks for as long as the peer takes them; gives the fiber that does, and what it got rid of. */
const pour = (
  socket: Socket,
  data: Uint8Array = chunk
): Effect.Effect<{ readonly fiber: RunningFiber<never, SendError>; readonly calls: () => number }> =>
  Effect.gen(function*() {
    let calls = 0
    const fiber = yield* Effect.fork(Effect.forever(Effect.map(socket.send(data), () => {
      calls += 1
    })))
    return { fiber, calls: () => calls }
  })

/** Waits until nothing moves any more on the way from `socket` to a peer that does not read. */
const stuck = (socket: Socket): Effect.Effect<void> =>
  Effect.gen(function*() {
    let before = -1
    let unchanged = 0
    while (unchanged < 50) {
      const { bytesSent, sendBuffered } = yield* socket.stats
      unchanged = sendBuffered > 0 && bytesSent === before ? unchanged + 1 : 0
      before = bytesSent
      yield* turn
    }
  })

const highWaterMark = 100_000
const marks = { client: { sendHighWaterMark: highWaterMark }, server: { highWaterMark } }

const withoutReader = <E>(
  then: (client: Socket, server: Socket) => Effect.Effect<unknown, E, Net | Scope.Scope>
): Effect.Effect<void, unknown, Net | Scope.Scope> =>
  Effect.gen(function*() {
    const { client, server } = yield* connected(marks)
    yield* then(client, server)
  })

/** The cases. */
export const cases: ReadonlyArray<Case> = [
  test(
    "C22 send delivers all of it, bytes and text, in the order of the calls",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      yield* Effect.fork(Effect.gen(function*() {
        yield* client.send("")
        yield* client.send("ü")
        yield* client.send(new Uint8Array(0))
        yield* client.send(Uint8Array.of(1, 2, 3))
        yield* client.send("x".repeat(200_000))
        yield* client.send(pattern(3_000_000))
        yield* client.send("€".repeat(70_000))
        yield* client.send("end")
        yield* client.shutdown("send")
      }))
      same(textOf(yield* server.receiveExactly(2)), "ü", "the text")
      same(yield* server.receiveExactly(3), Uint8Array.of(1, 2, 3), "the bytes")
      same(textOf(yield* server.receiveExactly(200_000)), "x".repeat(200_000), "the long text")
      same(yield* server.receiveExactly(3_000_000), pattern(3_000_000), "the long bytes")
      same(textOf(yield* server.receiveExactly(210_000)), "€".repeat(70_000), "the long text")
      same(textOf(yield* server.receiveAll()), "end", "the end")
    })
  ),
  test(
    "C22 text that is cut within a surrogate pair is sent, and what is sent is counted to the end",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      yield* client.send("\ud83d")
      yield* client.send("\ude00")
      yield* client.send("!\n")
      yield* client.flush
      same((yield* client.stats).sendBuffered, 0, "what is left")
      holds((yield* server.receiveLine()).endsWith("!"), "the line came to its end")
    })
  ),
  test(
    "C22 sends of several fibers are not mixed within a call",
    Effect.gen(function*() {
      const { client, server } = yield* connected({ client: { sendHighWaterMark: 1000 } })
      const size = 200_000
      const senders = yield* Effect.forEach(
        [1, 2, 3, 4],
        (byte) => Effect.fork(client.send(new Uint8Array(size).fill(byte)))
      )
      const order: Array<number> = []
      for (let call = 0; call < senders.length; call += 1) {
        const bytes = yield* server.receiveExactly(size)
        order.push(bytes[0]!)
        holds(bytes.every((byte) => byte === bytes[0]), "one call's bytes are together")
      }
      for (const sender of senders) yield* outcome(sender)
      same(order, [1, 2, 3, 4], "the order of the calls")
    })
  ),
  test(
    "C22 a fiber that sends again goes after those that wait for room",
    Effect.gen(function*() {
      const { client, server } = yield* connected({ client: { sendHighWaterMark: 0 } })
      const size = 6_000_000
      const twice = (byte: number): Effect.Effect<void, SendError> =>
        Effect.repeatN(client.send(new Uint8Array(size).fill(byte)), 1)
      const senders = yield* Effect.forEach([1, 2, 3], (byte) => Effect.tap(Effect.fork(twice(byte)), settled))
      const order: Array<number> = []
      for (let call = 0; call < 6; call += 1) order.push((yield* server.receiveExactly(size))[0]!)
      for (const sender of senders) yield* outcome(sender)
      same(order, [1, 2, 3, 1, 2, 3], "the order of the calls")
    })
  ),
  test(
    "C22 a peer that never reads cannot make memory grow: send waits, and no more than a call waits past the mark",
    withoutReader((client, server) =>
      Effect.gen(function*() {
        const { fiber } = yield* pour(client)
        yield* stuck(client)
        const sent = yield* client.stats
        holds(sent.sendBuffered <= highWaterMark + chunkSize, `${sent.sendBuffered} bytes are bounded on this side`)
        const got = yield* server.stats
        holds(got.receiveBuffered <= highWaterMark + 2 * chunkSize, `${got.receiveBuffered} are bounded on that side`)
        const before = (yield* server.stats).bytesReceived
        // It reads again: everything continues.
        yield* server.receiveExactly(before + 10 * chunkSize)
        yield* Fiber.interrupt(fiber)
      })
    )
  ),
  test(
    "C22 many senders to a peer that never reads hold no more than one of them does",
    withoutReader((client) =>
      Effect.gen(function*() {
        const senders = yield* Effect.replicateEffect(pour(client), 20)
        yield* stuck(client)
        const { sendBuffered } = yield* client.stats
        holds(sendBuffered <= highWaterMark + chunkSize, `${sendBuffered} bytes are bounded`)
        for (const { fiber } of senders) yield* Fiber.interrupt(fiber)
      })
    )
  ),
  test(
    "C22 what came is not read on past the high-water mark, and everything comes when the reader continues",
    Effect.gen(function*() {
      const { client, server } = yield* connected({ server: { highWaterMark: 10_000 } })
      const all = pattern(5_000_000)
      const sending = yield* Effect.fork(Effect.zipRight(client.send(all), client.shutdown("send")))
      yield* received(server, 10_000)
      for (let turns = 0; turns < 20; turns += 1) {
        const { receiveBuffered } = yield* server.stats
        holds(receiveBuffered <= 10_000 + 2 * chunkSize, `${receiveBuffered} bytes are bounded`)
        yield* turn
      }
      same(yield* server.receiveAll(), all, "everything")
      yield* outcome(sending)
    })
  ),
  test(
    "C17 the send time-out ends a send to a peer that never reads, and says how many bytes went out",
    Effect.gen(function*() {
      const { client, server } = yield* connected({ ...marks, client: { timeouts: { send: "5 seconds" } } })
      const size = 40_000_000
      const sending = yield* Effect.fork(client.send(new Uint8Array(size)))
      yield* stuck(client)
      yield* TestClock.adjust("5 seconds")
      const error = yield* failureOf(yield* outcome(sending), "SocketTimeout")
      const { bytesSent } = yield* client.stats
      same([error.operation, error.afterMillis, error.bytesSent], ["send", 5000, bytesSent], "the error")
      holds(bytesSent < size, "not all was sent")
      mentions(error.message, client.name, "send timed out", "5000 ms", String(bytesSent))
      // The rest is still on its way: the peer gets all of it.
      yield* server.receiveExactly(size)
    })
  ),
  test(
    "C17 the send time-out counts from the last byte that went out",
    Effect.gen(function*() {
      const { client, server } = yield* connected({ ...marks, client: { timeouts: { send: "10 seconds" } } })
      const size = 40_000_000
      const sending = yield* Effect.fork(client.send(new Uint8Array(size)))
      yield* stuck(client)
      let before = (yield* client.stats).bytesSent
      let taken = 0
      for (let round = 0; round < 4; round += 1) {
        yield* TestClock.adjust("9 seconds")
        // The peer takes some, until that is seen here.
        yield* until(Effect.gen(function*() {
          taken += (yield* server.receive()).length
          return (yield* client.stats).bytesSent > before
        }))
        yield* stuck(client)
        before = (yield* client.stats).bytesSent
      }
      same(hasEnded(sending), false, "the state of the send")
      yield* server.receiveExactly(size - taken)
      yield* Fiber.join(sending)
    })
  ),
  test(
    "C17 a send that needs no waiting does not time out, not even with a time-out of zero",
    Effect.gen(function*() {
      const { client, server } = yield* connected({ client: { timeouts: { send: 0 } } })
      yield* client.send("line\n")
      yield* TestClock.adjust("1 seconds")
      same(yield* server.receiveLine(), "line", "the line")
    })
  ),
  test(
    "C22 an interrupted send that waited for room sent nothing, and the next one is whole",
    withoutReader((client, server) =>
      Effect.gen(function*() {
        const first = yield* Effect.fork(client.send(new Uint8Array(20_000_000)))
        yield* stuck(client)
        const second = yield* Effect.fork(client.send("never"))
        yield* settled(second)
        yield* Fiber.interrupt(second)
        const third = yield* Effect.fork(client.send("third\n"))
        yield* server.receiveExactly(20_000_000)
        same(yield* server.receiveLine(), "third", "the line")
        yield* outcome(first)
        yield* outcome(third)
      })
    )
  ),
  test(
    "C22 flush waits until the system took everything",
    withoutReader((client, server) =>
      Effect.gen(function*() {
        const sending = yield* Effect.fork(client.send(new Uint8Array(20_000_000)))
        yield* stuck(client)
        const flushing = yield* Effect.fork(client.flush)
        yield* settled(flushing)
        same(hasEnded(flushing), false, "the state of the flush")
        yield* server.receiveExactly(20_000_000)
        same(yield* outcome(flushing), Exit.void, "the flush")
        same((yield* client.stats).sendBuffered, 0, "what waits")
        yield* outcome(sending)
      })
    )
  ),
  test(
    "C22 both ends can send at the same time, each more than the buffers hold",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      const all = pattern(8_000_000)
      const exchange = (socket: Socket): Effect.Effect<Uint8Array, unknown> =>
        Effect.map(
          Effect.all([Effect.zipRight(socket.send(all), socket.shutdown("send")), socket.receiveAll()], {
            concurrency: "unbounded"
          }),
          ([, received]) => received
        )
      const [left, right] = yield* Effect.all([exchange(client), exchange(server)], { concurrency: 2 })
      same(left.length, all.length, "what the client got")
      same(right, all, "what the server got")
    })
  ),
  test(
    "S05 stats count the bytes both ways, what waits, and the age",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      yield* client.send("12345")
      yield* client.flush
      yield* received(server, 5)
      yield* TestClock.adjust("3 seconds")
      const sent = yield* client.stats
      same([sent.bytesSent, sent.sendBuffered, sent.bytesReceived, sent.ageMillis], [5, 0, 0, 3000], "the client's")
      const got = yield* server.stats
      same([got.bytesReceived, got.receiveBuffered, got.bytesSent, got.ageMillis], [5, 5, 0, 3000], "the server's")
      yield* server.receiveExactly(2)
      same((yield* server.stats).receiveBuffered, 3, "what waits to be read")
    })
  )
]
