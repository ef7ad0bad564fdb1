/** The clock of a machine that is set wrong, or goes wrong: what it shows follows another clock. */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { millisOf, OwnClock } from "../../../internal/effect/clocks.js"
import { type Deadlines, Due, forClock, type TimedClock, timingKey } from "../../../internal/time/deadlines.js"

/**
 * The time of day is `offset` off when it is set, and gains `drift` of each millisecond that passes. Sleeping and
 * time-outs follow the pace, not the time of day: setting that moves none of them, as on a real machine.
 */
export class HostClock extends OwnClock implements TimedClock {
  readonly [timingKey] = {
    now: (): number => this.uptime(),
    wakeAt: (at: number, wake: () => void): () => void => {
      const alarm = new Due(() => {
        // However the fractions were rounded: it is the time.
        this.reached = Math.max(this.reached, at)
        wake()
      })
      this.deadlines.schedule(alarm, this.deadlines.now() + Math.max(0, at - this.uptime()) / this.pace)
      return () => this.deadlines.cancel(alarm)
    }
  }
  private readonly base: Clock.Clock
  private readonly deadlines: Deadlines
  private pace = 1
  private reached = -Infinity
  /** When the clock was set last: on the other clock, and what this one showed then. */
  private setAt: { readonly base: number; readonly baseUptime: number; readonly day: number; readonly uptime: number }

  constructor(base: Clock.Clock) {
    super()
    this.base = base
    this.deadlines = forClock(base)
    const [day, uptime] = [millisOf(base), this.deadlines.now()]
    this.setAt = { base: day, baseUptime: uptime, day, uptime }
  }

  /** From now on it is `offset` off, and gains `drift` milliseconds in each. What sleeps already keeps its time. */
  set(offset: number, drift: number): void {
    const base = millisOf(this.base)
    this.setAt = { base, baseUptime: this.deadlines.now(), day: base + offset, uptime: this.uptime() }
    this.pace = 1 + drift
  }

  /** Milliseconds that this clock counted; monotonic. */
  private uptime(): number {
    return Math.max(this.reached, this.paced(this.deadlines.now(), this.setAt.baseUptime, this.setAt.uptime))
  }

  // Without drift in whole numbers, as the other clock has them.
  private paced(now: number, from: number, shown: number): number {
    return this.pace === 1 ? now + (shown - from) : shown + (now - from) * this.pace
  }

  protected millis(): number {
    return this.paced(millisOf(this.base), this.setAt.base, this.setAt.day)
  }

  private onBase(duration: Duration.Duration): Duration.Duration {
    const millis = Duration.toMillis(duration)
    return millis === Infinity ? Duration.infinity : Duration.millis(millis / this.pace)
  }

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return Effect.suspend(() => this.base.sleep(this.onBase(duration)))
  }

  protected after(duration: Duration.Duration, task: () => void): () => boolean {
    const alarm = new Due(task)
    const millis = Duration.toMillis(this.onBase(duration))
    if (millis !== Infinity) this.deadlines.schedule(alarm, this.deadlines.now() + millis)
    return () => {
      const isInTime = alarm.index !== -1
      this.deadlines.cancel(alarm)
      return isInTime
    }
  }
}
