/**
 * A turn of the platform's event loop: what runs at the end of the threads' part of it, at the end of an event, and after
 * the turn.
 */
import { runAll } from "./outOfBand.js"

// ---- the end of the threads' part: all threads that were ready have run

let inTurn = false
let tasks: Array<() => void> = []

/**
 * Runs `task` when all threads that were ready have run. What they sent is joined and written then.
 *
 * While the dispatcher's scheduler runs its threads it knows when they are done. Elsewhere, in a fiber on another
 * scheduler or in a callback of the platform, the platform reports the end of the turn.
 */
export const atEndOfTurn = (task: () => void, platform: (task: () => void) => void): void => {
  if (inTurn) tasks.push(task)
  else platform(task)
}

/** The dispatcher begins to run threads. Returns what `leaveTurn` takes. */
export const enterTurn = (): boolean => {
  const before = inTurn
  inTurn = true
  return before
}

export const leaveTurn = (before: boolean): void => {
  inTurn = before
  if (before || tasks.length === 0) return
  const due = tasks
  tasks = []
  runAll(due)
}

// ---- the end of an event

let inEvent = false
let dueStep: (() => void) | undefined = undefined

/**
 * The platform begins to report an event, from its event loop. The threads that the event makes ready run when it has been
 * reported, in the same call and not by way of a promise.
 */
export const enterEvent = (): void => {
  inEvent = !inTurn
}

export const leaveEvent = (): void => {
  inEvent = false
  const step = dueStep
  if (step === undefined) return
  dueStep = undefined
  step()
}

/** Runs `step` at the end of the event under way; false when there is none. */
export const atEndOfEvent = (step: () => void): boolean => {
  if (!inEvent || dueStep !== undefined) return false
  dueStep = step
  return true
}

// ---- after the turn

declare const setImmediate: ((task: () => void) => unknown) | undefined
declare const clearImmediate: ((handle: unknown) => void) | undefined

const later: (task: () => void) => unknown = typeof setImmediate === "function"
  ? setImmediate
  : (task) => setTimeout(task, 0)

let waiting = 0

/** Runs `task` after the event loop's other work has had its turn. */
export const afterTurn = (task: () => void): void => {
  waiting += 1
  later(() => {
    waiting -= 1
    task()
  })
}

/** True while a task of `afterTurn` waits: a simulated clock that advances by itself must not advance yet. */
export const isAwaited = (): boolean => waiting > 0

/**
 * Runs `task` after the event loop's other work has had its turn; `isAwaited` does not count it. The result is for
 * `cancelWhenIdle`.
 */
export const whenIdle = (task: () => void): unknown => later(task)

export const cancelWhenIdle: (handle: unknown) => void = typeof setImmediate === "function" &&
    typeof clearImmediate === "function"
  ? clearImmediate
  : (handle) => clearTimeout(handle as ReturnType<typeof setTimeout>)
