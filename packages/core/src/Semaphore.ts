/**
 * A counting semaphore: permits that are taken and given, first in first out, with a bound on every wait.
 *
 * A permit may be given by another thread than the one that took it, so a semaphore counts things as well as it limits
 * work. `permits` and `withPermits` tie what was taken to a scope.
 *
 * Use Effect's own `Effect.makeSemaphore` to limit how many fibers run at a time, if waits need no bound and there is no
 * need to `destroy` it; a waiter there that asks for few permits may overtake one that asks for many. For a yes or no that many
 * fibers wait for, use `Effect.makeLatch` or `Deferred`.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { dual } from "effect/Function"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as ErrorSummary from "./ErrorSummary.js"
import { type AnyFiber, isInterruptible } from "./internal/effect/fibers.js"
import { withFiber } from "./internal/effect/suspend.js"
import { failing } from "./internal/errors.js"
import { counted, within } from "./internal/text.js"
import { type Request, WaitQueue } from "./internal/thread/waitQueue.js"
import { nextNumber } from "./internal/time/deadlines.js"
import { aCount, invalid, isCount, millis, millisOf, wrongDuration } from "./internal/time/optionValues.js"
import { yieldsSoon } from "./internal/yielding.js"
import type { InvalidOption } from "./SocketError.js"

/**
 * Marks a `Semaphore`: `isSemaphore` looks for it.
 *
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("@copas/core/Semaphore")

/**
 * The type of `TypeId`.
 *
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * The permits could not be taken within the time.
 *
 * @since 0.1.0
 * @category errors
 */
export class SemaphoreTimeout
  extends Schema.TaggedError<SemaphoreTimeout>("@copas/core/Semaphore/SemaphoreTimeout")("SemaphoreTimeout", {
    semaphore: Schema.String,
    requested: Schema.Number,
    /** The time that was allowed, in milliseconds. */
    afterMillis: Schema.Number
  })
{
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    return `${this.semaphore}: ${counted(this.requested, "permit")} could not be taken ${within(this.afterMillis)}; ` +
      `give some back sooner, or raise \`timeout\``
  }
}

/**
 * The semaphore was destroyed, before it was asked or during the wait.
 *
 * @since 0.1.0
 * @category errors
 */
export class SemaphoreDestroyed
  extends Schema.TaggedError<SemaphoreDestroyed>("@copas/core/Semaphore/SemaphoreDestroyed")("SemaphoreDestroyed", {
    semaphore: Schema.String
  })
{
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    return `${this.semaphore} was destroyed, and gives no permits any more; make a new semaphore`
  }
}

/**
 * More permits than the semaphore can hold were asked for, so the wait would never end; or they were given, and it is full.
 *
 * @since 0.1.0
 * @category errors
 */
export class TooManyPermits
  extends Schema.TaggedError<TooManyPermits>("@copas/core/Semaphore/TooManyPermits")("TooManyPermits", {
    semaphore: Schema.String,
    operation: Schema.Literal("take", "give"),
    permits: Schema.Number,
    max: Schema.Number
  })
{
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    return this.operation === "take"
      ? `${this.semaphore} holds ${this.max} permits at most, so ${this.permits} can never be taken at once; take fewer, or raise \`max\``
      : `${this.semaphore} holds ${this.max} permits at most and is full now: of the ${this.permits} given, the rest was dropped; give only what was taken, or raise \`max\``
  }
}

/**
 * The errors of taking permits.
 *
 * @since 0.1.0
 * @category errors
 */
export type TakeError = SemaphoreTimeout | SemaphoreDestroyed | TooManyPermits | InvalidOption

/**
 * The options of `make`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The most permits that it holds; permits that are taken do not count. `Infinity` for no bound. */
  readonly max: number
  /** The permits at the beginning. Default 0. */
  readonly start?: number | undefined
  /** How long taking permits waits by default. Default 10 seconds; `Duration.infinity` for no limit. */
  readonly timeout?: Duration.DurationInput | undefined
  /** Shown in errors. */
  readonly name?: string | undefined
}

/**
 * The options of `take`, `permits` and `withPermits`.
 *
 * @since 0.1.0
 * @category models
 */
export interface TakeOptions {
  /** Replaces the semaphore's own time-out. With zero the permits are taken at once, or the call fails. */
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * A semaphore: `permits` and `withPermits` give back what they took, `take` takes for good.
 *
 * @since 0.1.0
 * @category models
 */
export interface Semaphore {
  readonly [TypeId]: TypeId
  readonly name: string
  readonly max: number

  /**
   * Takes permits (default 1), for good; waits until all of them are available and every earlier waiter has been served.
   *
   * *Interruption* during the wait leaves the queue, and takes nothing.
   */
  readonly take: (permits?: number, options?: TakeOptions) => Effect.Effect<void, TakeError>

  /**
   * Gives permits (default 1), and wakes the waiters that they suffice for. Permits beyond `max` are dropped, and it fails
   * with `TooManyPermits`; the others were given all the same.
   */
  readonly give: (permits?: number) => Effect.Effect<void, SemaphoreDestroyed | TooManyPermits | InvalidOption>

  /** Takes permits until the scope ends. *Interruption* as with `take`. */
  readonly permits: (permits?: number, options?: TakeOptions) => Effect.Effect<void, TakeError, Scope.Scope>

  /** Takes permits, runs the effect, and gives them back, however it ends. *Interruption* as with `take`. */
  readonly withPermits: <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    permits?: number,
    options?: TakeOptions
  ) => Effect.Effect<A, E | TakeError, R>

  /** The permits that are available. */
  readonly getCount: Effect.Effect<number, SemaphoreDestroyed>

  /**
   * The permits that the waiters ask for, less those available: giving that many serves all waiters and leaves no permit.
   * Zero if there are no waiters.
   */
  readonly getWait: Effect.Effect<number, SemaphoreDestroyed>

  /** Fails every waiter, and every later call, with `SemaphoreDestroyed`. False when it was destroyed before. */
  readonly destroy: Effect.Effect<boolean>
}

class SemaphoreImpl implements Semaphore {
  readonly [TypeId]: TypeId = TypeId
  readonly name: string
  readonly max: number
  private readonly timeoutMillis: number
  private readonly queue: WaitQueue

  constructor(name: string, max: number, start: number, timeoutMillis: number) {
    this.name = name
    this.max = max
    this.timeoutMillis = timeoutMillis
    this.queue = new WaitQueue(`permits of ${name}`, start)
  }

  private wait(fiber: AnyFiber, isInterruptible: boolean, permits: number, options: TakeOptions | undefined) {
    if (!isCount(permits, 0)) return invalidPermits(permits)
    if (permits > this.max && !this.queue.isDestroyed) {
      return failing(TooManyPermits, { semaphore: this.name, operation: "take", permits, max: this.max })
    }
    const millis = options?.timeout === undefined ? this.timeoutMillis : millisOf(options.timeout)
    if (millis === undefined) return Effect.fail(wrongTimeout(options)!)
    const request: Request<void, SemaphoreTimeout | SemaphoreDestroyed> = {
      taken: () => undefined,
      timedOut: () => failing(SemaphoreTimeout, { semaphore: this.name, requested: permits, afterMillis: millis }),
      destroyed: () => this.destroyed()
    }
    return this.queue.take(fiber, isInterruptible, permits, millis, request)
  }

  private destroyed(): Effect.Effect<never, SemaphoreDestroyed> {
    return failing(SemaphoreDestroyed, { semaphore: this.name })
  }

  private ifAlive<A, E>(effect: () => Effect.Effect<A, E>): Effect.Effect<A, E | SemaphoreDestroyed> {
    return Effect.suspend((): Effect.Effect<A, E | SemaphoreDestroyed> =>
      this.queue.isDestroyed ? this.destroyed() : effect()
    )
  }

  take(permits = 1, options?: TakeOptions): Effect.Effect<void, TakeError> {
    return withFiber<void, TakeError>((fiber) =>
      yieldsSoon(fiber)
        ? Effect.flatMap(Effect.yieldNow(), () => this.take(permits, options))
        : this.wait(fiber, isInterruptible(fiber), permits, options)
    )
  }

  /** Gives as many permits as fit; true if all of them did. */
  private put(permits: number): boolean {
    const room = this.max === Infinity ? Infinity : this.max - this.queue.available
    this.queue.give(Math.min(permits, room))
    return permits <= room
  }

  give(permits = 1): Effect.Effect<void, SemaphoreDestroyed | TooManyPermits | InvalidOption> {
    return this.ifAlive<void, TooManyPermits | InvalidOption>(() => {
      if (!(permits === Infinity || isCount(permits, 0))) return invalidPermits(permits)
      return this.put(permits)
        ? Exit.void
        : Effect.fail(new TooManyPermits({ semaphore: this.name, operation: "give", permits, max: this.max }))
    })
  }

  /** Called in an uninterruptible region: only the wait is interruptible, by `restore`. */
  private hold<A, E, R>(
    restore: <B, E2, R2>(effect: Effect.Effect<B, E2, R2>) => Effect.Effect<B, E2, R2>,
    permits: number,
    options: TakeOptions | undefined,
    then: () => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | TakeError, R> {
    return Effect.suspend((): Effect.Effect<A, E | TakeError, R> => {
      const isValid = isCount(permits, 0) && wrongTimeout(options) === undefined
      if (isValid && !this.queue.isDestroyed && this.queue.tryTake(permits)) return then()
      return Effect.flatMap(restore(this.take(permits, options)), then)
    })
  }

  permits(permits = 1, options?: TakeOptions): Effect.Effect<void, TakeError, Scope.Scope> {
    return Effect.uninterruptibleMask((restore) =>
      this.hold(restore, permits, options, () => Effect.addFinalizer(() => Effect.sync(() => this.put(permits))))
    )
  }

  withPermits<A, E, R>(
    effect: Effect.Effect<A, E, R>,
    permits = 1,
    options?: TakeOptions
  ): Effect.Effect<A, E | TakeError, R> {
    return Effect.uninterruptibleMask((restore) =>
      this.hold(restore, permits, options, () =>
        Effect.flatMap(Effect.exit(restore(effect)), (exit) => {
          this.put(permits)
          return exit
        }))
    )
  }

  get getCount(): Effect.Effect<number, SemaphoreDestroyed> {
    return this.ifAlive(() => Exit.succeed(this.queue.available))
  }

  get getWait(): Effect.Effect<number, SemaphoreDestroyed> {
    return this.ifAlive(() => Exit.succeed(Math.max(0, this.queue.asked - this.queue.available)))
  }

  get destroy(): Effect.Effect<boolean> {
    return Effect.sync(() => {
      if (this.queue.isDestroyed) return false
      this.queue.destroy()
      return true
    })
  }
}

const wrongTimeout = (options: TakeOptions | undefined): InvalidOption | undefined =>
  options?.timeout === undefined ? undefined : wrongDuration("timeout", options.timeout)

const invalidPermits = (permits: number): Effect.Effect<never, InvalidOption> =>
  Effect.fail(invalid("permits", permits, aCount(0)))

/**
 * True if `u` is a `Semaphore`.
 *
 * @since 0.1.0
 * @category guards
 */
export const isSemaphore = (u: unknown): u is Semaphore => Predicate.hasProperty(u, TypeId)

const countOption = (
  option: string,
  value: number,
  least: number,
  most: number
): Effect.Effect<number, InvalidOption> => {
  const expected = most === Infinity ? `${aCount(least)}, or Infinity` : `a whole number from ${least} to ${most}`
  return value === Infinity && most === Infinity || isCount(value, least) && value <= most
    ? Effect.succeed(value)
    : Effect.fail(invalid(option, value, expected))
}

/**
 * Makes a semaphore that holds at most `max` permits, and `start` (default none) at the beginning.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Semaphore } from "@copas/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const ready = yield* Semaphore.make({ max: 10 })
 *   const consumer = yield* Effect.fork(Effect.as(ready.take(3), "three are there"))
 *   yield* ready.give()
 *   yield* ready.give(2)
 *   return yield* consumer
 * })
 *
 * Effect.runPromise(program).then(console.log) // three are there
 * ```
 */
export const make = (options: Options): Effect.Effect<Semaphore, InvalidOption> =>
  Effect.gen(function*() {
    const max = yield* countOption("max", options.max, 1, Infinity)
    const start = yield* countOption("start", options.start ?? 0, 0, max)
    const timeoutMillis = yield* millis("timeout", options.timeout ?? "10 seconds")
    const name = options.name ?? `semaphore_${yield* nextNumber("semaphore")}`
    return new SemaphoreImpl(name, max, start, timeoutMillis)
  })

/**
 * Takes permits, runs the effect, and gives them back, however it ends.
 *
 * *Interruption* during the wait leaves the queue, and takes nothing.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withPermits: {
  (
    semaphore: Semaphore,
    permits?: number,
    options?: TakeOptions
  ): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | TakeError, R>
  <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    semaphore: Semaphore,
    permits?: number,
    options?: TakeOptions
  ): Effect.Effect<A, E | TakeError, R>
} = dual(
  (args) => Effect.isEffect(args[0]),
  <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    semaphore: Semaphore,
    permits?: number,
    options?: TakeOptions
  ): Effect.Effect<A, E | TakeError, R> => semaphore.withPermits(effect, permits, options)
)
