/** A datagram socket over a transport. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type {
  Datagram,
  DatagramOptions,
  DatagramSocket,
  Destination,
  MembershipOptions,
  Stats
} from "../../DatagramSocket.js"
import type { DatagramEvents, DatagramPlatform, DatagramTarget, DatagramTransport } from "../../DatagramTransport.js"
import * as NetAddress from "../../NetAddress.js"
import type { InetAddress } from "../../NetAddress.js"
import {
  type ConnectError,
  type DatagramError,
  type DatagramOfferError,
  type DatagramReceiveError,
  type DatagramSendError,
  type InvalidOption,
  type SocketClosed,
  UnsupportedOption
} from "../../SocketError.js"
import type { Failure } from "../../Transport.js"
import { suspend } from "../effect/suspend.js"
import type { Serving } from "../net/listener.js"
import type { Permit } from "../net/permit.js"
import type { NetState } from "../netState.js"
import { type BaseSettings, SocketBase } from "../socket/socketBase.js"
import * as SocketFailure from "../socket/socketFailure.js"
import { aCount, invalid, isCount } from "../time/optionValues.js"
import { DatagramSocketTypeId } from "../typeIds.js"
import type { DatagramConnection } from "./connection.js"
import { DatagramInbound } from "./inbound.js"
import * as DatagramNames from "./names.js"
import * as DatagramOptionsModule from "./options.js"
import { DatagramOutbound } from "./outbound.js"
import { Sender } from "./sender.js"

export interface DatagramSettings extends BaseSettings {
  readonly maxQueued: number
  readonly maxQueuedBytes: number
  readonly permit: Permit<InetAddress> | undefined
}

const bytesOf = (datagram: Datagram): Uint8Array => datagram.data
const whole = (datagram: Datagram): Datagram => datagram

/**
 * A datagram socket over a transport: the two halves, the peer, and the end.
 */
export class DatagramEndpoint extends SocketBase<DatagramSettings, DatagramOptions>
  implements DatagramSocket, DatagramEvents, DatagramConnection
{
  readonly [DatagramSocketTypeId]: typeof DatagramSocketTypeId = DatagramSocketTypeId
  readonly transport: DatagramTransport
  readonly target: DatagramTarget
  readonly permit: Permit<InetAddress> | undefined
  readonly inbound: DatagramInbound
  readonly outbound: DatagramOutbound
  /** The peer, as the transport writes it. */
  peer: InetAddress | undefined = undefined
  isBound = false
  private bindFailure: Failure | undefined = undefined
  private onSettled: (() => void) | undefined = undefined
  /** What serves it, if anything. */
  server: Serving | undefined = undefined
  private readonly next: Effect.Effect<Uint8Array, DatagramReceiveError>
  readonly receiveFrom: Effect.Effect<Datagram, DatagramReceiveError>

  constructor(netState: NetState, platform: DatagramPlatform, target: DatagramTarget, settings: DatagramSettings) {
    super(netState, settings, 0)
    this.target = target
    this.permit = settings.permit
    this.inbound = new DatagramInbound(this, settings.maxQueued, settings.maxQueuedBytes)
    this.outbound = new DatagramOutbound(this)
    this.next = this.inbound.read(bytesOf)
    this.receiveFrom = this.inbound.read(whole)
    this.transport = platform.bind(target)
    netState.datagramSockets.add(this)
    this.transport.open(this)
  }

  protected get moduleName(): string {
    return "@copas/core/DatagramSocket"
  }

  // ---- addresses

  get localAddress(): InetAddress {
    return this.transport.localAddress
  }

  protected get shownAddress(): InetAddress {
    return this.transport.localAddress
  }

  get port(): number {
    return this.transport.localAddress.port
  }

  get remoteAddress(): InetAddress | undefined {
    return this.peer
  }

  get shownPeer(): string {
    return this.peer === undefined ? "" : NetAddress.format(this.peer)
  }

  // ---- receiving

  receive(options?: { readonly maxBytes?: number | undefined }): Effect.Effect<Uint8Array, DatagramReceiveError> {
    const maxBytes = options?.maxBytes
    if (maxBytes === undefined) return this.next
    return isCount(maxBytes, 1)
      ? this.inbound.read(({ data }) => data.subarray(0, maxBytes))
      : Effect.die(invalid("maxBytes", maxBytes, aCount(1)))
  }

  // ---- sending

  send(data: string | Uint8Array): Effect.Effect<void, DatagramSendError> {
    return this.outbound.send(data, undefined)
  }

  sendTo(data: string | Uint8Array, to: Destination): Effect.Effect<void, DatagramSendError> {
    return DatagramNames.isReady(this, to)
      ? this.outbound.send(data, to)
      : Effect.flatMap(DatagramNames.destination(this, to), (address) => this.outbound.send(data, address))
  }

  offer(data: string | Uint8Array): Effect.Effect<boolean, DatagramOfferError> {
    return this.outbound.offer(data, undefined)
  }

  offerTo(data: string | Uint8Array, to: Destination): Effect.Effect<boolean, DatagramOfferError> {
    return DatagramNames.isReady(this, to)
      ? this.outbound.offer(data, to)
      : Effect.flatMap(DatagramNames.numericDestination(this, to), (address) => this.outbound.offer(data, address))
  }

  // ---- the peer

  connect(to: Destination): Effect.Effect<void, ConnectError | InvalidOption | SocketClosed> {
    return Effect.flatMap(DatagramNames.peer(this, to), (address) => this.connectTo(address, to))
  }

  private connectTo(address: InetAddress, to: Destination): Effect.Effect<void, ConnectError | SocketClosed> {
    return suspend<void, ConnectError | SocketClosed>((resume) => {
      if (this.isClosing) {
        resume(this.closedHere("connect"))
        return
      }
      if (this.peer !== undefined) this.transport.disconnect()
      this.peer = undefined
      this.transport.connect(address, (failure) => {
        if (this.isClosing) resume(this.closedHere("connect"))
        else if (failure !== undefined) resume(Effect.fail(DatagramNames.connectError(to, failure)))
        else {
          const peer = this.transport.remoteAddress ?? address
          this.peer = peer
          this.inbound.takeFailure()
          this.outbound.distrust()
          this.inbound.keepOnly((from) => from.host === peer.host && from.port === peer.port)
          this.traced("connected")
          resume(Effect.void)
        }
      })
    })
  }

  get disconnect(): Effect.Effect<void, DatagramError | SocketClosed> {
    return Effect.suspend((): Effect.Effect<void, DatagramError | SocketClosed> => {
      if (this.isClosing) return this.closedHere("connect")
      if (this.peer === undefined) return Effect.void
      const shown = this.shownPeer
      const failure = this.transport.disconnect()
      if (failure !== undefined) return SocketFailure.datagram(this, "connect", failure, shown)
      this.peer = undefined
      return Effect.void
    })
  }

  // ---- groups

  join(
    group: string,
    options: MembershipOptions = {}
  ): Effect.Effect<void, DatagramError | InvalidOption | UnsupportedOption | SocketClosed, Scope.Scope> {
    const joined = Effect.suspend((): Effect.Effect<void, DatagramError | UnsupportedOption | SocketClosed> => {
      if (this.isClosing) return this.closedHere("join")
      const refusal = this.transport.join(group, options)
      if (refusal === undefined) return Effect.void
      return refusal instanceof UnsupportedOption
        ? Effect.fail(refusal)
        : SocketFailure.datagram(this, "join", refusal, group)
    })
    return Effect.zipRight(
      DatagramOptionsModule.membership(group, options, this.target.address.family),
      Effect.acquireRelease(joined, () => Effect.sync(() => this.transport.leave(group, options)))
    )
  }

  // ---- settings

  protected wrongOption<K extends keyof DatagramOptions>(
    name: K,
    value: NonNullable<DatagramOptions[K]>
  ): UnsupportedOption | InvalidOption | undefined {
    return DatagramOptionsModule.check(name, value)
  }

  get stats(): Effect.Effect<Stats> {
    return Effect.sync(() => ({
      datagramsReceived: this.inbound.datagrams,
      datagramsSent: this.outbound.datagrams,
      bytesReceived: this.inbound.bytes,
      bytesSent: this.outbound.bytes,
      dropped: this.inbound.dropped,
      unsent: this.outbound.unsent,
      queued: this.inbound.queued,
      queuedBytes: this.inbound.queuedBytes,
      ageMillis: this.ageMillis
    }))
  }

  // ---- what the transport reports

  bound(): void {
    this.isBound = true
    this.onSettled?.()
  }

  deliver(data: Uint8Array, host: string, port: number): void {
    if (this.isClosing) return
    const { peer } = this
    // Once there is a peer, the system accepts no datagrams of others, but it keeps those that came before.
    if (peer !== undefined && (peer.port !== port || peer.host !== host)) {
      this.inbound.dropped += 1
      return
    }
    this.traced("received", data.length)
    this.inbound.deliver(data, new Sender(host, port, this.target.address.family, this))
  }

  failed(failure: Failure): void {
    if (this.isBound) {
      if (!this.isClosing) this.inbound.report(failure)
      return
    }
    this.bindFailure = failure
    this.onSettled?.()
  }

  closed(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.startClosing()
    this.traced("closed")
    this.netState.datagramSockets.delete(this)
    this.reportClosed()
    this.onSettled?.()
  }

  // ---- binding, and the end

  /** Waits until the platform has bound it; gives the reason when it cannot. */
  get settled(): Effect.Effect<void, Failure> {
    return suspend<void, Failure>((resume) => {
      const settle = (): void =>
        resume(
          this.isBound ? Effect.void : Effect.fail(this.bindFailure ?? { reason: "Aborted", cause: undefined })
        )
      if (this.isBound || this.bindFailure !== undefined || this.isClosed) settle()
      else this.onSettled = settle
    })
  }

  protected onClosing(): void {
    this.inbound.clear()
    this.inbound.disarm()
    this.inbound.wakeAll()
    this.outbound.failAll()
  }

  protected finish(): void {
    this.startClosing()
    this.transport.close()
  }

  /** What leaving the scope does. */
  releaseWith(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return this.server === undefined || this.inbound.datagrams > 0 || Exit.isFailure(exit)
      ? this.shut
      : Effect.zipRight(this.server.endedUnused, this.shut)
  }

  /** Closes, and waits until the descriptor is released. */
  get shut(): Effect.Effect<void> {
    return Effect.uninterruptible(Effect.suspend(() => {
      if (!this.isClosed) this.finish()
      return this.awaitClosed
    }))
  }
}
