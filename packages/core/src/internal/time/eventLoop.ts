declare const setImmediate: ((task: () => void) => unknown) | undefined

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

/** Runs `task` when the event loop's other work has had its turn; `isAwaited` does not count it. */
export const whenIdle = (task: () => void): void => {
  later(task)
}
