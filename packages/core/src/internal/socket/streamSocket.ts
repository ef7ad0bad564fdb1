import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as NetAddressModule from "../../NetAddress.js"
import type { NetAddress } from "../../NetAddress.js"
import type { LineOptions, Socket, Stats, TraceEvent } from "../../Socket.js"
import {
  type BrokenReason,
  type InvalidOption,
  isEndOfConversation,
  type LineTooLong,
  type MessageTooLong,
  type ReceiveError,
  type SendError,
  SocketBroken,
  SocketClosed,
  UnsupportedOption
} from "../../SocketError.js"
import type { SocketOptions, Timeouts } from "../../SocketOptions.js"
import type { TlsConnection } from "../../TlsConnection.js"
import type { Events, Failure, Transport } from "../../Transport.js"
import { suspend } from "../effect/suspend.js"
import type { NetState } from "../netState.js"
import { type Listener, observe, Observers } from "../observers.js"
import { Deadline, type Deadlines } from "../time/deadlines.js"
import { enterEvent, leaveEvent } from "../time/eventLoop.js"
import * as TimeoutOptions from "../time/timeouts.js"
import { SocketTypeId } from "../typeIds.js"
import { isEndOf, nextMark } from "./conversationEnd.js"
import * as Framing from "./framing.js"
import { Inbound } from "./inbound.js"
import * as OptionRules from "./options.js"
import { Outbound } from "./outbound.js"
import * as SocketFailure from "./socketFailure.js"

/** What a socket is made with; one object serves all sockets of a server. */
export interface Settings {
  /** What the names of accepted sockets begin with: `server:client_`. */
  readonly label: string
  readonly timeouts: TimeoutOptions.Millis
  readonly linger: number
  /** The same while what was sent is flushed: a slow peer's system takes it in bursts that are seconds apart. */
  readonly flushLinger: number
  readonly highWaterMark: number
  readonly sendHighWaterMark: number
  readonly deadlines: Deadlines
}

class LingerDeadline extends Deadline {
  readonly socket: StreamSocket
  constructor(socket: StreamSocket) {
    super()
    this.socket = socket
  }
  expire(): void {
    this.socket.release()
  }
}

/**
 * A stream socket over a transport: the two halves, and the end.
 *
 * open → closing (flushing, then waiting for the peer's end) → released (the descriptor is being closed) → closed
 */
export class StreamSocket implements Socket, Events {
  readonly [SocketTypeId]: typeof SocketTypeId = SocketTypeId
  readonly id: number
  readonly mark = nextMark()
  readonly netState: NetState
  /** Another one from the start of a TLS handshake on: it stands over the first. */
  transport: Transport
  /** The host as the caller of `connect` gave it. */
  host: string | undefined = undefined
  readonly inbound: Inbound
  readonly outbound: Outbound
  private readonly settings: Settings
  private readonly openedAt: number
  timeouts: TimeoutOptions.Millis
  failure: Failure | undefined = undefined
  isConnected = false
  isClosing = false
  isReleased = false
  isClosed = false
  /** The descriptor is released by a reset. */
  private resetsAtEnd = false
  /** Most sockets never have one. */
  private observers: Observers<TraceEvent> | undefined = undefined
  /** The name, where somebody gave one. */
  private givenName: string | undefined = undefined
  /** The number among its server's sockets, 0 for others. */
  private readonly ordinal: number
  private linger: LingerDeadline | undefined = undefined
  private closeListeners: Array<() => void> | undefined = undefined
  /** Told before the others that it is closed: the server that accepted it. */
  owner: { readonly socketClosed: (socket: StreamSocket) => void } | undefined = undefined
  private connectListener: (() => void) | undefined = undefined

  constructor(netState: NetState, transport: Transport, settings: Settings, ordinal: number) {
    this.id = settings.deadlines.nextNumber("socket")
    this.netState = netState
    this.transport = transport
    this.settings = settings
    this.ordinal = ordinal
    this.timeouts = settings.timeouts
    this.openedAt = settings.deadlines.now()
    this.inbound = new Inbound(this)
    this.outbound = new Outbound(this)
    netState.sockets.add(this)
    transport.open(this)
    // A platform may know the address only for as long as the connection is there, and the name is made of it.
    if (settings.label === "" && this.isConnected) void transport.remoteAddress
  }

  get deadlines(): Deadlines {
    return this.settings.deadlines
  }

  get highWaterMark(): number {
    return this.settings.highWaterMark
  }

  get sendHighWaterMark(): number {
    return this.settings.sendHighWaterMark
  }

  // ---- who and where

  get name(): string {
    if (this.givenName !== undefined) return this.givenName
    const { label } = this.settings
    if (label === "") return NetAddressModule.format(this.remoteAddress)
    return this.ordinal === 0 ? label : label + this.ordinal
  }

  setName(name: string): Effect.Effect<void> {
    return Effect.sync(() => {
      this.givenName = name
    })
  }

  get localAddress(): NetAddress {
    return this.transport.localAddress
  }

  get remoteAddress(): NetAddress {
    return this.transport.remoteAddress
  }

  get tls(): Option.Option<TlsConnection> {
    return Option.fromNullable(this.transport.tls)
  }

  // ---- reading

  receive(options?: { readonly maxBytes?: number | undefined }): Effect.Effect<Uint8Array, ReceiveError> {
    return Framing.receive(this.inbound, options?.maxBytes)
  }

  recycle(chunk: Uint8Array): void {
    this.transport.recycle?.(chunk)
  }

  receiveLine(options?: LineOptions): Effect.Effect<string, ReceiveError | LineTooLong> {
    return Framing.receiveLine(this.inbound, options)
  }

  receiveExactly(length: number): Effect.Effect<Uint8Array, ReceiveError> {
    return Framing.receiveExactly(this.inbound, length)
  }

  receiveAll(
    options?: { readonly maxBytes?: number | undefined }
  ): Effect.Effect<Uint8Array, ReceiveError | MessageTooLong> {
    return Framing.receiveAll(this.inbound, options?.maxBytes)
  }

  receiveUntil(
    delimiter: string | Uint8Array,
    options?: { readonly maxLength?: number | undefined }
  ): Effect.Effect<Uint8Array, ReceiveError | LineTooLong> {
    return Framing.receiveUntil(this.inbound, delimiter, options?.maxLength)
  }

  forEachLine<E, R>(
    f: (line: string) => Effect.Effect<unknown, E, R>,
    options?: LineOptions
  ): Effect.Effect<void, E | ReceiveError | LineTooLong, R> {
    return Framing.forEachLine(this.inbound, f, options)
  }

  forEachChunk<E, R>(f: (chunk: Uint8Array) => Effect.Effect<unknown, E, R>): Effect.Effect<void, E | ReceiveError, R> {
    return Framing.forEachChunk(this.inbound, f)
  }

  // ---- writing

  send(data: string | Uint8Array): Effect.Effect<void, SendError> {
    return this.outbound.send(data)
  }

  get flush(): Effect.Effect<void, SendError> {
    return this.outbound.flushAll()
  }

  shutdown(how: "send" | "receive" | "both"): Effect.Effect<void, SendError> {
    const stopReceiving = Effect.suspend(() => {
      if (this.isClosing) return SocketFailure.closed(this, "shutdown", "here", SocketFailure.noBytes)
      this.inbound.discard()
      return Effect.void
    })
    if (how === "receive") return stopReceiving
    return how === "send" ? this.outbound.shutdown() : Effect.zipRight(stopReceiving, this.outbound.shutdown())
  }

  // ---- settings

  setTimeouts(
    timeouts: { readonly [K in Exclude<keyof Timeouts, "connect">]?: Duration.DurationInput | null | undefined }
  ): Effect.Effect<void, InvalidOption> {
    return Effect.map(TimeoutOptions.change(this.timeouts, timeouts), (changed) => {
      this.timeouts = changed
      this.inbound.rearm()
      this.outbound.rearm()
    })
  }

  setOption<K extends keyof SocketOptions>(
    name: K,
    value: NonNullable<SocketOptions[K]>
  ): Effect.Effect<void, UnsupportedOption | InvalidOption | SocketClosed> {
    return Effect.suspend((): Effect.Effect<void, UnsupportedOption | InvalidOption | SocketClosed> => {
      if (this.isClosing) return SocketFailure.closed(this, "configure", "here", SocketFailure.noBytes)
      const refusal = OptionRules.wrong(name, value) ?? this.transport.setOption(name, value)
      return refusal === undefined ? Effect.void : Effect.fail(refusal)
    })
  }

  getOption<K extends keyof SocketOptions>(
    name: K
  ): Effect.Effect<SocketOptions[K], UnsupportedOption | SocketClosed> {
    return Effect.suspend((): Effect.Effect<SocketOptions[K], UnsupportedOption | SocketClosed> => {
      if (this.isClosing) return SocketFailure.closed(this, "configure", "here", SocketFailure.noBytes)
      const value = this.transport.getOption(name)
      return value instanceof UnsupportedOption ? Effect.fail(value) : Effect.succeed(value)
    })
  }

  get stats(): Effect.Effect<Stats> {
    return Effect.sync(() => ({
      bytesReceived: this.inbound.bytes,
      bytesSent: this.outbound.moved,
      receiveBuffered: this.inbound.buffer.size,
      sendBuffered: this.outbound.pending,
      ageMillis: this.deadlines.now() - this.openedAt
    }))
  }

  trace(tracer: ((event: TraceEvent) => void) | undefined): Effect.Effect<void> {
    return Effect.sync(() => {
      if (tracer !== undefined || this.observers !== undefined) this.ownObservers.set(tracer)
    })
  }

  observe(listener: Listener<TraceEvent>): Effect.Effect<void, never, Scope.Scope> {
    return observe(() => this.ownObservers, listener)
  }

  private get ownObservers(): Observers<TraceEvent> {
    return this.observers ??= new Observers()
  }

  traced(event: TraceEvent["event"], bytes?: number): void {
    const { observers: all } = this.netState
    const { observers: own } = this
    if (all.isEmpty && (own === undefined || own.isEmpty)) return
    const shown: TraceEvent = bytes === undefined
      ? { socket: this.name, event }
      : { socket: this.name, event, bytes }
    own?.show(shown)
    all.show(shown)
  }

  /** What logs and assertions show of it: not all that hangs on it. */
  toJSON(): unknown {
    return { _id: "@copas/core/Socket", id: this.id, name: this.name, isClosed: this.isClosed }
  }

  [Inspectable.NodeInspectSymbol](): unknown {
    return this.toJSON()
  }

  // ---- what the transport says

  connected(): void {
    this.isConnected = true
    this.traced("connected")
    this.connectListener?.()
  }

  deliver(chunk: Uint8Array): void {
    enterEvent()
    this.inbound.deliver(chunk)
    leaveEvent()
  }

  ended(): void {
    this.traced("ended")
    this.inbound.end()
    if (this.isClosing && this.outbound.ended) this.release()
  }

  written(): void {
    this.outbound.written()
  }

  failed(failure: Failure): void {
    if (this.failure !== undefined) return
    this.failure = failure
    this.traced("broken")
    this.inbound.wakeReader()
    this.outbound.drop()
    this.connectListener?.()
    this.release()
  }

  closed(): void {
    if (this.isClosed) return
    this.isClosed = true
    // A transport that closes by itself has cut the connection, unless both directions had come to their end.
    if (!this.isReleased && !(this.inbound.ended && this.outbound.ended)) {
      this.failed({ reason: "Reset", cause: undefined })
    }
    this.isReleased = true
    this.traced("closed")
    this.inbound.disarm()
    this.outbound.disarm()
    if (this.linger !== undefined) this.deadlines.cancel(this.linger)
    this.netState.forget(this)
    this.owner?.socketClosed(this)
    const listeners = this.closeListeners
    this.closeListeners = undefined
    listeners?.forEach((listener) => listener())
  }

  // ---- the end

  /** Calls back when the connection stands or failed. */
  onConnect(listener: () => void): void {
    this.connectListener = listener
  }

  onClose(listener: () => void): void {
    if (this.isClosed) listener()
    else (this.closeListeners ??= []).push(listener)
  }

  get awaitClosed(): Effect.Effect<void> {
    return suspend<void>((resume) => this.onClose(() => resume(Effect.void)))
  }

  get close(): Effect.Effect<void, SocketClosed> {
    return Effect.uninterruptible(Effect.zipRight(this.startClose, this.awaitClosed))
  }

  get startClose(): Effect.Effect<void, SocketClosed> {
    return Effect.suspend(() => {
      if (this.isClosing) return SocketFailure.closed(this, "close", "here", SocketFailure.noBytes)
      this.finish()
      return Effect.void
    })
  }

  get abort(): Effect.Effect<void> {
    return Effect.uninterruptible(Effect.suspend(() => {
      this.startClosing()
      if (!this.isReleased) {
        this.isReleased = true
        this.transport.reset()
      }
      return this.awaitClosed
    }))
  }

  /** What leaving the scope does. */
  releaseWith(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.end(exit)
      return this.awaitClosed
    })
  }

  /**
   * Flushes, half-closes and lingers after success, and after a failure where `afterFailure` is `"close"`; with `"reset"`
   * flushes and resets. Otherwise, and after an interruption, hands what is queued to the system and waits for nothing.
   */
  end(exit: Exit.Exit<unknown, unknown>, afterFailure?: "close" | "reset"): void {
    if (Exit.isSuccess(exit) || isNormalEnd(exit, this)) this.finish()
    else if (afterFailure === undefined || Cause.isInterruptedOnly(exit.cause)) this.cut(afterFailure === "reset")
    else if (afterFailure === "close") this.finish()
    else this.flushAndReset()
  }

  /** Hands what is queued to the system and releases the descriptor, also while it lingers. */
  private cut(byReset: boolean): void {
    if (!this.isClosing) {
      this.startClosing()
      this.resetsAtEnd = byReset
      this.outbound.flush()
    }
    this.release()
  }

  /** The reset waits until the system has everything; a peer that takes nothing gets as long as for a flush. */
  private flushAndReset(): void {
    if (this.isClosing) return
    this.startClosing()
    this.resetsAtEnd = true
    this.inbound.discard()
    this.outbound.flush()
    if (this.failure !== undefined || this.settings.linger === 0 || this.outbound.pending === 0) this.release()
    else this.scheduleLinger()
  }

  /**
   * Flushes and half-closes, then waits for the peer's end, so that what it has still in flight does not turn into a
   * reset that takes our last bytes with it (RFC 9112, section 9.6, tells of the trap). All within the linger time.
   */
  private finish(): void {
    if (this.isClosing) return
    this.startClosing()
    if (this.failure !== undefined) {
      this.release()
      return
    }
    if (this.settings.linger === 0) {
      // What was sent in this turn is only queued here: the system has to have it before it can do anything about it.
      this.outbound.flush()
      this.release()
      return
    }
    this.inbound.discard()
    this.outbound.end()
    if (this.inbound.ended && this.outbound.ended) this.release()
    if (!this.isReleased) this.scheduleLinger()
  }

  private startClosing(): void {
    if (this.isClosing) return
    this.isClosing = true
    this.traced("closing")
    this.inbound.wakeReader()
    this.outbound.wakeAll()
  }

  private scheduleLinger(): void {
    this.linger ??= new LingerDeadline(this)
    const { flushLinger, linger } = this.settings
    this.deadlines.schedule(this.linger, this.deadlines.now() + (this.outbound.ended ? linger : flushLinger))
  }

  /** The system took more of what was sent: a slow peer may go on being slow. */
  onProgress(): void {
    if (this.linger === undefined || this.isReleased) return
    if (this.resetsAtEnd && this.outbound.pending === 0) this.release()
    else this.scheduleLinger()
  }

  onSendEnd(): void {
    if (this.isClosing && this.inbound.ended) this.release()
    else this.onProgress()
  }

  release(): void {
    if (this.isReleased) return
    this.isReleased = true
    if (this.resetsAtEnd) this.transport.reset()
    else this.transport.destroy()
  }
}

/**
 * A conversation that ran until the peer of this socket hung up between two messages has not failed, nor has one that ran
 * until the socket was closed here. Fibers that were interrupted because of that, as in an `Effect.all` of both
 * directions, do not make it a failure.
 */
export const isNormalEnd = (exit: Exit.Exit<unknown, unknown>, socket: StreamSocket): boolean =>
  Exit.isFailure(exit) &&
  isEndBy(exit.cause, (error) => isEndOfConversation(error, socket) || isClosedHere(error, socket))

/** The cause tells of nothing but that the socket was closed here. */
export const isEndByClosing = (cause: Cause.Cause<unknown>, socket: object): boolean =>
  isEndBy(cause, (error) => isClosedHere(error, socket))

const everyday: ReadonlySet<BrokenReason> = new Set(["Reset", "BrokenPipe", "TimedOut", "Unreachable", "Truncated"])

/** The cause tells of nothing but that this socket's peer, or the network on the way, cut the connection. */
export const isBrokenByPeer = (cause: Cause.Cause<unknown>, socket: object): boolean =>
  isEndBy(
    cause,
    (error) => error instanceof SocketBroken && everyday.has(error.reason) && isEndOf(error, socket)
  )

const isClosedHere = (error: unknown, socket: object): boolean =>
  error instanceof SocketClosed && error.by === "here" && isEndOf(error, socket)

const isEndBy = (cause: Cause.Cause<unknown>, isEnd: (error: unknown) => boolean): boolean =>
  cause._tag === "Fail"
    ? isEnd(cause.error)
    : Cause.isFailure(cause) && !Cause.isDie(cause) && Chunk.every(Cause.failures(cause), isEnd)
