/**
 * Whose turn it is in a session that does one thing at a time.
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { InvalidArgument } from "../../ReplyError.js"
import { type AnyFiber, makeSemaphore, withFiber } from "../effect/fibers.js"
import type { Channel, ChannelError } from "./channel.js"

export type TurnError = ChannelError | InvalidArgument

/**
 * One caller at a time, in the order of the calls. A turn begins once the channel has settled what interrupted callers
 * are owed. A call of the fiber that holds a turn open by a scope is refused, since it would wait for itself.
 */
export class Turns {
  private readonly channel: Channel
  private readonly held: string
  private readonly semaphore = makeSemaphore(1)
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

  /** Runs `use` when it is its turn. *Interruption* while it waits gives its place up. */
  turn<A, E, R>(use: Effect.Effect<A, E, R>): Effect.Effect<A, E | TurnError, R> {
    return this.refuseHolder(() => this.semaphore.withPermits(1)(Effect.zipRight(this.channel.settle, use)))
  }

  /** A turn that lasts as long as the scope. */
  get scoped(): Effect.Effect<void, TurnError, Scope.Scope> {
    return this.refuseHolder((fiber) =>
      Effect.zipRight(
        Effect.uninterruptibleMask((restore) =>
          Effect.zipRight(
            restore(this.semaphore.take(1)),
            Effect.suspend(() => {
              this.holder = fiber
              return Effect.flatMap(Effect.scope, (scope) =>
                Scope.addFinalizer(
                  scope,
                  Effect.suspend(() => {
                    this.holder = undefined
                    return this.semaphore.release(1)
                  })
                ))
            })
          )
        ),
        this.channel.settle
      )
    )
  }
}
