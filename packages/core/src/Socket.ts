/**
 * The stream socket: straight-line reads and writes on a connection, with backpressure both ways and typed errors.
 *
 * A socket comes from `Net.connect` or from a server; its scope closes it. Reads are pulled: nothing is read from the
 * system faster than the program takes it, beyond a bounded buffer. What a read was interrupted over, or what came of it
 * before a time-out, stays in the socket for the next read.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { SocketTypeId } from "./internal/typeIds.js"
import type { SocketOptions } from "./Net.js"
import type { NetAddress } from "./NetAddress.js"
import type {
  InvalidOption,
  LineTooLong,
  MessageTooLong,
  ReceiveError,
  SendError,
  SocketClosed,
  UnsupportedOption
} from "./SocketError.js"

/**
 * @since 0.1.0
 * @category type ids
 */
export { SocketTypeId as TypeId }

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof SocketTypeId

/**
 * The time-outs of a socket. Each counts from the last byte moved in its direction, so a slow transfer that goes on does
 * not time out; zero allows only what can be done at once. What is not set never times out.
 *
 * @since 0.1.0
 * @category models
 */
export interface Timeouts {
  /** For making the connection, names looked up and a TLS handshake included. */
  readonly connect?: Duration.DurationInput | undefined
  readonly send?: Duration.DurationInput | undefined
  readonly receive?: Duration.DurationInput | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface LineOptions {
  /** The most bytes before the line feed; `LineTooLong` past it. Default 65536. */
  readonly maxLength?: number | undefined
  /** Default `"utf-8"`, with U+FFFD for invalid bytes. `"latin1"` keeps each byte as one character. */
  readonly encoding?: "utf-8" | "latin1" | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Stats {
  readonly bytesReceived: number
  readonly bytesSent: number
  /** Bytes that came and were not read yet. */
  readonly receiveBuffered: number
  /** Bytes that `send` took and the system did not. */
  readonly sendBuffered: number
  /** Milliseconds since the socket was made. */
  readonly ageMillis: number
}

/**
 * What happens on a socket, as `trace` shows it.
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

  /** A number that no other socket of this process has. */
  readonly id: number

  /** The name in logs, spans and `Copas.status`: `server:client_N` for accepted sockets, else the peer's address. */
  readonly name: string
  readonly setName: (name: string) => Effect.Effect<void>

  readonly localAddress: NetAddress
  readonly remoteAddress: NetAddress

  /**
   * Whatever has arrived, at least a byte, at most `maxBytes`.
   *
   * The chunk is the caller's: nothing else writes into it. *Interruption* loses no byte.
   */
  readonly receive: (options?: { readonly maxBytes?: number | undefined }) => Effect.Effect<Uint8Array, ReceiveError>

  /**
   * A line as text, without its LF or CR LF. At the end of the stream an unfinished last line is in the error's
   * `partial` and can still be taken with `receive`. *Interruption* loses no byte.
   */
  readonly receiveLine: (options?: LineOptions) => Effect.Effect<string, ReceiveError | LineTooLong>

  /** Exactly `length` bytes. *Interruption* loses no byte. */
  readonly receiveExactly: (length: number) => Effect.Effect<Uint8Array, ReceiveError>

  /** Everything until the peer finishes sending; `MessageTooLong` past `maxBytes` (default 16 MiB). */
  readonly receiveAll: (
    options?: { readonly maxBytes?: number | undefined }
  ) => Effect.Effect<Uint8Array, ReceiveError | MessageTooLong>

  /**
   * The bytes before `delimiter`, which is taken and dropped; `LineTooLong` past `maxLength` (default 65536). Text is
   * taken as UTF-8. *Interruption* loses no byte.
   */
  readonly receiveUntil: (
    delimiter: string | Uint8Array,
    options?: { readonly maxLength?: number | undefined }
  ) => Effect.Effect<Uint8Array, ReceiveError | LineTooLong>

  /**
   * Sends all of `data`; text as UTF-8. Done when the socket took the bytes and no more than the high-water mark waits;
   * they go out together, in the order of the calls, joined with the other sends of the same turn. The caller must not
   * change a `Uint8Array` that it gave away.
   *
   * *Interruption* while it waits for a slow peer does not take the bytes back.
   */
  readonly send: (data: string | Uint8Array) => Effect.Effect<void, SendError>

  /** Waits until the system has taken everything that was sent. */
  readonly flush: Effect.Effect<void, SendError>

  /**
   * Half-close. `"send"` flushes and tells the peer that nothing more comes; `"receive"` drops what comes from now on.
   * RFC 9293, section 3.6.
   */
  readonly shutdown: (how: "send" | "receive" | "both") => Effect.Effect<void, SendError>

  /**
   * Closes before the scope does: pending reads and writes of other fibers fail with `SocketClosed` at once, what was
   * sent is flushed, the descriptor is released. A second call fails with `SocketClosed`.
   */
  readonly close: Effect.Effect<void, SocketClosed>

  /** Drops everything and tells the peer by a reset, where the platform can. Never fails, also when closed already. */
  readonly abort: Effect.Effect<void>

  readonly timeouts: Timeouts
  /** Changes the time-outs that are named, one by one; `null` unsets one. Reads and writes under way follow at once. */
  readonly setTimeouts: (
    timeouts: { readonly [K in Exclude<keyof Timeouts, "connect">]?: Duration.DurationInput | null | undefined }
  ) => Effect.Effect<void, InvalidOption>

  readonly setOption: <K extends keyof SocketOptions>(
    name: K,
    value: NonNullable<SocketOptions[K]>
  ) => Effect.Effect<void, UnsupportedOption | InvalidOption | SocketClosed>
  readonly getOption: <K extends keyof SocketOptions>(
    name: K
  ) => Effect.Effect<SocketOptions[K], UnsupportedOption | SocketClosed>

  readonly stats: Effect.Effect<Stats>

  /** Shows every event of this socket to `tracer`, until told `undefined`. */
  readonly trace: (tracer: ((event: TraceEvent) => void) | undefined) => Effect.Effect<void>
}

/**
 * @since 0.1.0
 * @category guards
 */
export const isSocket = (u: unknown): u is Socket => Predicate.hasProperty(u, SocketTypeId)
