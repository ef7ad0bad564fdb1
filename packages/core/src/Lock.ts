/**
 * A lock: one thread at a time, first in first out, re-entrant unless told otherwise.
 *
 * It belongs to a *thread*. Inside a Copas thread that is the thread, with every plain fiber that it forks: what
 * `Effect.timeout` or `Effect.race` run inside a held lock may take the lock again. So a re-entrant lock does not keep
 * the concurrent fibers of one thread apart; where `Effect.all` or `Effect.fork` divide the work of one thread, make the
 * lock with `reentrant: false`. Outside of any thread the lock belongs to the fiber, and a child fiber that asks for its
 * parent's lock waits, until it times out.
 *
 * Use Effect's own `Effect.makeSemaphore(1)` where nothing of this is wanted: no re-entrance, no bound on the wait, no
 * `destroy`, and no order among the waiters that one may rely on.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { dual } from "effect/Function"
import * as Predicate from "effect/Predicate"
import * as RuntimeFlags from "effect/RuntimeFlags"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { unchecked, withoutTrace } from "./internal/socket/socketFailure.js"
import { type AnyFiber, partyOf, type Request, WaitQueue } from "./internal/thread/waitQueue.js"
import * as TimeoutOptions from "./internal/time/timeouts.js"
import { yieldsSoon } from "./internal/yielding.js"
import type { InvalidOption } from "./SocketError.js"

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("@copas/core/Lock")

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * The lock was not to be had within the time.
 *
 * @since 0.1.0
 * @category errors
 */
export class LockTimeout extends Schema.TaggedError<LockTimeout>("@copas/core/Lock/LockTimeout")("LockTimeout", {
  lock: Schema.String,
  /** The time that was allowed, in milliseconds. */
  afterMillis: Schema.Number,
  /** How long it waited, in milliseconds. */
  waitedMillis: Schema.Number
}) {
  override get message(): string {
    return `${this.lock}: not to be had within ${this.afterMillis} ms; hold it for less time, or allow more`
  }
}

/**
 * The lock was destroyed, before or while it was asked for.
 *
 * @since 0.1.0
 * @category errors
 */
export class LockDestroyed
  extends Schema.TaggedError<LockDestroyed>("@copas/core/Lock/LockDestroyed")("LockDestroyed", {
    lock: Schema.String,
    /** How long it waited, in milliseconds. */
    waitedMillis: Schema.Number
  })
{
  override get message(): string {
    return `${this.lock} is destroyed; what it guarded is over`
  }
}

/**
 * A lock was released by one who does not hold it.
 *
 * @since 0.1.0
 * @category errors
 */
export class LockNotOwned extends Schema.TaggedError<LockNotOwned>("@copas/core/Lock/LockNotOwned")("LockNotOwned", {
  lock: Schema.String
}) {
  override get message(): string {
    return `${this.lock} cannot be released: this thread does not hold it; only the thread that took it can`
  }
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How long `acquire` waits unless told otherwise. Default 10 seconds; `Duration.infinity` for no limit. */
  readonly timeout?: Duration.DurationInput | undefined
  /** Default true: the thread that holds it may take it again, and releases it as often. */
  readonly reentrant?: boolean | undefined
  /** Shown in errors. */
  readonly name?: string | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface AcquireOptions {
  /** In place of the lock's own time-out. Zero: at once, or not at all. */
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Lock {
  readonly [TypeId]: TypeId
  readonly name: string

  /**
   * Takes the lock until the scope ends; gives the time waited.
   *
   * *Interruption* while it waits leaves the line; once taken, the scope releases it, from whatever fiber it is closed.
   */
  readonly get: (
    options?: AcquireOptions
  ) => Effect.Effect<Duration.Duration, LockTimeout | LockDestroyed, Scope.Scope>

  /**
   * Takes the lock until `release`; gives the time waited. `get` and `withLock` are safer: they cannot forget it.
   *
   * *Interruption* while it waits leaves the line.
   */
  readonly acquire: (options?: AcquireOptions) => Effect.Effect<Duration.Duration, LockTimeout | LockDestroyed>

  /** Releases what `acquire` took, once. Not for what a scope holds. */
  readonly release: Effect.Effect<void, LockNotOwned | LockDestroyed>

  /** Runs the effect while holding the lock. */
  readonly withLock: <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    options?: AcquireOptions
  ) => Effect.Effect<A, E | LockTimeout | LockDestroyed, R>

  /** Releases every waiter with `LockDestroyed`, as it does everyone who asks later. False when it was destroyed before. */
  readonly destroy: Effect.Effect<boolean>
}

/** What releases one taking of the lock. */
class Hold {
  /** How often its party took the lock. */
  count = 1
  readonly party: object
  constructor(party: object) {
    this.party = party
  }
}

let lastNumber = 0

class LockImpl implements Lock {
  readonly [TypeId]: TypeId = TypeId
  readonly name: string
  private readonly timeoutMillis: number
  private readonly isReentrant: boolean
  private readonly line: WaitQueue
  private hold: Hold | undefined = undefined

  constructor(name: string, timeoutMillis: number, isReentrant: boolean) {
    this.name = name
    this.timeoutMillis = timeoutMillis
    this.isReentrant = isReentrant
    this.line = new WaitQueue(`the lock ${name}`, 1)
  }

  private millis(options: AcquireOptions | undefined): number {
    return options?.timeout === undefined ? this.timeoutMillis : Duration.toMillis(options.timeout)
  }

  /** Takes it without waiting, if that can be. */
  private tryTake(fiber: AnyFiber): Hold | undefined {
    if (this.line.isDestroyed) return undefined
    const { hold } = this
    if (hold !== undefined) {
      if (!this.isReentrant || hold.party !== partyOf(fiber)) return undefined
      hold.count += 1
      return hold
    }
    if (!this.line.tryTake(1)) return undefined
    return this.hold = new Hold(partyOf(fiber))
  }

  private wait(millis: number): Effect.Effect<readonly [Hold, number], LockTimeout | LockDestroyed> {
    return Effect.withFiberRuntime((fiber, { runtimeFlags }) => {
      const request: Request<readonly [Hold, number], LockTimeout | LockDestroyed> = {
        taken: ({ waited }) => [this.hold = new Hold(partyOf(fiber)), waited],
        timedOut: ({ waited: waitedMillis }) =>
          Effect.fail(
            withoutTrace(() => new LockTimeout({ lock: this.name, afterMillis: millis, waitedMillis }, unchecked))
          ),
        destroyed: ({ waited }) => this.destroyed(waited)
      }
      return this.line.take(fiber, RuntimeFlags.interruptible(runtimeFlags), 1, millis, request)
    })
  }

  private destroyed(waitedMillis: number): Effect.Effect<never, LockDestroyed> {
    return Effect.fail(withoutTrace(() => new LockDestroyed({ lock: this.name, waitedMillis }, unchecked)))
  }

  private letGo(hold: Hold): void {
    hold.count -= 1
    if (hold.count > 0 || this.hold !== hold) return
    this.hold = undefined
    this.line.give(1)
  }

  /** For where it cannot be interrupted: only the wait can be, by `restore`. */
  private take<A, E, R>(
    restore: <B, E2, R2>(effect: Effect.Effect<B, E2, R2>) => Effect.Effect<B, E2, R2>,
    options: AcquireOptions | undefined,
    then: (hold: Hold, waitedMillis: number) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | LockTimeout | LockDestroyed, R> {
    return Effect.withFiberRuntime((fiber) => {
      const hold = this.tryTake(fiber)
      return hold !== undefined
        ? then(hold, 0)
        : Effect.flatMap(restore(this.wait(this.millis(options))), ([hold, waited]) => then(hold, waited))
    })
  }

  get(options?: AcquireOptions): Effect.Effect<Duration.Duration, LockTimeout | LockDestroyed, Scope.Scope> {
    return Effect.uninterruptibleMask((restore) =>
      this.take(
        restore,
        options,
        (hold, waited) =>
          Effect.as(Effect.addFinalizer(() => Effect.sync(() => this.letGo(hold))), Duration.millis(waited))
      )
    )
  }

  acquire(options?: AcquireOptions): Effect.Effect<Duration.Duration, LockTimeout | LockDestroyed> {
    return Effect.withFiberRuntime((fiber) => {
      if (yieldsSoon(fiber)) return Effect.flatMap(Effect.yieldNow(), () => this.acquire(options))
      if (this.tryTake(fiber) !== undefined) return Exit.succeed(Duration.zero)
      return Effect.map(this.wait(this.millis(options)), ([, waited]) => Duration.millis(waited))
    })
  }

  get release(): Effect.Effect<void, LockNotOwned | LockDestroyed> {
    return Effect.withFiberRuntime<void, LockNotOwned | LockDestroyed>((fiber) => {
      if (this.line.isDestroyed) return this.destroyed(0)
      const { hold } = this
      if (hold === undefined || hold.party !== partyOf(fiber)) return Effect.fail(new LockNotOwned({ lock: this.name }))
      this.letGo(hold)
      return Exit.void
    })
  }

  withLock<A, E, R>(
    effect: Effect.Effect<A, E, R>,
    options?: AcquireOptions
  ): Effect.Effect<A, E | LockTimeout | LockDestroyed, R> {
    return Effect.uninterruptibleMask((restore) =>
      this.take(restore, options, (hold) =>
        Effect.flatMap(Effect.exit(restore(effect)), (exit) => {
          this.letGo(hold)
          return exit
        }))
    )
  }

  get destroy(): Effect.Effect<boolean> {
    return Effect.sync(() => {
      if (this.line.isDestroyed) return false
      this.line.destroy()
      return true
    })
  }
}

/**
 * @since 0.1.0
 * @category guards
 */
export const isLock = (u: unknown): u is Lock => Predicate.hasProperty(u, TypeId)

/**
 * Makes a lock. It lasts as long as somebody knows it; `destroy` releases those who wait.
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
  Effect.map(TimeoutOptions.millis("timeout", options.timeout ?? "10 seconds"), (timeoutMillis) => {
    lastNumber += 1
    return new LockImpl(options.name ?? `lock_${lastNumber}`, timeoutMillis, options.reentrant ?? true)
  })

/**
 * Runs the effect while holding the lock. Whatever ends it releases the lock.
 *
 * *Interruption* while it waits leaves the line.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withLock: {
  (
    lock: Lock,
    options?: AcquireOptions
  ): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | LockTimeout | LockDestroyed, R>
  <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    lock: Lock,
    options?: AcquireOptions
  ): Effect.Effect<A, E | LockTimeout | LockDestroyed, R>
} = dual(
  (args) => Effect.isEffect(args[0]),
  <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    lock: Lock,
    options?: AcquireOptions
  ): Effect.Effect<A, E | LockTimeout | LockDestroyed, R> => lock.withLock(effect, options)
)
