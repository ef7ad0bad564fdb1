/** Finalizers of a scope that cost less than Effect's own. */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"

/**
 * Releases something when the scope ends, as `Effect.addFinalizer` does, but in the fiber that ends it as it is: that one
 * saves all fiber references, and finds and applies what differs, twice, which costs more than the end of a socket.
 */
export const onScopeEnd = (
  release: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<unknown>
): Effect.Effect<void, never, Scope.Scope> => Effect.flatMap(Effect.scope, (scope) => addRelease(scope, release))

/** The same where the scope is known. */
export const addRelease = (
  scope: Scope.Scope,
  release: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<unknown>
): Effect.Effect<void> => Scope.addFinalizerExit(scope, (exit) => Effect.uninterruptible(release(exit)))
