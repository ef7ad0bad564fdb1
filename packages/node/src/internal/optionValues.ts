/** How options of servers and handlers are checked: durations, counts and sizes, and what an `InvalidOption` says of a value. */
import { InvalidOption } from "@copas/core/SocketError"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"

const longest = 100

/** Some values have no text: those without a prototype, and those whose own makes it throw. */
const textOf = (value: unknown): string => {
  try {
    return typeof value === "string" ? JSON.stringify(value) : String(value)
  } catch {
    return `of the type ${typeof value}`
  }
}

/** A value as an error shows it: text in quotes, to distinguish `"infinity"` from `Infinity`. */
export const invalid = (option: string, value: unknown, expected: string): InvalidOption => {
  const text = textOf(value)
  return new InvalidOption({ option, value: text.length > longest ? `${text.slice(0, longest)}…` : text, expected })
}

/** Effect takes a negative duration, and what is no number, for zero; in an option it is a mistake. */
const isNegative = (input: unknown): boolean =>
  typeof input === "string"
    ? input.trimStart().startsWith("-")
    : (typeof input === "number" && !(input >= 0)) || (typeof input === "bigint" && input < 0n) ||
      (Array.isArray(input) && input.some(isNegative))

const decoded = (input: unknown): number | undefined =>
  isNegative(input) ? undefined : Option.getOrUndefined(Option.map(Duration.decodeUnknown(input), Duration.toMillis))

/** The milliseconds of a duration of at least `least`; `Infinity` is no limit. */
export const millis = (option: string, input: unknown, least: number): Either.Either<number, InvalidOption> => {
  const value = decoded(input)
  const expected = `a duration${least > 0 ? " above zero" : ""}, such as "5 seconds", or Duration.infinity for no limit`
  return value !== undefined && value >= least ? Either.right(value) : Either.left(invalid(option, input, expected))
}

/** A whole number of at least `least`; `Infinity` is no limit. */
export const count = (option: string, value: unknown, least: number): Either.Either<number, InvalidOption> =>
  value === Infinity || (Number.isSafeInteger(value) && (value as number) >= least)
    ? Either.right(value as number)
    : Either.left(invalid(option, value, `a whole number, at least ${least}, or Infinity for no limit`))
