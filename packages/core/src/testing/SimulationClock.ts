/**
 * A clock for simulations: it stands still until `unsafeAdvance`, which moves it to the next time at which something is
 * due. Time in which nothing happens costs nothing.
 *
 * `Simulation.run` drives one by itself. Use `TestClock` if a test decides how far the clock moves; it handles its
 * sleepers one by one, which takes milliseconds each, so it does not suit thousands of them.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { OwnClock } from "../internal/effect/clocks.js"
import { suspendCancellable } from "../internal/effect/suspend.js"
import { type Deadlines, Due, forClock, type TimedClock, timingKey } from "../internal/time/deadlines.js"

/**
 * A clock that moves when it is told to, and only to times at which something is due.
 *
 * @since 0.1.0
 * @category models
 */
export interface SimulationClock extends Clock.Clock {
  /** The next time at which something is due, in milliseconds; `Infinity` if nothing is. */
  readonly unsafeNextMillis: () => number
  /** Moves the clock to that time, and wakes the fibers that wait for it; false if nothing is due. */
  readonly unsafeAdvance: () => boolean
}

class Simulated extends OwnClock implements SimulationClock, TimedClock {
  readonly [timingKey] = {
    now: (): number => this.now,
    wakeAt: (at: number, wake: () => void): () => void => {
      this.wakeTime = at
      this.wake = wake
      return () => this.forget()
    }
  }
  private now: number
  private wakeTime = Infinity
  private wake: () => void = () => {}
  private readonly deadlines: Deadlines

  constructor(start: number) {
    super()
    this.now = start
    this.deadlines = forClock(this)
  }

  // The deadlines ask for one time, that of the first of them.
  private forget(): void {
    this.wakeTime = Infinity
  }

  protected millis(): number {
    return this.now
  }

  unsafeNextMillis(): number {
    return this.wakeTime
  }

  unsafeAdvance(): boolean {
    if (this.wakeTime === Infinity) return false
    this.now = Math.max(this.now, this.wakeTime)
    this.forget()
    this.wake()
    return true
  }

  protected after(duration: Duration.Duration, task: () => void): () => boolean {
    const millis = Duration.toMillis(duration)
    const alarm = new Due(task)
    if (millis !== Infinity) this.deadlines.schedule(alarm, this.now + millis)
    return () => {
      const isInTime = alarm.index !== -1
      this.deadlines.cancel(alarm)
      return isInTime
    }
  }

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return suspendCancellable<void>((resume) => {
      const cancel = this.after(duration, () => resume(Effect.void))
      return Effect.sync(() => {
        cancel()
      })
    })
  }
}

/**
 * A clock that stands at `startMillis`, by default 0.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (startMillis = 0): SimulationClock => new Simulated(startMillis)
