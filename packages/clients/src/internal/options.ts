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

export const refuse = (option: string, value: unknown, expected: string): Effect.Effect<never, InvalidOption> =>
  Effect.fail(new InvalidOption({ option, value: textOf(value), expected }))

/** A duration above zero, in milliseconds. */
export const millis = (
  option: string,
  input: Duration.DurationInput | undefined,
  otherwise: Duration.DurationInput
): Effect.Effect<number, InvalidOption> =>
  Effect.try({
    try: () => Duration.toMillis(Duration.decode(input ?? otherwise)),
    catch: () => new InvalidOption({ option, value: textOf(input), expected: "a duration" })
  }).pipe(
    Effect.filterOrElse((value) => value > 0, (value) => refuse(option, value, "a duration above zero, or infinity"))
  )

/** A whole number that is at least `least`. */
export const count = (
  option: string,
  value: number | undefined,
  otherwise: number,
  least: number
): Effect.Effect<number, InvalidOption> => {
  const given = value ?? otherwise
  return Number.isSafeInteger(given) && given >= least
    ? Effect.succeed(given)
    : refuse(option, given, `a whole number, at least ${least}`)
}

/** Fails with the problem that a pure parser reports as a value. */
export const orFail = <A, E>(either: Either.Either<A, E>): Effect.Effect<A, E> =>
  Either.isRight(either) ? Effect.succeed(either.right) : Effect.fail(either.left)

/** A context for TLS, or the options for one. */
export const tlsClient = (
  given: ClientContext | ClientOptions | undefined
): Effect.Effect<ClientContext, TlsError | InvalidOption | UnsupportedOption, Net.Net> =>
  given !== undefined && Tls.isContext(given) ? Effect.succeed(given) : Tls.client(given ?? {})
