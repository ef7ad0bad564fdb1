/** What causes, exits and the platform's errors say, for code that decides by it: no other module reads their tags. */
import type { PlatformError } from "@effect/platform/Error"
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"

/** It did not succeed, and an interruption is part of why. */
export const wasInterrupted = (exit: Exit.Exit<unknown, unknown>): boolean => Exit.isInterrupted(exit)

/** The first expected failure alone, where there is one: what was interrupted because of it is no news. */
export const firstFailure = <E>(cause: Cause.Cause<E>): Cause.Cause<E> =>
  Option.match(Cause.failureOption(cause), { onNone: () => cause, onSome: Cause.fail })

/** There is no such file. */
export const isNotFound = (error: PlatformError): boolean => error._tag === "SystemError" && error.reason === "NotFound"

/** What was interrupted, and what is known of it all the same. */
export const interruptedWith = <E>(cause: Cause.Cause<E>, error: E): Cause.Cause<E> =>
  Cause.sequential(cause, Cause.fail(error))

/** The first expected failure, or undefined. */
export const firstError = (exit: Exit.Exit<unknown, unknown>): unknown =>
  Exit.isSuccess(exit) ? undefined : Option.getOrUndefined(Cause.failureOption(exit.cause))
