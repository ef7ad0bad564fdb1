import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Timeouts } from "../Socket.js"
import { InvalidOption } from "../SocketError.js"

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
  const refuse = (): Effect.Effect<never, InvalidOption> =>
    Effect.fail(
      new InvalidOption({ option, value: String(input), expected: "a duration that is not negative, or infinity" })
    )
  if (typeof input === "number" && !(input >= 0)) return refuse()
  if (typeof input === "bigint" && input < 0n) return refuse()
  if (typeof input === "string" && input.trimStart().startsWith("-")) return refuse()
  return Effect.matchEffect(Effect.try(() => Duration.toMillis(Duration.decode(input))), {
    onFailure: refuse,
    onSuccess: (value) => Number.isNaN(value) ? refuse() : Effect.succeed(value)
  })
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
  return Effect.all({ connect: one("connect"), send: one("send"), receive: one("receive") })
}
