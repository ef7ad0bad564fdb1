/** What causes and exits say, for code that decides by it: no other module reads their tags. */
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"

/** It was interrupted, and nothing else went wrong. */
export const isInterruption = (cause: Cause.Cause<unknown>): boolean => Cause.isInterruptedOnly(cause)

/** An interruption is part of it. */
export const hasInterruption = (cause: Cause.Cause<unknown>): boolean => Cause.isInterrupted(cause)

/** The same of an exit: it did not succeed, and an interruption is part of why. */
export const wasInterrupted = (exit: Exit.Exit<unknown, unknown>): boolean => Exit.isInterrupted(exit)

/** Expected failures are part of it, `is` is true of each, and no defect is. Fibers interrupted because of them may be. */
export const isMadeOf = <E>(cause: Cause.Cause<E>, is: (error: E) => boolean): boolean =>
  cause._tag === "Fail"
    ? is(cause.error)
    : Cause.isFailure(cause) && !Cause.isDie(cause) && Chunk.every(Cause.failures(cause), is)

/** All expected failures, the first one first. */
export const failuresOf = <E>(cause: Cause.Cause<E>): ReadonlyArray<E> => Chunk.toReadonlyArray(Cause.failures(cause))

/** The first expected failure. */
export const failureOf = <E>(cause: Cause.Cause<E>): E | undefined => Option.getOrUndefined(Cause.failureOption(cause))

/** The first defect. */
export const defectOf = (cause: Cause.Cause<unknown>): Option.Option<unknown> => Cause.dieOption(cause)

/** What two fibers failed with that ran at the same time. */
export const together = <E, E2>(one: Cause.Cause<E>, other: Cause.Cause<E2>): Cause.Cause<E | E2> =>
  Cause.parallel(one, other)

/** How something ended whose finalizers ended with `closed`: what they failed with comes after its own failure. */
export const followedBy = <A, E>(exit: Exit.Exit<A, E>, closed: Exit.Exit<unknown, E>): Exit.Exit<A, E> =>
  Exit.isSuccess(closed) ? exit : Exit.zipLeft(exit, closed)

/** As text: each failure with its stack, and what caused it in turn. */
export const show = (cause: Cause.Cause<unknown>): string => Cause.pretty(cause, { renderErrorCause: true })
