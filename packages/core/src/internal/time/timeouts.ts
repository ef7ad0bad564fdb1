/** The three time-outs of a socket, in milliseconds, and changes to them. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { InvalidOption } from "../../SocketError.js"
import type { Timeouts } from "../../SocketOptions.js"
import { millis, millisOf, wrongDuration } from "./optionValues.js"

/** The time-outs in milliseconds; `Infinity` where there is none. */
export interface Millis {
  readonly connect: number
  readonly send: number
  readonly receive: number
  readonly message: number
}

export const none: Millis = { connect: Infinity, send: Infinity, receive: Infinity, message: Infinity }

export { millis }

const names = ["connect", "send", "receive", "message"] as const

/** `base` with the time-outs that `timeouts` names; `null` unsets one. */
export const change = (
  base: Millis,
  timeouts: { readonly [K in keyof Timeouts]?: Duration.DurationInput | null | undefined } | undefined
): Effect.Effect<Millis, InvalidOption> => {
  if (timeouts === undefined) return Effect.succeed(base)
  const changed: { -readonly [K in keyof Millis]: number } = { ...base }
  for (const name of names) {
    const input = timeouts[name]
    if (input === undefined) continue
    const value = input === null ? Infinity : millisOf(input)
    if (value === undefined) return Effect.fail(wrongDuration(`timeouts.${name}`, input)!)
    changed[name] = value
  }
  return Effect.succeed(changed)
}
