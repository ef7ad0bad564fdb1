/** Messages that come slowly: `timeouts.message` bounds each from its first byte to its end. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"

import * as Copas from "../../Copas.js"
import { hasEnded, type RunningFiber } from "../../internal/effect/fibers.js"
import { SeededRandom } from "../../internal/effect/random.js"
import * as Net from "../../Net.js"
import * as SocketModule from "../../Socket.js"
import type { Socket } from "../../Socket.js"
import type { LineTooLong, MessageTooLong, ReceiveError, SocketTimeout } from "../../SocketError.js"
import type { Certificates } from "../TlsMaterial.js"
import { type DispatcherCase, test as dispatcherTest } from "./dispatcherSupport.js"
import {
  begin,
  byteByByte,
  type Case,
  connected,
  failure,
  failureOf,
  listening,
  outcome,
  received,
  same,
  settled,
  test,
  textOf,
  until,
  utf8
} from "./support.js"
import { fixture, test as tlsTest, type TlsCase } from "./tlsSupport.js"

type Reading = RunningFiber<unknown, ReceiveError | LineTooLong | MessageTooLong>

interface Pattern {
  /** Reads one message. */
  readonly read: (socket: Socket) => Effect.Effect<unknown, ReceiveError | LineTooLong | MessageTooLong>
  /** Nine bytes; the peer's end follows where `ends`. */
  readonly message: string
  readonly ends?: boolean
}

/** Every operation that may need more than one chunk. */
const patterns: Record<string, Pattern> = {
  receiveLine: { read: (socket) => socket.receiveLine(), message: "abcdefgh\n" },
  receiveExactly: { read: (socket) => socket.receiveExactly(9), message: "abcdefghi" },
  receiveUntil: { read: (socket) => socket.receiveUntil("--"), message: "abcdefg--" },
  receiveAll: { read: (socket) => socket.receiveAll(), message: "abcdefghi", ends: true },
  forEachLine: {
    read: (socket) =>
      Effect.catchAll(
        socket.forEachLine(() => Effect.fail("one" as const)),
        (error) => error === "one" ? Effect.void : Effect.fail(error)
      ),
    message: "abcdefgh\n"
  },
  lines: { read: (socket) => Stream.runHead(SocketModule.lines(socket)), message: "abcdefgh\n" }
}

const timeouts = { receive: "1500 millis", message: "5 seconds" } as const

const slowly = connected({ server: { timeouts } })

/** Sends `bytes` one by one. Each has arrived, and `reading` waits again, before the clock moves by the next gap. */
const trickle = (
  client: Socket,
  server: Socket,
  reading: Reading,
  bytes: Uint8Array,
  gap: (index: number) => number
): Effect.Effect<void, unknown> =>
  Effect.gen(function*() {
    const { bytesReceived: before } = yield* server.stats
    for (const [index, byte] of byteByByte(bytes).entries()) {
      if (index > 0) yield* TestClock.adjust(gap(index))
      yield* client.send(byte)
      yield* received(server, before + index + 1)
      yield* settled(reading)
    }
  })

/** Fails unless `reading` failed because its message took too long. */
const tooSlow = (reading: Reading): Effect.Effect<SocketTimeout> =>
  Effect.map(Effect.flatMap(outcome(reading), (exit) => failureOf(exit, "SocketTimeout")), (error) => {
    same([error.timeout, error.operation, error.afterMillis], ["message", "receive", 5000], "the time-out")
    return error
  })

/** The cases of stream sockets. */
export const cases: ReadonlyArray<Case> = [
  ...Object.entries(patterns).map(([name, { ends = false, message, read }]) =>
    test(
      `C17 ${name}: a message that comes a byte at a time has its time-out, and one in time is received`,
      Effect.gen(function*() {
        const { client, server } = yield* slowly
        const reading = yield* begin(read(server))
        // The time before the first byte is no part of it.
        yield* TestClock.adjust("1 second")
        yield* trickle(client, server, reading, utf8("12345"), () => 1000)
        yield* TestClock.adjust("999 millis")
        yield* settled(reading)
        same(hasEnded(reading), false, "the read before its time-out")
        yield* TestClock.adjust("1 millis")
        same(textOf((yield* tooSlow(reading)).partial), "12345", "what had come")
        same(textOf(yield* server.receiveExactly(5)), "12345", "what can still be read")
        const next = yield* begin(read(server))
        yield* trickle(client, server, next, utf8(message), () => 600)
        if (ends) yield* client.shutdown("send")
        same(Exit.isSuccess(yield* outcome(next)), true, "the next message came in time")
      })
    )
  ),
  test(
    "C17 a message is received exactly if its last byte comes before its time-out, whatever the gaps",
    Effect.gen(function*() {
      const random = new SeededRandom(17)
      for (let round = 0; round < 24; round += 1) {
        const [name, { ends = false, message, read }] = Object.entries(patterns)[round % 6]!
        const { client, server } = yield* slowly
        const reading = yield* begin(read(server))
        // Odd, so that no byte comes at the very moment of the time-out; below the time-out of `receive`.
        const gaps = Array.from(message, () => 2 * random.integer(650) + 1)
        const taken = gaps.slice(1).reduce((sum, gap) => sum + gap, 0)
        // `trickle` stops the clock with the last byte; the next byte's gap decides for what has not come yet.
        yield* trickle(client, server, reading, utf8(message), (index) => gaps[index]!)
        if (ends) yield* client.shutdown("send")
        const exit = yield* outcome(reading)
        same(Exit.isSuccess(exit), taken < 5000, `${name} that takes ${taken} ms ends well`)
        if (Exit.isFailure(exit)) same((yield* failureOf(exit, "SocketTimeout")).timeout, "message", "the time-out")
      }
    })
  ),
  test(
    "C17 receive bounds the wait for a message's first byte and every gap in it, and says so",
    Effect.gen(function*() {
      const { client, server } = yield* slowly
      const silent = yield* begin(server.receiveLine())
      yield* TestClock.adjust("1500 millis")
      same((yield* failureOf(yield* outcome(silent), "SocketTimeout")).timeout, "receive", "before the first byte")
      const stalled = yield* begin(server.receiveLine())
      yield* trickle(client, server, stalled, utf8("ab"), () => 1000)
      yield* TestClock.adjust("1500 millis")
      same((yield* failureOf(yield* outcome(stalled), "SocketTimeout")).timeout, "receive", "in a gap")
    })
  ),
  test(
    "C17 each message has a time of its own, also where the next one begins in the same chunk",
    Effect.gen(function*() {
      const { client, server } = yield* slowly
      const lines: Array<string> = []
      const reading: Reading = yield* begin(server.forEachLine((line) => Effect.sync(() => lines.push(line))))
      for (let round = 0; round < 5; round += 1) {
        for (const chunk of ["x", "x", "x\ny"]) {
          const { bytesReceived: before } = yield* server.stats
          yield* client.send(chunk)
          yield* received(server, before + chunk.length)
          yield* settled(reading)
          yield* TestClock.adjust("1200 millis")
        }
      }
      same(lines, ["xxx", "yxxx", "yxxx", "yxxx", "yxxx"], "the lines")
      same(hasEnded(reading), false, "the loop continues")
    })
  ),
  test(
    "C17 what lies unread does not count: a message's time begins when a call finds its first byte",
    Effect.gen(function*() {
      const { client, server } = yield* slowly
      yield* client.send("half")
      yield* received(server, 4)
      yield* TestClock.adjust("1 hour")
      const reading = yield* begin(server.receiveLine())
      yield* trickle(client, server, reading, utf8(" a line\n"), () => 500)
      same(yield* outcome(reading), Exit.succeed("half a line"), "the line")
    })
  ),
  test(
    "C17 a call that is interrupted leaves its message's time running for the next one",
    Effect.gen(function*() {
      const { client, server } = yield* slowly
      const line: Effect.Effect<string, ReceiveError | LineTooLong> = Effect.suspend(() =>
        Effect.flatMap(
          Effect.timeoutOption(server.receiveLine(), "700 millis"),
          Option.match({ onNone: () => line, onSome: Effect.succeed })
        )
      )
      const reading = yield* begin(line)
      yield* trickle(client, server, reading, utf8("123456789abc"), () => 400)
      yield* TestClock.adjust("600 millis")
      same(textOf((yield* tooSlow(reading)).partial), "123456789abc", "what had come")
    })
  ),
  test(
    "C17 after a message's time-out the next call has the whole time again",
    Effect.gen(function*() {
      const { client, server } = yield* connected({ server: { timeouts: { message: "5 seconds" } } })
      yield* client.send("half")
      yield* received(server, 4)
      for (const round of [1, 2]) {
        const reading = yield* begin(server.receiveLine())
        yield* TestClock.adjust("4999 millis")
        same(hasEnded(reading), false, `the read ${round}`)
        yield* TestClock.adjust("1 millis")
        yield* tooSlow(reading)
      }
      yield* client.send(" a line\n")
      same(yield* server.receiveLine(), "half a line", "the line")
    })
  ),
  test(
    "C17 receive, which takes whatever has arrived, has no message to time",
    Effect.gen(function*() {
      const { client, server } = yield* connected({ server: { timeouts: { message: 0 } } })
      for (const byte of "abc") {
        const reading = yield* begin(server.receive())
        yield* TestClock.adjust("1 hour")
        yield* client.send(byte)
        same(textOf(yield* Effect.flatten(outcome(reading))), byte, "the byte")
      }
      yield* client.send("whole\nhalf")
      yield* received(server, 13)
      same(yield* server.receiveLine(), "whole", "a line that has arrived already")
      const reading = yield* begin(server.receiveLine())
      yield* TestClock.adjust(0)
      same((yield* failureOf(yield* outcome(reading), "SocketTimeout")).timeout, "message", "one that has not")
    })
  ),
  test(
    "C17 setTimeouts changes the time of a message under way, and null unsets it",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      yield* client.send("half")
      yield* received(server, 4)
      const reading = yield* begin(server.receiveLine())
      yield* TestClock.adjust("1 hour")
      yield* server.setTimeouts({ message: "10 seconds" })
      yield* TestClock.adjust("6 seconds")
      same(hasEnded(reading), false, "the read, counted from the change")
      yield* server.setTimeouts({ message: null })
      yield* TestClock.adjust("1 hour")
      same(hasEnded(reading), false, "the read without a time-out")
      yield* server.setTimeouts({ message: "5 seconds" })
      yield* TestClock.adjust("4999 millis")
      same(hasEnded(reading), false, "the read, counted again")
      yield* TestClock.adjust("1 millis")
      yield* tooSlow(reading)
      same((yield* failure(server.setTimeouts({ message: -1 }), "InvalidOption")).option, "timeouts.message")
    })
  ),
  test(
    "C17 setTimeouts changes what is set when it runs, and no other time-out",
    Effect.gen(function*() {
      const { server } = yield* connected({ server: { timeouts: { send: 1000 } } })
      const receive = server.setTimeouts({ receive: 3000 })
      yield* server.setTimeouts({ send: 2000 })
      yield* receive
      const millis = ({ receive, send }: typeof server.timeouts) =>
        [send, receive].map((one) => Duration.toMillis(one!))
      same(millis(server.timeouts), [2000, 3000], "the time-outs")
    })
  )
]

/** The case of secure sockets: what counts are the bytes of the message, not those of records. */
export const tlsCases = (certificates: Certificates): ReadonlyArray<TlsCase> => {
  const { pair } = fixture(certificates)
  return [
    tlsTest(
      "C17 over TLS a message that comes a byte at a time has its time-out",
      Effect.gen(function*() {
        const { client, server } = yield* pair()
        yield* server.setTimeouts(timeouts)
        const reading = yield* begin(server.receiveLine())
        yield* trickle(client, server, reading, utf8("12345"), () => 1000)
        yield* TestClock.adjust("1 second")
        same(textOf((yield* tooSlow(reading)).partial), "12345", "what had come")
      })
    )
  ]
}

/** The case of a server. */
export const dispatcherCases: ReadonlyArray<DispatcherCase> = [
  dispatcherTest(
    "C17 a server's time-outs end the conversations of peers that send a byte a second, and no other",
    Copas.run(Effect.gen(function*() {
      const count = 30
      const ended: Array<string> = []
      const server = yield* Copas.addServer(
        yield* listening(),
        (socket) =>
          Effect.catchTag(
            socket.forEachLine((line) => socket.send(`${line}\n`)),
            "SocketTimeout",
            ({ timeout }) => Effect.sync(() => ended.push(timeout))
          ),
        { timeouts }
      )
      const dial = Net.connect({ host: "127.0.0.1", port: server.listener.port, linger: 0 })
      yield* Effect.scoped(Effect.gen(function*() {
        const slow = yield* Effect.replicateEffect(dial, count)
        const quick = yield* dial
        const net = yield* Net.Net
        for (let second = 0; second < 5; second += 1) {
          const { bytesReceived: before } = yield* net.bytes
          yield* Effect.forEach(slow, (socket) => socket.send("x"))
          yield* until(Effect.map(net.bytes, ({ bytesReceived }) => bytesReceived >= before + count))
          yield* quick.send("hello\n")
          same(yield* quick.receiveLine(), "hello", "the answer")
          same(ended.length, 0, "who has been ended")
          yield* TestClock.adjust("1 second")
        }
        yield* until(Effect.sync(() => ended.length === count))
        same(new Set(ended).size, 1, "the time-outs that ran out")
        same(ended[0], "message", "the time-out")
        yield* quick.send("still here\n")
        same(yield* quick.receiveLine(), "still here", "the answer")
      }))
      yield* Copas.removeServer(server)
    }))
  )
]
