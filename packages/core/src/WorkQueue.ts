/**
 * A queue of work: items of any kind, first in first out, and the worker threads that handle them.
 *
 * It has an end: after `stop` it takes no more items, `finish` waits until all of them are handled, `destroy` gives them up
 * at once. It is unbounded: pushing never waits. If a peer decides how much is pushed, bound it yourself, or use
 * `Queue.bounded`.
 *
 * Use Effect's own `Queue` for backpressure (`bounded`), for dropping or sliding queues, `takeAll`, or to feed a `Stream`;
 * use this queue for workers, for an orderly end, for pops with a bounded wait, and where speed counts.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Copas from "./Copas.js"
import * as ErrorSummary from "./ErrorSummary.js"
import { withFiber } from "./internal/effect/suspend.js"
import { failing } from "./internal/errors.js"
import { counted, within } from "./internal/text.js"
import { Backlog } from "./internal/thread/backlog.js"
import { reported } from "./internal/thread/reporting.js"
import { type DispatcherThread, threadOf } from "./internal/thread/thread.js"
import type { Request } from "./internal/thread/waitQueue.js"
import { nextNumber } from "./internal/time/deadlines.js"
import { millis, millisOf, wrongDuration } from "./internal/time/optionValues.js"
import { yieldsSoon } from "./internal/yielding.js"
import type { InvalidOption } from "./SocketError.js"
import type { ErrorHandler, Thread } from "./Thread.js"

/**
 * Marks a `WorkQueue`: `isWorkQueue` looks for it.
 *
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("@copas/core/WorkQueue")

/**
 * The type of `TypeId`.
 *
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * No item came within the time (`pop`), or the work was not done within it (`finish`).
 *
 * @since 0.1.0
 * @category errors
 */
export class QueueTimeout
  extends Schema.TaggedError<QueueTimeout>("@copas/core/WorkQueue/QueueTimeout")("QueueTimeout", {
    queue: Schema.String,
    operation: Schema.Literal("pop", "finish"),
    /** The time that was allowed, in milliseconds. */
    afterMillis: Schema.Number,
    /** How many items were in the queue then. */
    size: Schema.Number,
    /** How many workers had not ended then. */
    workers: Schema.Number
  })
{
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    return this.operation === "pop"
      ? `${this.queue}: no item came ${within(this.afterMillis)}; push one, or raise \`timeout\``
      : `${this.queue}: not finished ${within(this.afterMillis)}: ${counted(this.size, "item")} and ${
        counted(this.workers, "worker")
      } are left; add workers, or raise \`timeout\``
  }
}

/**
 * The queue is stopping: it takes no more items, though it still hands out those that it has.
 *
 * @since 0.1.0
 * @category errors
 */
export class QueueStopped
  extends Schema.TaggedError<QueueStopped>("@copas/core/WorkQueue/QueueStopped")("QueueStopped", {
    queue: Schema.String
  })
{
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    return `${this.queue} is stopping and takes no more items; push before \`stop\`, or make a new queue`
  }
}

/**
 * The queue is at its end: it was destroyed, or was stopped and has run empty.
 *
 * @since 0.1.0
 * @category errors
 */
export class QueueDestroyed
  extends Schema.TaggedError<QueueDestroyed>("@copas/core/WorkQueue/QueueDestroyed")("QueueDestroyed", {
    queue: Schema.String,
    /** How many items were given up when it was destroyed. */
    abandoned: Schema.Number
  })
{
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    return this.abandoned === 0
      ? `${this.queue} has ended; make a new queue`
      : `${this.queue} was destroyed, and ${
        counted(this.abandoned, "item")
      } in it dropped; call \`finish\` to have them handled first`
  }
}

/**
 * The options of `make`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Names the queue; its workers are `name:worker_N`. Default `copas_queue_N`. */
  readonly name?: string | undefined
  /** How long `pop` and `finish` wait unless told otherwise. Default 10 seconds; `Duration.infinity` for no limit. */
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * The options of `pop`.
 *
 * @since 0.1.0
 * @category models
 */
export interface PopOptions {
  /** In place of the queue's own time-out. Zero: at once, or not at all. */
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * The options of `finish`.
 *
 * @since 0.1.0
 * @category models
 */
export interface FinishOptions {
  /** In place of the queue's own time-out. */
  readonly timeout?: Duration.DurationInput | undefined
  /** Default true: when the time runs out the queue is destroyed, and gives up what is left. */
  readonly destroyOnTimeout?: boolean | undefined
}

/**
 * A queue of items of type `A`. Each operation is safe to call from any fiber.
 *
 * @since 0.1.0
 * @category models
 */
export interface WorkQueue<in out A> {
  readonly [TypeId]: TypeId
  readonly name: string

  /** Adds an item, which may be `undefined`, at the end. Never waits. */
  readonly push: (item: A) => Effect.Effect<void, QueueStopped | QueueDestroyed>

  /**
   * Takes the first item; waits for one, after the waiters that came before. `timeout` replaces the queue's own; with zero
   * it takes an item at once, or fails (`poll` costs less then).
   *
   * *Interruption* leaves the queue of waiters, and loses no item.
   */
  readonly pop: {
    (): Effect.Effect<A, QueueTimeout | QueueDestroyed>
    (options: PopOptions | undefined): Effect.Effect<A, QueueTimeout | QueueDestroyed | InvalidOption>
  }

  /** Takes the first item, if there is one that no waiter gets. *Interruption* loses no item. */
  readonly poll: Effect.Effect<Option.Option<A>, QueueDestroyed>

  /**
   * Adds a thread that handles items one by one, until the queue is at its end. Add N workers to handle N items at a time.
   *
   * Each item is handled in a scope of its own. A failure goes to `onError`, in place of the dispatcher's handler, and the
   * worker takes the next item. A worker that waits for items does not keep the dispatcher running.
   */
  readonly addWorker: <E, R, RE = never>(
    worker: (item: A) => Effect.Effect<unknown, E, R>,
    options?: { readonly onError?: ErrorHandler<RE> | undefined }
  ) => Effect.Effect<Thread<void>, QueueDestroyed, Copas.Copas | Exclude<R | RE, Scope.Scope>>

  /** How many items wait in the queue; items that workers are handling do not count. */
  readonly getSize: Effect.Effect<number, QueueDestroyed>

  /** The workers that have not ended. */
  readonly getWorkers: Effect.Effect<ReadonlyArray<Thread<void>>, QueueDestroyed>

  /** Makes the queue take no more items; when the last one is taken, it is at its end. Does not wait: see `finish`. */
  readonly stop: Effect.Effect<void, QueueDestroyed>

  /**
   * Stops the queue, and waits until every item was taken and every worker has ended. Fails with `QueueTimeout` if that
   * takes too long, and then destroys the queue; with `QueueDestroyed` if items were given up. In a worker of the same
   * queue it dies with a message, for it would wait for itself.
   *
   * *Interruption* ends the wait; the queue continues to stop.
   */
  readonly finish: {
    (): Effect.Effect<void, QueueTimeout | QueueDestroyed>
    (options: FinishOptions | undefined): Effect.Effect<void, QueueTimeout | QueueDestroyed | InvalidOption>
  }

  /**
   * Ends the queue at once and gives up its items. Every waiter, and every later call, gets `QueueDestroyed`; workers end
   * after the item that they are handling. False when the queue was at its end before.
   */
  readonly destroy: Effect.Effect<boolean>
}

class WorkQueueImpl<A> implements WorkQueue<A> {
  readonly [TypeId]: TypeId = TypeId
  readonly name: string
  private readonly timeoutMillis: number
  private readonly backlog: Backlog<A>
  private lastWorker = 0

  constructor(name: string, timeoutMillis: number) {
    this.name = name
    this.timeoutMillis = timeoutMillis
    this.backlog = new Backlog(name)
    this.popDefault = this.popWithin(timeoutMillis)
  }

  push(item: A): Effect.Effect<void, QueueStopped | QueueDestroyed> {
    return Effect.suspend((): Effect.Effect<void, QueueStopped | QueueDestroyed> => {
      if (this.backlog.isAtEnd) return this.atEnd()
      if (this.backlog.isStopping) return failing(QueueStopped, { queue: this.name })
      this.backlog.push(item)
      return Exit.void
    })
  }

  private readonly popDefault: Effect.Effect<A, QueueTimeout | QueueDestroyed>

  pop(): Effect.Effect<A, QueueTimeout | QueueDestroyed>
  pop(options: PopOptions | undefined): Effect.Effect<A, QueueTimeout | QueueDestroyed | InvalidOption>
  pop(options?: PopOptions): Effect.Effect<A, QueueTimeout | QueueDestroyed | InvalidOption> {
    if (options?.timeout === undefined) return this.popDefault
    return Effect.flatMap(millis("timeout", options.timeout), (timeout) => this.popWithin(timeout))
  }

  private popWithin(millis: number): Effect.Effect<A, QueueTimeout | QueueDestroyed> {
    const request: Request<A, QueueTimeout | QueueDestroyed> = {
      taken: () => this.backlog.takeFirst(),
      timedOut: () => this.timedOut("pop", millis),
      destroyed: () => this.atEnd()
    }
    const pop: Effect.Effect<A, QueueTimeout | QueueDestroyed> = withFiber((fiber) =>
      yieldsSoon(fiber) ? Effect.flatMap(Effect.yieldNow(), () => pop) : this.backlog.wait(fiber, millis, request)
    )
    return pop
  }

  get poll(): Effect.Effect<Option.Option<A>, QueueDestroyed> {
    return withFiber((fiber) => {
      if (yieldsSoon(fiber)) return Effect.flatMap(Effect.yieldNow(), () => this.poll)
      if (this.backlog.isAtEnd) return this.atEnd()
      return Exit.succeed(this.backlog.tryTake() ? Option.some(this.backlog.takeFirst()) : Option.none())
    })
  }

  addWorker<E, R, RE = never>(
    worker: (item: A) => Effect.Effect<unknown, E, R>,
    options: { readonly onError?: ErrorHandler<RE> | undefined } = {}
  ): Effect.Effect<Thread<void>, QueueDestroyed, Copas.Copas | Exclude<R | RE, Scope.Scope>> {
    const loop: Effect.Effect<void, QueueTimeout | QueueDestroyed, Exclude<R, Scope.Scope>> = Effect.flatMap(
      this.popWithin(Infinity),
      (item) => Effect.zipRight(reported(Effect.scoped(Effect.suspend(() => worker(item)))), loop)
    )
    return Effect.uninterruptible(this.ifAlive(() => {
      this.lastWorker += 1
      const name = `${this.name}:worker_${this.lastWorker}`
      return Effect.map(Copas.addThread(Effect.ignore(loop), { name, onError: options.onError }), (added) => {
        this.backlog.addWorker(added as Thread<any, any> as DispatcherThread)
        return added
      })
    }))
  }

  get getSize(): Effect.Effect<number, QueueDestroyed> {
    return this.ifAlive(() => Exit.succeed(this.backlog.size))
  }

  get getWorkers(): Effect.Effect<ReadonlyArray<Thread<void>>, QueueDestroyed> {
    return this.ifAlive(() => Exit.succeed(Array.from(this.backlog.workers)))
  }

  get stop(): Effect.Effect<void, QueueDestroyed> {
    return this.ifAlive(() => {
      this.backlog.stop()
      return Exit.void
    })
  }

  finish(): Effect.Effect<void, QueueTimeout | QueueDestroyed>
  finish(options: FinishOptions | undefined): Effect.Effect<void, QueueTimeout | QueueDestroyed | InvalidOption>
  finish(options: FinishOptions = {}): Effect.Effect<void, QueueTimeout | QueueDestroyed | InvalidOption> {
    const millis = options.timeout === undefined ? this.timeoutMillis : millisOf(options.timeout)
    if (millis === undefined) return Effect.fail(wrongDuration("timeout", options.timeout)!)
    const request: Request<void, QueueTimeout | QueueDestroyed> = {
      taken: () => undefined,
      timedOut: () => {
        const timeout = this.timedOut("finish", millis)
        if (options.destroyOnTimeout ?? true) this.backlog.end()
        return timeout
      },
      destroyed: () => this.atEnd()
    }
    return withFiber((fiber) => {
      const thread = threadOf(fiber)
      if (thread !== undefined && this.backlog.workers.has(thread)) {
        return Effect.dieMessage(`${thread.name} waits for its own end in \`finish\`; let it call \`stop\``)
      }
      this.backlog.stop()
      const wait = this.backlog.waitForEnd(fiber, millis, request)
      return Effect.zipRight(wait, Effect.suspend(() => this.backlog.abandoned === 0 ? Exit.void : this.atEnd()))
    })
  }

  get destroy(): Effect.Effect<boolean> {
    return Effect.sync(() => this.backlog.end())
  }

  private ifAlive<B, E, R>(effect: () => Effect.Effect<B, E, R>): Effect.Effect<B, E | QueueDestroyed, R> {
    return Effect.suspend((): Effect.Effect<B, E | QueueDestroyed, R> => this.backlog.isAtEnd ? this.atEnd() : effect())
  }

  private atEnd(): Effect.Effect<never, QueueDestroyed> {
    const { abandoned } = this.backlog
    return failing(QueueDestroyed, { queue: this.name, abandoned })
  }

  private timedOut(operation: "pop" | "finish", afterMillis: number): Effect.Effect<never, QueueTimeout> {
    const { size, workers } = this.backlog
    return failing(QueueTimeout, { queue: this.name, operation, afterMillis, size, workers: workers.size })
  }
}

/**
 * True if `u` is a `WorkQueue`. What its items are cannot be seen.
 *
 * @since 0.1.0
 * @category guards
 */
export const isWorkQueue = (u: unknown): u is WorkQueue<unknown> => Predicate.hasProperty(u, TypeId)

/**
 * Makes a queue. It lasts as long as the program refers to it.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Copas, WorkQueue } from "@copas/core"
 * import { NetMemory } from "@copas/core/testing"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const queue = yield* WorkQueue.make<number>({ name: "squares" })
 *   const squares: Array<number> = []
 *   const worker = (n: number) => Effect.sync(() => squares.push(n * n))
 *   yield* queue.addWorker(worker)
 *   yield* queue.addWorker(worker)
 *   for (const n of [1, 2, 3]) yield* queue.push(n)
 *   yield* queue.finish()
 *   return squares
 * })
 *
 * const layer = Layer.provideMerge(Copas.layer, NetMemory.layer)
 * Effect.runPromise(Copas.run(program).pipe(Effect.provide(layer))).then(console.log) // [ 1, 4, 9 ]
 * ```
 */
export const make = <A>(options: Options = {}): Effect.Effect<WorkQueue<A>, InvalidOption> =>
  Effect.gen(function*() {
    const timeoutMillis = yield* millis("timeout", options.timeout ?? "10 seconds")
    const name = options.name ?? `copas_queue_${yield* nextNumber("queue")}`
    return new WorkQueueImpl<A>(name, timeoutMillis)
  })
