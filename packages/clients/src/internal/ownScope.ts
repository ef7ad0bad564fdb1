/**
 * A scope that ends at once when what it was for fails.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"

/** What `use` opens lasts as long as the scope around when `use` succeeds, and ends at once when it does not. */
export const inOwnScope = <A, E, R>(
  use: Effect.Effect<A, E, R | Scope.Scope>
): Effect.Effect<A, E, Exclude<R, Scope.Scope> | Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const outer = yield* Effect.scope
      const scope = yield* Scope.make()
      const exit = yield* Effect.exit(restore(Scope.extend(use, scope)))
      if (Exit.isFailure(exit)) {
        yield* Scope.close(scope, exit)
        return yield* Effect.failCause(exit.cause)
      }
      yield* Scope.addFinalizerExit(outer, (end) => Scope.close(scope, end))
      return exit.value
    })
  )
