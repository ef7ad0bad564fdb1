/** The three time-outs of a socket, in milliseconds, and changes to them. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { InvalidOption } from "../../SocketError.js"
import type { Timeouts } from "../../SocketOptions.js"
import { millis } from "./optionValues.js"

/** The time-outs in milliseconds; `Infinity` where there is none. */
export interface Millis {
  readonly connect: number
  readonly send: number
  readonly receive: number
  readonly message: number
}

export const none: Millis = { connect: Infinity, send: Infinity, receive: Infinity, message: Infinity }

export { millis }

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
    return {
      connect: yield* one("connect"),
      send: yield* one("send"),
      receive: yield* one("receive"),
      message: yield* one("message")
    }
  })
}
