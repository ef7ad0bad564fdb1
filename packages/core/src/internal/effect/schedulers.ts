/** What decides when fibers run. */
import * as FiberRef from "effect/FiberRef"
import * as Scheduler from "effect/Scheduler"
import type { AnyFiber } from "./fibers.js"

/**
 * A run queue for fibers: a subclass says when a task runs, which is never within `scheduleTask`. Lower priorities come
 * first; 0 is what nearly all have.
 */
export abstract class RunQueue implements Scheduler.Scheduler {
  abstract scheduleTask(task: () => void, priority: number): void

  /** Effect asks before each operation. The limit, a fiber reference, is looked at only when it may be near. */
  shouldYield(fiber: AnyFiber): number | false {
    return fiber.currentOpCount < 1024 ? false : Scheduler.defaultScheduler.shouldYield(fiber)
  }
}

/** Runs `task` on the run queue of the fiber, after what is ready there now. */
export const runAfter = (fiber: AnyFiber, task: () => void): void =>
  fiber.currentScheduler.scheduleTask(task, fiber.getFiberRef(FiberRef.currentSchedulingPriority))
