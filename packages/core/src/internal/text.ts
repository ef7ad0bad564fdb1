/** Numbers as messages show them. */

/** A time that was allowed, in whole milliseconds: `within 20 ms`, and `at once` where there was none. */
export const within = (millis: number): string =>
  millis <= 0 ? "at once" : `within ${Math.max(1, Math.round(millis))} ms`

/** A number and what it counts: `1 item`, `2 items`. */
export const counted = (count: number, one: string): string => `${count} ${count === 1 ? one : `${one}s`}`
