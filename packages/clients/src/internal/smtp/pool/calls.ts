/**
 * The calls of a pool that are under way: `drain` waits for them.
 */
import { suspendCancellable } from "@copas/core/Transport"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { InvalidArgument, SessionClosed } from "../../../ReplyError.js"
import { type AnyFiber, withFiber } from "../../effect/fibers.js"

export type Restore = <A, E, R>(use: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

export interface Options {
  readonly server: string
  readonly protocol: "smtp" | "lmtp"
}

export class Calls {
  private readonly options: Options
  /** The fibers whose calls are under way, and how many each has. */
  private readonly callers = new Map<AnyFiber, number>()
  private readonly waiting = new Set<() => void>()
  /** Why no more calls are accepted. */
  private over: SessionClosed | undefined

  constructor(options: Options) {
    this.options = options
  }

  private enter(fiber: AnyFiber): SessionClosed | undefined {
    if (this.over === undefined) this.callers.set(fiber, (this.callers.get(fiber) ?? 0) + 1)
    return this.over
  }

  private leave(fiber: AnyFiber): void {
    const { callers } = this
    const others = callers.get(fiber)! - 1
    if (others > 0) callers.set(fiber, others)
    else callers.delete(fiber)
    if (callers.size === 0) { for (const wake of this.waiting) wake() }
  }

  /** `use` runs in an uninterruptible region; what it gives to `restore` can be interrupted. */
  call<A, E, R>(use: (restore: Restore) => Effect.Effect<A, E, R>): Effect.Effect<A, E | SessionClosed, R> {
    return Effect.uninterruptibleMask((restore) =>
      withFiber((fiber): Effect.Effect<A, E | SessionClosed, R> => {
        const over = this.enter(fiber)
        if (over !== undefined) return Effect.fail(over)
        return Effect.matchCauseEffect(use(restore), {
          onFailure: (cause) => {
            this.leave(fiber)
            return Effect.failCause(cause)
          },
          onSuccess: (value) => {
            this.leave(fiber)
            return Effect.succeed(value)
          }
        })
      })
    )
  }

  /** A call that lasts as long as the scope. */
  get scoped(): Effect.Effect<void, SessionClosed, Scope.Scope> {
    return withFiber((fiber) =>
      Effect.acquireRelease(
        Effect.suspend(() => {
          const over = this.enter(fiber)
          return over === undefined ? Effect.void : Effect.fail(over)
        }),
        () => Effect.sync(() => this.leave(fiber))
      )
    )
  }

  /** Fails in a fiber that has a call under way: it would wait for itself. */
  get notWithin(): Effect.Effect<void, InvalidArgument> {
    return withFiber((fiber) =>
      this.callers.has(fiber)
        ? Effect.fail(
          new InvalidArgument({
            protocol: this.options.protocol,
            what: "drain",
            argument: this.options.server,
            reason: "this fiber has a session of the pool, and would wait for itself; end that first"
          })
        )
        : Effect.void
    )
  }

  /** Accepts no more calls, and returns the error that they fail with. */
  close(why: string): SessionClosed {
    const { protocol, server } = this.options
    return this.over ??= new SessionClosed({ protocol, server, why })
  }

  /** Waits until all have ended. */
  get quiet(): Effect.Effect<void> {
    return suspendCancellable<void>((resume) => {
      if (this.callers.size === 0) return resume(Effect.void)
      const wake = () => {
        this.waiting.delete(wake)
        resume(Effect.void)
      }
      this.waiting.add(wake)
      return Effect.sync(() => {
        this.waiting.delete(wake)
      })
    })
  }
}
