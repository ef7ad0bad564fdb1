/**
 * The contract between this library and a platform: what a platform must do so that everything else works on it.
 *
 * A transport moves bytes and reports what happened. It has no buffers beyond the system's, no time-outs, and no errors of
 * its own making: buffering, patterns, deadlines, accounting and typed errors exist once, above it. Everything here is
 * synchronous and called from the platform's event loop: this is the hot path.
 *
 * Programs do not need this module; authors of platforms do. The suites of `@copas/core/contract` check a platform.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { make as makeLazyScope } from "./internal/effect/lazyScope.js"
import { suspendCancellable as makeSuspendCancellable } from "./internal/effect/suspend.js"
import { forClock } from "./internal/time/deadlines.js"
import { withinOfClock } from "./internal/within.js"
import type { NetAddress } from "./NetAddress.js"
import type { InvalidOption, SocketBroken, SocketClosed, SocketTimeout, UnsupportedOption } from "./SocketError.js"
import type { SocketOptions } from "./SocketOptions.js"
import type { TlsConnection } from "./TlsConnection.js"

/**
 * A failure as the platform saw it. The layer above turns it into the typed error of the operation that was under way.
 * The platform chooses the reason by the call and the kind of address: `ConnectReason`, `BindReason`, `AcceptReason`,
 * `BrokenReason` and `DatagramReason` of `SocketError` say which ones each call has, and what they mean.
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
    | "ZoneMissing"
    | "PathNotFound"
    | "PathTooLong"
    | "BadPath"
    | "NotASocket"
    | "WrongSocketType"
    | "BacklogFull"
    | "FileSystemFailed"
    | "Unsupported"
    | "NotConnected"
    | "AlreadyConnected"
    | "TooManyGroups"
    | "MessageTooLong"
    | "Truncated"
    | "Tls"
    | "Unknown"
  readonly cause: unknown
}

/**
 * The events that a transport reports to the socket above it. `connected` comes first, and once (at once for an accepted
 * connection).
 * `closed` comes last, and once; nothing comes after it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Events {
  /** The connection stands. */
  readonly connected: () => void
  /** Bytes have arrived. The chunk belongs to the receiver from now on. */
  readonly deliver: (chunk: Uint8Array) => void
  /** The peer finished sending; our own direction stays open. */
  readonly ended: () => void
  /** The system has taken the whole write that was under way. */
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
  /** The TLS connection, if it is a secure one. */
  readonly tls?: TlsConnection | undefined
  /** Sends events to `events` from now on, and starts reading. Called once, before anything else. */
  readonly open: (events: Events) => void
  /** Stops reading soon. It may deliver at most one more buffer of the system. */
  readonly pause: () => void
  /** Reads again after `pause`. */
  readonly resume: () => void
  /** Takes back a delivered chunk, to read into it again. A platform that does not reuse buffers leaves it out. */
  readonly recycle?: ((chunk: Uint8Array) => void) | undefined
  /**
   * Hands over `chunks`, in order, as one write of `bytes` bytes; `written` follows when the system has taken all of it.
   * Never called while another write is under way.
   */
  readonly write: (chunks: ReadonlyArray<Uint8Array | string>, bytes: number) => void
  /** Finishes sending (FIN). Called once, when no write is under way. Reading continues. */
  readonly end: () => void
  /** Releases the descriptor now, and drops what is unsent. `closed` follows. Harmless when called again. */
  readonly destroy: () => void
  /** As `destroy`, but with a reset (RST) to the peer, where the platform can. */
  readonly reset: () => void
  /** Sets an option of an open socket, or returns why it cannot. */
  readonly setOption: <K extends keyof SocketOptions>(
    name: K,
    value: NonNullable<SocketOptions[K]>
  ) => UnsupportedOption | InvalidOption | undefined
  /** The option's value as the platform knows it. */
  readonly getOption: <K extends keyof SocketOptions>(name: K) => SocketOptions[K] | UnsupportedOption
}

/**
 * The events that a listening transport reports to the listener above it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ListenEvents {
  /** The listener has its address. Comes first, and once. */
  readonly listening: () => void
  /** A connection came in and is established. */
  readonly accepted: (transport: Transport) => void
  /** Before `listening`: binding failed. After it: a connection could not be accepted, and listening continues. */
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
  /** Known once `listening` was reported. */
  readonly localAddress: NetAddress
  /** Stops listening and releases the descriptor; `closed` follows. Accepted connections continue. */
  readonly close: () => void
}

/**
 * The bytes of a lent stream.
 *
 * @since 0.2.0
 * @category models
 */
export interface LentCounts {
  readonly received: number
  /** Those that the system took. */
  readonly sent: number
  /** Those that were given to the stream, and that the system did not take yet. */
  readonly unsent: number
  /** Differs from an earlier look if bytes have gone out since, also a part of a write. */
  readonly progress: number
}

/**
 * The functions of a borrower that a lent socket calls.
 *
 * A borrower with `counts` has taken the connection away from the transport: it reads and writes by itself, and the
 * transport reports only the end (`ended`, `failed`, `closed`). One without is a stream over the transport: the bytes pass
 * through the socket, which counts and traces them.
 *
 * @since 0.2.0
 * @category models
 */
export interface Borrower {
  readonly counts?: (() => LentCounts) | undefined
  /** True while bytes are awaited, so that the time-out `receive` counts. */
  readonly isReading: (counts: LentCounts) => boolean
  /** Ends the stream with this error. Harmless when it has ended. */
  readonly fail: (error: SocketTimeout | SocketBroken) => void
  /**
   * The transport is about to be destroyed on this side, before its peer has finished: the stream must end with this error,
   * so that it does not look like the peer's end.
   */
  readonly cut: (error: SocketClosed) => void
  readonly deliver?: ((chunk: Uint8Array) => void) | undefined
  readonly ended?: (() => void) | undefined
  /** The system took a write. */
  readonly written?: (() => void) | undefined
  /** FIN went out. */
  readonly finished?: (() => void) | undefined
  readonly closed?: (() => void) | undefined
}

/**
 * Deadlines on one clock, for code that a fiber does not run: callbacks of a platform, and of libraries above it.
 *
 * @since 0.2.0
 * @category models
 */
export interface Timekeeper {
  /** Milliseconds. On the machine's own clock they are monotonic. */
  readonly now: () => number
  /**
   * Calls `task` once, after some milliseconds, unless the result is called before. The system reports first what it has:
   * `task` receives the time up to which it was looked at. Costs no fiber and, mostly, no timer.
   */
  readonly after: (millis: number, task: (now: number) => void) => () => void
}

/**
 * The deadlines that follow `clock`, as those of this library's sockets do: `TestClock` drives them.
 *
 * @since 0.2.0
 * @category constructors
 */
export const timekeeper = (clock: Clock.Clock): Timekeeper => forClock(clock)

/**
 * Gives `effect` that many milliseconds of the fiber's clock; after them it is interrupted, and the failure is
 * `onTimeout`'s. It judges as the time-outs of sockets do: unlike with `Effect.timeoutFail`, the system reports first what
 * it has, so an answer that is there after a turn of the event loop that took too long is the answer. With `Infinity` it is
 * `effect`.
 *
 * *Interruption* ends both. So does the end of either, in an uninterruptible region too: there `Effect.timeoutFail` waits
 * for an answer that may never come.
 *
 * @since 0.2.0
 * @category combinators
 * @example
 * ```ts
 * import { Transport } from "@copas/core"
 * import { Effect } from "effect"
 *
 * const answer = Transport.within(Effect.never, 10, () => "no answer")
 * Effect.runPromise(Effect.flip(answer)).then(console.log) // no answer
 * ```
 */
export const within: <A, E, R, E2>(
  effect: Effect.Effect<A, E, R>,
  millis: number,
  onTimeout: () => E2
) => Effect.Effect<A, E | E2, R> = withinOfClock

/**
 * Suspends the fiber until `register`'s `resume` is called with the effect that it continues with; what `register` returns,
 * if anything, runs when an interruption ends the wait.
 *
 * Unlike `Effect.async` it has the canceller in force before `register` is called. There a fiber that has to yield between
 * the two (`Effect.withMaxOpsBeforeYield`), and is interrupted at that point, leaves what it registered behind.
 *
 * *Interruption* of the wait runs the canceller, once; a wake that comes after it does nothing.
 *
 * @since 0.2.0
 * @category combinators
 */
export const suspendCancellable: <A, E = never>(
  register: (resume: (effect: Effect.Effect<A, E>) => void) => void | Effect.Effect<void>
) => Effect.Effect<A, E> = makeSuspendCancellable

/**
 * A socket as its borrower sees it.
 *
 * @since 0.2.0
 * @category models
 */
export interface Loan extends Timekeeper {
  readonly transport: Transport
  /** Bytes that came before and were not read: the first that the borrower reads. */
  readonly early: Uint8Array | undefined
  /** The peer has finished sending. */
  readonly hasEnded: boolean
  /** The socket was made by connecting. */
  readonly isInitiator: boolean
  /** Takes over what was sent and is in no write yet. A borrower with `counts` writes it first. */
  readonly takeUnsent: () => ReadonlyArray<Uint8Array | string>
  /** Queues bytes, after those that were sent before. */
  readonly write: (chunk: Uint8Array) => void
  /** False while more waits to go out than the socket's `sendHighWaterMark`. */
  readonly hasRoom: boolean
  /** Finishes sending (FIN) when everything is out. */
  readonly end: () => void
  /** FIN went out. */
  readonly isFinished: boolean
  /** Releases the descriptor, and drops what is unsent. */
  readonly close: () => void
  readonly counts: LentCounts
}

/**
 * A scope that costs next to nothing until it is used: for what runs often and seldom needs one, as a request.
 *
 * @since 0.2.0
 * @category models
 */
export interface LazyScope extends Scope.CloseableScope {
  /** What its owner runs at its end; `undefined` if the scope was never used. From then on it is closed. */
  readonly closing: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void> | undefined
}

/**
 * Makes a scope that becomes one when it is first looked at.
 *
 * @since 0.2.0
 * @category constructors
 */
export const lazyScope: () => LazyScope = makeLazyScope
