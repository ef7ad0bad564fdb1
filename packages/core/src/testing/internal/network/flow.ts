/** One direction of a connection: packets, room at the receiver, and the sender that waits for it. */
import { encode } from "../tls/text.js"
import type { Network } from "./network.js"
import type { Pipe } from "./pipe.js"
import type { MemoryTransport } from "./transport.js"

/** The most bytes of one packet: what is lost, or takes its time, as one. */
const largestPacket = 16 * 1024

/**
 * One direction of a connection: what the sender wrote and there is no room for yet, what is on its way, and what came
 * and was not delivered yet. The last two are bounded by `capacity`, so a peer that does not read makes senders wait.
 */
export class Flow {
  readonly pipe: Pipe
  private readonly sender: MemoryTransport
  private readonly receiver: MemoryTransport
  private source: Array<Uint8Array> = []
  private isWriting = false
  private isEnding = false
  /** Bytes on their way and bytes that came. */
  private used = 0
  private arrived: Array<Uint8Array> = []
  private hasEnded = false
  hasSentEnd = false
  hasSaidEnd = false
  capacity: number
  /** Bytes that the receiver took, and whose acknowledgement does not come through: they hold their room. */
  private unacknowledged = 0
  private lacksAcknowledgement = false

  constructor(sender: MemoryTransport, receiver: MemoryTransport, pipe: Pipe, capacity: number) {
    this.sender = sender
    this.receiver = receiver
    this.pipe = pipe
    this.capacity = capacity
  }

  /** True while bytes wait that the receiver did not take. */
  get hasUnread(): boolean {
    return this.arrived.length > 0
  }

  /** True while something arrived that the sender cannot know of. */
  get isUnacknowledged(): boolean {
    return this.lacksAcknowledgement
  }

  /** The way back, which acknowledgements take. */
  private get isDeaf(): boolean {
    return this.receiver.outgoing?.pipe.isCut === true
  }

  /** The link was cut or healed: acknowledgements that were lost are sent again. */
  linkChanged(): void {
    if (!this.lacksAcknowledgement || this.isDeaf) return
    this.lacksAcknowledgement = false
    this.used -= this.unacknowledged
    this.unacknowledged = 0
    this.sender.answered()
    if (this.source.length > 0) this.pump()
  }

  private acknowledge(): void {
    this.receiver.answered()
    if (this.isDeaf) {
      this.lacksAcknowledgement = true
      this.sender.watch()
    } else {
      this.sender.answered()
    }
  }

  // ---- the sender's side

  write(chunks: ReadonlyArray<Uint8Array | string>): number {
    let bytes = 0
    for (const chunk of chunks) {
      const encoded = encode(chunk)
      bytes += encoded.length
      if (encoded.length > 0) this.source.push(encoded)
    }
    this.isWriting = true
    this.pump()
    return bytes
  }

  end(): void {
    if (this.hasSentEnd) return
    this.isEnding = true
    this.pump()
  }

  /** The sender is gone: what is not on its way will not go. */
  drop(): void {
    this.source = []
    this.isWriting = false
  }

  /** Sends what there is room for. */
  pump(): void {
    let taken = 0
    for (const chunk of this.source) {
      let offset = 0
      while (offset < chunk.length && this.used < this.capacity) {
        const length = Math.min(chunk.length - offset, this.capacity - this.used, largestPacket)
        // Copied: the receiver may write into its chunk, and the sender may have given the same one to many.
        const bytes = chunk.slice(offset, offset + length)
        offset += length
        this.used += length
        this.pipe.transmit(length, () => this.arrive(bytes))
      }
      if (offset < chunk.length) {
        this.source[taken] = chunk.subarray(offset)
        break
      }
      taken += 1
    }
    this.source.splice(0, taken)
    if (this.source.length === 0) this.sentAll()
    if (this.pipe.isStuck) this.sender.watch()
  }

  private sentAll(): void {
    if (this.isWriting) {
      this.isWriting = false
      this.sender.sayWritten()
    }
    if (this.isEnding) {
      this.isEnding = false
      this.hasSentEnd = true
      this.pipe.transmit(0, () => this.arriveEnd())
      this.sender.checkFinished()
    }
  }

  // ---- the receiver's side

  private arrive(bytes: Uint8Array): void {
    this.acknowledge()
    if (this.receiver.isGone) {
      // No socket has the connection any more: RFC 9293, section 3.5.2.
      this.receiver.refuse()
      return
    }
    this.arrived.push(bytes)
    this.receiver.deliverSoon()
  }

  private arriveEnd(): void {
    this.acknowledge()
    this.hasEnded = true
    if (!this.receiver.isGone) this.receiver.deliverSoon()
  }

  /** Hands over what came, for as long as the receiver takes it. */
  deliver(): void {
    const { receiver } = this
    while (this.arrived.length > 0 && receiver.takes) {
      const chunk = this.next()
      // The window opens when the sender hears of it.
      if (this.isDeaf) this.unacknowledged += chunk.length
      else this.used -= chunk.length
      receiver.events.deliver(chunk)
    }
    if (!receiver.isGone && this.arrived.length === 0 && this.hasEnded && !this.hasSaidEnd && receiver.takes) {
      this.hasSaidEnd = true
      receiver.events.ended()
      receiver.checkFinished()
    }
    if (this.arrived.length === 0) receiver.sayBroken()
    // Also to a receiver that is gone: it answers by a reset, and so the sender learns of it.
    if (this.source.length > 0) this.pump()
  }

  private next(): Uint8Array {
    const { network } = this.receiver
    const { chunks } = network
    const first = this.arrived[0]!
    if (chunks === "joined") {
      const chunk = this.arrived.length === 1 ? first : join(this.arrived)
      this.arrived = []
      return chunk
    }
    const size = chunkSize(network, first.length)
    if (size >= first.length) {
      this.arrived.shift()
      return first
    }
    this.arrived[0] = first.subarray(size)
    // A chunk is the receiver's: it shares no memory with the rest.
    return first.slice(0, size)
  }
}

/** How many of the `available` bytes the next chunk has. */
export const chunkSize = (network: Network, available: number): number =>
  network.chunks === "random"
    ? 1 + Math.floor(network.random() * available)
    : typeof network.chunks === "number"
    ? network.chunks
    : available

const join = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  const joined = new Uint8Array(chunks.reduce((total, chunk) => total + chunk.length, 0))
  let offset = 0
  for (const chunk of chunks) {
    joined.set(chunk, offset)
    offset += chunk.length
  }
  return joined
}
