/** Scopes within scopes, by the order in which their finalizers run. */
import type * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Scope from "effect/Scope"

/** Closes with its parent, if not before; its finalizers run one after the other, the last one first. */
export const child = (parent: Scope.Scope): Effect.Effect<Scope.CloseableScope> =>
  Scope.fork(parent, ExecutionStrategy.sequential)

/** The same, with finalizers that run all at once. */
export const parallelChild = (parent: Scope.Scope): Effect.Effect<Scope.CloseableScope> =>
  Scope.fork(parent, ExecutionStrategy.parallel)
