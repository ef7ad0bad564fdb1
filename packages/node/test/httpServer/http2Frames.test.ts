/** Peers of HTTP/2 that break the rules of its frames: the generic cases of h2spec. */
import { type Headers, HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { Effect, Stream, TestClock } from "effect"
import { constants } from "node:http2"
import * as Certificates from "../certificates.js"
import { turns } from "../http/exchanging.js"
import * as Fixture from "../tls/fixture.js"
import {
  block,
  type Fields,
  flags,
  frame,
  get,
  head,
  number,
  open,
  post,
  preface,
  read,
  setting,
  tell,
  types
} from "./http2Frames.js"
import { type App, isIdle, networks, nothingLeft, serve } from "./serving.js"

const { END_HEADERS, END_STREAM, PADDED, PRIORITY } = flags
const {
  NGHTTP2_COMPRESSION_ERROR: COMPRESSION,
  NGHTTP2_ENHANCE_YOUR_CALM: CALM,
  NGHTTP2_FLOW_CONTROL_ERROR: FLOW,
  NGHTTP2_FRAME_SIZE_ERROR: SIZE,
  NGHTTP2_INTERNAL_ERROR: INTERNAL,
  NGHTTP2_NO_ERROR: FINE,
  NGHTTP2_PROTOCOL_ERROR: PROTOCOL,
  NGHTTP2_STREAM_CLOSED: CLOSED
} = constants

/** What is said after the preface and the settings, and what comes of it: for stream 1, or for the connection. */
interface Case {
  readonly section: string
  readonly what: string
  readonly said: ReadonlyArray<Uint8Array>
  /** The codes that are right. A stream's error may end the connection (RFC 9113, section 5.4.2), not the other way. */
  readonly ends: "connection" | "stream" | "nothing"
  readonly code: number
  /** No request before the fault, and none with it, comes to a handler. */
  readonly isUnheard: boolean
}

const cases: ReadonlyArray<Case> = []
const bytes = (...values: ReadonlyArray<number>) => Buffer.from(values)
const wrong = (
  section: string,
  what: string,
  said: ReadonlyArray<Uint8Array>,
  ends: Case["ends"],
  code: number,
  handled = 0
) => (cases as Array<Case>).push({ section, what, said, ends, code, isUnheard: handled === 0 })
const connection = (section: string, what: string, code: number, said: ReadonlyArray<Uint8Array>, handled = 0) =>
  wrong(section, what, said, "connection", code, handled)
const stream = (section: string, what: string, code: number, said: ReadonlyArray<Uint8Array>, handled = 0) =>
  wrong(section, what, said, "stream", code, handled)
const fine = (section: string, what: string, said: ReadonlyArray<Uint8Array>, handled = 1) =>
  wrong(section, what, said, "nothing", FINE, handled)

const open1 = head(1, post, END_HEADERS)
const begun1 = frame(types.HEADERS, END_STREAM, 1, block(get.slice(0, 2)))
const rest1 = block(get.slice(2))
const large = Buffer.alloc(16_385)

// Frames: what is not known is ignored, and sizes hold.
fine("4.1", "a frame of an unknown type", [frame(0x20, 0xff, 0, bytes(1, 2, 3)), head(1, get)])
fine("4.1", "flags that mean nothing", [frame(types.PING, 0x16, 0, Buffer.alloc(8)), head(1, get)])
fine("4.1", "the reserved bit of a stream's number", [
  frame(types.HEADERS, END_HEADERS | END_STREAM, 0x80000001, block(get))
])
fine("5.5", "a frame of an unknown type for an idle stream", [frame(0x20, 0, 77), head(1, get)])
fine("5.3", "PRIORITY of an idle stream", [frame(types.PRIORITY, 0, 3, bytes(0, 0, 0, 0, 9)), head(1, get)])
fine("6.5.2", "an unknown setting", [frame(types.SETTINGS, 0, 0, setting(0x99, 1)), head(1, get)])
fine("6.9", "WINDOW_UPDATE of the connection", [frame(types.WINDOW_UPDATE, 0, 0, number(1)), head(1, get)])
fine("6.10", "a head in two frames", [begun1, frame(types.CONTINUATION, END_HEADERS, 1, rest1)])
fine("6.10", "a head in many frames, some of them empty", [
  begun1,
  ...Array.from(rest1, (byte) => frame(types.CONTINUATION, 0, 1, bytes(byte))).slice(0, 6),
  frame(types.CONTINUATION, END_HEADERS, 1, rest1.subarray(6))
])
fine("6.1", "DATA with padding", [open1, frame(types.DATA, END_STREAM | PADDED, 1, bytes(2, 65, 0, 0))])
fine("8.1", "trailers", [open1, frame(types.DATA, 0, 1, bytes(65)), head(1, [["x-digest", "1"]])])
fine("8.2.2", "TE: trailers", [head(1, [...get, ["te", "trailers"]])])

connection("4.2", "a head past the size of a frame", SIZE, [frame(types.HEADERS, END_HEADERS | END_STREAM, 1, large)])
connection("4.2", "DATA past the size of a frame", SIZE, [open1, frame(types.DATA, END_STREAM, 1, large)], 1)
connection("4.3", "an index that no table has", COMPRESSION, [
  frame(types.HEADERS, END_HEADERS | END_STREAM, 1, bytes(0xff, 0xff, 0x7f))
])
connection("4.3", "the index 0", COMPRESSION, [frame(types.HEADERS, END_HEADERS | END_STREAM, 1, bytes(0x80))])
connection("4.3", "a number without an end", COMPRESSION, [
  frame(types.HEADERS, END_HEADERS | END_STREAM, 1, Buffer.alloc(40, 0xff))
])
connection("4.3", "a block that ends within a field", COMPRESSION, [
  frame(types.HEADERS, END_HEADERS | END_STREAM, 1, bytes(0, 10, 65))
])
connection("4.3", "Huffman's end in a string", COMPRESSION, [
  frame(types.HEADERS, END_HEADERS | END_STREAM, 1, bytes(0, 0x84, 255, 255, 255, 255, 1, 65))
])
connection("4.3", "a table past the setting", COMPRESSION, [
  frame(types.HEADERS, END_HEADERS | END_STREAM, 1, bytes(0x3f, 0xff, 0xff, 0xff, 0x07))
])
connection("4.3", "PRIORITY within a head", PROTOCOL, [
  begun1,
  frame(types.PRIORITY, 0, 1, bytes(0, 0, 0, 0, 9)),
  frame(types.CONTINUATION, END_HEADERS, 1, rest1)
])
connection("4.3", "another stream's HEADERS within a head", PROTOCOL, [
  begun1,
  head(3, get),
  frame(types.CONTINUATION, END_HEADERS, 1, rest1)
])
connection("5.5", "a frame of an unknown type within a head", PROTOCOL, [
  begun1,
  frame(0x20, 0, 1),
  frame(types.CONTINUATION, END_HEADERS, 1, rest1)
])

// States and numbers of streams.
connection("5.1", "DATA of an idle stream", PROTOCOL, [frame(types.DATA, END_STREAM, 1, bytes(65))])
connection("5.1", "RST_STREAM of an idle stream", PROTOCOL, [frame(types.RST_STREAM, 0, 1, number(8))])
connection("5.1", "WINDOW_UPDATE of an idle stream", PROTOCOL, [frame(types.WINDOW_UPDATE, 0, 1, number(1))])
connection("5.1", "CONTINUATION of an idle stream", PROTOCOL, [frame(types.CONTINUATION, END_HEADERS, 1, block(get))])
connection(
  "5.1",
  "DATA after the end of a stream",
  CLOSED,
  [head(1, get), frame(types.DATA, END_STREAM, 1, bytes(65))],
  1
)
connection("5.1", "HEADERS after the end of a stream", CLOSED, [head(1, get), head(1, get)], 1)
connection("5.1", "CONTINUATION after the end of a stream", PROTOCOL, [
  head(1, get),
  frame(types.CONTINUATION, END_HEADERS, 1, rest1)
], 1)
connection("5.1.1", "a stream of the server's numbers", PROTOCOL, [head(2, get)])
// Such a stream has been closed, and may have been so before: the parser ignores it.
fine("5.1.1", "a number below those before", [head(5, get), head(3, get)])

// Each type's own rules.
connection("6.1", "DATA of the connection", PROTOCOL, [open1, frame(types.DATA, END_STREAM, 0, bytes(65))], 1)
connection("6.1", "DATA with padding past its end", PROTOCOL, [
  open1,
  frame(types.DATA, END_STREAM | PADDED, 1, bytes(9, 65))
], 1)
connection("6.2", "HEADERS of the connection", PROTOCOL, [head(0, get)])
connection("6.2", "HEADERS with padding past their end", PROTOCOL, [
  frame(types.HEADERS, END_HEADERS | END_STREAM | PADDED, 1, Buffer.concat([bytes(255), block(get)]))
])
connection("6.2", "HEADERS too short for the priority they announce", SIZE, [
  frame(types.HEADERS, END_HEADERS | END_STREAM | PRIORITY, 1, bytes(0))
])
// The nghttp2 of Node 22 and later looks at no PRIORITY, which RFC 9113 has deprecated (section 5.3.2).
const priority = frame(types.PRIORITY, 0, 0, bytes(0, 0, 0, 1, 9))
if (Number(process.versions.node.split(".")[0]) < 22) {
  connection("6.3", "PRIORITY of the connection", PROTOCOL, [priority])
} else fine("6.3", "PRIORITY of the connection", [priority, head(1, get)])
connection("6.4", "RST_STREAM of the connection", PROTOCOL, [frame(types.RST_STREAM, 0, 0, number(8))])
connection("6.4", "RST_STREAM of another length", SIZE, [open1, frame(types.RST_STREAM, 0, 1, bytes(0, 0, 8))], 1)
connection("6.5", "SETTINGS of a stream", PROTOCOL, [frame(types.SETTINGS, 0, 1, setting(3, 1))])
connection("6.5", "SETTINGS that acknowledge and set", SIZE, [frame(types.SETTINGS, flags.ACK, 0, setting(3, 1))])
connection("6.5", "SETTINGS of another length", SIZE, [frame(types.SETTINGS, 0, 0, bytes(0, 3, 1))])
connection("6.5.2", "ENABLE_PUSH of 2", PROTOCOL, [frame(types.SETTINGS, 0, 0, setting(2, 2))])
connection("6.5.2", "INITIAL_WINDOW_SIZE past 2^31 - 1", FLOW, [frame(types.SETTINGS, 0, 0, setting(4, 2 ** 31))])
connection("6.5.2", "MAX_FRAME_SIZE below 16,384", PROTOCOL, [frame(types.SETTINGS, 0, 0, setting(5, 16_383))])
connection("6.5.2", "MAX_FRAME_SIZE past 2^24 - 1", PROTOCOL, [frame(types.SETTINGS, 0, 0, setting(5, 2 ** 24))])
connection("6.5.3", "an acknowledgement of nothing", PROTOCOL, [
  frame(types.SETTINGS, flags.ACK, 0),
  frame(types.SETTINGS, flags.ACK, 0)
])
connection("6.6", "PUSH_PROMISE of a client", PROTOCOL, [
  open1,
  frame(types.PUSH_PROMISE, END_HEADERS, 1, Buffer.concat([number(2), block(get)]))
], 1)
connection("6.7", "PING of a stream", PROTOCOL, [frame(types.PING, 0, 1, Buffer.alloc(8))])
connection("6.7", "PING of another length", SIZE, [frame(types.PING, 0, 0, Buffer.alloc(6))])
connection("6.8", "GOAWAY of a stream", PROTOCOL, [frame(types.GOAWAY, 0, 1, Buffer.alloc(8))])
connection("6.9", "WINDOW_UPDATE of 0 for the connection", PROTOCOL, [frame(types.WINDOW_UPDATE, 0, 0, number(0))])
stream("6.9", "WINDOW_UPDATE of 0 for a stream", PROTOCOL, [open1, frame(types.WINDOW_UPDATE, 0, 1, number(0))], 1)
connection("6.9", "WINDOW_UPDATE of another length", SIZE, [frame(types.WINDOW_UPDATE, 0, 0, bytes(0, 0, 1))])
connection("6.9.1", "the connection's window past 2^31 - 1", FLOW, [
  frame(types.WINDOW_UPDATE, 0, 0, number(2 ** 31 - 1))
])
stream(
  "6.9.1",
  "a stream's window past 2^31 - 1",
  FLOW,
  [open1, frame(types.WINDOW_UPDATE, 0, 1, number(2 ** 31 - 1))],
  1
)
connection("6.10", "CONTINUATION of the connection", PROTOCOL, [
  begun1,
  frame(types.CONTINUATION, END_HEADERS, 0, rest1)
])
connection("6.10", "CONTINUATION after the end of a head", PROTOCOL, [
  open1,
  frame(types.CONTINUATION, END_HEADERS, 1, rest1)
], 1)
connection("6.10", "CONTINUATION after DATA", PROTOCOL, [
  open1,
  frame(types.DATA, 0, 1, bytes(65)),
  frame(types.CONTINUATION, END_HEADERS, 1, rest1)
], 1)
connection("6.10", "DATA within a head", PROTOCOL, [begun1, frame(types.DATA, END_STREAM, 1, bytes(65))])
connection("10.5.1", "CONTINUATION without an end", CALM, [
  begun1,
  ...Array.from({ length: 2000 }, () => frame(types.CONTINUATION, 0, 1, block([["x-a", "b".repeat(100)]])))
])

// Heads.
const without = (name: string): Fields => get.filter(([other]) => other !== name)
const malformed = (section: string, what: string, fields: Fields) => stream(section, what, PROTOCOL, [head(1, fields)])
malformed("8.2", "a field's name in upper case", [...get, ["X-A", "b"]])
// The parser drops these fields before anybody sees them.
fine("8.2", "a field's name with a space is dropped", [head(1, [...get, ["x a", "b"]])])
fine("8.2", "a field without a name is dropped", [head(1, [...get, ["", "b"]])])
fine("8.2.1", "a value with a line feed is dropped", [head(1, [...get, ["x-a", "b\r\nc: d"]])])
fine("8.2.1", "a value with a NUL is dropped", [head(1, [...get, ["x-a", "b\0c"]])])
for (
  const [name, value] of [
    ["connection", "keep-alive"],
    ["keep-alive", "1"],
    ["proxy-connection", "close"],
    ["transfer-encoding", "chunked"],
    ["upgrade", "h2c"],
    ["te", "gzip"]
  ] as const
) {
  malformed("8.2.2", `the connection's own field ${name}: ${value}`, [...get, [name, value]])
}
malformed("8.3", "a NUL in :path", [...get.filter(([name]) => name !== ":path"), [":path", "/\0"]])
malformed("8.3", "an unknown pseudo-field", [...get, [":test", "b"]])
malformed("8.3", "a pseudo-field of answers", [...get, [":status", "200"]])
malformed("8.3", "a pseudo-field after a field", [...get.slice(0, 3), ["x-a", "b"], get[3]!])
stream("8.3", "a pseudo-field in trailers", PROTOCOL, [open1, head(1, [[":path", "/x"]])], 1)
stream("8.1", "trailers that do not end the stream", PROTOCOL, [open1, head(1, [["x-a", "b"]], END_HEADERS)], 1)
for (const name of [":method", ":scheme", ":path"]) malformed("8.3.1", `no ${name}`, without(name))
malformed("8.3.1", "an empty :path", [...without(":path"), [":path", ""]])
for (const field of get) malformed("8.3.1", `${field[0]} twice`, [...get, field])
stream("8.1.1", "a body of another length than the head says", PROTOCOL, [
  head(1, [...post, ["content-length", "1"]], END_HEADERS),
  frame(types.DATA, END_STREAM, 1, bytes(65, 65))
], 1)
stream("8.1.1", "a body in parts of another length", PROTOCOL, [
  head(1, [...post, ["content-length", "1"]], END_HEADERS),
  frame(types.DATA, 0, 1, bytes(65)),
  frame(types.DATA, END_STREAM, 1, bytes(65))
], 1)

const endless: Fields = get.map(([name, value]) => [name, name === ":path" ? "/endless" : value])

const greeting = Buffer.concat([preface, frame(types.SETTINGS, 0, 0)])

/** Answers with the sizes of the body's parts, and keeps the fields that came. */
const serving = (isSecure: boolean) =>
  Effect.gen(function*() {
    const { server } = yield* Fixture.TestPki
    const handled: Array<Headers.Headers> = []
    const app: App = Effect.gen(function*() {
      const { headers, stream } = yield* HttpServerRequest.HttpServerRequest
      handled.push(headers)
      return HttpServerResponse.raw(yield* Stream.runFold(stream, "", (text, bytes) => text + bytes.length))
    })
    const port = yield* serve(
      app,
      isSecure
        ? { drain: "1 millis", listen: { port: 0, tls: { identity: Certificates.identity(server) } } }
        : { drain: "1 millis", http2: "clear" }
    )
    const isServed = Effect.scoped(Effect.gen(function*() {
      const socket = yield* open(port, isSecure)
      const { streams } = yield* tell(socket, Buffer.concat([greeting, head(1, get)]))
      expect(streams[1]).toBe(FINE)
    }))
    return { port, handled, isServed }
  })

const ends: ReadonlyArray<{ readonly when: string; readonly said: ReadonlyArray<Uint8Array> }> = [
  { when: "without a request", said: [] },
  { when: "under a request", said: [head(1, get)] },
  { when: "under two answers that it does not read", said: [1, 3].map((id) => head(id, endless)) },
  { when: "under an answer, after a PING", said: [head(1, endless), frame(types.PING, 0, 0, Buffer.alloc(8))] }
]

/** Faults of which Node's parser tells the client alone. */
const unsaid = [
  { what: "DATA of the connection", said: frame(types.DATA, 0, 0) },
  { what: "CONTINUATION of nothing", said: frame(types.CONTINUATION, 0, 1) },
  { what: "a frame that is too large", said: frame(types.DATA, 0, 1, large) }
]

/** Lets the clock go on until it holds. */
const passing = <R>(condition: Effect.Effect<boolean, never, R>): Effect.Effect<void, never, R> =>
  Effect.flatMap(
    condition,
    (holds) =>
      holds ? Effect.void : Effect.zipRight(
        Effect.zipRight(TestClock.adjust("1 seconds"), turns),
        passing(condition)
      )
  )

/** What Node throws in events of its own has no other place to go. */
const uncaught: Array<unknown> = []
const seen = (error: unknown): void => void uncaught.push(error)
beforeAll(() => void process.on("uncaughtExceptionMonitor", seen))
afterAll(() => void process.off("uncaughtExceptionMonitor", seen))

for (const [at, [name, network]] of networks.entries()) {
  for (const isSecure of [at === 0]) {
    describe(`frames of HTTP/2 ${isSecure ? "by ALPN" : "in clear"}, on ${name}`, () => {
      it.scopedLive.each(cases)("X06 $section: $what", ({ code, ends, isUnheard, said }) =>
        Effect.gen(function*() {
          const { handled, isServed, port } = yield* serving(isSecure)
          const outcome = yield* Effect.scoped(Effect.gen(function*() {
            const socket = yield* open(port, isSecure)
            return yield* tell(socket, Buffer.concat([greeting, ...said]))
          }))
          const isOver = outcome.hasEnded || outcome.goaway !== undefined
          if (ends === "nothing") {
            expect([isOver, Object.values(outcome.streams), handled.length]).toEqual([false, [FINE], 1])
          } else if (ends === "stream" && !isOver) expect(outcome.streams[1]).toBe(code)
          else {
            expect(isOver).toBe(true)
            // Where Node, not its parser, ends the session, it gives no reason; a reset may overtake it.
            expect([undefined, code, INTERNAL]).toContain(outcome.goaway)
          }
          if (isUnheard) expect(handled).toEqual([])
          for (const fields of handled) {
            expect(Object.keys(fields)).not.toContain("x a")
            expect(Object.keys(fields)).not.toContain("")
            expect(fields).not.toHaveProperty("x-a")
          }
          yield* isServed
        }).pipe(Effect.provide(network)), 5000)

      it.scopedLive.each(ends)(
        "X01 a client that ends its connection $when has left, and nothing of it stays",
        ({ said }) =>
          Effect.gen(function*() {
            const { server } = yield* Fixture.TestPki
            const outcomes: Array<string> = []
            const app = HttpRouter.empty.pipe(
              HttpRouter.get("/", Effect.never),
              HttpRouter.get("/endless", HttpServerResponse.stream(Stream.forever(Stream.succeed(large)))),
              HttpRouter.use((handler) =>
                Effect.zipRight(
                  Effect.addFinalizer((exit) => Effect.sync(() => void outcomes.push(exit._tag))),
                  handler
                )
              )
            )
            const port = yield* serve(
              app,
              isSecure ? { listen: { port: 0, tls: { identity: Certificates.identity(server) } } } : { http2: "clear" }
            )
            // Its end comes with what it said, or when the server has begun to answer.
            for (const reads of [false, true]) {
              const socket = yield* open(port, isSecure)
              yield* socket.send(Buffer.concat([greeting, ...said]))
              if (reads) yield* read(socket)
              yield* socket.shutdown("send")
              yield* nothingLeft
            }
            expect(outcomes).not.toContain("Success")
            expect(uncaught).toEqual([])
          }).pipe(Effect.provide(network)),
        5000
      )

      /** A connection to a server whose time-outs the clock of the test drives, and which answers nothing, or much. */
      const timed = Effect.gen(function*() {
        const { server } = yield* Fixture.TestPki
        const app = HttpRouter.empty.pipe(
          HttpRouter.get("/", Effect.never),
          HttpRouter.post("/", HttpServerResponse.raw(Buffer.alloc(200_000)))
        )
        const port = yield* serve(app, {
          ...(isSecure
            ? { listen: { port: 0, tls: { identity: Certificates.identity(server) } } }
            : { http2: "clear" }),
          timeouts: { idle: "8 seconds", send: "8 seconds" }
        })
        return yield* open(port, isSecure)
      })

      it.scoped.each(unsaid)(
        "X01 a client whose fault is $what holds no connection, whatever it sends on",
        ({ said }) =>
          Effect.gen(function*() {
            for (const request of [Buffer.alloc(0), head(1, get), open1]) {
              const socket = yield* timed
              yield* socket.send(Buffer.concat([greeting, request, said]))
              yield* read(socket)
              yield* Effect.fork(Effect.forever(socket.send(frame(types.PING, 0, 0, Buffer.alloc(8)))))
              yield* passing(isIdle)
            }
          }).pipe(Effect.provide(network)),
        10_000
      )

      it.scoped(
        "X01 a client that waits for an answer longer than idle is pinged, and is kept while it says anything",
        () =>
          Effect.gen(function*() {
            const socket = yield* timed
            yield* socket.send(Buffer.concat([greeting, head(1, get)]))
            let pings = 0
            const answering = Effect.gen(function*() {
              while (pings < 3) {
                const got = yield* read(socket)
                if (got === undefined) return
                if (got.type !== types.PING || (got.flag & flags.ACK) !== 0) continue
                pings += 1
                if (pings < 3) yield* socket.send(frame(types.PING, flags.ACK, 0, got.payload))
              }
            })
            yield* Effect.fork(answering)
            yield* passing(Effect.sync(() => pings === 3))
            expect(yield* isIdle).toBe(false)
            yield* passing(isIdle)
          }).pipe(Effect.provide(network)),
        10_000
      )
    })
  }
}
