/** One end of a stream connection of the network. */
import { Deadline } from "../../../internal/time/deadlines.js"
import type { NetAddress } from "../../../NetAddress.js"
import type { InvalidOption, UnsupportedOption } from "../../../SocketError.js"
import type { SocketOptions } from "../../../SocketOptions.js"
import type { Events, Failure, Transport } from "../../../Transport.js"
import { Flow } from "./flow.js"
import type { MemoryHost } from "./host.js"
import type { Network, Task } from "./network.js"
import { EndpointOptions } from "./options.js"
import type { Pipe } from "./pipe.js"

const nobody: Events = {
  connected: () => {},
  deliver: () => {},
  ended: () => {},
  written: () => {},
  failed: () => {},
  closed: () => {}
}

class Patience extends Deadline {
  readonly endpoint: MemoryTransport
  constructor(endpoint: MemoryTransport) {
    super()
    this.endpoint = endpoint
  }
  expire(): void {
    this.endpoint.onPatience()
  }
}

/**
 * One end of a connection. What it says comes in a turn of its own, never within a call.
 */
export class MemoryTransport implements Transport, Task {
  readonly network: Network
  readonly host: MemoryHost
  readonly localAddress: NetAddress
  readonly remoteAddress: NetAddress
  readonly role: "client" | "server"
  private options: EndpointOptions
  peer: MemoryTransport | undefined = undefined
  /** Both stand from the start of a connection to its end. */
  outgoing: Flow | undefined = undefined
  incoming: Flow | undefined = undefined
  events: Events = nobody
  /** The descriptor is released, or will be in this turn: nothing more is said but `closed`. */
  isGone = false
  private isFrozen = false
  private isOpen = false
  private isConnected = false
  private isPaused = false
  private early: Failure | undefined = undefined
  /** The connection is broken, and bytes that had come before wait to be read. */
  private broken: Failure | undefined = undefined
  private mustSayWritten = false
  private mustSayClosed = false
  private mustDeliver = false
  private isRunSoon = false
  private patience: Patience | undefined = undefined
  private progressAt = 0
  private stuckAt = Infinity
  private probes = 0

  constructor(
    host: MemoryHost,
    role: "client" | "server",
    localAddress: NetAddress,
    remoteAddress: NetAddress,
    options: SocketOptions
  ) {
    this.network = host.network
    this.host = host
    this.role = role
    this.localAddress = localAddress
    this.remoteAddress = remoteAddress
    this.options = new EndpointOptions(options, localAddress._tag === "UnixAddress")
  }

  /** Joins both ends by two pipes. */
  static pair(client: MemoryTransport, server: MemoryTransport, forward: Pipe, backward: Pipe): void {
    const { bufferSize } = client.network
    client.peer = server
    server.peer = client
    client.outgoing = server.incoming = new Flow(client, server, forward, bufferSize)
    server.outgoing = client.incoming = new Flow(server, client, backward, bufferSize)
  }

  // ---- what happens next

  run(): void {
    this.isRunSoon = false
    if (this.mustSayWritten) {
      this.mustSayWritten = false
      if (this.isHeard) this.events.written()
    }
    if (this.mustDeliver) {
      this.mustDeliver = false
      if (this.isHeard) this.incoming?.deliver()
    }
    if (this.mustSayClosed) {
      this.mustSayClosed = false
      this.events.closed()
      this.events = nobody
    }
  }

  private runSoon(): void {
    if (this.isRunSoon) return
    this.isRunSoon = true
    this.network.soon(this)
  }

  deliverSoon(): void {
    this.mustDeliver = true
    this.runSoon()
  }

  sayWritten(): void {
    this.mustSayWritten = true
    this.runSoon()
  }

  /** A socket is there and wants more. */
  get takes(): boolean {
    return this.isOpen && !this.isPaused && this.isHeard
  }

  private get isHeard(): boolean {
    return !this.isGone && !this.isFrozen
  }

  // ---- the contract

  open(events: Events): void {
    this.isOpen = true
    this.events = events
    if (this.early !== undefined) {
      events.failed(this.early)
      this.closeSoon()
      return
    }
    if (this.isConnected) events.connected()
    this.deliverSoon()
  }

  /** The connection stands. */
  connect(): void {
    this.host.endpoints.add(this)
    this.isConnected = true
    this.stuckAt = Infinity
    this.disarm()
    this.adjustBuffers()
    this.watch()
    if (this.isOpen) this.events.connected()
  }

  /** It has come in at a listener with these options. */
  accept(options: SocketOptions): void {
    this.options = new EndpointOptions(options, this.localAddress._tag === "UnixAddress")
    this.connect()
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
    this.deliverSoon()
  }

  write(chunks: ReadonlyArray<Uint8Array | string>): number {
    if (this.broken !== undefined) {
      // The system refuses it, whatever waits to be read.
      this.network.soon({ run: () => this.sayBroken() })
      return 0
    }
    return this.outgoing!.write(chunks)
  }

  end(): void {
    if (!this.isGone && this.broken === undefined) this.outgoing?.end()
  }

  destroy(): void {
    if (this.isGone) return
    if (this.broken !== undefined) this.leave()
    // An end that closes with unread bytes resets the connection: RFC 2525, section 2.17.
    else if (this.incoming?.hasUnread === true) this.reset()
    else {
      this.outgoing?.drop()
      this.outgoing?.end()
      this.leave()
    }
  }

  reset(): void {
    if (this.isGone) return
    this.outgoing?.drop()
    if (this.broken === undefined) this.refuse()
    this.leave()
  }

  setOption<K extends keyof SocketOptions>(
    name: K,
    value: NonNullable<SocketOptions[K]>
  ): UnsupportedOption | InvalidOption | undefined {
    const refusal = this.options.set(name, value)
    if (refusal !== undefined) return refusal
    this.adjustBuffers()
    this.disarm()
    this.watch()
    return undefined
  }

  getOption<K extends keyof SocketOptions>(name: K): SocketOptions[K] | UnsupportedOption {
    return this.options.get(name, this.network.bufferSize)
  }

  private adjustBuffers(): void {
    const { bufferSize } = this.network
    const room = (sender: MemoryTransport, receiver: MemoryTransport): number =>
      sender.options.bytes("sendBufferSize", bufferSize) + receiver.options.bytes("receiveBufferSize", bufferSize)
    if (this.peer === undefined) return
    this.outgoing!.capacity = room(this, this.peer)
    this.incoming!.capacity = room(this.peer, this)
  }

  // ---- the end

  /** Tells the peer that there is no such connection here. */
  refuse(): void {
    this.outgoing?.pipe.transmitOnce(() =>
      this.peer?.break(this.network.failure("Reset", "the peer reset the connection"))
    )
  }

  /**
   * The peer, or something on the way, broke the connection. What had come before can still be read, as on Linux and BSD
   * (RFC 9293, section 3.10.7.4, would let it be flushed); after it, or with the next write, the failure is said.
   */
  break(failure: Failure): void {
    if (this.isGone || this.broken !== undefined) return
    if (this.isFrozen || this.incoming?.hasUnread !== true) {
      this.fail(failure)
      return
    }
    this.outgoing?.drop()
    this.broken = failure
    this.disarm()
    this.host.forget(this)
  }

  /** Everything that had come was read. */
  sayBroken(): void {
    if (this.broken !== undefined) this.fail(this.broken)
  }

  /** The connection, or the attempt to make it, failed. */
  fail(failure: Failure): void {
    if (this.isGone) return
    this.outgoing?.drop()
    this.isGone = true
    this.disarm()
    this.host.forget(this)
    if (this.isOpen) {
      this.events.failed(failure)
      this.closeSoon()
    } else {
      this.early = failure
    }
  }

  /** Both directions have come to their end: there is nothing left to do. */
  checkFinished(): void {
    if (!this.isGone && this.outgoing?.hasSentEnd === true && this.incoming?.hasSaidEnd === true) this.leave()
  }

  private leave(): void {
    this.isGone = true
    this.disarm()
    this.host.forget(this)
    this.closeSoon()
  }

  private closeSoon(): void {
    this.mustSayClosed = true
    this.runSoon()
  }

  /** This end vanishes: it hears nothing, and nothing that it sends arrives. */
  vanish(): void {
    this.outgoing?.pipe.kill()
    this.incoming?.pipe.kill()
    this.watch()
    this.peer?.watch()
  }

  /** Something between both ends reports that the other end reset the connection. */
  cut(): void {
    this.outgoing?.pipe.kill()
    this.break(this.network.failure("Reset", "the peer reset the connection"))
  }

  /** The machine stops: what is under way from here is lost, and nothing more is heard here. */
  freeze(): void {
    this.outgoing?.pipe.clear()
    this.isFrozen = true
  }

  crash(): void {
    this.fail(this.network.failure("Aborted", `the host ${this.host.name} crashed`))
  }

  linkChanged(): void {
    for (const flow of [this.outgoing, this.incoming]) {
      if (flow?.pipe.isCut === true) flow.pipe.hold()
      flow?.linkChanged()
    }
    this.watch()
  }

  // ---- patience: how long an unanswered connection stands

  /** The peer was heard of. What is stuck stays so: the peer acknowledges only what came through. */
  answered(): void {
    if (this.patience === undefined) return
    this.progressAt = this.network.now()
    this.probes = 0
    if (!this.isStuck) this.stuckAt = Infinity
  }

  private get isStuck(): boolean {
    return this.outgoing?.pipe.isStuck === true || this.outgoing?.isUnacknowledged === true ||
      (!this.isConnected && this.incoming?.pipe.isStuck === true)
  }

  /** What was sent does not come through, or an option changed: see to it that this does not continue for ever. */
  watch(): void {
    if (this.isGone || this.broken !== undefined) return
    const { network } = this
    if (this.isStuck) {
      if (this.stuckAt === Infinity) this.stuckAt = network.now()
    } else if (this.options.keepAlive === undefined) {
      return
    }
    if (this.patience === undefined) {
      this.patience = new Patience(this)
      this.progressAt = network.now()
    }
    network.deadlines.schedule(this.patience, this.due())
  }

  private due(): number {
    const { network } = this
    const keepAlive = this.isConnected ? this.options.keepAlive : undefined
    return Math.min(
      this.stuckAt + (this.isConnected ? network.giveUpAfter : network.connectGiveUpAfter),
      keepAlive === undefined ? Infinity : this.progressAt + keepAlive.idle + this.probes * keepAlive.interval
    )
  }

  onPatience(): void {
    const { network } = this
    const now = network.now()
    if (!this.isStuck) this.stuckAt = Infinity
    if (now >= this.due()) {
      const isOver = now >= this.stuckAt + (this.isConnected ? network.giveUpAfter : network.connectGiveUpAfter)
      if (isOver || this.probes >= (this.options.keepAlive?.count ?? 0)) {
        this.break(network.failure("TimedOut", "nothing came back from the peer for too long"))
        return
      }
      this.probes += 1
      this.probe()
    }
    const due = this.due()
    if (due !== Infinity) network.deadlines.schedule(this.patience!, due)
  }

  private probe(): void {
    const { outgoing, peer } = this
    outgoing?.pipe.transmitOnce(() => {
      if (peer === undefined || peer.isGone) peer?.refuse()
      else peer.outgoing?.pipe.transmitOnce(() => this.answered())
    })
  }

  private disarm(): void {
    if (this.patience !== undefined) this.network.deadlines.cancel(this.patience)
  }
}
