import type { RuntimeFiber } from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import { afterTurn } from "../time/eventLoop.js"
import { atEndOfEvent, enterTurn, leaveTurn } from "../time/turn.js"

type AnyFiber = RuntimeFiber<unknown, unknown>

/** How many steps may follow each other before the event loop's turn comes: the others' input and output. */
const stepsBeforeTurn = 64

const settled = Promise.resolve()

/**
 * @internal
 */
export interface StepStatistics {
  readonly steps: number
  readonly totalMillis: number
  readonly minMillis: number
  readonly maxMillis: number
}

/**
 * The run queue of the dispatcher: one for all its threads, first in first out. A step runs all that is ready when it
 * begins; what becomes ready meanwhile is for the next one, so a thread that yields goes behind the others.
 *
 * Effect's own scheduler keeps a queue a fiber, and asks two fiber references before each operation.
 */
export class DispatcherScheduler implements Scheduler.Scheduler {
  private tasks: Array<() => void> = []
  private fibers: Array<AnyFiber | undefined> = []
  /** Tasks of another priority than 0, which hardly any program has. */
  private readonly others = new Scheduler.PriorityBuckets<() => void>()
  private isScheduled = false
  isHeld = false
  /** A step is under way. */
  isStepping = false
  /** Steps ever. */
  steps = 0
  private measuring = false
  /** Only grows: several may read it, and each takes its own difference. */
  private readonly measured = { steps: 0, total: 0, min: Infinity, max: 0 }
  private listeners: Array<() => void> = []

  shouldYield(fiber: AnyFiber): number | false {
    // Almost always the answer; the fiber references are asked when it is near.
    return fiber.currentOpCount < 1024 ? false : Scheduler.defaultScheduler.shouldYield(fiber)
  }

  scheduleTask(task: () => void, priority: number, fiber?: AnyFiber): void {
    if (priority === 0) {
      this.tasks.push(task)
      this.fibers.push(fiber)
    } else {
      this.others.scheduleTask(task, priority)
    }
    if (this.isScheduled || this.isHeld) return
    this.isScheduled = true
    // Within a turn of the event loop: by a promise, the cheapest way.
    if (!atEndOfEvent(this.step)) void settled.then(this.step)
  }

  /** The threads' fibers that are ready to run. */
  get ready(): ReadonlySet<AnyFiber | undefined> {
    return new Set(this.fibers)
  }

  get isIdle(): boolean {
    return !this.isScheduled && !this.hasReady
  }

  /** What becomes ready waits until `release`. A step that is due already is not held. */
  hold(): void {
    this.isHeld = true
  }

  release(): void {
    if (!this.isHeld) return
    this.isHeld = false
    if (this.isScheduled || !this.hasReady) return
    this.isScheduled = true
    this.step()
  }

  /** Calls back once after the next step. */
  afterStep(listener: () => void): () => void {
    this.listeners.push(listener)
    return () => {
      const index = this.listeners.indexOf(listener)
      if (index !== -1) this.listeners.splice(index, 1)
    }
  }

  measure(on: boolean): void {
    this.measuring = on
  }

  /** The steps that were measured, while it measures. */
  get statistics(): StepStatistics | undefined {
    const { max, min, steps, total } = this.measured
    if (!this.measuring || steps === 0) return undefined
    return { steps, totalMillis: total, minMillis: min, maxMillis: max }
  }

  private readonly step = (): void => {
    const before = enterTurn()
    let inARow = 0
    do {
      this.runReady()
      inARow += 1
    } while (this.hasReady && inARow < stepsBeforeTurn)
    leaveTurn(before)
    if (this.hasReady) afterTurn(this.step)
    else this.isScheduled = false
  }

  /** Something is ready for the next step. */
  get hasReady(): boolean {
    return this.tasks.length > 0 || this.others.buckets.length > 0
  }

  private runReady(): void {
    const begin = this.measuring ? performance.now() : 0
    const { tasks } = this
    const { buckets } = this.others
    this.tasks = []
    this.fibers = []
    this.isStepping = true
    if (buckets.length === 0) {
      for (let index = 0; index < tasks.length; index += 1) tasks[index]!()
    } else {
      this.others.buckets = []
      // Lower numbers first, as Effect's own scheduler has it.
      for (const [priority, bucket] of buckets) if (priority < 0) { for (const task of bucket) task() }
      for (const task of tasks) task()
      for (const [priority, bucket] of buckets) if (priority > 0) { for (const task of bucket) task() }
    }
    this.isStepping = false
    this.steps += 1
    if (this.measuring) this.count(performance.now() - begin)
    if (this.listeners.length > 0) { for (const listener of this.listeners.splice(0)) listener() }
  }

  private count(millis: number): void {
    const { measured } = this
    measured.steps += 1
    measured.total += millis
    measured.min = Math.min(measured.min, millis)
    measured.max = Math.max(measured.max, millis)
  }
}
