import * as Effect from "effect/Effect"
import { suspend } from "../effect/suspend.js"
import { thenSync } from "../yielding.js"

interface Turn {
  wake: (() => void) | undefined
}

/**
 * Turns, strictly in the order in which they were asked for. (A permit of Effect's semaphore goes to who asks at the
 * moment it is given back, ahead of those who have waited.)
 */
export class Turns {
  /** The first one has the turn. */
  private readonly line: Array<Turn> = []

  /** Runs `effect` in a turn of its own. */
  within<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const turn: Turn = { wake: undefined }
        this.line.push(turn)
        const own = this.line[0] === turn ? effect : Effect.zipRight(this.comes(turn), effect)
        return thenSync(restore(own), () => this.leave(turn))
      })
    )
  }

  private comes(turn: Turn): Effect.Effect<void> {
    return suspend<void>((resume) => {
      if (this.line[0] === turn) resume(Effect.void)
      else turn.wake = () => resume(Effect.void)
    })
  }

  private leave(turn: Turn): void {
    const index = this.line.indexOf(turn)
    this.line.splice(index, 1)
    if (index === 0) this.line[0]?.wake?.()
  }
}
