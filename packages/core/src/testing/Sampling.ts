/**
 * How much of a search a test does: a sample by default, all of it by `COPAS_TEST=long`.
 *
 * A search tries many cases of one sentence: seeds of a random program, steps after which a call is interrupted, runs of a
 * property, ways in which a network cuts its bytes. The sample is the same in every run and differs from test to test, so
 * that the tests together still reach every kind of case. If a case fails, the error names it, and the variable that
 * repeats it alone.
 *
 * | variable | what it does |
 * | --- | --- |
 * | `COPAS_TEST=long` | tries every case |
 * | `COPAS_SEED=17` | tries seed 17 alone, also in properties |
 * | `COPAS_STEP=17` | interrupts after 17 steps alone |
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Causes from "../internal/effect/causes.js"

type Variables = Readonly<Record<string, string | undefined>>

/** What runs on no process has no variables. */
const variable = (name: string): string | undefined =>
  (globalThis as { readonly process?: { readonly env?: Variables } }).process?.env?.[name]

const wholeNumber = (name: string): number | undefined => {
  const text = variable(name)
  if (text === undefined || text === "") return undefined
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new Error(`${name} is ${JSON.stringify(text)}, but should be a whole number`)
  return value
}

/**
 * Whether every case is tried: `COPAS_TEST` is `long`.
 *
 * @since 0.1.0
 * @category settings
 */
export const isLong = (): boolean => variable("COPAS_TEST") === "long"

const onlySeed = (): number | undefined => wholeNumber("COPAS_SEED")
const onlyStep = (): number | undefined => wholeNumber("COPAS_STEP")

/**
 * Whether one case alone is repeated, by `COPAS_SEED` or `COPAS_STEP`: then a test must not assert what only many cases
 * show together.
 *
 * @since 0.1.0
 * @category settings
 */
export const isRepeat = (): boolean => onlySeed() !== undefined || onlyStep() !== undefined

/**
 * How many cases of a search are tried.
 *
 * @since 0.1.0
 * @category models
 */
export interface Size {
  /** By default. */
  readonly short: number
  /** By `COPAS_TEST=long`. */
  readonly long: number
}

/**
 * The size that applies to this run.
 *
 * @since 0.1.0
 * @category settings
 */
export const size = (size: Size): number => isLong() ? size.long : size.short

/** FNV-1a: a number that every test's name has for itself. */
const hash = (text: string): number => {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  }
  return value >>> 0
}

const failed = (name: string, repeat: string, error: unknown): Error =>
  new Error(`${name}: ${error instanceof Error ? error.message : String(error)}\n${repeat} repeats it alone`, {
    cause: error
  })

/** Names the case in what it fails with, and when the test's time ends within it. */
const named = <A, E, R>(effect: Effect.Effect<A, E, R>, name: string, repeat: string): Effect.Effect<A, E, R> =>
  Effect.catchAllCause(
    Effect.onInterrupt(effect, () => Console.error(`interrupted in ${name}; ${repeat} repeats it alone`)),
    (cause) => {
      if (Causes.hasInterruption(cause)) return Effect.failCause(cause)
      return Effect.die(failed(name, repeat, Cause.squash(cause)))
    }
  )

/**
 * The seeds from 1 to the size; with `COPAS_SEED`, that seed alone. A test that loops over them itself should name the seed
 * in its assertions.
 *
 * @since 0.1.0
 * @category searches
 */
export const seeds = (of: Size): ReadonlyArray<number> => {
  const only = onlySeed()
  return only === undefined ? Array.from({ length: size(of) }, (_, index) => index + 1) : [only]
}

/**
 * Calls a test with each of the `seeds`. If it throws, an error names the seed.
 *
 * @since 0.1.0
 * @category searches
 */
export const eachSeed = (of: Size, test: (seed: number) => void): void => {
  for (const seed of seeds(of)) {
    try {
      test(seed)
    } catch (error) {
      throw failed(`seed ${seed}`, `COPAS_SEED=${seed}`, error)
    }
  }
}

/**
 * Runs a test for each of the `seeds`, one after the other. A failure is a defect that names the seed.
 *
 * @since 0.1.0
 * @category searches
 */
export const forEachSeed = <E, R>(
  of: Size,
  test: (seed: number) => Effect.Effect<unknown, E, R>
): Effect.Effect<void, E, R> =>
  Effect.forEach(seeds(of), (seed) => named(test(seed), `seed ${seed}`, `COPAS_SEED=${seed}`), { discard: true })

/**
 * The distance between the cases that are tried.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stride {
  /** The distance by default. Default 7. */
  readonly stride?: number | undefined
  /** The distance by `COPAS_TEST=long`. Default 1: all of them. */
  readonly longStride?: number | undefined
}

/**
 * The numbers that are tried.
 *
 * @since 0.1.0
 * @category models
 */
export interface Range extends Stride {
  /** The first. Default 0. */
  readonly from?: number | undefined
  /** The number after the last one. */
  readonly to: number
}

const strideOf = ({ longStride, stride }: Stride): number => isLong() ? longStride ?? 1 : stride ?? 7

/** The stride among the first steps: many calls take no more than a few. */
const firstStride = 3

/**
 * Runs a test for more and more steps, until it returns true: its subject had ended before that many steps. Returns the
 * last number of steps. A failure is a defect that names the steps.
 *
 * By default it tries every `stride`-th number (default 7), and every third of the first ones. The offsets follow from
 * `name`: tests with other names try other steps. A stride should be a prime of at least 5: loops within the subject mostly
 * repeat after two or four steps, and other strides would always meet them at the same place.
 *
 * @since 0.1.0
 * @category searches
 */
export const everyStep = <E, R>(
  name: string,
  test: (steps: number) => Effect.Effect<boolean, E, R>,
  options: Stride = {}
): Effect.Effect<number, E, R> => {
  const run = (stride: number, only: number | undefined): Effect.Effect<number, E, R> => {
    const offset = hash(name)
    const after = (steps: number): number => {
      if (stride <= firstStride || steps >= stride) return steps + stride
      return steps + firstStride < stride ? steps + firstStride : stride + offset % stride
    }
    const from = (steps: number): Effect.Effect<number, E, R> =>
      Effect.flatMap(
        named(test(steps), `after ${steps} steps of ${name}`, `COPAS_STEP=${steps}`),
        (isThrough) => isThrough || only !== undefined ? Effect.succeed(steps) : from(after(steps))
      )
    return from(only ?? offset % Math.min(stride, firstStride))
  }
  return Effect.suspend(() => run(strideOf(options), onlyStep()))
}

/**
 * Every `stride`-th of the numbers from `from` up to, but not including, `to`; all of them by `COPAS_TEST=long`. The first
 * number follows from `name`, as in `everyStep`.
 *
 * @since 0.1.0
 * @category searches
 */
export const range = (
  name: string,
  options: Range
): ReadonlyArray<number> => {
  const from = options.from ?? 0
  const only = onlyStep()
  if (only !== undefined) return only >= from && only < options.to ? [only] : []
  const stride = strideOf(options)
  const result: Array<number> = []
  for (let at = from + hash(name) % stride; at < options.to; at += stride) result.push(at)
  return result
}

/**
 * Runs a test for each number of a `range`, one after the other. A failure is a defect that names the number.
 *
 * @since 0.1.0
 * @category searches
 */
export const forEachIn = <E, R>(
  name: string,
  options: Range,
  test: (at: number) => Effect.Effect<unknown, E, R>
): Effect.Effect<void, E, R> =>
  Effect.forEach(range(name, options), (at) => named(test(at), `${name} at ${at}`, `COPAS_STEP=${at}`), {
    discard: true
  })

/**
 * Parameters for fast-check's `assert`: the number of runs, and the seed of `COPAS_SEED`. fast-check itself reports the
 * seed and the counterexample of a failure.
 *
 * @since 0.1.0
 * @category searches
 */
export const runs = (of: Size): { readonly numRuns: number; readonly seed?: number } => {
  const only = onlySeed()
  return only === undefined ? { numRuns: size(of) } : { numRuns: size(of), seed: only }
}

/**
 * The first of `all`, and one more that follows from `name`; all of them by `COPAS_TEST=long`. Use it for settings of which
 * the first is the plain one, such as the ways in which a network cuts its bytes.
 *
 * @since 0.1.0
 * @category searches
 */
export const two = <A>(name: string, all: ReadonlyArray<A>): ReadonlyArray<A> =>
  isLong() || all.length <= 2 ? all : [all[0]!, all[1 + hash(name) % (all.length - 1)]!]
