/** A listening socket: connections that wait to be taken, and the fibers that wait for one. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Inspectable from "effect/Inspectable"
import type * as Scope from "effect/Scope"
import type { Listener, ListenerStats } from "../../Listener.js"
import * as NetAddressModule from "../../NetAddress.js"
import type { NetAddress } from "../../NetAddress.js"
import type { ListenTarget } from "../../NetPlatform.js"
import type { Socket } from "../../Socket.js"
import { AcceptError, ListenerClosed } from "../../SocketError.js"
import type { TlsError } from "../../TlsError.js"
import type { Failure, ListenEvents, ListenTransport, Transport } from "../../Transport.js"
import { type AnyFiber, isInterrupted, isInterruptible } from "../effect/fibers.js"
import { suspend, suspendCancellable, withFiber } from "../effect/suspend.js"
import type { NetState } from "../netState.js"
import { acceptReason } from "../socket/reasons.js"
import { type Settings, StreamSocket } from "../socket/streamSocket.js"
import { ListenerHandshakes, type ListenerTls } from "../tls/listenerHandshakes.js"
import { ListenerTypeId } from "../typeIds.js"
import { yieldsSoon } from "../yielding.js"
import { addRelease } from "./scopeEnd.js"

/** What serves a listener or a datagram socket. */
export interface Serving {
  /** Run when its scope ends after success, if nothing ever came to it. */
  readonly endedUnused: Effect.Effect<void>
}

/** The server that takes what comes, at once: a fiber that waits to accept would cost each connection a wake. */
interface Accepting extends Serving {
  readonly acceptAll: () => void
}

/**
 * A listening socket. Connections that came in wait here, at most `backlog` of them, until they are accepted: as
 * with reading, a waiting fiber is woken and looks, so an interrupted accept loses no connection.
 */
export class NetListener implements Listener, ListenEvents {
  readonly [ListenerTypeId]: typeof ListenerTypeId = ListenerTypeId
  readonly settings: Settings
  private readonly netState: NetState
  private readonly backlog: number
  private readonly transport: ListenTransport
  private pending: Array<Transport> = []
  private failure: Failure | undefined = undefined
  private failures = 0
  private readonly handshakes: ListenerHandshakes | undefined
  /** Failed handshakes that were not reported yet, and why the last one failed. */
  private unreported = 0
  private unreportedError: TlsError | undefined = undefined
  private waiters: Array<{ readonly fiber: AnyFiber; readonly wake: () => void }> = []
  server: Accepting | undefined = undefined
  private wasUsed = false
  private onSettled: (() => void) | undefined = undefined
  private closeListeners: Array<() => void> = []
  isListening = false
  isClosing = false
  private isClosed = false
  private accepted_ = 0
  private refused = 0
  private failed_ = 0

  constructor(netState: NetState, target: ListenTarget, settings: Settings, tls: ListenerTls | undefined) {
    this.netState = netState
    this.backlog = target.backlog
    this.settings = settings
    this.handshakes = tls === undefined ? undefined : new ListenerHandshakes(tls, this)
    this.transport = netState.platform.listen(target, this)
  }

  get address(): NetAddress {
    return this.transport.localAddress
  }

  get port(): number | undefined {
    return NetAddressModule.portOf(this.address)
  }

  get path(): string | undefined {
    const { address } = this
    return address._tag === "UnixAddress" ? address.path : undefined
  }

  get shownAddress(): string {
    return NetAddressModule.format(this.address)
  }

  /** What logs show of it: not what hangs on it, such as the key of its TLS. */
  toJSON(): unknown {
    return { _id: "@copas/core/Listener", address: this.shownAddress, isClosed: this.isClosed }
  }

  [Inspectable.NodeInspectSymbol](): unknown {
    return this.toJSON()
  }

  get stats(): Effect.Effect<ListenerStats> {
    return Effect.sync(() => ({
      accepted: this.accepted_,
      refused: this.refused,
      failed: this.failed_,
      pending: this.pending.length,
      handshakes: this.handshakes?.size ?? 0,
      handshakeFailures: this.handshakes?.failures ?? 0
    }))
  }

  // ---- what the transport says

  listening(): void {
    this.isListening = true
    this.onSettled?.()
  }

  accepted(transport: Transport): void {
    this.wasUsed = true
    if (this.isClosing || this.pending.length >= this.backlog) {
      this.refused += 1
      transport.destroy()
      return
    }
    if (this.handshakes === undefined) this.secured(transport)
    else this.handshakes.begin(transport)
  }

  /** A connection is ready to be accepted; where there is TLS it stands. */
  secured(transport: Transport): void {
    this.pending.push(transport)
    this.wakeAll()
  }

  notSecured(error: TlsError): void {
    this.unreported += 1
    this.unreportedError = error
    this.wakeAll()
  }

  failed(failure: Failure): void {
    this.failure = failure
    if (this.isListening) {
      this.failures += 1
      this.failed_ += 1
      this.wakeAll()
    } else {
      this.onSettled?.()
    }
  }

  closed(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.isClosing = true
    for (const transport of this.pending.splice(0)) transport.destroy()
    this.handshakes?.close()
    this.wakeAll()
    for (const listener of this.closeListeners.splice(0)) listener()
  }

  // ---- binding

  /** Waits until the platform listens; gives the reason when it cannot. */
  get bound(): Effect.Effect<void, Failure> {
    return suspend<void, Failure>((resume) => {
      const settle = (): void => {
        resume(this.isListening || this.failure === undefined ? Effect.void : Effect.fail(this.failure))
      }
      if (this.isListening || this.failure !== undefined) settle()
      else this.onSettled = settle
    })
  }

  // ---- accepting

  /** Takes what waits: a connection, a failure to tell, or nothing. */
  take(settings: Settings, ordinal: number): StreamSocket | AcceptError | undefined {
    if (this.failures > 0) {
      const count = this.failures
      this.failures = 0
      const failure = this.failure!
      return new AcceptError({
        reason: acceptReason(failure.reason),
        address: this.shownAddress,
        count,
        cause: failure.cause
      })
    }
    if (this.unreported > 0) {
      const count = this.unreported
      this.unreported = 0
      return new AcceptError({ reason: "Handshake", address: this.shownAddress, count, cause: this.unreportedError })
    }
    const transport = this.pending.shift()
    if (transport === undefined) return undefined
    this.accepted_ += 1
    return new StreamSocket(this.netState, transport, settings, ordinal)
  }

  /** The fibers that wait to accept. */
  get accepting(): ReadonlyArray<AnyFiber> {
    return this.waiters.map(({ fiber }) => fiber)
  }

  /** Waits until there is something to take, or the listener is closed. */
  private ready(fiber: AnyFiber): Effect.Effect<void> {
    return suspendCancellable<void>((resume) => {
      if (this.pending.length > 0 || this.failures > 0 || this.unreported > 0 || this.isClosing) {
        resume(Effect.void)
        return
      }
      const waiter = { fiber, wake: () => resume(Effect.void) }
      this.waiters.push(waiter)
      return Effect.sync(() => {
        const index = this.waiters.indexOf(waiter)
        if (index !== -1) this.waiters.splice(index, 1)
      })
    })
  }

  get accept(): Effect.Effect<Socket, AcceptError | ListenerClosed, Scope.Scope> {
    return Effect.flatMap(Effect.scope, (scope) =>
      withFiber((fiber) => {
        const mayBeInterrupted = isInterruptible(fiber)
        return Effect.uninterruptibleMask((restore) => {
          const next: Effect.Effect<Socket, AcceptError | ListenerClosed> = withFiber((fiber) => {
            // A fiber that leaves this region interrupted gives up the connection: the caller never sees it.
            if (yieldsSoon(fiber) || (mayBeInterrupted && isInterrupted(fiber))) {
              return Effect.zipRight(restore(Effect.yieldNow()), next)
            }
            if (this.isClosing) return Effect.fail(new ListenerClosed({ address: this.shownAddress }))
            const taken = this.take(this.settings, 0)
            if (taken === undefined) return Effect.zipRight(restore(this.ready(fiber)), next)
            if (taken instanceof AcceptError) return Effect.fail(taken)
            return Effect.as(addRelease(scope, (exit) => taken.releaseWith(exit)), taken)
          })
          return next
        })
      }))
  }

  private wakeAll(): void {
    this.server?.acceptAll()
    if (this.waiters.length === 0) return
    for (const { wake } of this.waiters.splice(0)) wake()
  }

  // ---- the end

  /** Stops listening and waits until the descriptor is released. Connections that wait are refused. */
  get shut(): Effect.Effect<void> {
    return Effect.uninterruptible(suspend<void>((resume) => {
      if (this.isClosed) {
        resume(Effect.void)
        return
      }
      this.closeListeners.push(() => resume(Effect.void))
      if (this.isClosing) return
      this.isClosing = true
      this.wakeAll()
      this.transport.close()
    }))
  }

  /** What leaving the scope does. */
  releaseWith(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return this.server === undefined || this.wasUsed || Exit.isFailure(exit)
      ? this.shut
      : Effect.zipRight(this.server.endedUnused, this.shut)
  }

  get close(): Effect.Effect<void, ListenerClosed> {
    return Effect.suspend(() =>
      this.isClosing
        ? Effect.fail(new ListenerClosed({ address: this.shownAddress }))
        : this.shut
    )
  }
}
