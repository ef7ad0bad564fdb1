/** How options are checked: durations and counts, and what an `InvalidOption` says of a value. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { InvalidOption } from "../../SocketError.js"

const longest = 100

/** A value as an error shows it: text in quotes, to distinguish `"infinity"` from `Infinity`. */
export const shown = (value: unknown): string => {
  const text = textOf(value)
  return text.length > longest ? `${text.slice(0, longest)}…` : text
}

const textOf = (value: unknown): string => {
  if (typeof value === "bigint") return `${value}n`
  if (typeof value === "function") return "a function"
  if (typeof value !== "string" && (typeof value !== "object" || value === null)) return String(value)
  try {
    return JSON.stringify(value) ?? "an object"
  } catch {
    return "an object"
  }
}

export const invalid = (option: string, value: unknown, expected: string): InvalidOption =>
  new InvalidOption({ option, value: shown(value), expected })

/**
 * The milliseconds of a duration; `undefined` for a value that is no duration, or a negative one. Effect takes a negative
 * duration for zero; in an option it is a mistake.
 */
export const millisOf = (input: unknown): number | undefined => {
  if (typeof input === "number") return input >= 0 ? input : undefined
  if (typeof input === "bigint" && input < 0n) return undefined
  if (typeof input === "string" && input.trimStart().startsWith("-")) return undefined
  if (Array.isArray(input) && !(input.length === 2 && input.every((part) => typeof part === "number" && part >= 0))) {
    return undefined
  }
  try {
    const value = Duration.toMillis(Duration.decode(input as Duration.DurationInput))
    return value >= 0 ? value : undefined
  } catch {
    return undefined
  }
}

const aDuration = `a duration that is not negative: milliseconds as a number, text such as "5 seconds", a Duration, ` +
  `or Duration.infinity for no limit`

/** The mistake in a duration, if there is one. */
export const wrongDuration = (option: string, input: unknown): InvalidOption | undefined =>
  millisOf(input) === undefined ? invalid(option, input, aDuration) : undefined

/** The milliseconds of a duration, `Infinity` for no limit. */
export const millis = (option: string, input: Duration.DurationInput): Effect.Effect<number, InvalidOption> => {
  const value = millisOf(input)
  return value === undefined ? Effect.fail(invalid(option, input, aDuration)) : Effect.succeed(value)
}

/** Like `millis`, where the error channel has no `InvalidOption`: the effect dies with it. */
export const millisOrDie = (option: string, input: Duration.DurationInput): Effect.Effect<number> =>
  Effect.orDie(millis(option, input))

/** Checks that a value is a whole number, at least `least`. */
export const count = (option: string, value: number, least: number): Effect.Effect<number, InvalidOption> =>
  isCount(value, least) ? Effect.succeed(value) : Effect.fail(invalid(option, value, aCount(least)))

export const isCount = (value: unknown, least: number): boolean =>
  Number.isSafeInteger(value) && (value as number) >= least

export const aCount = (least: number): string => `a whole number, at least ${least}`
