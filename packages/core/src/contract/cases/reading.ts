/** How a socket reads: lines, records, and whatever has arrived, in whatever pieces it comes. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { Net } from "../../Net.js"
import type { Socket } from "../../Socket.js"
import {
  byteByByte,
  type Case,
  connected,
  defect,
  failure,
  mentions,
  received,
  same,
  sendApart,
  test,
  textOf,
  utf8
} from "./support.js"

const conversation = "first\r\nsecond\n\n\r\nüñ€😀\r\na\rb\r\nlast"
const lines = ["first", "second", "", "", "üñ€😀", "a\rb"]

type Segments = ReadonlyArray<Uint8Array>

/** Reads the conversation while it comes in `segments`, and again when all of them are there already. */
const inSegments = (
  segments: Segments,
  read: (socket: Socket) => Effect.Effect<void, unknown>
): Effect.Effect<void, unknown, Net> =>
  Effect.gen(function*() {
    yield* Effect.scoped(Effect.gen(function*() {
      const { client, server } = yield* connected()
      const reading = yield* Effect.fork(read(server))
      yield* sendApart(client, server, segments)
      yield* client.shutdown("send")
      yield* Fiber.join(reading)
    }))
    yield* Effect.scoped(Effect.gen(function*() {
      const { client, server } = yield* connected()
      yield* sendApart(client, server, segments)
      yield* client.shutdown("send")
      yield* read(server)
    }))
  })

const readLines = (socket: Socket): Effect.Effect<void, unknown> =>
  Effect.gen(function*() {
    for (const line of lines) same(yield* socket.receiveLine(), line, "the line")
    const end = yield* failure(socket.receiveLine(), "SocketClosed")
    same([end.by, textOf(end.partial)], ["peer", "last"], "the end")
    same(textOf(yield* socket.receiveAll()), "last", "what was unfinished")
    const again = yield* failure(socket.receiveLine(), "SocketClosed")
    same([again.by, again.partial.length, again.operation], ["peer", 0, "receive"], "the end again")
  })

const bytes = utf8(conversation)

const splits: ReadonlyArray<Segments> = Array.from(
  { length: bytes.length - 1 },
  (_, index) => [bytes.subarray(0, index + 1), bytes.subarray(index + 1)]
)

const record = "--boundary--"
const records = ["", "one", "-", "--bound", "x".repeat(700)]
const recordBytes = utf8(`${records.join(record)}${record}rest`)

const readRecords = (socket: Socket): Effect.Effect<void, unknown> =>
  Effect.gen(function*() {
    for (const one of records) same(textOf(yield* socket.receiveUntil(record)), one, "the record")
    const end = yield* failure(socket.receiveUntil(utf8(record)), "SocketClosed")
    same(textOf(end.partial), "rest", "what was unfinished")
  })

const readExactly = (socket: Socket): Effect.Effect<void, unknown> =>
  Effect.gen(function*() {
    same((yield* socket.receiveExactly(0)).length, 0, "the length of nothing")
    same(yield* socket.receiveExactly(1), bytes.subarray(0, 1), "the first byte")
    same(yield* socket.receiveExactly(20), bytes.subarray(1, 21), "the next 20 bytes")
    const end = yield* failure(socket.receiveExactly(1000), "SocketClosed")
    same([end.by, end.partial], ["peer", bytes.subarray(21)], "the end")
    same(yield* socket.receiveExactly(bytes.length - 21), bytes.subarray(21), "the rest")
  })

const readAll = (socket: Socket): Effect.Effect<void, unknown> =>
  Effect.gen(function*() {
    same(yield* socket.receiveAll(), bytes, "everything")
    same((yield* socket.receiveAll()).length, 0, "what is left")
  })

const readWhatCame = (socket: Socket): Effect.Effect<void, unknown> =>
  Effect.gen(function*() {
    const got: Array<number> = []
    for (;;) {
      const exit = yield* Effect.either(socket.receive({ maxBytes: 7 }))
      if (exit._tag === "Left") {
        same(exit.left._tag, "SocketClosed", "the end")
        break
      }
      if (exit.right.length === 0 || exit.right.length > 7) throw new Error(`${exit.right.length} bytes were received`)
      got.push(...exit.right)
    }
    same(Uint8Array.from(got), bytes, "what came")
  })

const manners: ReadonlyArray<readonly [string, (socket: Socket) => Effect.Effect<void, unknown>, Uint8Array]> = [
  ["receiveLine", readLines, bytes],
  ["receiveUntil", readRecords, recordBytes],
  ["receiveExactly", readExactly, bytes],
  ["receiveAll", readAll, bytes],
  ["receive", readWhatCame, bytes]
]

const segmentation: ReadonlyArray<Case> = manners.flatMap(([name, read, all]) => {
  const row = name === "receive" ? "C21" : "C20"
  return [
    test(`${row} ${name} gives the same when everything comes in one chunk`, inSegments([all], read)),
    test(`${row} ${name} gives the same when one byte comes at a time`, inSegments(byteByByte(all), read))
  ]
})

const tooLong = <E>(
  read: (socket: Socket) => Effect.Effect<unknown, E>,
  sent: string
): Effect.Effect<void, unknown, Net | Scope.Scope> =>
  Effect.gen(function*() {
    const { client, server } = yield* connected()
    yield* client.send(sent)
    yield* received(server, sent.length)
    yield* read(server)
  })

const never = utf8("never")

/** The cases. */
export const cases: ReadonlyArray<Case> = [
  ...segmentation,
  test(
    "C20 receiveLine gives the same wherever two chunks are split, between CR and LF and within a character too",
    Effect.forEach(splits, (segments) => inSegments(segments, readLines), { discard: true })
  ),
  test(
    "C20 a line that is as long as its bound is a line, whether LF or CR LF ends it",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      yield* sendApart(client, server, ["12345678\n12345678\r\n", "12345678\r", "\n"])
      for (let index = 0; index < 3; index += 1) {
        same(yield* server.receiveLine({ maxLength: 8 }), "12345678", "the line")
      }
      yield* client.send("\n\r\n")
      same(yield* server.receiveLine({ maxLength: 0 }), "", "the empty line")
      same(yield* server.receiveLine({ maxLength: 0 }), "", "the empty line")
    })
  ),
  test(
    "C20 a line past its bound fails with LineTooLong, and its bytes are kept",
    tooLong((server) =>
      Effect.gen(function*() {
        const error = yield* failure(server.receiveLine({ maxLength: 8 }), "LineTooLong")
        same(error.limit, 8, "the limit")
        mentions(error.message, server.name, "8 bytes", "maxLength")
        same(yield* server.receiveLine({ maxLength: 9 }), "123456789", "the line with a higher bound")
      }), "123456789\r\n")
  ),
  test(
    "C20 a line without end fails with LineTooLong as soon as it is past its bound",
    tooLong((server) =>
      Effect.gen(function*() {
        yield* failure(server.receiveLine({ maxLength: 8 }), "LineTooLong")
        same(textOf(yield* server.receiveExactly(10)), "0123456789", "the bytes")
      }), "0123456789")
  ),
  test(
    "C20 a line without end fails with LineTooLong at the default bound of 64 KiB, whatever the high-water mark is",
    Effect.gen(function*() {
      const { client, server } = yield* connected({ server: { highWaterMark: 1 } })
      const sending = yield* Effect.fork(client.send("x".repeat(200_000)))
      same((yield* failure(server.receiveLine(), "LineTooLong")).limit, 65536, "the limit")
      same((yield* server.receiveExactly(200_000)).length, 200_000, "the bytes")
      yield* Fiber.join(sending)
    })
  ),
  test(
    "C20 a record past its bound fails with LineTooLong, and its bytes are kept",
    tooLong((server) =>
      Effect.gen(function*() {
        yield* failure(server.receiveUntil("; ", { maxLength: 4 }), "LineTooLong")
        same(textOf(yield* server.receiveUntil("; ", { maxLength: 5 })), "12345", "the record")
        same(textOf(yield* server.receiveUntil("; ", { maxLength: 0 })), "", "the empty record")
        yield* failure(server.receiveUntil("; ", { maxLength: 4 }), "LineTooLong")
        same(textOf(yield* server.receiveExactly(8)), "abcdefgh", "the bytes")
      }), "12345; ; abcdefgh")
  ),
  test(
    "C20 receiveAll past its bound fails with MessageTooLong while the peer still sends, and the bytes are kept",
    tooLong((server) =>
      Effect.gen(function*() {
        const error = yield* failure(server.receiveAll({ maxBytes: 8 }), "MessageTooLong")
        same([error.limit, error.operation], [8, "receive"], "the error")
        same(textOf(yield* server.receiveExactly(9)), "123456789", "the bytes")
      }), "123456789")
  ),
  test(
    "C20 receiveAll as long as its bound gives all",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      yield* client.send("12345678")
      yield* client.shutdown("send")
      same(textOf(yield* server.receiveAll({ maxBytes: 8 })), "12345678", "everything")
    })
  ),
  test(
    "C20 receiveExactly gives more than the high-water mark",
    Effect.gen(function*() {
      const { client, server } = yield* connected({ server: { highWaterMark: 1000 } })
      const all = new Uint8Array(1_500_000).fill(7)
      const sending = yield* Effect.fork(client.send(all))
      same((yield* server.receiveExactly(1_500_000)).length, 1_500_000, "the length")
      yield* Fiber.join(sending)
    })
  ),
  test(
    "C20 an invalid byte of a line is U+FFFD in UTF-8 and itself in latin1, and a byte order mark stays",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      yield* client.send(Uint8Array.of(0x61, 0xff, 0x62, 10, 0x61, 0xff, 0x62, 10, 0xef, 0xbb, 0xbf, 0x61, 10))
      same(yield* server.receiveLine(), "a\uFFFDb", "UTF-8")
      same(yield* server.receiveLine({ encoding: "latin1" }), "a\u00ffb", "latin1")
      same(yield* server.receiveLine(), "\uFEFFa", "the byte order mark")
    })
  ),
  test(
    "C20 a zero byte is a byte like others",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      yield* client.send(Uint8Array.of(0, 10, 0, 0, 1))
      same(yield* server.receiveLine(), "\0", "the line")
      same(yield* server.receiveUntil(Uint8Array.of(0, 1)), Uint8Array.of(0), "the record")
    })
  ),
  test(
    "C20 receive with joined takes all that has arrived as one chunk, at most what is asked for or fits",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      const parts = ["a".repeat(600), "b".repeat(600), "c".repeat(600)].map(utf8)
      yield* sendApart(client, server, parts)
      yield* received(server, 1800)
      same(
        textOf(yield* server.receive({ joined: true, maxBytes: 700 })),
        `${"a".repeat(600)}${"b".repeat(100)}`,
        "700"
      )
      const into = new Uint8Array(800)
      const filled = yield* server.receive({ joined: true, into })
      same(textOf(filled), `${"b".repeat(500)}${"c".repeat(300)}`, "what fits")
      same(textOf(yield* server.receive({ joined: true })), "c".repeat(300), "the rest")

      // A read that waits, one that is interrupted while it does, and the end.
      const waiting = yield* Effect.fork(server.receive({ joined: true, into }))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(waiting)
      const reading = yield* Effect.fork(server.receive({ joined: true }))
      yield* Effect.yieldNow()
      yield* client.send("later")
      same(textOf(yield* Fiber.join(reading)), "later", "what came later")
      yield* client.shutdown("send")
      same((yield* failure(server.receive({ joined: true }), "SocketClosed")).by, "peer", "the end")
      const wrong = yield* defect(server.receive({ joined: true, into: new Uint8Array(0) }))
      mentions(String(wrong), "into")
    })
  ),
  test(
    "C20 the manners of reading can be mixed on one socket",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      yield* client.send("HEAD /\r\n12345;rest;all of it")
      yield* client.shutdown("send")
      same(yield* server.receiveLine(), "HEAD /", "the line")
      same(textOf(yield* server.receiveExactly(5)), "12345", "the length")
      same(textOf(yield* server.receiveUntil(";")), "", "the record")
      same(textOf(yield* server.receiveUntil(";")), "rest", "the record")
      same(textOf(yield* server.receive({ maxBytes: 1 })), "a", "a byte")
      same(textOf(yield* server.receiveAll()), "ll of it", "the rest")
    })
  ),
  test(
    "C20 a wrong bound or an empty delimiter is a defect that names the option",
    Effect.gen(function*() {
      const { server } = yield* connected()
      const wrong: ReadonlyArray<readonly [string, Effect.Effect<unknown, unknown>]> = [
        ["maxLength", server.receiveLine({ maxLength: -1 })],
        ["maxBytes", server.receive({ maxBytes: 0 })],
        ["length", server.receiveExactly(Number.NaN)],
        ["length", server.receiveExactly(1.5)],
        ["maxBytes", server.receiveAll({ maxBytes: -1 })],
        ["maxLength", server.receiveUntil(never, { maxLength: Infinity })],
        ["delimiter", server.receiveUntil("")]
      ]
      for (const [option, read] of wrong) {
        const error = yield* defect(read)
        mentions(error instanceof Error ? error.message : String(error), option, "must be")
      }
    })
  ),
  test(
    "C21 a chunk that was received belongs to the receiver: nothing writes into it afterwards",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      yield* sendApart(client, server, ["a", "b", "c"])
      const first = yield* server.receive()
      const kept = first.slice()
      yield* sendApart(client, server, ["d", "e"])
      const second = yield* server.receive()
      const keptToo = second.slice()
      yield* sendApart(client, server, ["f", "g"])
      same([first, second], [kept, keptToo], "the chunks")
    })
  )
]
