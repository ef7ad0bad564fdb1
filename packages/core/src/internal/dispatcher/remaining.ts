/** What a dispatcher has left to do, and the fibers that wait for its exit, or until nothing is left. */
import * as Effect from "effect/Effect"
import { suspendCancellable, withFiber } from "../effect/suspend.js"
import { type DispatcherThread, threadOf, untilTheEnd } from "../thread/thread.js"
import type { Dispatcher } from "./dispatcher.js"

/** A fiber of a thread, or of its error handler, that waits until nothing else is left to do. */
interface InnerWait {
  readonly thread: DispatcherThread | undefined
  readonly wake: () => void
}

const remove = <A>(list: Array<A>, item: A): void => {
  const index = list.indexOf(item)
  if (index !== -1) list.splice(index, 1)
}

export class Remaining {
  private readonly dispatcher: Dispatcher
  /** How many of `run` and `drain` are under way. While there is none, nothing waits for the end. */
  running = 0
  isExiting = false
  /** Threads that only another thread, or an interruption, wakes. */
  private inactive = 0
  /** Error handlers at work, connections that still flush, and whatever else is no thread. */
  private pending = 0
  private readonly outerWaits: Array<() => void> = []
  private readonly innerWaits: Array<InnerWait> = []
  private readonly exitListeners: Array<() => void> = []

  constructor(dispatcher: Dispatcher) {
    this.dispatcher = dispatcher
  }

  /** Nothing is left to do: no server, and no threads except those waiting to be woken. */
  get isFinished(): boolean {
    const { servers, threads } = this.dispatcher
    return servers.size === 0 && this.pending === 0 && threads.size === this.inactive
  }

  /** Something begins that is no thread, and is left to do until `done`. */
  begin(): void {
    this.pending += 1
  }

  readonly done = (): void => {
    this.pending -= 1
    this.check()
  }

  inactiveChanged(by: number): void {
    this.inactive += by
    if (by > 0) this.check()
  }

  /**
   * If nothing is left to do: wakes the fibers that wait for the exit, and looks again a step later. The step is for
   * fibers that are ready and belong to no thread, or are not a thread's main one: the dispatcher does not learn when
   * those have ended, and they may wake a thread.
   */
  check(): void {
    if (this.running === 0 || !this.isFinished) return
    this.exit()
    this.begin()
    this.dispatcher.scheduler.scheduleTask(this.stepPassed, 0)
  }

  /** If still nothing is left to do, wakes the fibers that wait for that, from the innermost wait outwards. */
  private readonly stepPassed = (): void => {
    this.pending -= 1
    if (this.running === 0 || !this.isFinished) return
    this.wakeInner()
    // A thread that waited for the end continues, so this is not the end yet.
    if (!this.isFinished) return
    for (const wake of this.outerWaits.splice(0)) wake()
  }

  /** Wakes the last that began to wait. Several fibers of one thread are woken together: none waits for its own thread. */
  private wakeInner(): void {
    const last = this.innerWaits.pop()
    if (last === undefined) return
    const { thread } = last
    const others = thread === undefined ? [] : this.innerWaits.filter((wait) => wait.thread === thread)
    for (const wait of others) remove(this.innerWaits, wait)
    for (const wait of [last, ...others]) wait.wake()
  }

  /**
   * Waits until nothing is left to do; true then. `stopping` gets a function that ends the wait sooner, with false, also
   * where the fiber cannot be interrupted. A fiber of a thread, or of an error handler, does not wait for itself.
   */
  finish(stopping: (stop: () => void) => void): Effect.Effect<boolean> {
    return withFiber((fiber) => {
      const current = threadOf(fiber)
      const thread = current !== undefined && this.dispatcher.threads.has(current) ? current : undefined
      const isReport = current !== undefined && this.dispatcher.isReporting(current)
      return suspendCancellable<boolean>((resume) => {
        const wait: InnerWait = { thread, wake: () => end(true) }
        let isWaiting = true
        const leave = (): void => {
          if (!isWaiting) return
          isWaiting = false
          remove(this.innerWaits, wait)
          remove(this.outerWaits, wait.wake)
          if (thread !== undefined && this.innerWaits.every((other) => other.thread !== thread)) {
            thread.waitEnds(untilTheEnd)
          }
          if (isReport) this.begin()
        }
        const end = (isFinished: boolean): void => {
          leave()
          resume(Effect.succeed(isFinished))
        }
        if (thread === undefined && !isReport) this.outerWaits.push(wait.wake)
        else this.innerWaits.push(wait)
        thread?.waitBegins(untilTheEnd)
        if (isReport) this.pending -= 1
        stopping(() => end(false))
        this.check()
        return Effect.sync(leave)
      })
    })
  }

  /** Wakes the fibers that wait for the exit. */
  exit(): void {
    if (!this.isExiting) this.dispatcher.traced("exiting", this.dispatcher.name)
    this.isExiting = true
    this.wakeAtExit()
  }

  /**
   * Wakes the fibers that wait for the exit although there is none: all is being cancelled, and a finalizer may wait for
   * it.
   */
  wakeAtExit(): void {
    for (const listener of this.exitListeners.splice(0)) listener()
  }

  /** Calls back at the exit; at once if it was, or if all is being cancelled. The result takes that back. */
  onExit(listener: () => void): () => void {
    if (this.isExiting || this.dispatcher.isEnding) {
      listener()
      return () => {}
    }
    this.exitListeners.push(listener)
    return () => remove(this.exitListeners, listener)
  }
}
