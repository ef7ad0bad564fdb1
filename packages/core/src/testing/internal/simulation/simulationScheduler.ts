/** The scheduler of a simulation, which runs fibers in the same order each time. */
import { RunQueue } from "../../../internal/effect/schedulers.js"
import { afterTurn } from "../../../internal/time/eventLoop.js"
import { runAll } from "../../../internal/time/outOfBand.js"
import { PriorityTasks } from "../../../internal/time/priorityTasks.js"

/** So many steps may follow each other before the event loop's other work comes, a test's own time limit for example. */
const stepsBeforeBreath = 1000

const settled = Promise.resolve()

/**
 * Runs fibers in the order in which they became ready. Effect's own scheduler lets one that is busy for long wait for a
 * timer of the machine, and then nothing is repeatable any more.
 */
export class SimulationScheduler extends RunQueue {
  private tasks = new PriorityTasks()
  private isScheduled = false
  private steps = 0

  scheduleTask(task: () => void, priority: number): void {
    this.tasks.add(task, priority)
    if (this.isScheduled) return
    this.isScheduled = true
    this.steps = 0
    void settled.then(this.step)
  }

  private readonly step = (): void => {
    for (const [, tasks] of this.tasks.take()) runAll(tasks)
    if (this.tasks.isEmpty) {
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
