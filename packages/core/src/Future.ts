/**
 * A future: a thread whose result any number of fibers can wait for, look at, or cancel.
 *
 * Use Effect's own `Effect.fork` and `Fiber.join` if the work belongs to the fiber that starts it and ends with it;
 * `Effect.cached` if the work begins when its result is first needed; `Deferred` if no single effect makes the result. A
 * future runs in a thread of the dispatcher: it outlives the fiber that began it, and `Copas.status` shows it.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Copas from "./Copas.js"
import * as ErrorSummary from "./ErrorSummary.js"
import * as Causes from "./internal/effect/causes.js"
import { isInterruptible } from "./internal/effect/fibers.js"
import { withFiber } from "./internal/effect/suspend.js"
import { untraced } from "./internal/errors.js"
import { type DispatcherThread, threadOf } from "./internal/thread/thread.js"
import { type Request, WaitQueue } from "./internal/thread/waitQueue.js"
import type { Thread } from "./Thread.js"

/**
 * Marks a `Future`: `isFuture` looks for it.
 *
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("@copas/core/Future")

/**
 * The type of `TypeId`.
 *
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * The future was cancelled, or its thread was interrupted: there will be no result.
 *
 * @since 0.1.0
 * @category errors
 */
export class FutureCancelled
  extends Schema.TaggedError<FutureCancelled>("@copas/core/Future/FutureCancelled")("FutureCancelled", {
    /** The name of the future's thread. */
    future: Schema.String
  })
{
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    return `${this.future} was cancelled before it had a result; add a new one with \`Future.add\` if you need it`
  }
}

/**
 * How far a future is.
 *
 * @since 0.1.0
 * @category models
 */
export type Status<A, E> =
  | { readonly _tag: "Pending" }
  | { readonly _tag: "Success"; readonly value: A }
  | { readonly _tag: "Error"; readonly cause: Cause.Cause<E | FutureCancelled> }

/**
 * The options of `add`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Names the thread. */
  readonly name?: string | undefined
}

/**
 * The result of a thread, now or later.
 *
 * @since 0.1.0
 * @category models
 */
export interface Future<out A, out E = never> {
  readonly [TypeId]: TypeId

  /** The thread that makes the result. */
  readonly thread: Thread<A, E>

  /**
   * Waits for the result; after that it returns the result at once, each time. A fiber that waits here does not keep the
   * dispatcher running; the future's own thread does. A fiber of that thread dies instead of waiting for itself.
   *
   * *Interruption* ends the wait; the future continues.
   */
  readonly get: Effect.Effect<A, E | FutureCancelled>

  /** The result as an `Exit`; never fails. */
  readonly await: Effect.Effect<Exit.Exit<A, E | FutureCancelled>>

  /** Returns at once how far it is. */
  readonly try: Effect.Effect<Status<A, E>>

  /**
   * Cancels the future: waiting fibers fail with `FutureCancelled` now, and the thread is interrupted. Returns false if
   * the result was there already. It does not wait for the thread's finalizers; `thread.await` does.
   */
  readonly cancel: Effect.Effect<boolean>
}

class FutureImpl<A, E> implements Future<A, E> {
  readonly [TypeId]: TypeId = TypeId
  readonly thread: Thread<A, E>
  private exit: Exit.Exit<A, E | FutureCancelled> | undefined = undefined
  /** Opens, for all that wait, when the result is there. */
  private readonly queue: WaitQueue

  constructor(thread: Thread<A, E>) {
    this.thread = thread
    this.queue = new WaitQueue(`the future ${thread.name}`, 0)
    ;(thread as DispatcherThread).watcher = (exit) => this.settle(exit)
  }

  /** The first result stays. */
  private settle(exit: Exit.Exit<A, E>): void {
    if (this.exit !== undefined) return
    this.exit = Exit.isFailure(exit) && Causes.isInterruption(exit.cause) ? Exit.fail(this.cancelled()) : exit
    this.queue.give(Infinity)
  }

  private cancelled(): FutureCancelled {
    return untraced(FutureCancelled, { future: this.thread.name })
  }

  get get(): Effect.Effect<A, E | FutureCancelled> {
    return Effect.flatten(this.await)
  }

  get await(): Effect.Effect<Exit.Exit<A, E | FutureCancelled>> {
    const request: Request<Exit.Exit<A, E | FutureCancelled>, never> = {
      taken: () => this.exit!,
      timedOut: () => Effect.never,
      destroyed: () => Effect.never
    }
    return withFiber((fiber) =>
      this.exit !== undefined
        ? Exit.succeed(this.exit)
        : threadOf(fiber) === this.thread as DispatcherThread
        ? Effect.dieMessage(`${this.thread.name} waits for its own result, which cannot come`)
        : this.queue.take(fiber, isInterruptible(fiber), 1, Infinity, request)
    )
  }

  get try(): Effect.Effect<Status<A, E>> {
    return Effect.sync(() => {
      if (this.exit === undefined) return { _tag: "Pending" }
      return Exit.isSuccess(this.exit)
        ? { _tag: "Success", value: this.exit.value }
        : { _tag: "Error", cause: this.exit.cause }
    })
  }

  get cancel(): Effect.Effect<boolean> {
    return Effect.sync(() => {
      if (this.exit !== undefined) return false
      this.exit = Exit.fail(this.cancelled())
      this.queue.give(Infinity)
      ;(this.thread as DispatcherThread).cut()
      return true
    })
  }
}

/**
 * True if `u` is a `Future`.
 *
 * @since 0.1.0
 * @category guards
 */
export const isFuture = (u: unknown): u is Future<unknown, unknown> => Predicate.hasProperty(u, TypeId)

/**
 * Begins a future: a thread that runs `effect`. If it fails, the future has its failure, and no error handler runs.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Copas, Future, Thread } from "@copas/core"
 * import { NetMemory } from "@copas/core/testing"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const answer = yield* Future.add(Effect.as(Thread.pause("10 millis"), 42))
 *   console.log((yield* answer.try)._tag) // Pending
 *   return yield* Effect.all([answer.get, answer.get])
 * })
 *
 * const layer = Layer.provideMerge(Copas.layer, NetMemory.layer)
 * Effect.runPromise(Copas.run(program).pipe(Effect.provide(layer))).then(console.log) // [ 42, 42 ]
 * ```
 */
export const add = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  options?: Options
): Effect.Effect<Future<A, E>, never, Copas.Copas | Exclude<R, Scope.Scope>> =>
  Effect.map(Copas.addThread(effect, options), (thread) => new FutureImpl(thread))
