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
  for (const task of due) task()
}
