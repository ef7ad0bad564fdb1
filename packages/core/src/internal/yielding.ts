/** When a fiber yields to the others: before it takes something that would not reach its caller, and when its time is up. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { type AnyFiber, opsBeforeYield } from "./effect/fibers.js"
import { opsUnchecked } from "./effect/schedulers.js"

/** A thread on a busy socket or queue lets the others run after this many operations, whatever Effect allows. */
const most = 512

/** Below this a fiber has just begun its turn: it would gain nothing by yielding. */
const least = 6

/** For this long, in milliseconds, a thread may run before the others have their turn. */
const mostMillis = 2

/** What a fiber has taken reaches its caller within this many operations: it does not have to yield meanwhile. */
const opsToReturn = 16

/** How many operations lie between two looks at the clock: few while they take long, more while they are quick. */
const leastStride = 8
const mostStride = 128

/** Operations that take this long, in milliseconds, from one look to the next, take long. */
const longMillis = 0.2

const never = 2 ** 30

const uncounted = -1
const over = -2

/** When the task under way first looked at the clock, 0 before. */
let began = uncounted
let looks = 0

/** The operation at which the fiber that runs looks at the clock, whatever it does; how far it was from the look before. */
let nextLook = never
let stride = opsToReturn
let lookedAt = 0

/** Before this operation of the fiber that runs there is nothing to look at, neither the clock nor its own limit. */
export let nextCheck = opsUnchecked

const lookAt = (operation: number): void => {
  nextLook = operation
  nextCheck = operation < opsUnchecked ? operation : opsUnchecked
}

/** The dispatcher begins to run a thread's task. Where the clock is not the machine's, only operations count. */
export const taskBegins = (isLive: boolean): void => {
  began = isLive ? 0 : uncounted
  lookAt(isLive ? opsToReturn : never)
  stride = opsToReturn
}

/** What runs now is not the dispatcher's. */
export const tasksEnded = (): void => {
  began = uncounted
  lookAt(never)
}

/** The task that just ran had its time. */
export const wasOvertime = (): boolean => began === over

const isOvertimeAt = (now: number): boolean => {
  if (began === 0) began = now
  if (now - began <= mostMillis) return false
  began = over
  return true
}

/** A look at the clock costs as much as a part of a take: every fourth take looks. */
const isOvertime = (): boolean => {
  if (began < 0) return began === over
  looks = (looks + 1) & 3
  return looks === 0 && isOvertimeAt(performance.now())
}

/**
 * True if the fiber has run for its time, at an operation where it takes nothing: it sends, computes, adds to a queue.
 * A task of few operations never looks at the clock.
 */
export const hasHadItsTime = (operation: number): boolean => {
  if (operation < nextLook) return false
  if (began < 0) return began === over
  const now = performance.now()
  // The first look begins the count, and tells nothing yet.
  const tookLong = began === 0 || now - lookedAt > longMillis
  stride = tookLong ? leastStride : Math.min(2 * stride, mostStride)
  lookAt(operation + stride)
  lookedAt = now
  return isOvertimeAt(now)
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
  if (
    currentOpCount > least &&
    (currentOpCount > most || currentOpCount > opsBeforeYield(fiber) >> 1 ||
      isOvertime())
  ) return true
  if (nextLook < currentOpCount + opsToReturn) lookAt(currentOpCount + opsToReturn)
  return false
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
