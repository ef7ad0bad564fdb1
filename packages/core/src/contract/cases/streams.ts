/** Sockets as streams, sinks and channels, and what scopes and typed errors are for. */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import * as ChunkedCoding from "../../ChunkedCoding.js"
import * as Net from "../../Net.js"
import * as Socket from "../../Socket.js"
import {
  byteByByte,
  type Case,
  connected,
  failure,
  holds,
  listening,
  mentions,
  outcome,
  pattern,
  received,
  same,
  sendApart,
  test,
  textOf,
  until,
  utf8
} from "./support.js"

const join = (chunks: Chunk.Chunk<Uint8Array>): Uint8Array =>
  Uint8Array.from(Chunk.toReadonlyArray(chunks).flatMap((chunk) => Array.from(chunk)))

const wrongChunks: ReadonlyArray<readonly [string, string]> = [
  ["nonsense\r\n", "a chunk size"],
  ["-1\r\n", "a chunk size"],
  ["0x5\r\n", "a chunk size"],
  ["5 5\r\n", "a chunk size"],
  ["\r\n", "a chunk size"],
  ["fffffffffffffffff\r\n", "a chunk size"],
  ["2\r\nabc\r\n", "the end of a chunk"]
]

/** The cases. */
export const cases: ReadonlyArray<Case> = [
  test(
    "S13 a stream gives everything until the peer finishes, and a sink sends all of it",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      const all = pattern(1_000_000)
      const sending = yield* Effect.fork(
        Stream.run(
          Stream.fromIterable<string | Uint8Array>(["text ", new Uint8Array(0), all]),
          Socket.sink(client, { endOnDone: true })
        )
      )
      const got = join(yield* Stream.runCollect(Socket.stream(server)))
      same(textOf(got.subarray(0, 5)), "text ", "the text")
      same(got.subarray(5), all, "the bytes")
      same(yield* outcome(sending), Exit.void, "the sink")
    })
  ),
  test(
    "S13 a stream of a length ends after it, and what follows stays in the socket",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      yield* sendApart(client, server, byteByByte(utf8("12345rest\n")))
      same(textOf(join(yield* Stream.runCollect(Socket.stream(server, { length: 5 })))), "12345", "the stream")
      same(Chunk.size(yield* Stream.runCollect(Socket.stream(server, { length: 0 }))), 0, "the empty stream")
      same(yield* server.receiveLine(), "rest", "the rest")
    })
  ),
  test(
    "S13 a stream whose peer finishes before its length fails with SocketClosed",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      yield* client.send("123")
      yield* client.shutdown("send")
      const error = yield* failure(Stream.runDrain(Socket.stream(server, { length: 5 })), "SocketClosed")
      same(error.by, "peer", "by whom")
    })
  ),
  test(
    "S13 a stream is pulled: what is not taken stays in the socket, and its end does not close it",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      yield* sendApart(client, server, ["one"])
      const taken = textOf(join(yield* Stream.runCollect(Stream.take(Socket.stream(server), 1))))
      holds(taken.length > 0, "a chunk was taken")
      yield* client.send("two\n")
      same(taken + (yield* server.receiveLine()), "onetwo", "the chunk and the line")
    })
  ),
  test(
    "S13 a stream that breaks fails with SocketBroken",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      const reading = yield* Effect.fork(Stream.runDrain(Socket.stream(server)))
      yield* client.send("some")
      yield* received(server, 4)
      yield* client.abort
      holds(Exit.isFailure(yield* outcome(reading)), "the stream fails")
      yield* failure(Stream.runDrain(Socket.stream(server)), "SocketBroken")
    })
  ),
  test(
    "S13 lines as a stream end after the last whole line, and an unfinished one is an error",
    Effect.gen(function*() {
      const whole = yield* connected()
      yield* whole.client.send("one\r\n\ntwo\n")
      yield* whole.client.shutdown("send")
      same(Chunk.toReadonlyArray(yield* Stream.runCollect(Socket.lines(whole.server))), ["one", "", "two"], "the lines")
      const cut = yield* connected()
      yield* cut.client.send("one\ntw")
      yield* cut.client.shutdown("send")
      const error = yield* failure(Stream.runDrain(Socket.lines(cut.server)), "SocketClosed")
      same(textOf(error.partial), "tw", "the unfinished line")
    })
  ),
  test(
    "S13 a channel sends what is written into it, and its end half-closes; what arrives comes out",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      const upper = yield* Effect.fork(Effect.gen(function*() {
        const all = yield* server.receiveAll()
        yield* server.send(textOf(all).toUpperCase())
        yield* server.shutdown("send")
      }))
      const answer = yield* Stream.fromIterable<string | Uint8Array>(["one ", utf8("two")]).pipe(
        Stream.pipeThroughChannelOrFail(Socket.channel(client)),
        Stream.runCollect
      )
      same(textOf(join(answer)), "ONE TWO", "the answer")
      same(yield* outcome(upper), Exit.void, "the server")
    })
  ),
  test(
    "S13 a failure of what is written into a channel ends it",
    Effect.gen(function*() {
      const { client } = yield* connected()
      const written = Stream.concat(Stream.make("some"), Stream.fail("no more"))
      const through = Stream.pipeThroughChannelOrFail(written, Socket.channel<string>(client))
      const error = yield* Effect.flip(Stream.runDrain(through))
      same(error, "no more", "the failure")
      holds(Channel.isChannel(Socket.channel(client)), "it is a channel")
    })
  ),
  test(
    "S13 forEachLine and forEachChunk end with the peer, and pass a failure of theirs on",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      yield* client.send("one\ntwo\n")
      yield* client.shutdown("send")
      const got: Array<string> = []
      yield* server.forEachLine((line) => Effect.sync(() => got.push(line)))
      same(got, ["one", "two"], "the lines")
      const other = yield* connected()
      yield* other.client.send("chunk")
      const failed = yield* Effect.flip(other.server.forEachChunk(() => Effect.fail("no more")))
      same(failed, "no more", "the failure")
    })
  ),
  test(
    "S13 the chunked coding carries a stream of any length, byte by byte too, and leaves what follows",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      const parts = ["a", "", "ü€😀", "x".repeat(100_000)]
      const sending = yield* Effect.fork(
        Effect.zipRight(Stream.run(Stream.fromIterable(parts), ChunkedCoding.sink(client)), client.send("after\n"))
      )
      same(textOf(join(yield* Stream.runCollect(ChunkedCoding.stream(server)))), parts.join(""), "the body")
      same(yield* server.receiveLine(), "after", "the line")
      yield* outcome(sending)
      yield* sendApart(
        client,
        server,
        byteByByte(utf8("3;name=\"x\"\r\nabc\r\nA \r\n0123456789\r\n00\r\nTrailer: x\r\n\r\nafter\n"))
      )
      same(textOf(join(yield* Stream.runCollect(ChunkedCoding.stream(server)))), "abc0123456789", "the body")
      same(yield* server.receiveLine(), "after", "the line")
    })
  ),
  test(
    "S13 what is not the chunked coding is a typed error that shows what came",
    Effect.forEach(wrongChunks, ([sent, expected]) =>
      Effect.scoped(Effect.gen(function*() {
        const { client, server } = yield* connected()
        yield* client.send(sent)
        yield* client.shutdown("send")
        const error = yield* failure(Stream.runDrain(ChunkedCoding.stream(server)), "ChunkedCodingError")
        mentions(error.message, server.name, expected)
      })), { discard: true })
  ),
  test(
    "S13 a chunked body that is cut off fails with SocketClosed, also between two chunks",
    Effect.forEach(
      ["5\r\nab", "5\r\nabcde", "5\r\nabcde\r\n", "5\r\nabcde\r\n0\r\n", ""],
      (sent) =>
        Effect.scoped(Effect.gen(function*() {
          const { client, server } = yield* connected()
          yield* client.send(sent)
          yield* client.shutdown("send")
          yield* failure(Stream.runDrain(ChunkedCoding.stream(server)), "SocketClosed")
        })),
      { discard: true }
    )
  ),
  test(
    "S13 a chunked body with a line or trailers without end fails at a bound",
    Effect.forEach(
      [`5;${"x".repeat(10_000)}`, `0\r\n${"Trailer: x\r\n".repeat(1000)}`],
      (sent) =>
        Effect.scoped(Effect.gen(function*() {
          const { client, server } = yield* connected()
          yield* client.send(sent)
          const exit = yield* Effect.exit(Stream.runDrain(ChunkedCoding.stream(server)))
          holds(Exit.isFailure(exit), "it fails while the peer continues")
        })),
      { discard: true }
    )
  ),
  test(
    "S12 finalizers run with the socket still open, and the scope closes it whatever happens",
    Effect.gen(function*() {
      const listener = yield* listening()
      const net = yield* Net.Net
      const open = Effect.map(net.sockets, (sockets) => sockets.length)
      const last: Array<string> = []
      const attempt = (end: Effect.Effect<never, string>): Effect.Effect<unknown, unknown, Net.Net> =>
        Effect.exit(Effect.scoped(Effect.gen(function*() {
          const socket = yield* Net.connect({ host: "127.0.0.1", port: listener.port })
          yield* Effect.addFinalizer(() => Effect.orDie(Effect.zipRight(socket.send("quit\n"), socket.flush)))
          return yield* end
        })))
      for (const end of [Effect.fail("failed"), Effect.die("died"), Effect.interrupt]) {
        yield* attempt(end)
        const server = yield* listener.accept
        last.push(yield* server.receiveLine())
        yield* server.abort
        yield* until(Effect.map(open, (count) => count === 0))
      }
      same(last, ["quit", "quit", "quit"], "what the finalizers sent")
    })
  ),
  test(
    "S12 the errors of a socket are caught by their tags",
    Effect.gen(function*() {
      const { client, server } = yield* connected()
      yield* client.send("unfinished")
      yield* client.shutdown("send")
      const caught = yield* server.receiveLine().pipe(
        Effect.catchTags({
          SocketClosed: (error) => Effect.succeed(`closed after ${error.partial.length} bytes`),
          SocketTimeout: () => Effect.succeed("timed out"),
          LineTooLong: () => Effect.succeed("too long")
        })
      )
      same(caught, "closed after 10 bytes", "what was caught")
    })
  )
]
