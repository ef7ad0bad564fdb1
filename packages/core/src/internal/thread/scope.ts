import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import { pipeArguments } from "effect/Pipeable"
import * as Scope from "effect/Scope"

/** What is added to a scope that is closed is released at once; that takes no state, so one serves all threads. */
const closed = Effect.runSync(Effect.tap(Scope.make(), (scope) => Scope.close(scope, Exit.void)))

/**
 * The scope of a thread. Most threads never use theirs: so the real one is made when something is first added to it, and
 * a thread that added nothing has nothing to close.
 */
export class ThreadScope implements Scope.Scope {
  readonly [Scope.ScopeTypeId]: Scope.ScopeTypeId = Scope.ScopeTypeId
  private inner: Scope.CloseableScope | undefined = undefined

  get strategy(): ExecutionStrategy.ExecutionStrategy {
    return ExecutionStrategy.sequential
  }

  private get scope(): Scope.CloseableScope {
    return this.inner ??= Effect.runSync(Scope.make())
  }

  fork(strategy: ExecutionStrategy.ExecutionStrategy): Effect.Effect<Scope.CloseableScope> {
    return Effect.suspend(() => Scope.fork(this.scope, strategy))
  }

  addFinalizer(finalizer: Scope.Scope.Finalizer): Effect.Effect<void> {
    return Effect.suspend(() => Scope.addFinalizerExit(this.scope, finalizer))
  }

  /** What closing takes; `undefined` when nothing was ever added. */
  closing(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> | undefined {
    if (this.inner !== undefined) return Scope.close(this.inner, exit)
    // A fiber that the thread left behind may still have it.
    this.inner = closed
    return undefined
  }

  pipe(): unknown {
    // eslint-disable-next-line prefer-rest-params -- the contract of Pipeable
    return pipeArguments(this, arguments)
  }
}
