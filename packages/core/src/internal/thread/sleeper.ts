import type * as Fiber from "effect/Fiber"
import { Deadline, type Deadlines } from "../time/deadlines.js"
import { type DispatcherThread, threadOf } from "./thread.js"

/** One pause of a thread, or of a fiber outside the dispatcher. */
export class Sleeper extends Deadline {
  private readonly deadlines: Deadlines
  private readonly thread: DispatcherThread | undefined
  /** It is the thread's own fiber that pauses, and not one that it forked. */
  readonly isOwn: boolean
  private readonly onWake: (sleptMillis: number) => void
  since = 0
  /** It has no end of its own, so it does not keep the dispatcher going. */
  isForever = false

  constructor(deadlines: Deadlines, fiber: Fiber.RuntimeFiber<any, any>, onWake: (sleptMillis: number) => void) {
    super()
    this.deadlines = deadlines
    this.thread = threadOf(fiber)
    this.isOwn = this.thread?.fiber === fiber
    this.onWake = onWake
  }

  begin(millis: number): void {
    this.since = this.deadlines.now()
    this.isForever = millis === Infinity
    if (!this.isForever) this.deadlines.schedule(this, this.since + millis)
    this.thread?.sleeps(this)
  }

  expire(): void {
    this.end()
    this.onWake(this.deadlines.now() - this.since)
  }

  /** It is over without waking anybody: interrupted. */
  end(): void {
    this.deadlines.cancel(this)
    this.thread?.wakes(this)
  }
}
