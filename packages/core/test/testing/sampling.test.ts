/** Samples of seeds, steps and places, and the variables that repeat one of them. */
import { Sampling } from "@copas/core/testing"
import { afterEach, beforeEach, describe, expect, it, vi } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

beforeEach(() => {
  for (const name of ["COPAS_TEST", "COPAS_SEED", "COPAS_STEP"]) vi.stubEnv(name, "")
})
afterEach(() => {
  vi.unstubAllEnvs()
})

/** The steps that are tried of a subject that is through after `length` of them. */
const tried = (name: string, length: number, stride?: number): Array<number> => {
  const all: Array<number> = []
  const last = Effect.runSync(Sampling.everyStep(name, (steps) =>
    Effect.sync(() => {
      all.push(steps)
      return steps >= length
    }), stride === undefined ? {} : { stride }))
  expect(last).toBe(all.at(-1))
  return all
}

const messageOf = (exit: Exit.Exit<unknown, unknown>): string =>
  Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : "it did not fail"

const names = Array.from({ length: 60 }, (_, index) => `test ${index}`)

describe("Sampling", () => {
  it("tries the short number of seeds, and the long number with COPAS_TEST=long", () => {
    expect(Sampling.seeds({ short: 3, long: 5 })).toEqual([1, 2, 3])
    expect(Sampling.runs({ short: 3, long: 5 })).toEqual({ numRuns: 3 })
    vi.stubEnv("COPAS_TEST", "long")
    expect(Sampling.seeds({ short: 3, long: 5 })).toEqual([1, 2, 3, 4, 5])
    expect(Sampling.runs({ short: 3, long: 5 })).toEqual({ numRuns: 5 })
  })

  it("tries every third of the first steps, then every stride-th until the subject is through, the same ones each time", () => {
    for (const name of names) {
      const all = tried(name, 60, 13)
      expect(tried(name, 60, 13)).toEqual(all)
      const first = all.filter((steps) => steps < 13)
      expect(first).toEqual(first.map((_, index) => first[0]! + 3 * index))
      expect([first[0]! < 3, first.at(-1)! >= 10]).toEqual([true, true])
      const rest = all.filter((steps) => steps >= 13)
      expect(rest).toEqual(rest.map((_, index) => rest[0]! + 13 * index))
      expect([rest[0]! < 26, rest.at(-1)! >= 60]).toEqual([true, true])
    }
  })

  it("tests of different names try all steps together", () => {
    for (const stride of [2, 3, 5, 7, 11, 13]) {
      const all = new Set(names.flatMap((name) => tried(name, 39, stride).filter((steps) => steps < 39)))
      expect([...all].sort((a, b) => a - b)).toEqual(Array.from({ length: 39 }, (_, steps) => steps))
      const range = new Set(names.flatMap((name) => Sampling.range(name, { from: 3, to: 29, stride })))
      expect([...range].sort((a, b) => a - b)).toEqual(Array.from({ length: 26 }, (_, at) => at + 3))
    }
    const cuts = ["none", "random", "one", "few"]
    expect(new Set(names.map((name) => Sampling.two(name, cuts).join()))).toEqual(
      new Set(["none,random", "none,one", "none,few"])
    )
  })

  it("tries every step and every setting with COPAS_TEST=long", () => {
    vi.stubEnv("COPAS_TEST", "long")
    expect(tried("it", 4)).toEqual([0, 1, 2, 3, 4])
    expect(Sampling.range("it", { from: 2, to: 5 })).toEqual([2, 3, 4])
    expect(Sampling.two("it", [1, 2, 3])).toEqual([1, 2, 3])
  })

  it("names the seed or the step that fails, with its message, and how to repeat it alone", () => {
    const fails = (at: number) =>
      Effect.suspend(() => at === 2 ? Effect.fail("no socket is left") : Effect.succeed(false))
    const seeds = Effect.runSyncExit(Sampling.forEachSeed({ short: 3, long: 3 }, fails))
    expect(messageOf(seeds)).toBe("Error: seed 2: no socket is left\nCOPAS_SEED=2 repeats it alone")
    expect(() => Sampling.eachSeed({ short: 3, long: 3 }, (seed) => expect(seed).toBeLessThan(2))).toThrow(
      /^seed 2: .*\nCOPAS_SEED=2 repeats it alone$/
    )
    const steps = Effect.runSyncExit(Sampling.everyStep("get", fails, { stride: 1 }))
    const places = Effect.runSyncExit(Sampling.forEachIn("cut", { to: 9, stride: 1 }, fails))
    expect(messageOf(places)).toBe("Error: cut at 2: no socket is left\nCOPAS_STEP=2 repeats it alone")
    expect(messageOf(steps)).toBe("Error: after 2 steps of get: no socket is left\nCOPAS_STEP=2 repeats it alone")
  })

  it("repeats one seed alone with COPAS_SEED, and one step with COPAS_STEP", () => {
    vi.stubEnv("COPAS_SEED", "17")
    vi.stubEnv("COPAS_STEP", "19")
    expect(Sampling.seeds({ short: 3, long: 5 })).toEqual([17])
    expect(Sampling.runs({ short: 3, long: 5 })).toEqual({ numRuns: 3, seed: 17 })
    expect(Sampling.isRepeat()).toBe(true)
    expect(tried("it", 40)).toEqual([19])
    expect(Sampling.range("it", { to: 40 })).toEqual([19])
    vi.stubEnv("COPAS_SEED", "many")
    expect(() => Sampling.seeds({ short: 3, long: 5 })).toThrow("COPAS_SEED")
  })
})
