/** Schedules that say how long to wait, and do not wait themselves. */
import * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as Intervals from "effect/ScheduleIntervals"
import { now } from "./fibers.js"

/** Steps through a schedule: gives the milliseconds to wait before the next try, or undefined if there is none. */
export const delays = <In>(
  schedule: Schedule.Schedule<unknown, In>
): (input: In) => Effect.Effect<number | undefined> => {
  let state: unknown = schedule.initial
  return (input) =>
    Effect.flatMap(now, (time) =>
      Effect.map(schedule.step(time, input, state), ([next, , decision]) => {
        state = next
        return ScheduleDecision.isDone(decision) ? undefined : Math.max(0, Intervals.start(decision.intervals) - time)
      }))
}
