declare const setImmediate: ((task: () => void) => unknown) | undefined
declare const clearImmediate: ((handle: unknown) => void) | undefined

const later: (task: () => void) => unknown = typeof setImmediate === "function"
  ? setImmediate
  : (task) => setTimeout(task, 0)

let waiting = 0

/** Runs `task` when the event loop's other work has had its turn. */
export const afterTurn = (task: () => void): void => {
  waiting += 1
  later(() => {
    waiting -= 1
    task()
  })
}

/** True while something waits for its turn: a clock that goes by itself must not go on yet. */
export const isAwaited = (): boolean => waiting > 0

/**
 * Runs `task` when the event loop's other work has had its turn; `isAwaited` does not count it. The result is for
 * `cancelWhenIdle`.
 */
export const whenIdle = (task: () => void): unknown => later(task)

export const cancelWhenIdle: (handle: unknown) => void = typeof setImmediate === "function" &&
    typeof clearImmediate === "function"
  ? clearImmediate
  : (handle) => clearTimeout(handle as ReturnType<typeof setTimeout>)
