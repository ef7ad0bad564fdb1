import { runAll } from "./outOfBand.js"

/**
 * The end of a turn: when all threads that were ready have run. What they sent is joined and goes out then.
 *
 * While the dispatcher's scheduler runs its threads it knows by itself when they are done. Elsewhere, in a fiber on
 * another scheduler or in a callback of the platform, the platform tells.
 */
let inTurn = false
let tasks: Array<() => void> = []

/** Runs `task` at the end of this turn. */
export const atEndOfTurn = (task: () => void, platform: (task: () => void) => void): void => {
  if (inTurn) tasks.push(task)
  else platform(task)
}

/** The dispatcher begins to run threads; gives what `leaveTurn` wants back. */
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

let inEvent = false
let dueStep: (() => void) | undefined = undefined

/**
 * The platform tells of something, from its event loop: the threads that this makes ready run as soon as it has told, in
 * the same call, and not by way of a promise.
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

/** Takes a step that is due at the end of the event under way; false when there is none. */
export const atEndOfEvent = (step: () => void): boolean => {
  if (!inEvent || dueStep !== undefined) return false
  dueStep = step
  return true
}
