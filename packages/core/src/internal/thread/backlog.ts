/** The items of a work queue, the fibers that wait for one, its workers, and how it comes to its end. */
import type * as Effect from "effect/Effect"
import { type AnyFiber, isInterruptible } from "../effect/fibers.js"
import { Fifo } from "./fifo.js"
import type { DispatcherThread } from "./thread.js"
import { type Request, WaitQueue } from "./waitQueue.js"

export class Backlog<A> {
  private readonly items = new Fifo<A>()
  /** Gives out the right to take one item. */
  private readonly waiters: WaitQueue
  /** Opens, for all that wait, when the queue and its workers have ended. */
  private readonly ended: WaitQueue
  readonly workers = new Set<DispatcherThread>()
  isStopping = false
  /** How many items were given up at the end. */
  abandoned = 0

  constructor(name: string) {
    this.waiters = new WaitQueue(`an item of ${name}`, 0, true)
    this.ended = new WaitQueue(`the end of ${name}`, 0)
  }

  get size(): number {
    return this.items.size
  }

  /** It was destroyed, or was stopped and has run empty. */
  get isAtEnd(): boolean {
    return this.waiters.isDestroyed
  }

  push(item: A): void {
    this.items.push(item)
    this.waiters.give(1)
  }

  /** Waits for the right to take the first item; `request.taken` takes it, by `takeFirst`. */
  wait<E>(fiber: AnyFiber, millis: number, request: Request<A, E>): Effect.Effect<A, E> {
    return this.waiters.take(fiber, isInterruptible(fiber), 1, millis, request)
  }

  /** Takes the right to take the first item, if there is one that no other fiber waits for. */
  tryTake(): boolean {
    return this.waiters.tryTake(1)
  }

  takeFirst(): A {
    const item = this.items.shift()
    if (this.isStopping && this.items.size === 0) this.end()
    return item
  }

  addWorker(worker: DispatcherThread): void {
    this.workers.add(worker)
    worker.onEnd(() => {
      this.workers.delete(worker)
      this.checkEnded()
    })
  }

  /** Takes no more items: when the last one is taken, the queue ends. */
  stop(): void {
    if (this.isStopping) return
    this.isStopping = true
    if (this.items.size === 0) this.end()
  }

  waitForEnd<E>(fiber: AnyFiber, millis: number, request: Request<void, E>): Effect.Effect<void, E> {
    return this.ended.take(fiber, isInterruptible(fiber), 1, millis, request)
  }

  /** Ends at once; false when it had ended before. */
  end(): boolean {
    if (this.isAtEnd) return false
    this.isStopping = true
    // An item that was granted is as good as taken: the fiber that was woken will claim it.
    this.waiters.settle()
    this.abandoned = this.waiters.available
    this.items.drop(this.abandoned)
    this.waiters.destroy()
    this.checkEnded()
    return true
  }

  private checkEnded(): void {
    if (this.isAtEnd && this.workers.size === 0) this.ended.give(Infinity)
  }
}
