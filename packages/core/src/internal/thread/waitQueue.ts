/** The waiting queue of locks, semaphores, queues and futures. */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { type AnyFiber, hasEnded, isInterrupted, offExit, onExit } from "../effect/fibers.js"
import { clockOf } from "../effect/reference.js"
import { runAfter } from "../effect/schedulers.js"
import { interruptibly, suspend } from "../effect/suspend.js"
import { Deadline, type Deadlines, forClock } from "../time/deadlines.js"
import { type DispatcherThread, type QueueWait, threadOf } from "./thread.js"

/** How long a waiter has waited, in milliseconds. */
export interface Wait {
  readonly waited: number
}

const noWait: Wait = { waited: 0 }

/** How a request ends. All of it runs in the fiber that asks. */
export interface Request<A, E> {
  /** The fiber has what it asked for. */
  readonly taken: (wait: Wait) => A
  readonly timedOut: (wait: Wait) => Effect.Effect<never, E>
  readonly destroyed: (wait: Wait) => Effect.Effect<A, E>
}

/** A fiber in a queue. */
class Waiter extends Deadline implements Wait, QueueWait {
  previous: Waiter | undefined = undefined
  next: Waiter | undefined = undefined
  /** The list that it is in: of those that wait, or of those that have not claimed their reservation yet. */
  list: WaiterList | undefined = undefined
  /** Resumes its fiber; set when the fiber is suspended. */
  resume: ((effect: Effect.Effect<any, any>) => void) | undefined = undefined
  /** What its fiber continues with, once that is known. */
  outcome: Effect.Effect<any, any> | undefined = undefined
  /** Called at the end of its fiber. */
  observer: (() => void) | undefined = undefined
  since: number | undefined = undefined
  isForever = false
  thread: DispatcherThread | undefined = undefined
  readonly queue: WaitQueue
  readonly fiber: AnyFiber
  readonly isInterruptible: boolean
  /** Only where the wait is limited, or measured. */
  readonly deadlines: Deadlines | undefined
  readonly amount: number
  readonly request: Request<any, any>

  constructor(
    queue: WaitQueue,
    fiber: AnyFiber,
    isInterruptible: boolean,
    deadlines: Deadlines | undefined,
    amount: number,
    request: Request<any, any>
  ) {
    super()
    this.queue = queue
    this.fiber = fiber
    this.isInterruptible = isInterruptible
    this.deadlines = deadlines
    this.amount = amount
    this.request = request
  }

  get waited(): number {
    return this.deadlines === undefined || this.since === undefined ? 0 : this.deadlines.now() - this.since
  }

  leave(): void {
    if (this.isGone) this.queue.left(this)
  }

  get label(): string {
    return this.queue.label
  }

  /** Its fiber was interrupted, or has ended: it will not claim anything. */
  get isGone(): boolean {
    return hasEnded(this.fiber) || (this.isInterruptible && isInterrupted(this.fiber))
  }

  expire(): void {
    this.queue.expired(this)
  }

  wake(outcome: Effect.Effect<any, any>): void {
    this.outcome = outcome
    this.resume?.(outcome)
  }
}

/** What fibers wait for in queues: recorded only while a simulation wants to name them. */
class QueueWaits {
  private observers = 0
  private waits: WeakMap<AnyFiber, Waiter> | undefined = undefined

  observe(): void {
    this.observers += 1
    this.waits ??= new WeakMap()
  }

  unobserve(): void {
    this.observers -= 1
    if (this.observers === 0) this.waits = undefined
  }

  begins(waiter: Waiter): void {
    this.waits?.set(waiter.fiber, waiter)
  }

  labelOf(fiber: AnyFiber): string | undefined {
    const waiter = this.waits?.get(fiber)
    return waiter?.list === undefined ? undefined : waiter.label
  }
}

export const queueWaits = new QueueWaits()

/** A list doubly linked through its members, so that a waiter leaves from the middle at once. */
class WaiterList {
  first: Waiter | undefined = undefined
  last: Waiter | undefined = undefined
  size = 0

  push(waiter: Waiter): void {
    this.size += 1
    waiter.list = this
    waiter.previous = this.last
    if (this.last === undefined) this.first = waiter
    else this.last.next = waiter
    this.last = waiter
  }

  remove(waiter: Waiter): void {
    this.size -= 1
    const { next, previous } = waiter
    if (previous === undefined) this.first = next
    else previous.next = next
    if (next === undefined) this.last = previous
    else next.previous = previous
    waiter.previous = undefined
    waiter.next = undefined
    waiter.list = undefined
  }
}

/**
 * Fibers that wait, first in first out, for some amount of what the queue gives out.
 *
 * `give` reserves the amount for the first waiter and wakes it; the waiter then claims it. If it is interrupted first, the
 * reservation passes on.
 *
 * `isLight` decides how a queue learns of an interruption. A canceller reports it at once, and costs 0.8 µs a wait. A light
 * queue has none: it checks its waiters when it would grant, and once more after the woken fiber has had its turn. That
 * suffices if all waiters ask for the same amount: then one that is gone holds up no other.
 */
export class WaitQueue {
  /** The amount that is not reserved. */
  available: number
  isDestroyed = false
  private readonly waiting = new WaiterList()
  /** Waiters with a reservation that they have not claimed yet. */
  private readonly granted = new WaiterList()
  /** The length at which a light queue looks for waiters that are gone. */
  private tidyAt = 16
  private isChecking = false
  /** The deadlines of the last waiter: they rarely change. */
  private deadlines: Deadlines | undefined = undefined
  private clock: Clock.Clock | undefined = undefined
  private readonly isLight: boolean
  /** What a fiber waits for here, as the status shows it. */
  readonly label: string

  constructor(label: string, available: number, isLight = false) {
    this.label = label
    this.available = available
    this.isLight = isLight
  }

  /** How much the waiters ask for, together. */
  get asked(): number {
    let asked = 0
    for (let waiter = this.waiting.first; waiter !== undefined; waiter = waiter.next) {
      if (!waiter.isGone) asked += waiter.amount
    }
    return asked
  }

  /** Takes without waiting, unless others wait already; false if it took nothing. */
  tryTake(amount: number): boolean {
    this.settle()
    if (this.waiting.first !== undefined) this.grant()
    if (this.waiting.first !== undefined || this.available < amount) return false
    this.available -= amount
    return true
  }

  /** Takes the amount, or waits for it in the queue for at most `millis`. */
  take<A, E>(
    fiber: AnyFiber,
    isInterruptible: boolean,
    amount: number,
    millis: number,
    request: Request<A, E>
  ): Effect.Effect<A, E> {
    if (this.isDestroyed) return request.destroyed(noWait)
    if (this.tryTake(amount)) return Exit.succeed(request.taken(noWait))
    if (millis <= 0) return request.timedOut(noWait)
    const deadlines = millis === Infinity && this.isLight ? undefined : this.deadlinesOf(fiber)
    const waiter = new Waiter(this, fiber, isInterruptible, deadlines, amount, request)
    if (!isInterruptible) return this.suspendIn(waiter, millis)
    if (this.isLight) return this.suspendIn(waiter, millis)
    return interruptibly(Effect.suspend(() => this.suspendIn(waiter, millis)), (cause) => {
      this.left(waiter)
      return Exit.failCause(cause)
    })
  }

  private deadlinesOf(fiber: AnyFiber): Deadlines {
    const clock = clockOf(fiber)
    if (this.deadlines === undefined || clock !== this.clock) {
      this.clock = clock
      this.deadlines = forClock(clock)
    }
    return this.deadlines
  }

  private suspendIn(waiter: Waiter, millis: number): Effect.Effect<any, any> {
    const { deadlines, fiber } = waiter
    this.waiting.push(waiter)
    queueWaits.begins(waiter)
    if (this.isLight) this.tidy()
    if (deadlines !== undefined) {
      const now = waiter.since = deadlines.now()
      if (millis !== Infinity) deadlines.schedule(waiter, now + millis)
    }
    waiter.isForever = millis === Infinity
    const thread = threadOf(fiber)
    if (thread !== undefined && thread.fiber === fiber) (waiter.thread = thread).waitBegins(waiter)
    else if (this.isLight && deadlines !== undefined) {
      // A thread reports its end; another fiber has to be observed, or the deadline would keep an idle program running.
      onExit(fiber, waiter.observer = (): void => this.left(waiter))
    }
    return suspend((resume) => {
      // The fiber may have had to yield on the way here, and have its reservation already.
      if (waiter.outcome === undefined) waiter.resume = resume
      else resume(waiter.outcome)
    })
  }

  give(amount: number): void {
    this.available += amount
    if (this.waiting.first !== undefined) this.grant()
  }

  /** Fails every waiter, and every request from now on. */
  destroy(): void {
    if (this.isDestroyed) return
    this.isDestroyed = true
    for (let waiter = this.waiting.first; waiter !== undefined; waiter = this.waiting.first) {
      const { request } = this.takeOut(waiter)
      waiter.wake(Effect.suspend(() => request.destroyed(waiter)))
    }
  }

  // ---- from the waiters

  expired(waiter: Waiter): void {
    if (waiter.list !== this.waiting) return
    this.takeOut(waiter)
    waiter.wake(Effect.suspend(() => waiter.request.timedOut(waiter)))
    // A waiter for a large amount may have held up those after it.
    this.grant()
  }

  /** Its fiber was interrupted, or has ended. */
  left(waiter: Waiter): void {
    if (waiter.list === undefined) return
    if (waiter.list === this.waiting) this.takeOut(waiter)
    else {
      this.granted.remove(waiter)
      this.available += waiter.amount
    }
    if (!this.isDestroyed) this.grant()
  }

  // ---- granting

  private grant(): void {
    for (let waiter = this.waiting.first; waiter !== undefined; waiter = this.waiting.first) {
      if (waiter.isGone) {
        this.takeOut(waiter)
        continue
      }
      if (this.available < waiter.amount) break
      this.available -= waiter.amount
      this.takeOut(waiter)
      this.granted.push(waiter)
      waiter.wake(this.claim(waiter))
    }
    if (this.isLight && this.waiting.first !== undefined) this.checkLater()
  }

  private takeOut(waiter: Waiter): Waiter {
    this.waiting.remove(waiter)
    if (waiter.index !== -1) waiter.deadlines?.cancel(waiter)
    if (waiter.thread !== undefined) waiter.thread.waitEnds(waiter)
    if (waiter.observer !== undefined) offExit(waiter.fiber, waiter.observer)
    return waiter
  }

  /** If the queue was destroyed before the claim, the waiter fails; in a light queue it gets what was reserved for it. */
  private claim(waiter: Waiter): Effect.Effect<any, any> {
    const { request } = waiter
    if (this.isLight) {
      return Effect.sync(() => {
        this.granted.remove(waiter)
        return request.taken(waiter)
      })
    }
    return Effect.suspend(() => {
      this.granted.remove(waiter)
      return this.isDestroyed ? request.destroyed(waiter) : Exit.succeed(request.taken(waiter))
    })
  }

  // ---- light queues

  /** Takes back what was reserved for waiters that are gone. */
  settle(): void {
    if (!this.isLight) return
    let waiter = this.granted.first
    while (waiter !== undefined) {
      const { next } = waiter
      if (waiter.isGone) this.left(waiter)
      waiter = next
    }
  }

  /**
   * Another waiter follows one that was woken. If that one is interrupted before its turn, nothing reports it; so the queue
   * looks again after it, on its run queue.
   */
  private checkLater(): void {
    const { first } = this.granted
    if (first === undefined || this.isChecking) return
    this.isChecking = true
    runAfter(first.fiber, this.check)
  }

  private readonly check = (): void => {
    this.isChecking = false
    this.settle()
    if (this.waiting.first !== undefined) this.checkLater()
  }

  /** A waiter has joined. */
  private tidy(): void {
    this.checkLater()
    if (this.waiting.size < this.tidyAt) return
    for (let waiter = this.waiting.first; waiter !== undefined;) {
      const { next } = waiter
      if (waiter.isGone) this.takeOut(waiter)
      waiter = next
    }
    this.tidyAt = Math.max(16, 2 * this.waiting.size)
  }
}
