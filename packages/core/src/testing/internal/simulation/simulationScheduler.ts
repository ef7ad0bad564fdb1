/** The scheduler of a simulation, which runs fibers in the same order each time. */

import * as Scheduler from "effect/Scheduler"
import type { AnyFiber } from "../../../internal/effect/fibers.js"
import { afterTurn } from "../../../internal/time/eventLoop.js"
import { runAll } from "../../../internal/time/outOfBand.js"

/** So many steps may follow each other before the event loop's other work comes, a test's own time limit for example. */
const stepsBeforeBreath = 1000

const settled = Promise.resolve()

/**
 * Runs fibers in the order in which they became ready. Effect's own scheduler lets one that is busy for long wait for a
 * timer of the machine, and then nothing is repeatable any more.
 */
export class SimulationScheduler implements Scheduler.Scheduler {
  private tasks = new Scheduler.PriorityBuckets<() => void>()
  private isScheduled = false
  private steps = 0

  shouldYield(fiber: AnyFiber): number | false {
    return fiber.currentOpCount < 1024 ? false : Scheduler.defaultScheduler.shouldYield(fiber)
  }

  scheduleTask(task: () => void, priority: number): void {
    this.tasks.scheduleTask(task, priority)
    if (this.isScheduled) return
    this.isScheduled = true
    this.steps = 0
    void settled.then(this.step)
  }

  private readonly step = (): void => {
    const { buckets } = this.tasks
    this.tasks.buckets = []
    for (const [, bucket] of buckets) runAll(bucket)
    if (this.tasks.buckets.length === 0) {
      this.isScheduled = false
      return
    }
    this.steps += 1
    if (this.steps < stepsBeforeBreath) {
      void settled.then(this.step)
      return
    }
    this.steps = 0
    afterTurn(this.step)
  }
}
