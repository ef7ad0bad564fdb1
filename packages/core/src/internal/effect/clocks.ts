/** Clocks: how they are read, and what one of ours is made of. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** The clock of the fiber that runs this. */
export const current: Effect.Effect<Clock.Clock> = Effect.clock

/** Runs `effect` by another clock. */
export const withClock = <A, E, R>(effect: Effect.Effect<A, E, R>, clock: Clock.Clock): Effect.Effect<A, E, R> =>
  Effect.withClock(effect, clock)

/** What the clock shows, in milliseconds. */
export const millisOf = (clock: Clock.Clock): number => clock.unsafeCurrentTimeMillis()

const liveClock = Context.get(DefaultServices.liveServices, Clock.Clock)

/** The machine's own clock, or another instance of it, as `Clock.make` gives. */
export const isLive = (clock: Clock.Clock): boolean => Object.getPrototypeOf(clock) === Object.getPrototypeOf(liveClock)

/** A clock for Effect, of two things: what it shows, and how it calls back. */
export abstract class OwnClock implements Clock.Clock {
  readonly [Clock.ClockTypeId]: Clock.ClockTypeId = Clock.ClockTypeId
  readonly currentTimeMillis: Effect.Effect<number> = Effect.sync(() => this.unsafeCurrentTimeMillis())
  readonly currentTimeNanos: Effect.Effect<bigint> = Effect.sync(() => this.unsafeCurrentTimeNanos())

  /** What it shows, in milliseconds. */
  protected abstract millis(): number

  /** Calls back after `duration`; the result takes that back, and says whether it was in time. */
  protected abstract after(duration: Duration.Duration, task: () => void): () => boolean

  abstract sleep(duration: Duration.Duration): Effect.Effect<void>

  unsafeCurrentTimeMillis(): number {
    return this.millis()
  }

  unsafeCurrentTimeNanos(): bigint {
    return BigInt(Math.round(this.millis() * 1e6))
  }

  scheduler(): Effect.Effect<Clock.ClockScheduler> {
    return Effect.succeed({ unsafeSchedule: (task, duration) => this.after(duration, task) })
  }
}
