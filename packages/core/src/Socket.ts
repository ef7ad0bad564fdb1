/**
 * The stream socket: straight-line reads and writes on a connection, with backpressure both ways and typed errors.
 *
 * A socket comes from `Net.connect` or from a server; its scope closes it. Reads are pulled: beyond a bounded buffer, the
 * socket reads from the system only as fast as the program takes the bytes. If a read is interrupted or times out, what
 * had arrived stays in the socket for the next read.
 *
 * @since 0.1.0
 */
import type * as Channel from "effect/Channel"
import type * as Chunk from "effect/Chunk"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { duplex, pulled, unfolded } from "./internal/effect/streams.js"
import { aCount, invalid, isCount } from "./internal/time/optionValues.js"
import { SocketTypeId } from "./internal/typeIds.js"
import type { InetAddress, NetAddress, UnixAddress } from "./NetAddress.js"
import {
  type InvalidOption,
  isEndOfConversation,
  type LineTooLong,
  type MessageTooLong,
  type OfferError,
  type ReceiveError,
  type SendError,
  type SocketClosed,
  type UnsupportedOption
} from "./SocketError.js"
import type {
  LineOptions,
  ReceiveOptions,
  SinkOptions,
  SocketOptions,
  StreamOptions,
  Timeouts
} from "./SocketOptions.js"
import type { TlsConnection } from "./TlsConnection.js"

export type { LineOptions, ReceiveOptions, SinkOptions, StreamOptions } from "./SocketOptions.js"

/**
 * Marks a `Socket`: `isSocket` looks for it.
 *
 * @since 0.1.0
 * @category type ids
 */
export { SocketTypeId as TypeId }

/**
 * The type of `TypeId`.
 *
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof SocketTypeId

/**
 * The counts of a socket since it was made: bytes received and sent; and how many wait in its buffers now.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stats {
  readonly bytesReceived: number
  readonly bytesSent: number
  /** Bytes that have arrived and were not read yet. */
  readonly receiveBuffered: number
  /** Bytes that `send` has taken and the system has not taken yet. */
  readonly sendBuffered: number
  /** Milliseconds since the socket was made. */
  readonly ageMillis: number
}

/**
 * An event of a socket, as `trace` shows it.
 *
 * @since 0.1.0
 * @category models
 */
export interface TraceEvent {
  readonly socket: string
  readonly event: "connected" | "received" | "sent" | "ended" | "timedOut" | "broken" | "closing" | "closed"
  /** For `received` and `sent`. */
  readonly bytes?: number | undefined
}

/**
 * A connected stream socket.
 *
 * @since 0.1.0
 * @category models
 */
export interface Socket {
  readonly [SocketTypeId]: TypeId

  /**
   * A number that no other socket of this process has. Under the clock of a test or of a simulation, numbers begin at 1
   * again, so that each run shows the same.
   */
  readonly id: number

  /** The name in logs, spans and `Copas.status`: `server:client_N` for accepted sockets, else the peer's address. */
  readonly name: string
  /** Changes the name; later events, errors and log lines have it. */
  readonly setName: (name: string) => Effect.Effect<void>

  /** The address on this side. */
  readonly localAddress: NetAddress
  /** The address of the peer. It stays known after the end. */
  readonly remoteAddress: NetAddress

  /**
   * Returns whatever has arrived: at least a byte, at most `maxBytes`. It waits if nothing has arrived.
   *
   * The bytes come as the platform read them, and what it read later is left to the next call. With `joined` one chunk has
   * all that has arrived, up to `maxBytes`, and a read that has to wait takes what comes in a whole turn of the event loop.
   * That is a copy, and for what costs by the call, such as a write to a file of each record of TLS, the cheaper way.
   *
   * The chunk is the caller's: nothing else writes into it. *Interruption* loses no byte.
   */
  readonly receive: (options?: ReceiveOptions) => Effect.Effect<Uint8Array, ReceiveError>

  /**
   * Gives back a whole chunk of `receive`, so that the socket can read into it again: then bulk transfers cost the
   * collector nothing. Call it only if nothing else holds the chunk and you will not read it again. It has an effect with
   * `readSize` only, and none for any other bytes.
   */
  readonly recycle: (chunk: Uint8Array) => void

  /**
   * Reads a line as text, without its LF or CR LF. If the stream ends within a line, it fails with `SocketClosed`: the
   * unfinished line is in the error's `partial`, and `receive` can still take it. *Interruption* loses no byte.
   */
  readonly receiveLine: (options?: LineOptions) => Effect.Effect<string, ReceiveError | LineTooLong>

  /** Reads exactly `length` bytes. *Interruption* loses no byte. */
  readonly receiveExactly: (length: number) => Effect.Effect<Uint8Array, ReceiveError>

  /**
   * Reads everything until the peer finishes sending; `MessageTooLong` past `maxBytes` (default 16 MiB). *Interruption*
   * loses no byte.
   */
  readonly receiveAll: (
    options?: { readonly maxBytes?: number | undefined }
  ) => Effect.Effect<Uint8Array, ReceiveError | MessageTooLong>

  /**
   * Reads the bytes before `delimiter`, which is dropped; `LineTooLong` past `maxLength` (default 65536). A delimiter that
   * is text stands for its bytes in UTF-8. *Interruption* loses no byte.
   */
  readonly receiveUntil: (
    delimiter: string | Uint8Array,
    options?: { readonly maxLength?: number | undefined }
  ) => Effect.Effect<Uint8Array, ReceiveError | LineTooLong>
  /**
   * Runs `f` for each line, one after the other, until the peer finishes after a whole line.
   *
   * This is the fast way to write a line server: it does not yield between lines that have already arrived, so their
   * answers go out together; a busy socket still lets the other threads run. If the last line is unfinished, it fails with
   * `SocketClosed`. *Interruption* loses no byte that `f` has not received.
   *
   * @example
   * ```ts
   * import type { Socket } from "@copas/core"
   *
   * const shout = (socket: Socket.Socket) =>
   *   socket.forEachLine((line) => socket.send(`${line.toUpperCase()}\n`))
   * ```
   */
  readonly forEachLine: <E, R>(
    f: (line: string) => Effect.Effect<unknown, E, R>,
    options?: LineOptions
  ) => Effect.Effect<void, E | ReceiveError | LineTooLong, R>
  /**
   * Runs `f` for whatever arrives, one chunk after the other, until the peer finishes. *Interruption* loses no byte that
   * `f` has not received.
   */
  readonly forEachChunk: <E, R>(
    f: (chunk: Uint8Array) => Effect.Effect<unknown, E, R>
  ) => Effect.Effect<void, E | ReceiveError, R>

  /**
   * Sends all of `data`; text as UTF-8. It completes when the socket has taken the bytes and no more than the high-water
   * mark waits to go out. The bytes of a call stay together, in the order of the calls, and go out joined with the other
   * sends of the same turn. The caller must not change a `Uint8Array` afterwards.
   *
   * *Interruption* while it waits for room before its bytes are queued has sent nothing; once they are queued, an
   * interruption does not take them back.
   */
  readonly send: (data: string | Uint8Array) => Effect.Effect<void, SendError>

  /**
   * Sends all of `data` if that does not wait, and returns whether it did: for a broadcast, in which one slow member must
   * not hold up the others.
   *
   * `true`: the socket took the bytes, and sends them in order with those of `send`. `false`: it took none of them,
   * because an earlier `send` waits, or because more bytes than `sendHighWaterMark` would wait to go out. A socket with
   * nothing to send takes data of any length. It fails with `SocketClosed` if the socket was closed here or has sent its
   * end, and with `SocketBroken` if the connection broke. A caller that must not change a `Uint8Array` after `send` must
   * not after `offer` either.
   *
   * *Interruption*: there is nothing to interrupt; it never waits and never forks.
   *
   * @example
   * ```ts
   * import type { Socket } from "@copas/core"
   * import { Effect } from "effect"
   *
   * // Members whose queue is full miss the message. One that has gone is removed by its own handler.
   * const broadcast = (members: Iterable<Socket.Socket>, message: string) => {
   *   const bytes = new TextEncoder().encode(`${message}\n`)
   *   return Effect.forEach(members, (member) => Effect.ignore(member.offer(bytes)), { discard: true })
   * }
   * ```
   */
  readonly offer: (data: string | Uint8Array) => Effect.Effect<boolean, OfferError>

  /** Waits until the system has taken everything that was sent. */
  readonly flush: Effect.Effect<void, SendError>

  /**
   * Half-closes. `"send"` flushes, then sends the peer an end (FIN); `"receive"` drops what arrives from now on. RFC 9293,
   * section 3.6. *Interruption* ends the wait, not the half-close.
   */
  readonly shutdown: (how: "send" | "receive" | "both") => Effect.Effect<void, SendError>

  /**
   * Closes before the scope does, and waits until the descriptor is released: pending reads and writes of other fibers
   * fail with `SocketClosed` at once, what was sent is flushed, and the peer has the `linger` time to end its side. A
   * second call fails with `SocketClosed`. If a server's handler fails with the `SocketClosed` of its own socket that was
   * closed in this way, it has ended normally: no error handler runs.
   *
   * *Interruption* waits for the close. `startClose` does not make the caller wait.
   */
  readonly close: Effect.Effect<void, SocketClosed>

  /**
   * Begins what `close` does, and returns at once: the flush and the wait for the peer continue by themselves, for at most
   * the `linger` time, and the scope's end and `Copas.run` still wait for them. Use it in a fiber that closes the
   * connections of others, so that a slow peer does not hold it up.
   */
  readonly startClose: Effect.Effect<void, SocketClosed>

  /**
   * Drops everything and resets the connection, where the platform can, and waits until the descriptor is released. It
   * never fails, and does nothing on a closed socket. *Interruption* waits for it.
   */
  readonly abort: Effect.Effect<void>

  /** The time-outs that are set now. */
  readonly timeouts: Timeouts
  /** Changes the time-outs that are named, each by itself; `null` removes one. It applies to calls under way, too. */
  readonly setTimeouts: (
    timeouts: { readonly [K in Exclude<keyof Timeouts, "connect">]?: Duration.DurationInput | null | undefined }
  ) => Effect.Effect<void, InvalidOption>

  /**
   * Sets one option of the connection. `UnsupportedOption` if the platform cannot, `InvalidOption` if the value makes no
   * sense.
   */
  readonly setOption: <K extends keyof SocketOptions>(
    name: K,
    value: NonNullable<SocketOptions[K]>
  ) => Effect.Effect<void, UnsupportedOption | InvalidOption | SocketClosed>
  /** The value as the platform knows it; `undefined` if it was not set and the system cannot be asked. */
  readonly getOption: <K extends keyof SocketOptions>(
    name: K
  ) => Effect.Effect<SocketOptions[K], UnsupportedOption | SocketClosed>

  /** The facts about the secure connection; `None` on a connection in clear. */
  readonly tls: Option.Option<TlsConnection>

  /** The counts of this moment. They can be read after the end, too. */
  readonly stats: Effect.Effect<Stats>

  /** Shows every event of this socket to `tracer` until `trace(undefined)` or the next `trace`: there is one tracer. */
  readonly trace: (tracer: ((event: TraceEvent) => void) | undefined) => Effect.Effect<void>

  /**
   * Shows every event of this socket to `listener` for as long as the scope lasts. Any number of listeners may observe,
   * beside the tracer. What a listener throws, or an `async` one rejects with, is swallowed.
   */
  readonly observe: (listener: (event: TraceEvent) => void) => Effect.Effect<void, never, Scope.Scope>
}

/**
 * A socket between two ports: what `Net.connect` gives for a port, and what an `InetListener` accepts.
 *
 * @since 0.1.0
 * @category models
 */
export interface InetSocket extends Socket {
  readonly localAddress: InetAddress
  readonly remoteAddress: InetAddress
  /** That of `localAddress`. */
  readonly localPort: number
  /** That of `remoteAddress`. */
  readonly remotePort: number
}

/**
 * A Unix-domain socket: what `Net.connect` gives for a path, and what a `UnixListener` accepts. On the side that connected
 * `remoteAddress.path` is the listener's, on the side that accepted `localAddress.path` is.
 *
 * @since 0.1.0
 * @category models
 */
export interface UnixSocket extends Socket {
  readonly localAddress: UnixAddress
  readonly remoteAddress: UnixAddress
}

/**
 * True if `u` is a stream `Socket`.
 *
 * @since 0.1.0
 * @category guards
 */
export const isSocket = (u: unknown): u is Socket => Predicate.hasProperty(u, SocketTypeId)

/**
 * The bytes that arrive, as a stream of chunks, until the peer finishes or until `length` bytes have arrived. The stream
 * is pulled: the socket reads only as fast as the stream is run. LuaSocket's `socket.source`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const stream = (self: Socket, options?: StreamOptions): Stream.Stream<Uint8Array, ReceiveError> => {
  const length = options?.length
  if (length !== undefined) {
    return isCount(length, 0) ? streamLength(self, length) : Stream.die(invalid("length", length, aCount(0)))
  }
  return pulled(untilEnd(self.receive()))
}

/** What it reads; `undefined` at the peer's end. */
const untilEnd = <A, E>(read: Effect.Effect<A, E>): Effect.Effect<A | undefined, E> =>
  Effect.catchAll(read, (error) => isEndOfConversation(error) ? Effect.succeed(undefined) : Effect.fail(error))

const streamLength = (self: Socket, length: number): Stream.Stream<Uint8Array, ReceiveError> =>
  unfolded(length, (left) =>
    left <= 0
      ? Effect.succeed(undefined)
      : Effect.map(self.receive({ maxBytes: left }), (chunk) => [chunk, left - chunk.length] as const))

/**
 * Lines as a stream, until the peer finishes after a whole line.
 *
 * @since 0.1.0
 * @category conversions
 */
export const lines = (self: Socket, options?: LineOptions): Stream.Stream<string, ReceiveError | LineTooLong> =>
  pulled(untilEnd(self.receiveLine(options)))

/**
 * Sends what a stream gives; it completes when the system has taken all of it. LuaSocket's `socket.sink`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const sink = (
  self: Socket,
  options?: SinkOptions
): Sink.Sink<void, string | Uint8Array, never, SendError> =>
  Sink.zipLeft(
    Sink.forEach((data: string | Uint8Array) => self.send(data)),
    Sink.fromEffect(options?.endOnDone === true ? self.shutdown("send") : self.flush)
  )

/**
 * The socket as a channel, for protocols that are written as channels (`Ndjson`, `MsgPack`): its input is sent, the end of
 * its input half-closes, and its output is what arrives.
 *
 * @since 0.1.0
 * @category conversions
 */
export const channel = <IE = never>(
  self: Socket
): Channel.Channel<
  Chunk.Chunk<Uint8Array>,
  Chunk.Chunk<string | Uint8Array>,
  ReceiveError | SendError | IE,
  IE,
  void,
  unknown
> => duplex((data: string | Uint8Array) => self.send(data), self.shutdown("send"), stream(self))
