/** The transport of the stand-in over the transport below it. */
import { format, type NetAddress } from "../../../NetAddress.js"
import type { InvalidOption, UnsupportedOption } from "../../../SocketError.js"
import type { SocketOptions } from "../../../SocketOptions.js"
import { TlsError } from "../../../TlsError.js"
import type { HandshakeEvents, TlsFailure, TlsTransport, UpgradeRequest } from "../../../TlsTransport.js"
import type { Events, Failure, Transport } from "../../../Transport.js"
import { chunkSize } from "../network/flow.js"
import type { Network } from "../network/network.js"
import { alertFor, closeNotify, receivedAlert, violation } from "./alerts.js"
import { ClientHandshake } from "./client.js"
import { MemoryTlsConnection } from "./connection.js"
import type { ClientNative, ServerNative } from "./contexts.js"
import type { Handshake, Surroundings } from "./handshake.js"
import { Outgoing } from "./outgoing.js"
import {
  alertType,
  Checksum,
  dataType,
  handshakeRecords,
  handshakeType,
  isFailure,
  join,
  MessageReader,
  openData,
  record,
  RecordReader,
  sealData,
  type TlsRecord
} from "./records.js"
import { ServerHandshake } from "./server.js"
import { mix } from "./sha.js"
import { encode } from "./text.js"

/**
 * The stand-in for TLS over another transport. It hears what comes there, and says what is in it; as below, what it says
 * comes in a turn of its own, never within a call.
 */
export class MemoryTlsTransport implements TlsTransport, Events {
  readonly tls: MemoryTlsConnection
  private readonly network: Network
  private readonly below: Transport
  private readonly outcome: HandshakeEvents
  /** Private, for it has keys in it. */
  readonly #handshake: Handshake
  private readonly records = new RecordReader()
  private readonly messages = new MessageReader()
  private readonly requireCloseNotify: boolean
  private checksums: { readonly sent: Checksum; readonly received: Checksum } | undefined = undefined
  private events: Events | undefined = undefined
  /** The call that made this has returned, so it may report events. */
  private hasStarted = false
  private isEstablished = false
  private isDestroyed = false
  private isGivenUp = false
  private isPaused = false
  private isReadingBelow = true
  private isPumpSoon = false
  /** The peer finished by a close_notify, or by its FIN alone. */
  private isFinished = false
  private isBelowEnded = false
  private hasSaidEnd = false
  private hasSaidFailure = false
  private failure: Failure | undefined = undefined
  private isBelowClosed = false
  private hasSaidClosed = false
  private readonly outgoing: Outgoing
  private mustSayWritten = false
  private isEnding = false
  /** What somebody wanted to send while the handshake was under way. */
  private held: Array<() => void> = []

  constructor(
    network: Network,
    below: Transport,
    request: UpgradeRequest,
    outcome: HandshakeEvents,
    surroundings: Pick<Surroundings, "authorities" | "now" | "random">
  ) {
    this.network = network
    this.below = below
    this.outgoing = new Outgoing(below)
    this.outcome = outcome
    const around: Surroundings = {
      ...surroundings,
      say: (message) => this.outgoing.add(handshakeRecords(message)),
      established: () => this.establish(),
      refuse: (failure) => this.refuse(failure)
    }
    this.#handshake = request.role === "client"
      ? new ClientHandshake(request, around)
      : new ServerHandshake(request, around)
    this.requireCloseNotify = request.role === "client"
      ? (request.context as ClientNative).requireCloseNotify
      : (request.context as ServerNative).settings.requireCloseNotify
    this.tls = new MemoryTlsConnection(this.#handshake, below.tls)
    if (request.early !== undefined) this.records.push(request.early)
    below.open(this)
    below.resume()
    this.#handshake.start()
    this.put()
    this.pumpSoon()
  }

  get localAddress(): NetAddress {
    return this.below.localAddress
  }

  get remoteAddress(): NetAddress {
    return this.below.remoteAddress
  }

  // ---- the contract with what is above

  open(events: Events): void {
    this.events = events
    if (this.isEstablished) events.connected()
    this.pumpSoon()
  }

  pause(): void {
    this.isPaused = true
    this.readBelow()
  }

  resume(): void {
    this.isPaused = false
    this.pumpSoon()
  }

  write(chunks: ReadonlyArray<Uint8Array | string>): void {
    this.mustSayWritten = true
    if (!this.isEstablished) {
      this.held.push(() => this.write(chunks))
      return
    }
    const bytes = join(chunks.map(encode))
    if (bytes.length > 0) this.put(...sealData(bytes, this.checksums!.sent))
    else if (!this.outgoing.isWriting) this.network.soon({ run: () => this.written() })
  }

  end(): void {
    if (!this.isEstablished) {
      this.held.push(() => this.end())
      return
    }
    this.isEnding = true
    this.put(record(alertType, Uint8Array.of(1, closeNotify)))
  }

  destroy(): void {
    if (this.isDestroyed) return
    this.isDestroyed = true
    this.#handshake.isOver = true
    // What was said last goes first: an alert, or a close_notify after a ticket that is still being written.
    if (this.failure?.reason !== "Reset") this.outgoing.flush()
    this.below.destroy()
  }

  reset(): void {
    this.isDestroyed = true
    this.#handshake.isOver = true
    this.below.reset()
  }

  setOption<K extends keyof SocketOptions>(
    name: K,
    value: NonNullable<SocketOptions[K]>
  ): UnsupportedOption | InvalidOption | undefined {
    return this.below.setOption(name, value)
  }

  getOption<K extends keyof SocketOptions>(name: K): SocketOptions[K] | UnsupportedOption {
    return this.below.getOption(name)
  }

  // ---- what the transport below says

  connected(): void {}

  deliver(chunk: Uint8Array): void {
    // After its close_notify a peer sends nothing, and what a refused peer sends is dropped.
    if (this.isFinished || this.isGivenUp) return
    this.records.push(chunk)
    this.pump()
  }

  ended(): void {
    this.isBelowEnded = true
    this.pump()
  }

  written(): void {
    if (this.outgoing.written()) return
    if (this.mustSayWritten && this.isEstablished) {
      this.mustSayWritten = false
      if (!this.isDestroyed) this.events?.written()
    }
    if (this.isEnding && !this.isDestroyed) {
      this.isEnding = false
      this.below.end()
    }
  }

  failed(failure: Failure): void {
    this.failure ??= failure
    this.pump()
  }

  closed(): void {
    this.isBelowClosed = true
    this.pump()
  }

  // ---- out

  private put(...records: ReadonlyArray<Uint8Array>): void {
    if (this.isDestroyed || this.failure !== undefined) return
    this.outgoing.add(records)
    if (!this.outgoing.isWriting) this.outgoing.flush()
  }

  // ---- in

  private pumpSoon(): void {
    if (this.isPumpSoon) return
    this.isPumpSoon = true
    this.network.soon({
      run: () => {
        this.isPumpSoon = false
        this.hasStarted = true
        this.pump()
      }
    })
  }

  /** Looks at everything that has come, and says what can be said by now. */
  private pump(): void {
    if (!this.hasStarted) return
    while (this.takes) {
      const found = this.records.next()
      if (found === undefined) break
      if (isFailure(found)) this.refuse(found)
      else this.take(found)
    }
    // What was answered goes out as one flight.
    this.put()
    this.readBelow()
    if (!this.#handshake.isOver) {
      if (this.failure !== undefined) this.lose({ reason: "ClosedInHandshake", cause: this.failure.cause })
      else if (this.isBelowEnded || this.isBelowClosed) this.lose({ reason: "ClosedInHandshake" })
    }
    const { events } = this
    if (events === undefined || this.hasSaidClosed) return
    if (this.isEstablished) this.sayRest(events)
    if (this.isBelowClosed) {
      this.hasSaidClosed = true
      events.closed()
    }
  }

  /** Whether what comes is looked at: in the handshake always, then when somebody wants it. */
  private get takes(): boolean {
    if (this.isDestroyed || this.isFinished || this.isGivenUp) return false
    return !this.isEstablished || (this.events !== undefined && !this.isPaused)
  }

  private readBelow(): void {
    const isWanted = this.takes || ((this.isFinished || this.isGivenUp) && !this.isDestroyed)
    if (isWanted === this.isReadingBelow) return
    this.isReadingBelow = isWanted
    if (isWanted) this.below.resume()
    else this.below.pause()
  }

  /** What is said when all that came before has been. */
  private sayRest(events: Events): void {
    if (this.failure !== undefined) {
      if (this.hasSaidFailure || this.isDestroyed) return
      this.hasSaidFailure = true
      events.failed(this.failure)
    } else if ((this.isFinished || (this.isBelowEnded && this.takes)) && !this.hasSaidEnd && !this.isDestroyed) {
      this.hasSaidEnd = true
      if (this.isFinished || !this.requireCloseNotify) events.ended()
      else events.failed({ reason: "Truncated", cause: undefined })
    }
  }

  private take({ payload, type }: TlsRecord): void {
    switch (type) {
      case alertType:
        return this.takeAlert(payload)
      case handshakeType:
        this.messages.push(payload)
        return this.takeMessages()
      case dataType: {
        const bytes = this.checksums === undefined || !this.messages.isEmpty
          ? undefined
          : openData(payload, this.checksums.received)
        if (bytes === undefined) {
          return this.refuse(
            violation(this.isEstablished ? "DECRYPTION_FAILED_OR_BAD_RECORD_MAC" : "UNEXPECTED_MESSAGE")
          )
        }
        return this.sayData(bytes)
      }
      default:
        return this.refuse(violation("UNEXPECTED_MESSAGE"))
    }
  }

  private takeMessages(): void {
    while (!this.isGivenUp && !this.isDestroyed) {
      const found = this.messages.next()
      if (found === undefined) return
      if ("reason" in found) return this.refuse(found)
      this.#handshake.hear(found)
    }
  }

  private takeAlert(payload: Uint8Array): void {
    const alert = payload[1] ?? 80
    if (alert !== closeNotify) this.lose(receivedAlert(alert))
    else if (this.isEstablished) this.isFinished = true
    else this.lose({ reason: "ClosedInHandshake" })
  }

  /** Cut as the network cuts what it carries: a sender's records are no more messages than its packets are. */
  private sayData(bytes: Uint8Array): void {
    let at = 0
    while (at < bytes.length && !this.isDestroyed) {
      const left = bytes.length - at
      const size = chunkSize(this.network, left)
      this.events!.deliver(size >= left && at === 0 ? bytes : bytes.slice(at, at + size))
      at += size
    }
  }

  // ---- how it goes

  private establish(): void {
    const { agreed, role } = this.#handshake
    const [sent, received] = role === "client" ? ["client", "server"] : ["server", "client"]
    this.checksums = {
      sent: new Checksum(mix("records", sent!, agreed!.secret)),
      received: new Checksum(mix("records", received!, agreed!.secret))
    }
    this.isEstablished = true
    for (const act of this.held.splice(0)) act()
    this.outcome.established()
  }

  /** The peer did something wrong, or its identity is wrong. */
  private refuse(failure: TlsFailure): void {
    this.#handshake.isOver = true
    // `start` may refuse, within the call that made this.
    if (this.hasStarted) this.giveUp(failure, true)
    else this.network.soon({ run: () => this.giveUp(failure, true) })
  }

  /** The peer is not there any more, or it said itself why it gives up. */
  private lose(failure: TlsFailure): void {
    this.giveUp(failure, false)
  }

  private giveUp(failure: TlsFailure, tellsPeer: boolean): void {
    if (this.isDestroyed || this.isGivenUp) return
    this.isGivenUp = true
    this.#handshake.isOver = true
    if (tellsPeer) this.put(record(alertType, Uint8Array.of(2, alertFor(failure.reason))))
    if (this.isEstablished) {
      const { code, reason } = failure
      const cause = new TlsError({
        reason,
        subject: format(this.remoteAddress),
        ...(code === undefined ? {} : { code })
      })
      this.failure ??= { reason: "Tls", cause }
      return
    }
    if (this.#handshake.request.role === "client") (this.#handshake as ClientHandshake).forget()
    this.outcome.failedHandshake(failure)
    // What has come by now is read first: unread bytes would become a reset, and that would overtake the alert.
    this.network.soon({ run: () => this.destroy() })
  }
}
