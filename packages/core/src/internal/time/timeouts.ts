import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { InvalidOption } from "../../SocketError.js"
import type { Timeouts } from "../../SocketOptions.js"

/** The three time-outs in milliseconds; `Infinity` where there is none. */
export interface Millis {
  readonly connect: number
  readonly send: number
  readonly receive: number
}

export const none: Millis = { connect: Infinity, send: Infinity, receive: Infinity }

/**
 * A duration in milliseconds. Effect takes a negative duration for zero; in a time-out it is a mistake, so it is refused.
 */
export const millis = (option: string, input: Duration.DurationInput): Effect.Effect<number, InvalidOption> => {
  const value = decoded(input)
  return value === undefined
    ? Effect.fail(
      new InvalidOption({ option, value: String(input), expected: "a duration that is not negative, or infinity" })
    )
    : Effect.succeed(value)
}

const decoded = (input: Duration.DurationInput): number | undefined => {
  if (typeof input === "number") return input >= 0 ? input : undefined
  if (typeof input === "bigint" && input < 0n) return undefined
  if (typeof input === "string" && input.trimStart().startsWith("-")) return undefined
  try {
    const value = Duration.toMillis(Duration.decode(input))
    return Number.isNaN(value) ? undefined : value
  } catch {
    return undefined
  }
}

/** `base` with the time-outs that `timeouts` names; `null` unsets one. */
export const change = (
  base: Millis,
  timeouts: { readonly [K in keyof Timeouts]?: Duration.DurationInput | null | undefined } | undefined
): Effect.Effect<Millis, InvalidOption> => {
  if (timeouts === undefined) return Effect.succeed(base)
  const one = (name: keyof Timeouts): Effect.Effect<number, InvalidOption> => {
    const input = timeouts[name]
    if (input === undefined) return Effect.succeed(base[name])
    return input === null ? Effect.succeed(Infinity) : millis(`timeouts.${name}`, input)
  }
  return Effect.gen(function*() {
    return { connect: yield* one("connect"), send: yield* one("send"), receive: yield* one("receive") }
  })
}
