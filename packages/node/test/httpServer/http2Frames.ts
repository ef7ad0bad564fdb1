/** Frames of HTTP/2 (RFC 9113) written and read byte by byte, for peers that break its rules. */
import { Net, type Socket } from "@copas/core"
import { Effect } from "effect"
import * as Fixture from "../tls/fixture.js"

export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1")

export const types = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9
} as const

export const flags = { END_STREAM: 1, ACK: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 32 } as const

/** What a peer may write: a type that nobody has defined, too. */
export const frame = (type: number, flag: number, stream: number, payload: Uint8Array = new Uint8Array()): Buffer => {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flag
  head.writeUInt32BE(stream >>> 0, 5)
  return Buffer.concat([head, payload])
}

export const number = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}

/** One setting with its value. */
export const setting = (id: number, value: number): Buffer => Buffer.concat([Buffer.of(0, id), number(value)])

export type Fields = ReadonlyArray<readonly [name: string, value: string]>

/** An integer with a prefix of 7 bits: RFC 7541, section 5.1. */
const length = (value: number): Buffer => {
  if (value < 127) return Buffer.of(value)
  const bytes = [127]
  let rest = value - 127
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push(128 + rest % 128)
  return Buffer.from([...bytes, rest])
}

/** Fields as literals that no table keeps: RFC 7541, section 6.2.2. */
export const block = (fields: Fields): Buffer =>
  Buffer.concat(fields.flatMap(([name, value]) => [
    Buffer.of(0),
    length(name.length),
    Buffer.from(name, "latin1"),
    length(value.length),
    Buffer.from(value, "latin1")
  ]))

export const get: Fields = [[":method", "GET"], [":scheme", "http"], [":path", "/"], [":authority", "a"]]
export const post: Fields = [[":method", "POST"], ...get.slice(1)]

/** A head in one frame, which ends its stream unless `flag` says otherwise. */
export const head = (stream: number, fields: Fields, flag: number = flags.END_STREAM | flags.END_HEADERS): Buffer =>
  frame(types.HEADERS, flag, stream, block(fields))

export interface Frame {
  readonly type: number
  readonly flag: number
  readonly stream: number
  readonly payload: Buffer
}

/** The next frame; none when the connection has ended, in whatever way. */
export const read = (socket: Socket.Socket): Effect.Effect<Frame | undefined> =>
  Effect.gen(function*() {
    const head = Buffer.from(yield* socket.receiveExactly(9))
    const size = head.readUIntBE(0, 3)
    const payload = size === 0 ? Buffer.alloc(0) : Buffer.from(yield* socket.receiveExactly(size))
    return { type: head[3]!, flag: head[4]!, stream: head.readUInt32BE(5), payload }
  }).pipe(Effect.catchAll(() => Effect.succeed(undefined)))

/** A connection on which nothing was said: in clear, or with ALPN's `h2`. */
export const open = (port: number, isSecure: boolean) =>
  Effect.gen(function*() {
    return yield* Net.connect({
      host: "localhost",
      family: "IPv4",
      port,
      linger: 0,
      ...(isSecure ? { tls: yield* Fixture.clientContext({ alpn: ["h2"] }) } : {})
    })
  })

/** How a connection, or the streams of it, ended. */
export interface Outcome {
  /** The code of the GOAWAY. */
  readonly goaway: number | undefined
  readonly hasEnded: boolean
  /** The code with which a stream was reset, or 0 for one that was answered. */
  readonly streams: Readonly<Record<number, number>>
}

/**
 * Sends it, and reads until the connection ends or a GOAWAY says so, or a stream has ended and a PING
 * was answered after it.
 */
export const tell = (
  socket: Socket.Socket,
  bytes: Uint8Array
): Effect.Effect<Outcome> =>
  Effect.gen(function*() {
    const streams: Record<number, number> = {}
    const marker = Buffer.from("marker..")
    let goaway: number | undefined
    yield* Effect.ignore(socket.send(bytes))
    for (;;) {
      const got = yield* read(socket)
      if (got === undefined) return { goaway, hasEnded: true, streams }
      if (got.type === types.GOAWAY) {
        goaway = got.payload.readUInt32BE(4)
        return { goaway, hasEnded: false, streams }
      }
      if (got.type === types.PING && (got.flag & flags.ACK) !== 0 && got.payload.equals(marker)) {
        return { goaway, hasEnded: false, streams }
      }
      const isReset = got.type === types.RST_STREAM
      const isAnswered = (got.type === types.HEADERS || got.type === types.DATA) && (got.flag & flags.END_STREAM) !== 0
      if (!isReset && !isAnswered) continue
      streams[got.stream] ??= isReset ? got.payload.readUInt32BE(0) : 0
      yield* Effect.ignore(socket.send(frame(types.PING, 0, 0, marker)))
    }
  })
