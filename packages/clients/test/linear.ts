/**
 * Whether a parser takes time in proportion to its input: the least of several runs counts, for a run is only ever slowed
 * down by others.
 */
import { expect } from "@effect/vitest"

const least = (run: () => void, soFar: number): number => {
  const before = process.cpuUsage().user
  run()
  return Math.min(soFar, process.cpuUsage().user - before)
}

/** Twice the input takes less than three times the time, and 5 ms. Up to twenty runs are made of each. */
export const expectLinear = (run: (size: number) => void, size: number): void => {
  run(size / 4)
  let [once, twice] = [Infinity, Infinity]
  for (let runs = 0; runs < 20; runs++) {
    once = least(() => run(size), once)
    twice = least(() => run(2 * size), twice)
    if (twice < 3 * once) return
  }
  expect(twice).toBeLessThan(3 * once + 5000)
}
