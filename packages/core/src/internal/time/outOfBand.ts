/** Loops over callbacks in which an exception of one does not affect the others. */

/**
 * Throws `error` where nothing of this library runs: the process learns of it as of any uncaught exception, and the loop
 * in which it was caught continues with the others.
 */
export const throwLater = (error: unknown): void =>
  queueMicrotask(() => {
    throw error
  })

/** Runs all tasks in order; an exception is thrown later. */
export const runAll = (tasks: ReadonlyArray<() => void>): void => {
  let index = 0
  while (index < tasks.length) {
    try {
      while (index < tasks.length) tasks[index++]!()
    } catch (error) {
      throwLater(error)
    }
  }
}
