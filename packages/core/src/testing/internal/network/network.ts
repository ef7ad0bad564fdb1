/** The network itself: its hosts, links, clock, random numbers and turns. */
import type * as Clock from "effect/Clock"
import type { Certificate } from "../../../Certificate.js"
import { SeededRandom } from "../../../internal/effect/random.js"
import { withoutTrace } from "../../../internal/errors.js"
import { type Deadlines, Due } from "../../../internal/time/deadlines.js"
import { afterTurn } from "../../../internal/time/eventLoop.js"
import type { Failure } from "../../../Transport.js"
import type { Chunks } from "../../NetMemory.js"
import { MemoryHost } from "./host.js"
import { type Conditions, ideal, Link } from "./link.js"
import type { Pipe } from "./pipe.js"

export interface Task {
  readonly run: () => void
}

/** So many turns may follow each other before the event loop's other work comes: an endless exchange is not alone. */
const turnsBeforeBreath = 50

/** A promise is the cheapest way into a microtask. */
const settled = Promise.resolve()

/** One network: hosts, the links between them, what is set about them, and the turn in which things happen. */
export class Network {
  readonly deadlines: Deadlines
  readonly hosts = new Map<string, MemoryHost>()
  readonly byAddress = new Map<string, MemoryHost>()
  /** Pipes with packets that a cut link keeps. */
  readonly held = new Set<Pipe>()
  readonly bufferSize: number
  readonly giveUpAfter: number
  readonly connectGiveUpAfter: number
  /** Its milliseconds are since 1970; `now` may count from somewhere else. */
  readonly clock: Clock.Clock
  /** The authorities that clients trust which name none. */
  readonly authorities: ReadonlyArray<Certificate>
  chunks: Chunks
  /** Between different hosts; of the one host with itself where there is but one. */
  private between: Conditions
  private readonly isOneHost: boolean
  private pairs = new Map<MemoryHost, Map<MemoryHost, Conditions>>()
  private groups: Map<MemoryHost, number> | undefined = undefined
  /** Nothing of those in `from` reaches those in `to`. */
  private oneWay: { readonly from: ReadonlySet<MemoryHost>; readonly to: ReadonlySet<MemoryHost> } | undefined
  private isAllCut = false
  private readonly generator: SeededRandom
  private tasks: Array<Task> = []
  private turns = 0
  private lastAddress = 0

  constructor(deadlines: Deadlines, settings: {
    readonly seed: number
    readonly isOneHost: boolean
    readonly link: Conditions
    readonly chunks: Chunks
    readonly bufferSize: number
    readonly giveUpAfter: number
    readonly connectGiveUpAfter: number
    readonly clock: Clock.Clock
    readonly authorities: ReadonlyArray<Certificate>
  }) {
    this.deadlines = deadlines
    this.generator = new SeededRandom(settings.seed)
    this.isOneHost = settings.isOneHost
    this.between = settings.link
    this.chunks = settings.chunks
    this.bufferSize = settings.bufferSize
    this.giveUpAfter = settings.giveUpAfter
    this.connectGiveUpAfter = settings.connectGiveUpAfter
    this.clock = settings.clock
    this.authorities = settings.authorities
  }

  now(): number {
    return this.deadlines.now()
  }

  /** At least 0, less than 1: all random choices of the network come from here. */
  random(): number {
    return this.generator.number()
  }

  // ---- turns

  /** Runs `task` soon, in the order of the calls, never within the call. */
  soon(task: Task): void {
    if (this.tasks.push(task) > 1) return
    this.turns += 1
    if (this.turns < turnsBeforeBreath) {
      void settled.then(this.drain)
      return
    }
    this.turns = 0
    afterTurn(this.drain)
  }

  /** Runs `task` when it is `time`: soon when it is already, never within the call. */
  at(time: number, task: () => void): void {
    if (time <= this.now()) this.soon({ run: task })
    else this.deadlines.schedule(new Due(task), time)
  }

  private readonly drain = (): void => {
    const { tasks } = this
    this.tasks = []
    for (const task of tasks) task.run()
  }

  // ---- hosts and links

  addHost(name: string, addresses: ReadonlyArray<string>): MemoryHost {
    const host = new MemoryHost(this, name, addresses)
    this.hosts.set(name.toLowerCase(), host)
    for (const address of addresses) this.byAddress.set(address, host)
    return host
  }

  conditionsOf(from: MemoryHost, to: MemoryHost): Conditions {
    return this.pairs.get(from)?.get(to) ?? (from === to && !this.isOneHost ? ideal : this.between)
  }

  /** Sets every link, those of pairs too. */
  setAll(conditions: Conditions): void {
    this.between = conditions
    this.pairs = new Map()
  }

  /** From 10.0.0.1 on. */
  freeAddress(): string {
    for (;;) {
      this.lastAddress += 1
      const number = this.lastAddress
      const address = `10.${number >> 16 & 255}.${number >> 8 & 255}.${number & 255}`
      if (!this.byAddress.has(address)) return address
    }
  }

  setPair(from: MemoryHost, to: MemoryHost, conditions: Conditions): void {
    let pairs = this.pairs.get(from)
    if (pairs === undefined) this.pairs.set(from, pairs = new Map())
    pairs.set(to, conditions)
  }

  link(from: MemoryHost, to: MemoryHost): Link {
    let link = from.links.get(to)
    if (link === undefined) from.links.set(to, link = new Link(this, from, to))
    return link
  }

  // ---- partitions

  isPartitioned(from: MemoryHost, to: MemoryHost): boolean {
    if (this.isAllCut) return from !== to || this.isOneHost
    if (this.oneWay?.from.has(from) === true && this.oneWay.to.has(to)) return from !== to || this.isOneHost
    if (this.groups === undefined || from === to) return false
    return this.groups.get(from) !== this.groups.get(to)
  }

  /** Cuts the hosts of different groups apart; those that no group names are one more. Without groups cuts all. */
  partition(groups: ReadonlyArray<ReadonlyArray<MemoryHost>> | undefined): void {
    this.oneWay = undefined
    this.isAllCut = groups === undefined
    this.groups = groups === undefined
      ? undefined
      : new Map(groups.flatMap((group, index) => group.map((host) => [host, index])))
    this.linksChanged()
  }

  /** Cuts one direction. */
  partitionOneWay(from: ReadonlyArray<MemoryHost>, to: ReadonlyArray<MemoryHost>): void {
    this.isAllCut = false
    this.groups = undefined
    this.oneWay = { from: new Set(from), to: new Set(to) }
    this.linksChanged()
  }

  heal(): void {
    this.oneWay = undefined
    this.isAllCut = false
    this.groups = undefined
    this.linksChanged()
  }

  linksChanged(): void {
    for (const host of this.hosts.values()) for (const endpoint of host.endpoints) endpoint.linkChanged()
    for (const pipe of Array.from(this.held)) pipe.linkChanged()
  }

  failure(reason: Failure["reason"], text: string): Failure {
    return { reason, cause: withoutTrace(() => new Error(text)) }
  }
}

/** From the network's seed. */
export const randomBytes = (network: Network, length: number): Uint8Array =>
  Uint8Array.from({ length }, () => Math.floor(network.random() * 256))
