/** The clock of a machine that is set wrong, or goes wrong: what it shows follows another clock. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Deadline, type Deadlines, forClock, type TimedClock, timingKey } from "../../../internal/time/deadlines.js"

class Alarm extends Deadline {
  readonly expire: () => void
  constructor(expire: () => void) {
    super()
    this.expire = expire
  }
}

/**
 * The time of day is `offset` off when it is set, and gains `drift` of each millisecond that passes. Sleeping and
 * time-outs follow the pace, not the time of day: setting that moves none of them, as on a real machine.
 */
export class HostClock implements TimedClock {
  readonly [Clock.ClockTypeId]: Clock.ClockTypeId = Clock.ClockTypeId
  readonly currentTimeMillis: Effect.Effect<number> = Effect.sync(() => this.unsafeCurrentTimeMillis())
  readonly currentTimeNanos: Effect.Effect<bigint> = Effect.sync(() => this.unsafeCurrentTimeNanos())
  readonly [timingKey] = {
    now: (): number => this.uptime(),
    wakeAt: (at: number, wake: () => void): () => void => {
      const alarm = new Alarm(() => {
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
    this.base = base
    this.deadlines = forClock(base)
    const [day, uptime] = [base.unsafeCurrentTimeMillis(), this.deadlines.now()]
    this.setAt = { base: day, baseUptime: uptime, day, uptime }
  }

  /** From now on it is `offset` off, and gains `drift` milliseconds in each. What sleeps already keeps its time. */
  set(offset: number, drift: number): void {
    const base = this.base.unsafeCurrentTimeMillis()
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

  unsafeCurrentTimeMillis(): number {
    return this.paced(this.base.unsafeCurrentTimeMillis(), this.setAt.base, this.setAt.day)
  }

  unsafeCurrentTimeNanos(): bigint {
    return BigInt(Math.round(this.unsafeCurrentTimeMillis() * 1e6))
  }

  private onBase(duration: Duration.Duration): Duration.Duration {
    const millis = Duration.toMillis(duration)
    return millis === Infinity ? Duration.infinity : Duration.millis(millis / this.pace)
  }

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return Effect.suspend(() => this.base.sleep(this.onBase(duration)))
  }

  scheduler(): Effect.Effect<Clock.ClockScheduler> {
    return Effect.succeed({
      unsafeSchedule: (task, duration) => {
        const alarm = new Alarm(task)
        const millis = Duration.toMillis(this.onBase(duration))
        if (millis !== Infinity) this.deadlines.schedule(alarm, this.deadlines.now() + millis)
        return () => {
          const isInTime = alarm.index !== -1
          this.deadlines.cancel(alarm)
          return isInTime
        }
      }
    })
  }
}
