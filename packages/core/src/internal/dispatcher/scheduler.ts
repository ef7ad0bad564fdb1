/** The run queue of the dispatcher, as an Effect `Scheduler`. */
import type { AnyFiber } from "../effect/fibers.js"
import { priorityOf, RunQueue } from "../effect/schedulers.js"
import type { Deadlines } from "../time/deadlines.js"
import { afterTurn, atEndOfEvent, enterTurn, leaveTurn, whenIdle } from "../time/eventLoop.js"
import { runAll, throwLater } from "../time/outOfBand.js"
import { PriorityTasks } from "../time/priorityTasks.js"
import { hasHadItsTime, nextCheck, taskBegins, tasksEnded, wasOvertime } from "../yielding.js"

/** How many steps may follow each other before the event loop has its turn: timers, input and output of other code. */
const stepsBeforeTurn = 64

/**
 * For how long steps may follow each other, in milliseconds of the machine's clock. Where a test or a simulation sets the
 * clock only their number counts: the speed of the machine must not decide the order of events.
 */
const millisBeforeTurn = 2

const nothing: Array<never> = []

const settled = Promise.resolve()

/** The steps that were measured, and how long they took. */
export interface StepStatistics {
  readonly steps: number
  readonly totalMillis: number
  readonly minMillis: number
  readonly maxMillis: number
}

/**
 * The run queue of the dispatcher: one for all its threads, first in first out. A step runs all that is ready when it
 * begins; what becomes ready meanwhile runs in the next step, so a thread that yields runs after the others.
 *
 * Effect's own scheduler keeps a queue for each fiber, and reads two fiber references before each operation.
 */
export class DispatcherScheduler extends RunQueue {
  private tasks: Array<() => void> = []
  /** The step under way, which may last for several turns of the event loop, and how far it has come. */
  private current: Array<() => void> = nothing
  private at = 0
  /** When the event loop is due; 0 until something else is ready as well. */
  private until = 0
  /** The same for steps that follow each other by promises; 0 once the event loop had its turn. */
  private chainUntil = 0
  private readonly deadlines: Deadlines
  private readonly isLive: boolean
  /** Called when a task threw: a fiber may have ended without a report to its watchers. */
  onThrow: () => void = () => {}
  /** Tasks of another priority than 0, which hardly any program has. */
  private readonly others = new PriorityTasks()
  private isScheduled = false
  isHeld = false
  /** A step is under way. */
  isStepping = false
  /** How many steps there have been. */
  steps = 0
  private measuring = false
  /** It only grows, so that several readers may each take their own difference. */
  private readonly measured = { steps: 0, total: 0, min: Infinity, max: 0 }
  /** How long the step under way has taken so far, in milliseconds. */
  private millis = 0
  private listeners: Array<() => void> = []

  constructor(deadlines: Deadlines) {
    super()
    this.deadlines = deadlines
    this.isLive = deadlines.isLive
  }

  /** Asked before each operation of each thread. */
  override shouldYield(fiber: AnyFiber): number | false {
    const { currentOpCount } = fiber
    if (currentOpCount < nextCheck) return false
    return hasHadItsTime(currentOpCount) ? priorityOf(fiber) : super.shouldYield(fiber)
  }

  scheduleTask(task: () => void, priority: number): void {
    if (priority === 0) this.tasks.push(task)
    else this.others.add(task, priority)
    if (this.isScheduled || this.isHeld) return
    this.isScheduled = true
    if (atEndOfEvent(this.step)) return
    // A promise is the cheapest way to run it within this turn of the event loop.
    if (this.mayChain()) void settled.then(this.step)
    else afterTurn(this.step)
  }

  /** Promises run before the event loop continues: steps that follow each other by them would keep it from its turn. */
  private mayChain(): boolean {
    if (!this.isLive) return true
    const now = performance.now()
    if (this.chainUntil === 0) {
      this.chainUntil = now + millisBeforeTurn
      whenIdle(this.chainEnds)
    }
    return now < this.chainUntil
  }

  private readonly chainEnds = (): void => {
    this.chainUntil = 0
  }

  get isIdle(): boolean {
    return !this.isScheduled && !this.hasReady
  }

  /** Makes what becomes ready wait until `release`. A step that is due already is not held. */
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

  /** Calls back once, after the next step. */
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

  /** The steps that were measured; `undefined` while measuring is off. */
  get statistics(): StepStatistics | undefined {
    const { max, min, steps, total } = this.measured
    if (!this.measuring || steps === 0) return undefined
    return { steps, totalMillis: total, minMillis: min, maxMillis: max }
  }

  private readonly step = (): void => {
    const before = enterTurn()
    this.until = 0
    let inARow = 0
    do {
      this.runReady()
      inARow += 1
    } while (this.hasReady && inARow < stepsBeforeTurn && this.hasTime())
    tasksEnded()
    leaveTurn(before)
    if (this.hasReady) afterTurn(this.step)
    else this.isScheduled = false
  }

  /** Something is ready to run. */
  get hasReady(): boolean {
    return this.at < this.current.length || this.tasks.length > 0 || !this.others.isEmpty
  }

  /** Asked between two tasks only, so that a task that runs alone costs no look at the clock. */
  private hasTime(): boolean {
    if (!this.isLive) return true
    const now = performance.now()
    if (this.until === 0) {
      if (wasOvertime()) return false
      this.until = now + millisBeforeTurn
    }
    return now < this.until
  }

  /** Runs a step, or as much of it as the time allows. */
  private runReady(): void {
    if (this.at >= this.current.length) this.beginStep()
    const { current, isLive } = this
    const begin = this.measuring ? this.deadlines.now() : 0
    this.isStepping = true
    let goesOn = current.length > 0
    while (goesOn) {
      try {
        do {
          taskBegins(isLive)
          current[this.at++]!()
          goesOn = this.at < current.length && this.hasTime()
        } while (goesOn)
      } catch (error) {
        throwLater(error)
        this.onThrow()
        goesOn = this.at < current.length
      }
    }
    this.isStepping = false
    if (this.measuring) this.millis += this.deadlines.now() - begin
    if (this.at < current.length) return
    this.current = nothing
    this.at = 0
    this.steps += 1
    if (this.measuring) this.count(this.millis)
    this.millis = 0
    if (this.listeners.length > 0) runAll(this.listeners.splice(0))
  }

  private beginStep(): void {
    this.at = 0
    this.current = this.tasks
    this.tasks = []
    if (this.others.isEmpty) return
    const others = this.others.take()
    const before = others.flatMap(([priority, tasks]) => priority < 0 ? tasks : [])
    const after = others.flatMap(([priority, tasks]) => priority > 0 ? tasks : [])
    this.current = [...before, ...this.current, ...after]
  }

  private count(millis: number): void {
    const { measured } = this
    measured.steps += 1
    measured.total += millis
    measured.min = Math.min(measured.min, millis)
    measured.max = Math.max(measured.max, millis)
  }
}
