/** Holds the threads for a moment while many connections arrive at once, so that all of them are accepted. */
import { afterTurn } from "../time/eventLoop.js"
import type { DispatcherScheduler } from "./scheduler.js"

/** If connections came in this many turns of the event loop, one after the other, more are waiting. */
const turnsOfBurst = 4
/** Threads are held back for as long as they ran before, within these bounds, in milliseconds. */
const shortestHold = 2
const longestHold = 10

/**
 * Accepts many connections that arrive at once.
 *
 * An event loop may accept one connection a turn (libuv does, from 1.45 on). While many are served already, a turn is
 * long, and a connection waits for as many turns as there are others before it: seconds. So during a burst threads are
 * held back for a moment: peers that get no answer send nothing new, turns are short, and the waiting connections are
 * accepted. Then all threads run, and the next moment begins, until no more connections come.
 */
export class AcceptBurst {
  private readonly scheduler: DispatcherScheduler
  private readonly isLive: boolean
  private isWatching = false
  private cameThisTurn = false
  private turns = 0
  private heldSince = 0
  private holdFor = shortestHold

  constructor(scheduler: DispatcherScheduler, isLive: boolean) {
    this.scheduler = scheduler
    this.isLive = isLive
  }

  /**
   * A connection came. Nothing is held where a test or a simulation sets the clock: there the turns of the machine's event
   * loop must not decide the order of events.
   */
  came(): void {
    if (!this.isLive) return
    this.cameThisTurn = true
    if (this.isWatching) return
    this.isWatching = true
    this.turns = 0
    afterTurn(this.look)
  }

  private readonly look = (): void => {
    const { scheduler } = this
    if (!this.cameThisTurn) {
      this.isWatching = false
      scheduler.release()
      return
    }
    this.cameThisTurn = false
    this.turns += 1
    const now = performance.now()
    if (scheduler.isHeld && now - this.heldSince >= this.holdFor) {
      scheduler.release()
      this.holdFor = Math.min(longestHold, Math.max(shortestHold, performance.now() - now))
    }
    if (this.turns >= turnsOfBurst && !scheduler.isHeld) {
      scheduler.hold()
      this.heldSince = performance.now()
    }
    afterTurn(this.look)
  }
}
