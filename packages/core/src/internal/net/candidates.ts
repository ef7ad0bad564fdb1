/** The addresses that a race may still try: all of them from the start, or as two look-ups answer. */
import type { Family, NetAddress } from "../../NetAddress.js"
import type { Failure } from "../../Transport.js"
import { type Deadlines, Due } from "../time/deadlines.js"
import { resolutionDelay } from "./bothFamilies.js"

const other = (family: Family): Family => family === "IPv4" ? "IPv6" : "IPv4"

export const noAddress = (): Failure => ({
  reason: "HostNotFound",
  cause: new Error("the name has no address")
})

/** A fixed list, in its order. */
export class Candidates {
  /** What the race does when there is more to try, or when there will be no more. */
  onChange: () => void = () => {}
  /** Why there is no address. */
  failure: Failure = noAddress()
  private readonly addresses: ReadonlyArray<NetAddress>
  private taken = 0

  constructor(addresses: ReadonlyArray<NetAddress>) {
    this.addresses = addresses
  }

  /** False where the first address is the only one there will ever be. */
  get mayBeSeveral(): boolean {
    return this.addresses.length > 1
  }

  /** True once nothing will be added. */
  get isComplete(): boolean {
    return true
  }

  get hasNext(): boolean {
    return this.taken < this.addresses.length
  }

  next(): NetAddress | undefined {
    const address = this.addresses[this.taken]
    if (address !== undefined) this.taken += 1
    return address
  }

  /** The race has ended. */
  end(): void {}
}

/**
 * The addresses of a name whose families are looked up apart (RFC 8305, sections 3 and 4). IPv6 is tried as soon as it is
 * known. IPv4 that is known first waits until IPv6 has answered, `resolutionDelay` at most. What is known later joins the
 * race; families take turns.
 */
export class LookedUpCandidates extends Candidates {
  private readonly known: Record<Family, Array<NetAddress>> = { IPv4: [], IPv6: [] }
  private outstanding = 2
  private isStarted = false
  private turn: Family = "IPv6"
  private hasFailure = false
  private readonly deadlines: Deadlines
  private readonly delay = new Due(() => this.start())

  constructor(deadlines: Deadlines) {
    super([])
    this.deadlines = deadlines
  }

  override get mayBeSeveral(): boolean {
    return true
  }

  override get isComplete(): boolean {
    return this.outstanding === 0
  }

  override get hasNext(): boolean {
    return this.isStarted && (this.known.IPv4.length > 0 || this.known.IPv6.length > 0)
  }

  override next(): NetAddress | undefined {
    if (!this.isStarted) return undefined
    const address = this.known[this.turn].shift() ?? this.known[other(this.turn)].shift()
    if (address?._tag === "InetAddress") this.turn = other(address.family)
    return address
  }

  override end(): void {
    this.deadlines.cancel(this.delay)
  }

  found(family: Family, addresses: ReadonlyArray<NetAddress>): void {
    this.outstanding -= 1
    this.known[family].push(...addresses)
    this.settled(family, addresses.length > 0)
  }

  failed(family: Family, failure: Failure): void {
    this.outstanding -= 1
    // One family without an address says less than what went wrong with the other.
    if (!this.hasFailure || (this.failure.reason === "HostNotFound" && failure.reason !== "HostNotFound")) {
      this.failure = failure
    }
    this.hasFailure = true
    this.settled(family, false)
  }

  private settled(family: Family, hasAddress: boolean): void {
    if (this.isStarted) this.onChange()
    else if (this.outstanding === 0 || (family === "IPv6" && hasAddress)) this.start()
    else if (hasAddress) this.deadlines.schedule(this.delay, this.deadlines.now() + resolutionDelay)
  }

  private start(): void {
    if (this.isStarted) return
    this.isStarted = true
    this.deadlines.cancel(this.delay)
    this.onChange()
  }
}
