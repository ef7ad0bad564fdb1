/** Scopes whose finalizers run at once, and scopes within them. */
import type * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Scope from "effect/Scope"

/** A scope that closes everything in it at once, as connections that have nothing to do with each other. */
export const makeParallel: Effect.Effect<Scope.CloseableScope> = Scope.make(ExecutionStrategy.parallel)

/** A scope within another one; its own finalizers run in order. */
export const forkSequential = (scope: Scope.Scope): Effect.Effect<Scope.CloseableScope> =>
  Scope.fork(scope, ExecutionStrategy.sequential)
