/**
 * Whose turn it is in a session that does one thing at a time.
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { InvalidArgument } from "../../ReplyError.js"
import { type AnyFiber, suspend, withFiber } from "../effect/fibers.js"
import type { Channel, ChannelError } from "./channel.js"

export type TurnError = ChannelError | InvalidArgument

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** A caller that waits for its turn. */
interface Place {
  isServed: boolean
  wake: (() => void) | undefined
}

/**
 * One caller at a time, in the order of the calls. A turn begins once the channel has settled what interrupted callers
 * are owed. A call of the fiber that holds a turn open by a scope is refused, since it would wait for itself.
 */
export class Turns {
  private readonly channel: Channel
  private readonly held: string
  private isTaken = false
  private readonly waiting: Array<Place> = []
  private holder: AnyFiber | undefined = undefined

  /** `held` is what lasts as long as a scope, in words: `a transfer`. */
  constructor(channel: Channel, held: string) {
    this.channel = channel
    this.held = held
  }

  private refuseHolder<A, E, R>(use: (fiber: AnyFiber) => Effect.Effect<A, E, R>): Effect.Effect<
    A,
    E | InvalidArgument,
    R
  > {
    return withFiber<A, E | InvalidArgument, R>((fiber) =>
      this.holder === fiber
        ? Effect.fail(
          new InvalidArgument({
            protocol: this.channel.origin.protocol,
            what: "a session",
            argument: this.channel.origin.server,
            reason: `this fiber has ${this.held} of the session open, and would wait for itself; end that first, or ` +
              "take another session"
          })
        )
        : use(fiber)
    )
  }

  /**
   * Takes the turn, then continues with `next`, which must release it. Only the wait is interruptible, and gives its
   * place up, or the turn that it has got meanwhile.
   */
  private take<A, E, R>(next: (restore: Restore) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.uninterruptibleMask((restore) => {
      if (!this.isTaken) {
        this.isTaken = true
        return next(restore)
      }
      const place: Place = { isServed: false, wake: undefined }
      this.waiting.push(place)
      const served = suspend<void>((resume) => {
        place.wake = () => resume(Effect.void)
        // It may have been served on the way to here.
        if (place.isServed) place.wake()
      })
      return Effect.matchCauseEffect(restore(served), {
        onFailure: (cause) => {
          if (place.isServed) this.release()
          else this.waiting.splice(this.waiting.indexOf(place), 1)
          return Effect.failCause(cause)
        },
        onSuccess: () => next(restore)
      })
    })
  }

  /** The first caller that waits has the turn, or nobody. */
  private release(): void {
    const next = this.waiting.shift()
    if (next === undefined) this.isTaken = false
    else {
      next.isServed = true
      next.wake?.()
    }
  }

  /** Runs `use` when it is its turn. *Interruption* while it waits gives its place up. */
  turn<A, E, R>(use: Effect.Effect<A, E, R>): Effect.Effect<A, E | TurnError, R> {
    return this.refuseHolder(() =>
      this.take((restore) =>
        Effect.matchCauseEffect(restore(Effect.zipRight(this.channel.settle, use)), {
          onFailure: (cause) => {
            this.release()
            return Effect.failCause(cause)
          },
          onSuccess: (value) => {
            this.release()
            return Effect.succeed(value)
          }
        })
      )
    )
  }

  /** A turn that lasts as long as the scope. */
  get scoped(): Effect.Effect<void, TurnError, Scope.Scope> {
    return this.refuseHolder((fiber) =>
      Effect.zipRight(
        this.take(() => {
          this.holder = fiber
          const release = Effect.sync(() => {
            this.holder = undefined
            this.release()
          })
          return Effect.flatMap(Effect.scope, (scope) => Scope.addFinalizer(scope, release))
        }),
        this.channel.settle
      )
    )
  }
}
