/**
 * One case of a contract.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Net } from "../Net.js"

/**
 * One sentence of a contract, and the program that checks a platform: the program fails or dies if the sentence is not
 * true. It runs in a scope of its own and under `TestClock`, which it moves to the time-outs that it waits for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Case<R = Net | Scope.Scope> {
  /** Begins with the id of the feature. */
  readonly title: string
  /** Checks the sentence on the platform that is provided. */
  readonly effect: Effect.Effect<void, unknown, R>
}
