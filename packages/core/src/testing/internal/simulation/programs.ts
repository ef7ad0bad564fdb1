/** The programs of a host, which a crash ends and a restart runs again. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { currentEnv, startSoon } from "../../../internal/effect/env.js"
import { interruptSoon, type RunningFiber } from "../../../internal/effect/fibers.js"
import type { MemoryHost } from "../network/host.js"

interface Program {
  readonly run: () => RunningFiber<void>
  fiber: RunningFiber<void> | undefined
}

/** The programs of one host: a crash ends them, a restart runs them again. */
export class Programs {
  private readonly host: MemoryHost
  private readonly programs = new Set<Program>()

  constructor(host: MemoryHost) {
    this.host = host
  }

  start<A, E, R>(
    program: Effect.Effect<A, E, R>
  ): Effect.Effect<void, never, Exclude<R, Scope.Scope> | Scope.Scope> {
    const logged = Effect.scoped(program).pipe(
      Effect.asVoid,
      Effect.catchAllCause((cause) => Effect.logError(`a program of the host ${this.host.name} failed`, cause))
    )
    return Effect.flatMap(currentEnv<Exclude<R, Scope.Scope>>(), (env) =>
      Effect.asVoid(Effect.acquireRelease(
        Effect.sync(() => {
          const one: Program = {
            run: () => startSoon(env, logged),
            fiber: undefined
          }
          this.programs.add(one)
          if (this.host.isUp) one.fiber = one.run()
          return one
        }),
        (one) => {
          this.programs.delete(one)
          return one.fiber === undefined ? Effect.void : Fiber.interrupt(one.fiber)
        }
      )))
  }

  get crash(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (!this.host.isUp) return Effect.void
      const fibers = Array.from(this.programs).flatMap(({ fiber }) => fiber === undefined ? [] : [fiber])
      // First: they are not to see how their connections break.
      for (const fiber of fibers) interruptSoon(fiber)
      this.host.crash()
      return Effect.forEach(fibers, (fiber) => Fiber.await(fiber), { discard: true })
    })
  }

  get restart(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.host.isUp) return Effect.void
      // A program that a crash interrupts may still be at its finalizers, also when the one who told it so is not there.
      const before = Array.from(this.programs).flatMap(({ fiber }) => fiber === undefined ? [] : [fiber])
      return Effect.zipRight(
        Effect.forEach(before, (fiber) => Fiber.await(fiber), { discard: true }),
        Effect.sync(() => {
          if (this.host.isUp) return
          this.host.restart()
          for (const one of this.programs) one.fiber = one.run()
        })
      )
    })
  }
}
