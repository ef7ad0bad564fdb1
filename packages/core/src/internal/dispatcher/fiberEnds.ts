/** The fibers whose end the dispatcher must learn, except the threads' main ones. */
import * as Exit from "effect/Exit"
import { type AnyFiber, exitOf, onExit } from "../effect/fibers.js"
import { throwLater } from "../time/outOfBand.js"

export class FiberEnds {
  private readonly watched = new Map<AnyFiber, (exit: Exit.Exit<any, any>) => void>()

  /**
   * Starts a fiber, and calls back once when it has ended. A supervisor that throws keeps a fiber from starting: then it
   * counts as ended by a defect, so that nothing waits for it for ever.
   */
  watch(fork: () => AnyFiber, ended: (exit: Exit.Exit<any, any>) => void): AnyFiber | undefined {
    let fiber: AnyFiber
    try {
      fiber = fork()
    } catch (error) {
      throwLater(error)
      ended(Exit.die(error))
      return undefined
    }
    this.watched.set(fiber, ended)
    onExit(fiber, (exit) => {
      if (this.watched.delete(fiber)) ended(exit)
    })
    return fiber
  }

  /**
   * Looks for ends that were not reported: a fiber calls its listeners one after the other, and one that throws (a logger
   * can) keeps it from the others.
   */
  look(): void {
    for (const [fiber, ended] of this.watched) {
      const exit = exitOf(fiber)
      if (exit !== undefined && this.watched.delete(fiber)) ended(exit)
    }
  }
}
