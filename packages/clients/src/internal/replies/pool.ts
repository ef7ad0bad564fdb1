/**
 * A bounded pool of sessions: one that was idle is looked at before it is given out, one that comes back is reset, and
 * one that is not usable any more is replaced.
 */
import { suspendCancellable } from "@copas/core/Transport"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Causes from "../effect/causes.js"
import { makeSemaphore, now } from "../effect/fibers.js"

/** A session of the pool. */
export interface Held<S> {
  readonly session: S
  /** By the clock, in milliseconds. */
  readonly openedAt: number
  /** When it came back for the last time. */
  usedAt: number
  /** How often it was given out before. */
  uses: number
  readonly scope: Scope.CloseableScope
}

export interface Options<S, E> {
  /** The most sessions that are open at once, those being opened included. */
  readonly size: number
  /** A session that was idle for longer, in milliseconds, is looked at by `check`. */
  readonly checkAfter: number
  /** Opens a session for as long as the scope. */
  readonly open: Effect.Effect<S, E, Scope.Scope>
  /** Asked when a session is given out and when it comes back. */
  readonly isUsable: (held: Held<S>) => boolean
  /** A session for which this fails is discarded, and another one given out. */
  readonly check: (session: S) => Effect.Effect<unknown, unknown>
  /** Makes a session that comes back as good as a new one. One for which this fails is discarded. */
  readonly reset: (session: S) => Effect.Effect<unknown, unknown>
  /**
   * Whether the server opens no more sessions than there are. Then the pool continues with those, and takes no more from
   * now on. By default it is an error of the caller that wanted one more.
   */
  readonly isLimit?: ((error: E) => boolean) | undefined
  /** Run once, with the number of sessions that the pool continues with. */
  readonly onLimit?: ((sessions: number) => Effect.Effect<void>) | undefined
}

type Restore = <A, E, R>(use: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

export class Pool<S, E> {
  private readonly options: Options<S, E>
  private readonly scope: Scope.Scope
  private readonly permits: Effect.Semaphore
  private readonly idle: Array<Held<S>> = []
  private open = 0
  private opening = 0
  /** Callers that wait to see what becomes of the sessions being opened. */
  private watchers: Array<() => void> = []
  private limit: "unknown" | "met" | "told" = "unknown"

  /** Its sessions are closed with `scope`. */
  constructor(options: Options<S, E>, scope: Scope.Scope) {
    this.options = options
    this.scope = scope
    this.permits = makeSemaphore(options.size)
  }

  get stats(): Effect.Effect<{ readonly open: number; readonly idle: number }> {
    return Effect.sync(() => ({ open: this.open, idle: this.idle.length }))
  }

  /** A session for as long as the scope; waits while all are out. *Interruption* leaves nothing taken. */
  get session(): Effect.Effect<Held<S>, E, Scope.Scope> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.gen(this, function*() {
        yield* restore(this.permits.take(1))
        const permit = { isHeld: true }
        const scope = yield* Effect.scope
        yield* Scope.addFinalizer(
          scope,
          Effect.suspend(() => permit.isHeld ? this.permits.release(1) : Effect.void)
        )
        const held = yield* this.take(restore, permit)
        yield* Scope.addFinalizer(scope, Effect.uninterruptible(this.giveBack(held)))
        return held
      })
    )
  }

  /** Closes the idle sessions for which `which` holds. They count as open until they are closed. */
  evict(which: (held: Held<S>) => boolean): Effect.Effect<void> {
    const one: Effect.Effect<void> = Effect.uninterruptible(Effect.suspend(() => {
      const index = this.idle.findIndex(which)
      if (index < 0) return Effect.void
      const [held] = this.idle.splice(index, 1)
      return Effect.zipRight(this.discard(held!, Exit.void), one)
    }))
    // Where no permit is left the idle ones are about to be given out.
    return Effect.asVoid(this.permits.withPermitsIfAvailable(1)(one))
  }

  private take(restore: Restore, permit: { isHeld: boolean }): Effect.Effect<Held<S>, E> {
    return Effect.gen(this, function*() {
      for (;;) {
        const held = this.idle.pop()
        if (held === undefined) {
          const opened = yield* Effect.exit(this.connect(restore))
          if (Exit.isSuccess(opened)) return opened.value
          const error = Causes.firstError(opened) as E | undefined
          if (error === undefined || this.options.isLimit?.(error) !== true) return yield* opened
          // With no other session it may be no limit, and it would be found out by one try more for each that waits.
          while (this.open === 0 && this.opening > 0) yield* restore(this.change)
          if (this.open === 0) return yield* opened
          yield* this.meetLimit
          // This place is given up for good; a session of those that there are will do.
          permit.isHeld = false
          yield* restore(this.permits.take(1))
          permit.isHeld = true
          continue
        }
        if (!this.options.isUsable(held)) {
          yield* this.discard(held, Exit.void)
          continue
        }
        const idleFor = (yield* now) - held.usedAt
        if (idleFor <= this.options.checkAfter) return held
        const checked = yield* Effect.exit(restore(this.options.check(held.session)))
        if (Exit.isSuccess(checked)) return held
        yield* this.discard(held, checked)
        if (Causes.wasInterrupted(checked)) return yield* Effect.interrupt
      }
    })
  }

  /** Waits until a session is open, or could not be opened. */
  private get change(): Effect.Effect<void> {
    return suspendCancellable<void>((resume) => {
      const wake = (): void => resume(Effect.void)
      this.watchers.push(wake)
      return Effect.sync(() => {
        this.watchers = this.watchers.filter((other) => other !== wake)
      })
    })
  }

  /** Says once how many sessions there are, when no more are being opened. */
  private get meetLimit(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.limit === "unknown") this.limit = "met"
      if (this.limit === "told" || this.opening > 0 || this.open === 0) return Effect.void
      this.limit = "told"
      return this.options.onLimit?.(this.open) ?? Effect.void
    })
  }

  private connect(restore: Restore): Effect.Effect<Held<S>, E> {
    return Effect.gen(this, function*() {
      const scope = yield* Scope.fork(this.scope, this.scope.strategy)
      this.opening += 1
      const exit = yield* Effect.exit(restore(Scope.extend(this.options.open, scope)))
      this.opening -= 1
      if (Exit.isSuccess(exit)) this.open += 1
      const { watchers } = this
      this.watchers = []
      for (const wake of watchers) wake()
      if (this.limit === "met") yield* this.meetLimit
      if (Exit.isSuccess(exit)) {
        const openedAt = yield* now
        return { session: exit.value, scope, openedAt, usedAt: openedAt, uses: 0 }
      }
      yield* Scope.close(scope, exit)
      return yield* Effect.failCause(exit.cause)
    })
  }

  private discard(held: Held<S>, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return Effect.zipRight(
      Scope.close(held.scope, exit),
      Effect.sync(() => {
        this.open -= 1
      })
    )
  }

  private giveBack(held: Held<S>): Effect.Effect<void> {
    return Effect.gen(this, function*() {
      held.uses += 1
      if (this.options.isUsable(held)) {
        const exit = yield* Effect.exit(this.options.reset(held.session))
        if (Exit.isFailure(exit)) return yield* this.discard(held, exit)
      }
      if (!this.options.isUsable(held)) return yield* this.discard(held, Exit.void)
      held.usedAt = yield* now
      this.idle.push(held)
    })
  }
}
