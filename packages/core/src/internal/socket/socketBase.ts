/** What stream and datagram sockets have alike: name, options, tracing, time-outs, and being closed. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import type * as Scope from "effect/Scope"
import * as NetAddress from "../../NetAddress.js"
import type { TraceEvent } from "../../Socket.js"
import { type InvalidOption, type Operation, type SocketClosed, UnsupportedOption } from "../../SocketError.js"
import type { Timeouts } from "../../SocketOptions.js"
import { suspend } from "../effect/suspend.js"
import type { NetState } from "../netState.js"
import { type Listener, observe, Observers } from "../observers.js"
import type { Deadlines } from "../time/deadlines.js"
import * as TimeoutOptions from "../time/timeouts.js"
import { nextMark } from "./conversationEnd.js"
import * as SocketFailure from "./socketFailure.js"

/** What every socket is made with. */
export interface BaseSettings {
  /** The name, or what the names of accepted sockets begin with: `server:client_`. The address names it where empty. */
  readonly label: string
  readonly timeouts: TimeoutOptions.Millis
  readonly deadlines: Deadlines
}

/** Options that a platform sets and knows. */
interface OptionsTransport<Options> {
  readonly setOption: <K extends keyof Options>(
    name: K,
    value: NonNullable<Options[K]>
  ) => UnsupportedOption | InvalidOption | undefined
  readonly getOption: <K extends keyof Options>(name: K) => Options[K] | UnsupportedOption
}

type TimeoutChanges = { readonly [K in keyof Timeouts]?: Duration.DurationInput | null | undefined }

/** A socket with these options, over a transport that has them, whose halves follow a change of the time-outs. */
export abstract class SocketBase<Settings extends BaseSettings, Options> {
  readonly id: number
  readonly mark = nextMark()
  readonly netState: NetState
  protected readonly settings: Settings
  private readonly openedAt: number
  timeouts: TimeoutOptions.Millis
  isClosing = false
  isClosed = false
  /** Most sockets never have one. */
  private observers: Observers<TraceEvent> | undefined = undefined
  /** The name, if the program gave it one. */
  private givenName: string | undefined = undefined
  /** The number among its server's sockets, 0 for others. */
  private readonly ordinal: number
  private closeListeners: Array<() => void> | undefined = undefined
  abstract readonly transport: OptionsTransport<Options>
  abstract readonly inbound: { readonly rearm: () => void }
  abstract readonly outbound: { readonly rearm: () => void }

  constructor(netState: NetState, settings: Settings, ordinal: number) {
    this.id = settings.deadlines.nextNumber("socket")
    this.netState = netState
    this.settings = settings
    this.timeouts = settings.timeouts
    this.openedAt = settings.deadlines.now()
    this.ordinal = ordinal
  }

  get deadlines(): Deadlines {
    return this.settings.deadlines
  }

  // ---- name

  /** The address that names it. */
  protected abstract readonly shownAddress: NetAddress.NetAddress

  get name(): string {
    if (this.givenName !== undefined) return this.givenName
    const { label } = this.settings
    if (label === "") return NetAddress.format(this.shownAddress)
    return this.ordinal === 0 ? label : label + this.ordinal
  }

  setName(name: string): Effect.Effect<void> {
    return Effect.sync(() => {
      this.givenName = name
    })
  }

  protected abstract readonly moduleName: string

  /** What logs and assertions show of it, in place of everything that hangs on it. */
  toJSON(): unknown {
    return { _id: this.moduleName, id: this.id, name: this.name, isClosed: this.isClosed }
  }

  [Inspectable.NodeInspectSymbol](): unknown {
    return this.toJSON()
  }

  // ---- settings

  setTimeouts(timeouts: TimeoutChanges): Effect.Effect<void, InvalidOption> {
    // A change applies to what is set when it runs, which is not what was set when the caller made it.
    return Effect.suspend(() =>
      Effect.map(TimeoutOptions.change(this.timeouts, timeouts), (changed) => this.changeTimeouts(changed))
    )
  }

  changeTimeouts(changed: TimeoutOptions.Millis): void {
    this.timeouts = changed
    this.inbound.rearm()
    this.outbound.rearm()
  }

  /** What is wrong with the value, whatever the platform. */
  protected abstract wrongOption<K extends keyof Options>(
    name: K,
    value: NonNullable<Options[K]>
  ): UnsupportedOption | InvalidOption | undefined

  setOption<K extends keyof Options>(
    name: K,
    value: NonNullable<Options[K]>
  ): Effect.Effect<void, UnsupportedOption | InvalidOption | SocketClosed> {
    return Effect.suspend((): Effect.Effect<void, UnsupportedOption | InvalidOption | SocketClosed> => {
      if (this.isClosing) return this.closedHere("configure")
      const refusal = this.wrongOption(name, value) ?? this.transport.setOption(name, value)
      return refusal === undefined ? Effect.void : Effect.fail(refusal)
    })
  }

  getOption<K extends keyof Options>(name: K): Effect.Effect<Options[K], UnsupportedOption | SocketClosed> {
    return Effect.suspend((): Effect.Effect<Options[K], UnsupportedOption | SocketClosed> => {
      if (this.isClosing) return this.closedHere("configure")
      const value = this.transport.getOption(name)
      return value instanceof UnsupportedOption ? Effect.fail(value) : Effect.succeed(value)
    })
  }

  // ---- tracing

  get ageMillis(): number {
    return this.deadlines.now() - this.openedAt
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

  // ---- closing

  /** The failure of an operation on a socket that was closed here. */
  protected closedHere(operation: Operation): Effect.Effect<never, SocketClosed> {
    return SocketFailure.closed(this, operation, "here", SocketFailure.noBytes)
  }

  /** Closing begins: whatever waits for the socket fails. */
  protected abstract onClosing(): void

  protected startClosing(): void {
    if (this.isClosing) return
    this.isClosing = true
    this.traced("closing")
    this.onClosing()
  }

  /** Begins to close the socket after success. */
  protected abstract finish(): void

  onClose(listener: () => void): void {
    if (this.isClosed) listener()
    else (this.closeListeners ??= []).push(listener)
  }

  get awaitClosed(): Effect.Effect<void> {
    return suspend<void>((resume) => {
      this.onClose(() => resume(Effect.void))
    })
  }

  get startClose(): Effect.Effect<void, SocketClosed> {
    return Effect.suspend(() => {
      if (this.isClosing) return this.closedHere("close")
      this.finish()
      return Effect.void
    })
  }

  get close(): Effect.Effect<void, SocketClosed> {
    return Effect.uninterruptible(Effect.zipRight(this.startClose, this.awaitClosed))
  }

  /** The descriptor is released. */
  protected reportClosed(): void {
    const { closeListeners } = this
    this.closeListeners = undefined
    closeListeners?.forEach((listener) => listener())
  }
}
