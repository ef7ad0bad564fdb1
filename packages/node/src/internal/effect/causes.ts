/** What causes say, for code that decides by it: no other module reads their tags. */
import * as Cause from "effect/Cause"
import * as Option from "effect/Option"

/** It was interrupted, and nothing else went wrong. */
export const isInterruption = (cause: Cause.Cause<unknown>): boolean => Cause.isInterruptedOnly(cause)

/** The first expected failure. */
export const failureOf = <E>(cause: Cause.Cause<E>): E | undefined => Option.getOrUndefined(Cause.failureOption(cause))
