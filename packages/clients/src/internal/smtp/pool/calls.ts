/**
 * The calls of a pool that are under way: `drain` waits for them.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { SessionClosed } from "../../../ReplyError.js"
import { suspend } from "../../effect/fibers.js"

export interface Options {
  readonly server: string
  readonly protocol: "smtp" | "lmtp"
}

export class Calls {
  private readonly options: Options
  private count = 0
  private readonly waiting = new Set<() => void>()
  /** Why no more calls are accepted. */
  private over: SessionClosed | undefined

  constructor(options: Options) {
    this.options = options
  }

  private get enter(): Effect.Effect<void, SessionClosed> {
    return Effect.suspend(() => {
      if (this.over !== undefined) return Effect.fail(this.over)
      this.count += 1
      return Effect.void
    })
  }

  private get leave(): Effect.Effect<void> {
    return Effect.sync(() => {
      this.count -= 1
      if (this.count === 0) { for (const wake of this.waiting) wake() }
    })
  }

  call<A, E, R>(use: Effect.Effect<A, E, R>): Effect.Effect<A, E | SessionClosed, R> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.zipRight(this.enter, Effect.ensuring(restore(use), this.leave))
    )
  }

  /** A call that lasts as long as the scope. */
  get scoped(): Effect.Effect<void, SessionClosed, Scope.Scope> {
    return Effect.acquireRelease(this.enter, () => this.leave)
  }

  /** Accepts no more calls, and returns the error that they fail with. */
  close(why: string): SessionClosed {
    const { protocol, server } = this.options
    return this.over ??= new SessionClosed({ protocol, server, why })
  }

  /** Waits until all have ended. */
  get quiet(): Effect.Effect<void> {
    return suspend<void>((resume) => {
      if (this.count === 0) return resume(Effect.void)
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
