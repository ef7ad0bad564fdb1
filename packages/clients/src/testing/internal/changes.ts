/**
 * Waiting for something about a test server to become true.
 */
import { suspendCancellable } from "@copas/core/Transport"
import * as Effect from "effect/Effect"

export class Changes {
  private readonly waiters = new Set<() => void>()

  /** Waits until `condition` holds; it is asked again at each change. */
  until(condition: () => boolean): Effect.Effect<void> {
    return suspendCancellable((resume) => {
      const check = (): void => {
        if (!condition()) return
        this.waiters.delete(check)
        resume(Effect.void)
      }
      this.waiters.add(check)
      check()
      return Effect.sync(() => this.waiters.delete(check))
    })
  }

  changed(): void {
    for (const check of Array.from(this.waiters)) check()
  }
}
