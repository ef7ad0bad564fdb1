/** Deadlines: a heap for each clock, and one timer for its top. */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Clocks from "../effect/clocks.js"
import { interruptSoon } from "../effect/fibers.js"
import * as EventLoop from "./eventLoop.js"
import { throwLater } from "./outOfBand.js"

/**
 * Something that is due at a time. `expire` runs once, unless it is scheduled again.
 */
export abstract class Deadline {
  /** Milliseconds on the clock of the `Deadlines` that it is scheduled on. */
  at = 0
  /** The place in the heap, -1 when not scheduled. */
  index = -1
  /** Of deadlines that are due at the same time, the one that was scheduled first expires first. */
  order = 0

  /**
   * `now` is the time up to which the system was looked at: what arrived before it has been reported. A deadline that
   * depends on what arrived judges by this time and not by the clock's, which may have advanced since.
   */
  abstract expire(now: number): void
}

/** A deadline that only calls back. */
export class Due extends Deadline {
  readonly expire: (now: number) => void

  constructor(expire: (now: number) => void) {
    super()
    this.expire = expire
  }
}

interface Timing {
  readonly now: () => number
  /**
   * Calls `wake` at the time `at`, never before; the result takes that back. Where the system reports events of its own
   * beside the clock, `lookedAt` is the time up to which they were looked at.
   */
  readonly wakeAt: (at: number, wake: (lookedAt?: number) => void) => () => void
}

/** A clock with this property wakes deadlines without a fiber, and at the exact time. */
export const timingKey: unique symbol = Symbol.for("@copas/core/Timing")

export interface TimedClock extends Clock.Clock {
  readonly [timingKey]: Timing
}

const isTimed = (clock: Clock.Clock): clock is TimedClock => timingKey in clock

// setTimeout fires at once if the delay does not fit 32 bits.
const longestTimer = 2 ** 31 - 1

/**
 * Timers come before input and output in a turn of the event loop. So after a turn that took longer than a time-out (a
 * long handler, a collection of garbage) the timer fires first, although what the program waits for has already arrived:
 *
 * ```
 * timers: the time is up ──▶ poll: bytes, connections, ends that are there ──▶ check: the deadline is judged
 * ```
 */
const liveTiming: Timing = {
  now: () => performance.now(),
  wakeAt: (at, wake) => {
    let check: unknown = undefined
    const timer = setTimeout(() => {
      const lookedAt = performance.now()
      check = EventLoop.whenIdle(() => wake(lookedAt))
    }, Math.min(Math.max(0, Math.ceil(at - performance.now())), longestTimer))
    return () => {
      clearTimeout(timer)
      if (check !== undefined) EventLoop.cancelWhenIdle(check)
    }
  }
}

const clockTiming = (clock: Clock.Clock): Timing => ({
  now: () => Clocks.millisOf(clock),
  wakeAt: (at, wake) => {
    // In whole milliseconds: a fraction that is lost in the sum would wake the deadline before its time, again and again.
    const millis = Math.max(0, Math.ceil(at - Clocks.millisOf(clock)))
    const slept = clock.sleep(Duration.millis(millis))
    // A test's clock runs at once what is due: the deadline must not expire before its caller has set it up.
    const fiber = Effect.runFork(
      Effect.zipRight(millis > 0 ? slept : Effect.zipRight(slept, Effect.yieldNow()), Effect.sync(() => wake()))
    )
    return () => interruptSoon(fiber)
  }
})

/**
 * Many deadlines on one timer: a binary heap, and a single timer for its top.
 *
 * A deadline costs no fiber, and moving one further away costs nothing until the old time comes: its `expire` looks at
 * what happened meanwhile and schedules itself again. The timer stands only while something is scheduled, so an idle
 * program can end.
 */
export class Deadlines {
  private readonly heap: Array<Deadline> = []
  private cancelTimer: (() => void) | undefined = undefined
  private timerAt = Infinity
  private isDisarming = false
  private scheduled = 0
  private readonly numbers = new Map<string, number>()
  private readonly timing: Timing

  constructor(timing: Timing) {
    this.timing = timing
  }

  // `Transport.timekeeper` gives out these two, and a function may be called without its object.
  readonly now = (): number => this.timing.now()

  /** Calls back once; the result takes that back. */
  readonly after = (millis: number, task: (now: number) => void): () => void => {
    const due = new Due(task)
    this.schedule(due, this.now() + millis)
    return () => this.cancel(due)
  }

  /**
   * The next number of its kind, from 1 on, for ids and default names. Each clock has numbers of its own, so that two runs
   * of a simulation in one process show the same.
   */
  nextNumber(kind: string): number {
    const number = (this.numbers.get(kind) ?? 0) + 1
    this.numbers.set(kind, number)
    return number
  }

  /** True if they follow the machine's own clock, and no test or simulation decides the time. */
  get isLive(): boolean {
    return this.timing === liveTiming
  }

  /** How many are scheduled. */
  get size(): number {
    return this.heap.length
  }

  schedule(deadline: Deadline, at: number): void {
    this.scheduled += 1
    deadline.order = this.scheduled
    if (deadline.index === -1) {
      deadline.at = at
      this.heap.push(deadline)
      this.siftUp(deadline, this.heap.length - 1)
    } else if (at < deadline.at) {
      deadline.at = at
      this.siftUp(deadline, deadline.index)
    } else {
      deadline.at = at
      this.siftDown(deadline, deadline.index)
    }
    if (at < this.timerAt) this.arm(at)
  }

  cancel(deadline: Deadline): void {
    if (deadline.index === -1) return
    this.remove(deadline)
    if (this.heap.length > 0) return
    if (this.timing !== liveTiming) this.disarm()
    else if (!this.isDisarming) {
      // Often the next deadline is scheduled within this turn, and the present timer serves it.
      this.isDisarming = true
      EventLoop.whenIdle(this.onTurnEnd)
    }
  }

  private readonly onTurnEnd = (): void => {
    this.isDisarming = false
    if (this.heap.length === 0) this.disarm()
  }

  private arm(at: number): void {
    this.disarm()
    this.timerAt = at
    this.cancelTimer = this.timing.wakeAt(at, this.onTimer)
  }

  private disarm(): void {
    if (this.cancelTimer === undefined) return
    this.cancelTimer()
    this.cancelTimer = undefined
    this.timerAt = Infinity
  }

  private readonly onTimer = (now = this.now()): void => {
    this.cancelTimer = undefined
    this.timerAt = Infinity
    for (let top = this.heap[0]; top !== undefined && top.at <= now; top = this.heap[0]) {
      this.remove(top)
      try {
        top.expire(now)
      } catch (error) {
        throwLater(error)
      }
    }
    const next = this.heap[0]
    if (next !== undefined && next.at < this.timerAt) this.arm(next.at)
  }

  private remove(deadline: Deadline): void {
    const index = deadline.index
    deadline.index = -1
    const last = this.heap.pop()
    if (last === undefined || last === deadline) return
    this.siftUp(last, index)
    this.siftDown(last, last.index)
  }

  private siftUp(deadline: Deadline, from: number): void {
    let index = from
    while (index > 0) {
      const parentIndex = (index - 1) >> 1
      const parent = this.heap[parentIndex]!
      if (!isBefore(deadline, parent)) break
      this.heap[index] = parent
      parent.index = index
      index = parentIndex
    }
    this.heap[index] = deadline
    deadline.index = index
  }

  private siftDown(deadline: Deadline, from: number): void {
    const size = this.heap.length
    let index = from
    for (;;) {
      let childIndex = 2 * index + 1
      if (childIndex >= size) break
      if (childIndex + 1 < size && isBefore(this.heap[childIndex + 1]!, this.heap[childIndex]!)) childIndex += 1
      const child = this.heap[childIndex]!
      if (!isBefore(child, deadline)) break
      this.heap[index] = child
      child.index = index
      index = childIndex
    }
    this.heap[index] = deadline
    deadline.index = index
  }
}

const isBefore = (a: Deadline, b: Deadline): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)

const byClock = new WeakMap<Clock.Clock, Deadlines>()

/**
 * The deadlines that follow `clock`: one set for each clock, so that `TestClock` drives those of a test. The machine's
 * own clock is read as a monotonic one: setting the time of day moves no deadline.
 */
export const forClock = (clock: Clock.Clock): Deadlines => {
  let deadlines = byClock.get(clock)
  if (deadlines === undefined) {
    deadlines = new Deadlines(
      Clocks.isLive(clock) ? liveTiming : isTimed(clock) ? clock[timingKey] : clockTiming(clock)
    )
    byClock.set(clock, deadlines)
  }
  return deadlines
}

/** `Deadlines.nextNumber` of the fiber's clock. */
export const nextNumber = (kind: string): Effect.Effect<number> =>
  Effect.clockWith((clock) => Effect.sync(() => forClock(clock).nextNumber(kind)))
