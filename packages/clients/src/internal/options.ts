/**
 * Checks of options: each gives the value, or an `InvalidOption` that says what the option takes.
 */
import type * as Net from "@copas/core/Net"
import { InvalidOption, type UnsupportedOption } from "@copas/core/SocketError"
import * as Tls from "@copas/core/Tls"
import type { ClientContext, ClientOptions } from "@copas/core/TlsContext"
import type { TlsError } from "@copas/core/TlsError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"

/** A value of any type as an error shows it: its text, or its type where it makes none (it has no prototype, or throws). */
export const textOf = (value: unknown): string => {
  try {
    return String(value)
  } catch {
    return typeof value
  }
}

const wrong = (option: string, value: unknown, expected: string): InvalidOption =>
  new InvalidOption({ option, value: textOf(value), expected })

const millisOf = (option: string, input: Duration.DurationInput): number | InvalidOption => {
  const value = Either.getOrElse(Either.try(() => Duration.toMillis(Duration.decode(input))), () => Number.NaN)
  return value > 0 ? value : wrong(option, input, "a duration above zero, or infinity")
}

const countOf = (option: string, value: number, least: number): number | InvalidOption =>
  Number.isSafeInteger(value) && value >= least ? value : wrong(option, value, `a whole number, at least ${least}`)

const found = (value: number | InvalidOption): Effect.Effect<number, InvalidOption> =>
  typeof value === "number" ? Effect.succeed(value) : Effect.fail(value)

export const refuse = (option: string, value: unknown, expected: string): Effect.Effect<never, InvalidOption> =>
  Effect.fail(wrong(option, value, expected))

/** A duration above zero, in milliseconds. */
export const millis = (
  option: string,
  input: Duration.DurationInput | undefined,
  otherwise: Duration.DurationInput
): Effect.Effect<number, InvalidOption> => found(millisOf(option, input ?? otherwise))

/** A whole number that is at least `least`. */
export const count = (
  option: string,
  value: number | undefined,
  otherwise: number,
  least: number
): Effect.Effect<number, InvalidOption> => found(countOf(option, value ?? otherwise, least))

/** The same checks without an effect for each: it keeps what is wrong with the first option that is. */
export class Checks {
  fault: InvalidOption | undefined

  refuse(option: string, value: unknown, expected: string): void {
    this.fault ??= wrong(option, value, expected)
  }

  private found(value: number | InvalidOption, otherwise: number): number {
    if (typeof value === "number") return value
    this.fault ??= value
    return otherwise
  }

  /** Milliseconds: `otherwise`, or a duration above zero. */
  millis(option: string, input: Duration.DurationInput | undefined, otherwise: number): number {
    return input === undefined ? otherwise : this.found(millisOf(option, input), otherwise)
  }

  count(option: string, value: number | undefined, otherwise: number, least: number): number {
    return value === undefined ? otherwise : this.found(countOf(option, value, least), otherwise)
  }

  /** A count that may be infinity. */
  limit(option: string, value: number | undefined, otherwise: number, least: number): number {
    return value === Infinity ? value : this.count(option, value, otherwise, least)
  }

  /** Options that have parts: what is none has no parts. */
  parts<A extends object>(option: string, value: A | undefined): Partial<A> {
    if (value === undefined) return {}
    if (typeof value === "object" && value !== null) return value
    this.refuse(option, value, "an object")
    return {}
  }

  /** Names, in lower case. */
  names(option: string, value: ReadonlyArray<string>): ReadonlyArray<string> {
    if (Array.isArray(value) && value.every((name) => typeof name === "string")) {
      return value.map((name: string) => name.toLowerCase())
    }
    this.refuse(option, value, "an array of texts")
    return []
  }

  oneOf<A>(option: string, value: A | undefined, otherwise: A, all: ReadonlyArray<unknown>): A {
    if (value === undefined) return otherwise
    if (!all.includes(value)) this.refuse(option, value, `one of ${all.map((one) => JSON.stringify(one)).join(", ")}`)
    return value
  }
}

/** Fails with the problem that a pure parser reports as a value. */
export const orFail = <A, E>(either: Either.Either<A, E>): Effect.Effect<A, E> =>
  Either.isRight(either) ? Effect.succeed(either.right) : Effect.fail(either.left)

/** A context for TLS, or the options for one. */
export const tlsClient = (
  given: ClientContext | ClientOptions | undefined
): Effect.Effect<ClientContext, TlsError | InvalidOption | UnsupportedOption, Net.Net> =>
  given !== undefined && Tls.isContext(given) ? Effect.succeed(given) : Tls.client(given ?? {})
