/** What a fiber that is about to take something must look at first, so that what it takes reaches its caller. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { type AnyFiber, opsBeforeYield } from "./effect/fibers.js"

/** A thread on a busy socket or queue lets the others run after this many operations, whatever Effect allows. */
const most = 512

/** Below this a fiber has just begun its turn: it would gain nothing by yielding. */
const least = 6

/** For this long, in milliseconds, a thread may take what is there before the others have their turn. */
const mostMillis = 2

const uncounted = -1
const over = -2

/** When the task under way first looked at the clock, 0 before. */
let began = uncounted
let looks = 0

/** The dispatcher begins to run a thread's task. Where the clock is not the machine's, only operations count. */
export const taskBegins = (isLive: boolean): void => {
  began = isLive ? 0 : uncounted
}

/** What runs now is not the dispatcher's. */
export const tasksEnded = (): void => {
  began = uncounted
}

/** The task that just ran had its time. */
export const wasOvertime = (): boolean => began === over

/** A look at the clock costs as much as a part of a take: every fourth take looks. */
const isOvertime = (): boolean => {
  if (began < 0) return began === over
  looks = (looks + 1) & 3
  if (looks !== 0) return false
  const now = performance.now()
  if (began === 0) began = now
  if (now - began <= mostMillis) return false
  began = over
  return true
}

/**
 * True if the fiber should yield before it takes an item, a permit or bytes.
 *
 * Effect makes a fiber yield after some operations (`Effect.withMaxOpsBeforeYield`, 2048 by default). If that falls
 * between taking something and giving it to the caller, an interruption there loses it. A fiber that takes only in the
 * first half of its operations has the other half to return in. Correct from 12 operations on; with fewer, Effect's own
 * tools lose things too.
 */
export const yieldsSoon = (fiber: AnyFiber): boolean => {
  const { currentOpCount } = fiber
  return currentOpCount > least &&
    (currentOpCount > most || currentOpCount > opsBeforeYield(fiber) >> 1 ||
      isOvertime())
}

/**
 * Runs `effect`, then `after` in the same operation, whatever ends it: `Effect.ensuring` takes some operations more, in
 * which a fiber may have to yield, and be interrupted with the value in its hands.
 */
export const thenSync = <A, E>(effect: Effect.Effect<A, E>, after: () => void): Effect.Effect<A, E> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.matchCauseEffect(restore(effect), {
      onSuccess: (value) => {
        after()
        return Exit.succeed(value)
      },
      onFailure: (cause) => {
        after()
        return Exit.failCause(cause)
      }
    })
  )
