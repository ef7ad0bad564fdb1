declare const setImmediate: ((task: () => void) => unknown) | undefined

/** Runs `task` when the event loop's other work has had its turn. */
export const afterTurn: (task: () => void) => unknown = typeof setImmediate === "function"
  ? setImmediate
  : (task) => setTimeout(task, 0)
