/** Packets on their way in one direction, in order. */
import { Deadline } from "../../../internal/time/deadlines.js"
import type { Link } from "./link.js"
import type { Network } from "./network.js"

interface Packet {
  at: number
  readonly size: number
  readonly arrive: () => void
}

/** A header's worth: what a packet without data takes of the bandwidth. */
const header = 40

/**
 * One direction of a connection: packets in order, on their way.
 *
 * Packets that are sent while the link is cut wait until it is there again: TCP would send them again then.
 */
export class Pipe extends Deadline {
  readonly link: Link
  private readonly network: Network
  private packets: Array<Packet> = []
  private first = 0
  private lastAt = 0
  private isRunSoon = false
  /** Nothing arrives any more, whatever the link does. */
  private isDead = false
  private hasLost = false

  /** Within the machine, where no link counts. */
  private readonly isLocal: boolean

  constructor(network: Network, link: Link, isLocal: boolean) {
    super()
    this.network = network
    this.link = link
    this.isLocal = isLocal
  }

  get isCut(): boolean {
    return this.link.isCut && !(this.isLocal && this.link.from.isUp)
  }

  /** Runs `arrive` when a packet with this many bytes of data has arrived, after all that were sent before. */
  transmit(bytes: number, arrive: () => void): void {
    if (this.isDead) {
      this.hasLost = true
      return
    }
    const size = bytes + header
    const isHeld = this.isCut
    this.packets.push({ at: isHeld ? Infinity : this.arrival(size), size, arrive })
    if (isHeld) this.network.held.add(this)
    this.arm()
  }

  /** True while something that was sent does not come through. */
  get isStuck(): boolean {
    return this.isDead ? this.hasLost : this.network.held.has(this)
  }

  /** A packet that is not sent again when it is lost. */
  transmitOnce(arrive: () => void): void {
    if (!this.isDead && !this.isCut) this.transmit(0, arrive)
  }

  private arrival(size: number): number {
    if (this.isLocal) return this.network.now()
    this.lastAt = Math.max(this.lastAt, this.link.arrivalOfSegment(size))
    return this.lastAt
  }

  /** The link was cut or healed. */
  linkChanged(): void {
    if (this.isCut) return
    this.network.held.delete(this)
    for (let index = this.first; index < this.packets.length; index += 1) {
      const packet = this.packets[index]!
      if (packet.at === Infinity) packet.at = this.arrival(packet.size)
    }
    this.arm()
  }

  /** The link was cut: what is under way is lost, and held. */
  hold(): void {
    if (this.first === this.packets.length || this.isDead) return
    for (let index = this.first; index < this.packets.length; index += 1) this.packets[index]!.at = Infinity
    this.lastAt = 0
    this.network.held.add(this)
    this.network.deadlines.cancel(this)
  }

  kill(): void {
    this.isDead = true
    this.hasLost = this.first < this.packets.length
    this.clear()
  }

  /** What is under way is lost. */
  clear(): void {
    this.packets = []
    this.first = 0
    this.network.held.delete(this)
    this.network.deadlines.cancel(this)
  }

  private arm(): void {
    const head = this.packets[this.first]
    if (head === undefined || head.at === Infinity || this.isRunSoon || this.index !== -1) return
    if (head.at <= this.network.now()) {
      this.isRunSoon = true
      this.network.soon(this)
    } else {
      this.network.deadlines.schedule(this, head.at)
    }
  }

  expire(): void {
    this.run()
  }

  run(): void {
    this.isRunSoon = false
    // What an arrival sends on the same pipe waits for the next turn: nothing recurses, and others get theirs.
    const end = this.packets.length
    const now = this.network.now()
    while (this.first < end) {
      const packet = this.packets[this.first]
      if (packet === undefined || packet.at > now) break
      this.first += 1
      packet.arrive()
    }
    if (this.first === this.packets.length) {
      this.packets = []
      this.first = 0
    } else if (this.first > 1024) {
      this.packets.splice(0, this.first)
      this.first = 0
    }
    this.arm()
  }
}
