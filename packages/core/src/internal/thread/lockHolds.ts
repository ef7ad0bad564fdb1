/** The holders of a lock, the fibers that may take it again, and the queues of those that wait. */
import type * as Effect from "effect/Effect"
import { type AnyFiber, numberOf } from "../effect/fibers.js"
import { Inherited } from "../effect/inherited.js"
import { type DispatcherThread, threadOf } from "./thread.js"
import { WaitQueue } from "./waitQueue.js"

/** A lock that one fiber has taken. */
export class Hold {
  readonly holds: LockHolds
  /** How often its fiber took the lock. Zero: that fiber has released it, though a child of it may still hold it. */
  count = 1
  readonly fiberNumber: number
  /** The thread of its fiber. Fibers of other threads do not count as its children, whatever they inherited. */
  thread: DispatcherThread | undefined
  /** The hold within which it was taken, by a fiber that was forked there. */
  readonly parent: Hold | undefined
  /** The hold that was taken within it. */
  child: Hold | undefined = undefined
  /** In which the children wait for each other. Made when the first child asks. */
  queue: WaitQueue | undefined = undefined

  constructor(holds: LockHolds, fiber: AnyFiber, parent: Hold | undefined) {
    this.holds = holds
    this.fiberNumber = numberOf(fiber)
    this.thread = threadOf(fiber)
    this.parent = parent
  }
}

type Holds = ReadonlyArray<Hold>

const isLive = (hold: Hold): boolean => hold.count > 0

/**
 * The holds that a fiber took, and those it was forked within. A fiber inherits them when it is forked, so children of a
 * holder may enter while fibers that merely run in the same thread may not. A fiber that joins another gets its holds, too.
 */
const currentHolds = new Inherited<Holds>("@copas/core/Lock/currentHolds", [], (own, joined) => {
  const news = joined.filter((hold) => isLive(hold) && !own.includes(hold))
  return news.length === 0 ? own : [...own.filter(isLive), ...news]
})

/** Has the fiber that runs this, and what it forks from now on, know that it holds the lock. */
export const remember = (hold: Hold): Effect.Effect<void> =>
  currentHolds.update((holds) => [...holds.filter(isLive), hold])

/** Drops the holds that have ended. They would do no harm, but last as long as the fiber. */
export const forgetEnded: Effect.Effect<void> = currentHolds.update((holds) => holds.filter(isLive))

/**
 * The state of one lock: a stack of holds. Each hold except the first was taken by a child of the fiber that has the hold
 * before. At each level there is one hold at a time: the children of a holder do not enter together.
 */
export class LockHolds {
  private readonly label: string
  private readonly isReentrant: boolean
  private readonly queue: WaitQueue
  private outermost: Hold | undefined = undefined

  constructor(label: string, isReentrant: boolean) {
    this.label = label
    this.isReentrant = isReentrant
    this.queue = new WaitQueue(label, 1)
  }

  get isDestroyed(): boolean {
    return this.queue.isDestroyed
  }

  /** The last hold that the fiber took or was forked within, of the holds that have not ended. */
  innermostOf(fiber: AnyFiber): Hold | undefined {
    const holds = currentHolds.of(fiber)
    for (let index = holds.length - 1; index >= 0; index -= 1) {
      const hold = holds[index]!
      if (this.counts(hold, fiber)) return hold
    }
    return undefined
  }

  private counts(hold: Hold, fiber: AnyFiber): boolean {
    return hold.holds === this && isLive(hold) && hold.thread === threadOf(fiber)
  }

  /** The fiber's own hold, taken once more: it does not wait for its children, which may wait for it. */
  again(fiber: AnyFiber): Hold | undefined {
    if (!this.isReentrant || this.outermost === undefined || this.isDestroyed) return undefined
    const number = numberOf(fiber)
    const own = currentHolds.of(fiber).find((hold) => hold.fiberNumber === number && this.counts(hold, fiber))
    if (own !== undefined) own.count += 1
    return own
  }

  /** The hold within which the fiber takes the lock; `undefined` for a fiber that is no child of a holder. */
  placeOf(fiber: AnyFiber): Hold | undefined {
    return this.isReentrant && !this.isDestroyed ? this.innermostOf(fiber) : undefined
  }

  queueOf(place: Hold | undefined): WaitQueue {
    return place === undefined ? this.queue : place.queue ??= new WaitQueue(this.label, 1)
  }

  /** Takes the lock if that needs no wait. */
  tryBegin(fiber: AnyFiber): Hold | undefined {
    if (this.isDestroyed) return undefined
    const place = this.placeOf(fiber)
    return this.queueOf(place).tryTake(1) ? this.begin(fiber, place) : undefined
  }

  /** The fiber has been given the lock by the queue of `place`. */
  begin(fiber: AnyFiber, place: Hold | undefined): Hold {
    const hold = new Hold(this, fiber, place)
    if (place === undefined) this.outermost = hold
    else place.child = hold
    return hold
  }

  /** Releases the hold once. */
  end(hold: Hold): void {
    hold.count -= 1
    if (hold.count !== 0) return
    // Children that still wait were to enter within this hold: now they wait with all others.
    hold.queue?.destroy()
    if (hold.child === undefined) this.pass(hold)
  }

  /** Neither its fiber nor a child holds the lock: the next waiter may. */
  private pass(hold: Hold): void {
    const { parent } = hold
    hold.thread = undefined
    if (parent === undefined) {
      this.outermost = undefined
      this.queue.give(1)
      return
    }
    parent.child = undefined
    if (parent.count > 0) parent.queue!.give(1)
    else this.pass(parent)
  }

  /** Fails all waiters; false when it was destroyed before. */
  destroy(): boolean {
    if (this.isDestroyed) return false
    this.queue.destroy()
    for (let hold = this.outermost; hold !== undefined; hold = hold.child) hold.queue?.destroy()
    return true
  }
}
