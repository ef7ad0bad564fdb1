/** A stream socket over a transport. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { type NetAddress, portOf } from "../../NetAddress.js"
import type { LineOptions, ReceiveOptions, Socket, Stats } from "../../Socket.js"
import type {
  InvalidOption,
  LineTooLong,
  MessageTooLong,
  OfferError,
  ReceiveError,
  SendError,
  UnsupportedOption
} from "../../SocketError.js"
import type { SocketOptions } from "../../SocketOptions.js"
import type { TlsConnection } from "../../TlsConnection.js"
import type { Events, Failure, Transport } from "../../Transport.js"
import * as Causes from "../effect/causes.js"
import type { NetState } from "../netState.js"
import { enterEvent, leaveEvent } from "../time/eventLoop.js"
import type { Millis } from "../time/timeouts.js"
import { SocketTypeId } from "../typeIds.js"
import type { Connection } from "./connection.js"
import { Ending, isNormalEnd, type Lingering } from "./ending.js"
import * as Framing from "./framing.js"
import { Inbound } from "./inbound.js"
import type { Lending } from "./lending.js"
import * as OptionRules from "./options.js"
import { Outbound } from "./outbound.js"
import { type BaseSettings, SocketBase } from "./socketBase.js"
import * as SocketFailure from "./socketFailure.js"

/** What a socket is made with; one object serves all sockets of a server. */
export interface Settings extends BaseSettings, Lingering {
  readonly highWaterMark: number
  readonly sendHighWaterMark: number
}

/**
 * A stream socket over a transport: the two halves, and the end.
 *
 * open → closing (flushing, then waiting for the peer's end) → released (the descriptor is being closed) → closed
 */
export class StreamSocket extends SocketBase<Settings, SocketOptions> implements Socket, Events, Connection {
  readonly [SocketTypeId]: typeof SocketTypeId = SocketTypeId
  transport: Transport
  /** The host as the caller of `connect` gave it. */
  host: string | undefined = undefined
  readonly inbound: Inbound
  readonly outbound: Outbound
  failure: Failure | undefined = undefined
  isConnected = false
  isReleased = false
  /** It was made by connecting. */
  isInitiator = false
  /** From when another library reads and writes it. */
  lending: Lending | undefined = undefined
  /** From when it begins to close. */
  private ending: Ending | undefined = undefined
  /** Learns before the others that it is closed: the server that accepted it. */
  owner: { readonly socketClosed: (socket: StreamSocket) => void } | undefined = undefined
  private connectListener: (() => void) | undefined = undefined

  constructor(netState: NetState, transport: Transport, settings: Settings, ordinal: number) {
    super(netState, settings, ordinal)
    this.transport = transport
    this.inbound = new Inbound(this)
    this.outbound = new Outbound(this)
    netState.sockets.add(this)
    transport.open(this)
    // A platform may know the address only for as long as the connection is there, and the name is made of it.
    if (settings.label === "" && this.isConnected) void transport.remoteAddress
  }

  get highWaterMark(): number {
    return this.settings.highWaterMark
  }

  get sendHighWaterMark(): number {
    return this.settings.sendHighWaterMark
  }

  get isLent(): boolean {
    return this.lending !== undefined
  }

  protected get moduleName(): string {
    return "@copas/core/Socket"
  }

  // ---- addresses

  get localAddress(): NetAddress {
    return this.transport.localAddress
  }

  get remoteAddress(): NetAddress {
    return this.transport.remoteAddress
  }

  protected get shownAddress(): NetAddress {
    return this.transport.remoteAddress
  }

  get localPort(): number | undefined {
    return portOf(this.localAddress)
  }

  get remotePort(): number | undefined {
    return portOf(this.remoteAddress)
  }

  get tls(): Option.Option<TlsConnection> {
    return Option.fromNullable(this.transport.tls)
  }

  // ---- reading

  receive(options?: ReceiveOptions): Effect.Effect<Uint8Array, ReceiveError> {
    return Framing.receive(this.inbound, options)
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

  offer(data: string | Uint8Array): Effect.Effect<boolean, OfferError> {
    return this.outbound.offer(data)
  }

  get flush(): Effect.Effect<void, SendError> {
    return this.outbound.flushAll()
  }

  shutdown(how: "send" | "receive" | "both"): Effect.Effect<void, SendError> {
    const stopReceiving = Effect.suspend(() => {
      if (this.isClosing || this.isLent) return this.closedHere("shutdown")
      this.inbound.discard()
      return Effect.void
    })
    if (how === "receive") return stopReceiving
    return how === "send" ? this.outbound.shutdown() : Effect.zipRight(stopReceiving, this.outbound.shutdown())
  }

  // ---- settings

  protected wrongOption<K extends keyof SocketOptions>(
    name: K,
    value: NonNullable<SocketOptions[K]>
  ): UnsupportedOption | InvalidOption | undefined {
    return OptionRules.wrong(name, value)
  }

  get stats(): Effect.Effect<Stats> {
    return Effect.sync(() => {
      this.count()
      return {
        bytesReceived: this.inbound.bytes,
        bytesSent: this.outbound.moved,
        receiveBuffered: this.inbound.buffer.size,
        sendBuffered: this.outbound.pending,
        ageMillis: this.ageMillis
      }
    })
  }

  /** Brings the numbers up to date: those of bytes that pass by unseen are asked for. */
  count(): void {
    if (this.lending?.isDetached !== true) return
    const { received, sent, unsent } = this.lending.counts
    this.inbound.bytes = received
    this.outbound.moved = sent
    this.outbound.queued = sent + unsent
  }

  /** Bytes that were given to the connection and the system did not take yet. */
  get unsent(): number {
    this.count()
    return this.outbound.pending
  }

  override changeTimeouts(changed: Millis): void {
    super.changeTimeouts(changed)
    this.lending?.arm()
  }

  // ---- what the transport reports

  connected(): void {
    this.isConnected = true
    this.traced("connected")
    this.connectListener?.()
  }

  deliver(chunk: Uint8Array): void {
    enterEvent()
    this.inbound.deliver(chunk)
    if (!this.isClosing) this.lending?.borrower.deliver?.(chunk)
    leaveEvent()
  }

  ended(): void {
    this.traced("ended")
    this.inbound.end()
    this.lending?.borrower.ended?.()
    if (this.isClosing && this.outbound.ended && this.unsent === 0) this.release()
  }

  written(): void {
    this.outbound.written()
    this.lending?.borrower.written?.()
  }

  failed(failure: Failure): void {
    // A lent stream that is cut here ends with an error, which is no failure of the connection.
    if (this.failure !== undefined || (this.isLent && this.isReleased)) return
    this.failure = failure
    this.traced("broken")
    this.inbound.wakeReader()
    this.outbound.drop()
    this.connectListener?.()
    this.lending?.borrower.fail(SocketFailure.brokenError(this, "receive", failure, SocketFailure.noBytes))
    this.release()
  }

  closed(): void {
    if (this.isClosed) return
    this.isClosed = true
    // A transport that closes by itself has cut the connection, unless both directions had come to their end.
    // A lent one was closed by its borrower.
    if (!this.isReleased && this.lending?.isDetached !== true && !(this.inbound.ended && this.outbound.ended)) {
      this.failed({ reason: "Reset", cause: undefined })
    }
    this.isReleased = true
    this.traced("closed")
    this.inbound.disarm()
    this.outbound.disarm()
    this.lending?.disarm()
    this.count()
    if (this.ending !== undefined) this.deadlines.cancel(this.ending)
    this.netState.forget(this)
    this.lending?.borrower.closed?.()
    this.owner?.socketClosed(this)
    this.reportClosed()
  }

  // ---- the end

  /** Calls back when the connection stands or failed. */
  onConnect(listener: () => void): void {
    this.connectListener = listener
  }

  get abort(): Effect.Effect<void> {
    return Effect.uninterruptible(Effect.suspend(() => {
      this.startClosing()
      if (this.beginRelease()) this.transport.reset()
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
    else if (afterFailure === undefined || Causes.isInterruption(exit.cause)) this.cut(afterFailure === "reset")
    else if (afterFailure === "close") this.finish()
    else this.flushAndReset()
  }

  /** Hands what is queued to the system and releases the descriptor, also while it lingers. */
  private cut(byReset: boolean): void {
    if (this.isClosing) this.release()
    else this.beginEnding().cut(byReset)
  }

  private flushAndReset(): void {
    if (!this.isClosing) this.beginEnding().flushAndReset()
  }

  protected finish(): void {
    if (this.isClosing) return
    this.beginEnding().finish()
    // Its borrower may not read any more, and only what is read comes to its end.
    if (this.isLent && !this.isReleased) this.transport.resume()
  }

  private beginEnding(): Ending {
    this.startClosing()
    return this.ending = new Ending(this, this.settings)
  }

  protected onClosing(): void {
    this.inbound.wakeReader()
    this.outbound.wakeAll()
  }

  onProgress(): void {
    this.ending?.onProgress()
  }

  onSendEnd(): void {
    this.lending?.borrower.finished?.()
    if (this.isClosing && this.inbound.ended && this.unsent === 0) this.release()
    else this.onProgress()
  }

  release(): void {
    if (!this.beginRelease()) return
    if (this.ending !== undefined && this.ending.resets) this.transport.reset()
    else this.transport.destroy()
  }

  private beginRelease(): boolean {
    if (this.isReleased) return false
    this.isReleased = true
    if (!this.inbound.ended) this.lending?.borrower.cut(SocketFailure.closedError(this, "close", "here"))
    return true
  }
}
