/** What decides when fibers run. */
import * as FiberRef from "effect/FiberRef"
import * as Scheduler from "effect/Scheduler"
import type { AnyFiber } from "./fibers.js"

/** This many operations a run queue lets a fiber run, whatever its own limit. */
export const opsUnchecked = 1024

/** Where a fiber stands among those that are ready: what `shouldYield` returns when it is to yield. */
export const priorityOf = (fiber: AnyFiber): number => fiber.getFiberRef(FiberRef.currentSchedulingPriority)

/**
 * A run queue for fibers: a subclass says when a task runs, which is never within `scheduleTask`. Lower priorities come
 * first; 0 is what nearly all have.
 */
export abstract class RunQueue implements Scheduler.Scheduler {
  abstract scheduleTask(task: () => void, priority: number): void

  /** Effect asks before each operation. The limit, a fiber reference, is looked at only when it may be near. */
  shouldYield(fiber: AnyFiber): number | false {
    return fiber.currentOpCount < opsUnchecked ? false : Scheduler.defaultScheduler.shouldYield(fiber)
  }
}

/** Runs `task` on the run queue of the fiber, after what is ready there now. */
export const runAfter = (fiber: AnyFiber, task: () => void): void =>
  fiber.currentScheduler.scheduleTask(task, priorityOf(fiber))
