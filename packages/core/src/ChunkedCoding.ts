/**
 * The chunked transfer coding of HTTP/1.1 on a socket: a body whose length is not known beforehand (RFC 9112, section
 * 7.1). LuaSocket's `socket.source("http-chunked")` and `socket.sink("http-chunked")`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import * as ErrorSummary from "./ErrorSummary.js"
import { unfolded } from "./internal/effect/streams.js"
import type { Socket } from "./Socket.js"
import type { LineTooLong, ReceiveError, SendError } from "./SocketError.js"

/** RFC 9112, section 7.1.1: a recipient should limit the length of chunk extensions. */
const longestLine = 4096
const mostTrailers = 128

/**
 * The peer sent something that is not the chunked coding.
 *
 * @since 0.1.0
 * @category errors
 */
export class ChunkedCodingError
  extends Schema.TaggedError<ChunkedCodingError>("@copas/core/ChunkedCoding/ChunkedCodingError")("ChunkedCodingError", {
    /** The socket's name. */
    socket: Schema.String,
    expected: Schema.String,
    /** The text that the peer sent instead, cut to 80 characters. */
    got: Schema.String
  })
{
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    return `${this.socket}: not the chunked coding: expected ${this.expected}, but got ${JSON.stringify(this.got)}; ` +
      `close the connection, it cannot be known where the body ends`
  }
}

type ChunkedError = ChunkedCodingError | LineTooLong | ReceiveError

const fail = (socket: Socket, expected: string, got: string): Effect.Effect<never, ChunkedCodingError> =>
  Effect.fail(new ChunkedCodingError({ socket: socket.name, expected, got: got.slice(0, 80) }))

const line = (socket: Socket): Effect.Effect<string, ChunkedError> =>
  socket.receiveLine({ maxLength: longestLine, encoding: "latin1" })

const chunkSize = (socket: Socket): Effect.Effect<number, ChunkedError> =>
  Effect.flatMap(line(socket), (text) => {
    // Extensions follow a semicolon; twelve digits stay below 2^53.
    const digits = /^([0-9a-fA-F]{1,12})[ \t]*(?:;.*)?$/.exec(text)?.[1]
    return digits === undefined
      ? fail(socket, "a chunk size in hexadecimal", text)
      : Effect.succeed(parseInt(digits, 16))
  })

const trailers = (socket: Socket, left = mostTrailers): Effect.Effect<void, ChunkedError> =>
  Effect.flatMap(line(socket), (text) => {
    if (text === "") return Effect.void
    return left === 0 ? fail(socket, `at most ${mostTrailers} trailer lines`, text) : trailers(socket, left - 1)
  })

/**
 * The body as a stream, until its last chunk. It reads and drops trailers; what follows them stays in the socket.
 *
 * *Interruption* loses the place within the coding: close the connection.
 *
 * @since 0.1.0
 * @category conversions
 */
export const stream = (socket: Socket): Stream.Stream<Uint8Array, ChunkedError> => {
  // The bytes left in the chunk under way; -1 before the first.
  const next = (left: number): Effect.Effect<readonly [Uint8Array, number] | undefined, ChunkedError> => {
    if (left > 0) {
      return Effect.map(
        socket.receive({ maxBytes: left }),
        (bytes) => [bytes, left - bytes.length] as const
      )
    }
    const endOfChunk = left === 0
      ? Effect.flatMap(line(socket), (text) => text === "" ? Effect.void : fail(socket, "the end of a chunk", text))
      : Effect.void
    return Effect.flatMap(
      Effect.zipRight(endOfChunk, chunkSize(socket)),
      (size) => size === 0 ? Effect.as(trailers(socket), undefined) : next(size)
    )
  }
  return unfolded(-1, next)
}

/**
 * Sends a stream as a chunked body, including the last chunk; the socket stays open. Each part of the stream becomes one
 * chunk.
 *
 * *Interruption* leaves the body without its last chunk: close the connection.
 *
 * @since 0.1.0
 * @category conversions
 */
export const sink = (socket: Socket): Sink.Sink<void, string | Uint8Array, never, SendError> =>
  Sink.zipLeft(
    Sink.forEach((data: string | Uint8Array) => {
      const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data
      // An empty chunk would be the last one.
      if (bytes.length === 0) return Effect.void
      return Effect.zipRight(
        socket.send(`${bytes.length.toString(16)}\r\n`),
        Effect.zipRight(socket.send(bytes), socket.send("\r\n"))
      )
    }),
    Sink.fromEffect(Effect.zipRight(socket.send("0\r\n\r\n"), socket.flush))
  )
