/**
 * A lock: one holder at a time, first in first out, re-entrant by default.
 *
 * The lock belongs to the *fiber* that took it. That fiber may take it again, and so may the fibers that it forks while it
 * holds the lock, one at a time among themselves: so `Effect.timeout` and `Effect.race` work inside a held lock. All other
 * fibers wait: those of other threads, those that were forked before the lock was taken, and the requests of a server,
 * wherever the server was started. A thread that is added while the lock is held is a thread of its own, and waits too.
 * With `reentrant: false` every fiber waits, the holder and its children included.
 *
 * A hold moves with `Fiber.join`, as fiber references do: a fiber that joins the one that called `acquire` has the lock,
 * and may `release` it.
 *
 * Use Effect's own `Effect.makeSemaphore(1)` if you need none of this: it has no re-entrance, no bound on the wait, no
 * `destroy`, and no order among the waiters to rely on.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { dual, identity } from "effect/Function"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as ErrorSummary from "./ErrorSummary.js"
import { isInterruptible } from "./internal/effect/fibers.js"
import { withFiber } from "./internal/effect/suspend.js"
import { failing } from "./internal/errors.js"
import { within } from "./internal/text.js"
import { forgetEnded, type Hold, LockHolds, remember } from "./internal/thread/lockHolds.js"
import type { Request } from "./internal/thread/waitQueue.js"
import { nextNumber } from "./internal/time/deadlines.js"
import * as OptionValues from "./internal/time/optionValues.js"
import { yieldsSoon } from "./internal/yielding.js"
import type { InvalidOption } from "./SocketError.js"

/**
 * Marks a `Lock`: `isLock` looks for it.
 *
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("@copas/core/Lock")

/**
 * The type of `TypeId`.
 *
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * The lock could not be acquired within the time.
 *
 * @since 0.1.0
 * @category errors
 */
export class LockTimeout extends Schema.TaggedError<LockTimeout>("@copas/core/Lock/LockTimeout")("LockTimeout", {
  lock: Schema.String,
  /** The time that was allowed, in milliseconds. */
  afterMillis: Schema.Number,
  /** How long the fiber waited, in milliseconds. */
  waitedMillis: Schema.Number
}) {
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    return `${this.lock} could not be acquired ${within(this.afterMillis)}; hold it for less time, or raise \`timeout\``
  }
}

/**
 * The lock was destroyed, before it was asked for or during the wait.
 *
 * @since 0.1.0
 * @category errors
 */
export class LockDestroyed
  extends Schema.TaggedError<LockDestroyed>("@copas/core/Lock/LockDestroyed")("LockDestroyed", {
    lock: Schema.String,
    /** How long the fiber waited, in milliseconds. */
    waitedMillis: Schema.Number
  })
{
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    return `${this.lock} was destroyed, and cannot be acquired any more; make a new lock`
  }
}

/**
 * A fiber that does not hold the lock released it.
 *
 * @since 0.1.0
 * @category errors
 */
export class LockNotOwned extends Schema.TaggedError<LockNotOwned>("@copas/core/Lock/LockNotOwned")("LockNotOwned", {
  lock: Schema.String
}) {
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    return `${this.lock} cannot be released by this fiber, which does not hold it; ` +
      `release it in the fiber that acquired it, or use \`withLock\``
  }
}

/**
 * The options of `make`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How long taking the lock waits by default. Default 10 seconds; `Duration.infinity` for no limit. */
  readonly timeout?: Duration.DurationInput | undefined
  /** Default true: the fiber that holds it, and the fibers that it forks meanwhile, may take it again. */
  readonly reentrant?: boolean | undefined
  /** Shown in errors. */
  readonly name?: string | undefined
}

/**
 * The options of `get`, `acquire` and `withLock`.
 *
 * @since 0.1.0
 * @category models
 */
export interface AcquireOptions {
  /** Replaces the lock's own time-out. With zero the lock is taken at once, or the call fails. */
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * A lock: `withLock` and `get` release it by themselves, `acquire` leaves that to `release`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lock {
  readonly [TypeId]: TypeId
  readonly name: string

  /**
   * Takes the lock until the scope ends; gives the time waited. `InvalidOption` is possible only with a time-out.
   *
   * *Interruption* during the wait leaves the queue; once taken, the lock is released by the scope, in whatever fiber.
   */
  readonly get: {
    (): Effect.Effect<Duration.Duration, LockTimeout | LockDestroyed, Scope.Scope>
    (
      options: AcquireOptions | undefined
    ): Effect.Effect<Duration.Duration, LockTimeout | LockDestroyed | InvalidOption, Scope.Scope>
  }

  /**
   * Takes the lock until `release`; gives the time waited. `get` and `withLock` are safer: they cannot forget the release.
   *
   * *Interruption* during the wait leaves the queue.
   */
  readonly acquire: {
    (): Effect.Effect<Duration.Duration, LockTimeout | LockDestroyed>
    (
      options: AcquireOptions | undefined
    ): Effect.Effect<Duration.Duration, LockTimeout | LockDestroyed | InvalidOption>
  }

  /**
   * Releases what `acquire` took, once; a scope releases its own hold. `LockNotOwned` if neither this fiber, nor one that
   * it was forked from, nor one that it joined holds the lock.
   */
  readonly release: Effect.Effect<void, LockNotOwned | LockDestroyed>

  /** Runs the effect while holding the lock. *Interruption* as with the function `withLock`. */
  readonly withLock: {
    <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | LockTimeout | LockDestroyed, R>
    <A, E, R>(
      effect: Effect.Effect<A, E, R>,
      options: AcquireOptions | undefined
    ): Effect.Effect<A, E | LockTimeout | LockDestroyed | InvalidOption, R>
  }

  /** Fails every waiter, and every later call, with `LockDestroyed`. False when the lock was destroyed before. */
  readonly destroy: Effect.Effect<boolean>
}

/** Why a call with options of its own did not get the lock. */
type Refused = LockTimeout | LockDestroyed | InvalidOption

/** What taking the lock gives: a new hold, or the holder's own once more. */
interface Taken {
  readonly hold: Hold
  readonly isNew: boolean
  readonly waited: number
}

class LockImpl implements Lock {
  readonly [TypeId]: TypeId = TypeId
  readonly name: string
  private readonly timeoutMillis: number
  private readonly holds: LockHolds

  constructor(name: string, timeoutMillis: number, isReentrant: boolean) {
    this.name = name
    this.timeoutMillis = timeoutMillis
    this.holds = new LockHolds(`the lock ${name}`, isReentrant)
  }

  /** Checks the time-out, if one is given. */
  private within<A, E, R>(
    options: AcquireOptions | undefined,
    use: (millis: number) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | InvalidOption, R> {
    return options?.timeout === undefined
      ? use(this.timeoutMillis)
      : Effect.flatMap(OptionValues.millis("timeout", options.timeout), use)
  }

  /** Waits for at most `millis`; `before` is how long it has waited already, in a queue that has ended. */
  private wait(millis: number, before: number): Effect.Effect<Taken, LockTimeout | LockDestroyed> {
    return withFiber((fiber) => {
      const own = this.holds.again(fiber)
      if (own !== undefined) return Exit.succeed({ hold: own, isNew: false, waited: before })
      const place = this.holds.placeOf(fiber)
      const request: Request<Taken, LockTimeout | LockDestroyed> = {
        taken: ({ waited }) => ({ hold: this.holds.begin(fiber, place), isNew: true, waited: before + waited }),
        timedOut: ({ waited }) =>
          failing(LockTimeout, {
            lock: this.name,
            afterMillis: before + millis,
            waitedMillis: Math.round(before + waited)
          }),
        destroyed: ({ waited }) =>
          this.holds.isDestroyed
            ? this.destroyed(before + waited)
            // The hold within which it waited has ended, so now it waits with all others.
            : this.wait(Math.max(0, millis - waited), before + waited)
      }
      return this.holds.queueOf(place).take(fiber, isInterruptible(fiber), 1, millis, request)
    })
  }

  private destroyed(waitedMillis: number): Effect.Effect<never, LockDestroyed> {
    return failing(LockDestroyed, { lock: this.name, waitedMillis: Math.round(waitedMillis) })
  }

  /** Takes the lock, then runs `then`. In an uninterruptible region `restore` makes the wait interruptible. */
  private take<A, E, R>(
    restore: <B, E2, R2>(effect: Effect.Effect<B, E2, R2>) => Effect.Effect<B, E2, R2>,
    options: AcquireOptions | undefined,
    then: (hold: Hold, waitedMillis: number) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | Refused, R> {
    return this.within(options, (millis) =>
      withFiber((fiber) => {
        const own = this.holds.again(fiber)
        if (own !== undefined) return then(own, 0)
        const hold = this.holds.tryBegin(fiber)
        if (hold !== undefined) return Effect.zipRight(remember(hold), then(hold, 0))
        return Effect.flatMap(restore(this.wait(millis, 0)), ({ hold, isNew, waited }) =>
          isNew ? Effect.zipRight(remember(hold), then(hold, waited)) : then(hold, waited))
      }))
  }

  get(): Effect.Effect<Duration.Duration, LockTimeout | LockDestroyed, Scope.Scope>
  get(options: AcquireOptions | undefined): Effect.Effect<Duration.Duration, Refused, Scope.Scope>
  get(options?: AcquireOptions): Effect.Effect<Duration.Duration, Refused, Scope.Scope> {
    return Effect.uninterruptibleMask((restore) =>
      this.take(
        restore,
        options,
        (hold, waited) =>
          Effect.as(Effect.addFinalizer(() => Effect.sync(() => this.holds.end(hold))), Duration.millis(waited))
      )
    )
  }

  acquire(): Effect.Effect<Duration.Duration, LockTimeout | LockDestroyed>
  acquire(options: AcquireOptions | undefined): Effect.Effect<Duration.Duration, Refused>
  acquire(options?: AcquireOptions): Effect.Effect<Duration.Duration, Refused> {
    const acquire: Effect.Effect<Duration.Duration, Refused> = withFiber((fiber) =>
      yieldsSoon(fiber)
        ? Effect.flatMap(Effect.yieldNow(), () => acquire)
        : this.take(identity, options, (_, waited) => Exit.succeed(Duration.millis(waited)))
    )
    return acquire
  }

  get release(): Effect.Effect<void, LockNotOwned | LockDestroyed> {
    return withFiber<void, LockNotOwned | LockDestroyed>((fiber) => {
      if (this.holds.isDestroyed) return this.destroyed(0)
      const hold = this.holds.innermostOf(fiber)
      if (hold === undefined) return Effect.fail(new LockNotOwned({ lock: this.name }))
      this.holds.end(hold)
      return forgetEnded
    })
  }

  withLock<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | LockTimeout | LockDestroyed, R>
  withLock<A, E, R>(
    effect: Effect.Effect<A, E, R>,
    options: AcquireOptions | undefined
  ): Effect.Effect<A, E | Refused, R>
  withLock<A, E, R>(
    effect: Effect.Effect<A, E, R>,
    options?: AcquireOptions
  ): Effect.Effect<A, E | Refused, R> {
    return Effect.uninterruptibleMask((restore) =>
      this.take(restore, options, (hold) =>
        Effect.flatMap(Effect.exit(restore(effect)), (exit) => {
          this.holds.end(hold)
          return Effect.zipRight(forgetEnded, exit)
        }))
    )
  }

  get destroy(): Effect.Effect<boolean> {
    return Effect.sync(() => this.holds.destroy())
  }
}

/**
 * True if `u` is a `Lock`.
 *
 * @since 0.1.0
 * @category guards
 */
export const isLock = (u: unknown): u is Lock => Predicate.hasProperty(u, TypeId)

/**
 * Makes a lock. It lasts as long as the program refers to it; `destroy` fails the waiters.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Lock } from "@copas/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const lock = yield* Lock.make({ timeout: "2 seconds" })
 *   let balance = 0
 *   const deposit = Effect.gen(function*() {
 *     const before = balance
 *     yield* Effect.yieldNow()
 *     balance = before + 1
 *   })
 *   yield* Effect.all(Array.from({ length: 5 }, () => lock.withLock(deposit)), { concurrency: "unbounded" })
 *   return balance
 * })
 *
 * Effect.runPromise(program).then(console.log) // 5
 * ```
 */
export const make = (options: Options = {}): Effect.Effect<Lock, InvalidOption> =>
  Effect.gen(function*() {
    const timeoutMillis = yield* OptionValues.millis("timeout", options.timeout ?? "10 seconds")
    const name = options.name ?? `lock_${yield* nextNumber("lock")}`
    return new LockImpl(name, timeoutMillis, options.reentrant ?? true)
  })

/**
 * Runs the effect while holding the lock, and releases the lock however the effect ends.
 *
 * *Interruption* during the wait leaves the queue; during the effect it interrupts the effect, and the lock is released.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withLock: {
  (
    lock: Lock
  ): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | LockTimeout | LockDestroyed, R>
  (
    lock: Lock,
    options: AcquireOptions | undefined
  ): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | LockTimeout | LockDestroyed | InvalidOption, R>
  <A, E, R>(effect: Effect.Effect<A, E, R>, lock: Lock): Effect.Effect<A, E | LockTimeout | LockDestroyed, R>
  <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    lock: Lock,
    options: AcquireOptions | undefined
  ): Effect.Effect<A, E | LockTimeout | LockDestroyed | InvalidOption, R>
} = dual(
  (args) => Effect.isEffect(args[0]),
  <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    lock: Lock,
    options?: AcquireOptions
  ): Effect.Effect<A, E | LockTimeout | LockDestroyed | InvalidOption, R> => lock.withLock(effect, options)
)
