/** Readers of one socket, one at a time. */
import * as Effect from "effect/Effect"
import { suspend } from "../effect/suspend.js"
import { thenSync } from "../yielding.js"

interface Turn {
  wake: (() => void) | undefined
}

/**
 * Gives turns strictly in the order in which they were asked for. (Effect's semaphore gives a released permit to the
 * fiber that asks at that moment, ahead of those that have waited.)
 */
export class ReaderQueue {
  /** The first has the turn. */
  private readonly queue: Array<Turn> = []

  /** Runs `effect` in a turn of its own. */
  within<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const turn: Turn = { wake: undefined }
        this.queue.push(turn)
        const own = this.queue[0] === turn ? effect : Effect.zipRight(this.comes(turn), effect)
        return thenSync(restore(own), () => this.leave(turn))
      })
    )
  }

  private comes(turn: Turn): Effect.Effect<void> {
    return suspend<void>((resume) => {
      if (this.queue[0] === turn) resume(Effect.void)
      else turn.wake = () => resume(Effect.void)
    })
  }

  private leave(turn: Turn): void {
    const index = this.queue.indexOf(turn)
    this.queue.splice(index, 1)
    if (index === 0) this.queue[0]?.wake?.()
  }
}
