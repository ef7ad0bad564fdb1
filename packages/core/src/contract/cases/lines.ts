/** The loop over lines: what it takes at once must be what reads one by one would have been. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import {
  begin,
  type Case,
  connected,
  failure,
  holds,
  outcome,
  received,
  same,
  sendApart,
  test,
  until,
  utf8
} from "./support.js"

const collecting = (got: Array<string>) => (line: string): Effect.Effect<void> =>
  Effect.sync(() => {
    got.push(line)
  })

/** The cases. */
export const cases: ReadonlyArray<Case> = [
  test(
    "S13 forEachLine gives every line once and in order: empty ones, CR LF and LF, cut anywhere",
    Effect.gen(function*() {
      const lines = ["", "one", "", "", "ü€😀", "x".repeat(5000), "", "last"]
      const text = lines.map((line, index) => line + (index % 2 === 0 ? "\r\n" : "\n")).join("")
      for (const cut of [1, 7, 100, 100_000]) {
        const { client, server } = yield* connected()
        const bytes = utf8(text)
        const pieces = Array.from(
          { length: Math.ceil(bytes.length / cut) },
          (_, index) => bytes.subarray(index * cut, (index + 1) * cut)
        )
        const got: Array<string> = []
        const reading = yield* begin(server.forEachLine(collecting(got)))
        if (cut === 1) { for (const piece of pieces) yield* client.send(piece) }
        else yield* sendApart(client, server, pieces)
        yield* client.shutdown("send")
        same(yield* outcome(reading), Exit.void, "the end")
        same(got, lines, `the lines, cut each ${cut} bytes`)
      }
    })
  ),
  test(
    "S13 forEachLine leaves what its body did not get: after a failure of the body, and after an interruption",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      yield* client.send("one\ntwo\nthree\nfour\n")
      yield* received(server, 19)
      const failed = yield* Effect.flip(
        server.forEachLine((line) => line === "two" ? Effect.fail("enough") : Effect.void)
      )
      same(failed, "enough", "the failure")
      same(yield* server.receiveLine(), "three", "the next line")
      const got: Array<string> = []
      const reading = yield* begin(
        server.forEachLine((line) => Effect.zipRight(collecting(got)(line), Effect.never))
      )
      yield* until(Effect.sync(() => got.length === 1))
      yield* client.send("five\n")
      yield* Fiber.interrupt(reading)
      same(got, ["four"], "what the body got")
      same(yield* server.receiveLine(), "five", "what it did not get")
    })
  ),
  test(
    "S13 forEachLine: the body may read for itself, and what it reads is no line any more",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      yield* client.send("4\nbody2\nokend\n")
      yield* client.shutdown("send")
      const got: Array<string> = []
      yield* server.forEachLine((line) =>
        /^\d+$/.test(line)
          ? Effect.map(server.receiveExactly(Number(line)), (bytes) => {
            got.push(`(${String.fromCharCode(...bytes)})`)
          })
          : collecting(got)(line)
      )
      same(got, ["(body)", "(ok)", "end"], "lines and bodies")
    })
  ),
  test(
    "S13 forEachLine fails with LineTooLong after the lines before it, and with SocketClosed for an unfinished one",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      yield* client.send(`short\n${"x".repeat(50)}\nnot reached\n`)
      const got: Array<string> = []
      const long = yield* failure(server.forEachLine(collecting(got), { maxLength: 10 }), "LineTooLong")
      same([got, long.limit], [["short"], 10], "what came before, and the limit")
      const other = yield* connected()
      yield* other.client.send("whole\nhalf")
      yield* other.client.shutdown("send")
      const closed = yield* failure(other.server.forEachLine(collecting(got)), "SocketClosed")
      same([got.slice(1), closed.partial], [["whole"], utf8("half")], "the whole line, and the rest")
    })
  ),
  test(
    "S13 two loops over one socket share its lines, and neither loses one",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      const sent = Array.from({ length: 500 }, (_, index) => `line ${index}`)
      const got: Array<string> = []
      const loops = yield* Effect.forEach([1, 2], () => begin(server.forEachLine(collecting(got))))
      for (let at = 0; at < sent.length; at += 10) yield* client.send(`${sent.slice(at, at + 10).join("\n")}\n`)
      yield* client.shutdown("send")
      for (const loop of loops) same(yield* outcome(loop), Exit.void, "the end")
      same([...got].sort(), [...sent].sort(), "the lines")
    })
  ),
  test(
    "S13 a socket that its body closes ends the loop with SocketClosed, whatever had arrived",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      yield* client.send("one\ntwo\nthree\n")
      yield* received(server, 14)
      const got: Array<string> = []
      const loop = server.forEachLine((line) => Effect.zipRight(collecting(got)(line), server.abort))
      const closed = yield* failure(loop, "SocketClosed")
      same([got, closed.by], [["one"], "here"], "the lines, and who closed")
    })
  ),
  test(
    "C36 a loop over many lines that are there already lets others run",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      const count = 20_000
      yield* Effect.fork(client.send("x\n".repeat(count)))
      yield* received(server, 4000)
      let lines = 0
      let others = 0
      const other = yield* Effect.fork(Effect.forever(Effect.zipRight(
        Effect.sync(() => {
          others += 1
        }),
        Effect.yieldNow()
      )))
      yield* Effect.exit(server.forEachLine(() => {
        lines += 1
        return lines === count ? Effect.fail("all") : Effect.void
      }))
      yield* Fiber.interrupt(other)
      same(lines, count, "the lines")
      holds(others > 10, `others ran meanwhile, ${others} times`)
    })
  )
]
