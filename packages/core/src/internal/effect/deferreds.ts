/** Deferreds outside of effects: made in constructors, and completed from callbacks. */
import * as Deferred from "effect/Deferred"
import type * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"

export const make = <A, E = never>(): Deferred.Deferred<A, E> => Deferred.unsafeMake(FiberId.none)

/** Wakes those that wait, which run when their schedulers come to them. A deferred that is complete stays as it is. */
export const complete = <A, E>(deferred: Deferred.Deferred<A, E>, exit: Exit.Exit<A, E>): void =>
  Deferred.unsafeDone(deferred, exit)
