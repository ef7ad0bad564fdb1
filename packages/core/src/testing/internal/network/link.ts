/** The way between two hosts: latency, loss and bandwidth, for each direction. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { invalid } from "../../../internal/time/optionValues.js"
import * as TimeoutOptions from "../../../internal/time/timeouts.js"
import type { InvalidOption } from "../../../SocketError.js"
import type { LinkOptions } from "../../NetMemory.js"
import type { MemoryHost } from "./host.js"
import type { Network } from "./network.js"

/** Milliseconds, a probability, and bytes a millisecond. */
export interface Conditions {
  readonly latency: number
  readonly jitter: number
  readonly loss: number
  readonly bytesPerMillisecond: number
}

export const ideal: Conditions = { latency: 0, jitter: 0, loss: 0, bytesPerMillisecond: Infinity }

const refuse = (option: string, value: unknown, expected: string): Effect.Effect<never, InvalidOption> =>
  Effect.fail(invalid(option, value, expected))

const finite = (option: string, input: Duration.DurationInput | undefined): Effect.Effect<number, InvalidOption> =>
  Effect.gen(function*() {
    const millis = input === undefined ? 0 : yield* TimeoutOptions.millis(option, input)
    if (millis === Infinity) return yield* refuse(option, millis, "a finite duration; a partition never delivers")
    return millis
  })

export const conditions = (options: LinkOptions): Effect.Effect<Conditions, InvalidOption> =>
  Effect.gen(function*() {
    const latency = yield* finite("latency", options.latency)
    const jitter = yield* finite("jitter", options.jitter)
    const { bandwidth = Infinity, loss = 0 } = options
    // Everything lost is a partition: a stream would be retransmitted for ever.
    if (!(loss >= 0 && loss < 1)) return yield* refuse("loss", loss, "at least 0 and less than 1")
    if (!(bandwidth > 0)) return yield* refuse("bandwidth", bandwidth, "more than 0 bytes a second")
    return { latency, jitter, loss, bytesPerMillisecond: bandwidth / 1000 }
  })

/** RFC 6298, section 2: the least time before a segment is sent again; Linux has 200 ms. It doubles each time. */
const retransmission = 200
const longestRetransmission = 120_000

/**
 * One direction between two hosts. All their connections share its bandwidth.
 */
export class Link {
  readonly from: MemoryHost
  readonly to: MemoryHost
  readonly network: Network
  private busyUntil = 0

  constructor(network: Network, from: MemoryHost, to: MemoryHost) {
    this.network = network
    this.from = from
    this.to = to
  }

  get conditions(): Conditions {
    return this.network.conditionsOf(this.from, this.to)
  }

  /** Nothing that is sent arrives. */
  get isCut(): boolean {
    return !this.from.isUp || !this.to.isUp || this.network.isPartitioned(this.from, this.to)
  }

  /** When `bytes` that leave now arrive, losses made good by sending them again. */
  arrivalOfSegment(bytes: number): number {
    const { conditions } = this
    let at = this.departure(bytes, conditions) + this.transit(conditions)
    let wait = Math.max(retransmission, 2 * conditions.latency)
    while (conditions.loss > 0 && this.network.random() < conditions.loss) {
      at += wait
      wait = Math.min(2 * wait, longestRetransmission)
    }
    return at
  }

  /** Sends a datagram of this many bytes, header included: `arrive` runs unless it is lost. Datagrams may overtake. */
  sendDatagram(bytes: number, arrive: () => void): void {
    const { conditions } = this
    const departure = this.departure(bytes, conditions)
    if (this.isCut || (conditions.loss > 0 && this.network.random() < conditions.loss)) return
    this.network.at(departure + this.transit(conditions), () => {
      if (!this.isCut) arrive()
    })
  }

  private departure(bytes: number, conditions: Conditions): number {
    const now = this.network.now()
    if (conditions.bytesPerMillisecond === Infinity) return now
    this.busyUntil = Math.max(now, this.busyUntil) + bytes / conditions.bytesPerMillisecond
    return this.busyUntil
  }

  private transit(conditions: Conditions): number {
    return conditions.jitter === 0
      ? conditions.latency
      : conditions.latency + conditions.jitter * this.network.random()
  }
}
