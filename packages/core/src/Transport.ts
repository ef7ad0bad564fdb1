/**
 * The contract between this library and a platform: what a platform must do so that everything else works on it.
 *
 * A transport moves bytes and says what happened; it has no buffers beyond the system's, no time-outs and no errors of
 * its own making. Buffering, patterns, deadlines, accounting and typed errors are written once, above it. Everything here
 * is synchronous and called from the platform's event loop: this is the hot path.
 *
 * Users do not need this module; those who bring the library to another platform do. The contract suite in
 * `@copas/core/testing` tells whether they did it right.
 *
 * @since 0.1.0
 */
import type { NetAddress } from "./NetAddress.js"
import type { InvalidOption, UnsupportedOption } from "./SocketError.js"
import type { SocketOptions } from "./SocketOptions.js"
import type { TlsConnection } from "./TlsConnection.js"

/**
 * A failure as the platform saw it. The layer above turns it into the typed error of what was being done.
 *
 * @since 0.1.0
 * @category models
 */
export interface Failure {
  readonly reason:
    | "Refused"
    | "TimedOut"
    | "Unreachable"
    | "HostNotFound"
    | "LookupFailed"
    | "Reset"
    | "BrokenPipe"
    | "Aborted"
    | "AddressInUse"
    | "AddressNotAvailable"
    | "AccessDenied"
    | "TooManyOpenFiles"
    | "OutOfMemory"
    | "PathTooLong"
    | "MessageTooLong"
    | "Truncated"
    | "Tls"
    | "Unknown"
  readonly cause: unknown
}

/**
 * What a transport tells the socket above it. `connected` comes first and once (at once for an accepted one), `closed`
 * comes last and once, and nothing comes after it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Events {
  readonly connected: () => void
  /** Bytes came. The chunk belongs to the receiver from now on. */
  readonly deliver: (chunk: Uint8Array) => void
  /** The peer finished sending; our own direction stays open. */
  readonly ended: () => void
  /** The system took the whole write that was under way. */
  readonly written: () => void
  /** The connection, or the attempt to make it, failed; `closed` follows. */
  readonly failed: (failure: Failure) => void
  /** The descriptor is released. */
  readonly closed: () => void
}

/**
 * One stream connection.
 *
 * @since 0.1.0
 * @category models
 */
export interface Transport {
  readonly localAddress: NetAddress
  readonly remoteAddress: NetAddress
  /** What stands on it, where it is a secure connection. */
  readonly tls?: TlsConnection | undefined
  /** From now on events go to `events`; reading starts. Called once, before anything else. */
  readonly open: (events: Events) => void
  /** Stop reading soon. At most one more buffer of the system may be delivered. */
  readonly pause: () => void
  readonly resume: () => void
  /** Takes back a chunk that was delivered, to read into it again. A platform that does not reuse buffers has none. */
  readonly recycle?: ((chunk: Uint8Array) => void) | undefined
  /**
   * Hands over `chunks`, in order, as one write of so many `bytes`; `written` follows when the system took all of it. Never called while
   * another write is under way.
   */
  readonly write: (chunks: ReadonlyArray<Uint8Array | string>, bytes: number) => void
  /** Finish sending (FIN). Called once, when no write is under way. Reading goes on. */
  readonly end: () => void
  /** Release the descriptor now; what is unsent is dropped. `closed` follows. Harmless when called again. */
  readonly destroy: () => void
  /** Like `destroy`, but the peer is told by a reset (RST) where the platform can. */
  readonly reset: () => void
  /** Sets an option of a live socket, or says why not. */
  readonly setOption: <K extends keyof SocketOptions>(
    name: K,
    value: NonNullable<SocketOptions[K]>
  ) => UnsupportedOption | InvalidOption | undefined
  /** The option's value as the platform knows it. */
  readonly getOption: <K extends keyof SocketOptions>(name: K) => SocketOptions[K] | UnsupportedOption
}

/**
 * What a listening transport tells the listener above it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ListenEvents {
  readonly listening: () => void
  /** A connection came in, already established. */
  readonly accepted: (transport: Transport) => void
  /** Before `listening`: binding failed. After it: a connection could not be accepted, and listening goes on. */
  readonly failed: (failure: Failure) => void
  /** The descriptor is released. */
  readonly closed: () => void
}

/**
 * One listening socket.
 *
 * @since 0.1.0
 * @category models
 */
export interface ListenTransport {
  /** Known once `listening` was said. */
  readonly localAddress: NetAddress
  /** Stop listening and release the descriptor; `closed` follows. Connections it accepted are not touched. */
  readonly close: () => void
}
