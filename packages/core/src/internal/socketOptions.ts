import * as Duration from "effect/Duration"
import type { SocketOptions } from "../Net.js"
import { InvalidOption } from "../SocketError.js"

/** Every option of a stream socket. */
export const names = [
  "noDelay",
  "keepAlive",
  "keepAliveInterval",
  "keepAliveCount",
  "sendBufferSize",
  "receiveBufferSize",
  "fastOpen",
  "deferAccept",
  "dontRoute",
  "bindToDevice"
] as const satisfies ReadonlyArray<keyof SocketOptions>

const millisOf = (value: unknown): number => {
  try {
    return Duration.toMillis(Duration.decode(value as Duration.DurationInput))
  } catch {
    return Number.NaN
  }
}

const isCount = (value: unknown): boolean =>
  Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 0x7fffffff

const expected = (name: keyof SocketOptions, value: unknown): string | undefined => {
  switch (name) {
    case "noDelay":
    case "fastOpen":
    case "dontRoute":
      return typeof value === "boolean" ? undefined : "true or false"
    case "keepAlive":
    case "keepAliveInterval":
    case "deferAccept": {
      if (name === "keepAlive" && typeof value === "boolean") return undefined
      const millis = millisOf(value)
      return millis >= 1000 && Number.isFinite(millis) ? undefined : "at least one second, and finite"
    }
    case "keepAliveCount":
    case "sendBufferSize":
    case "receiveBufferSize":
      return isCount(value) ? undefined : "a whole number, at least 1"
    case "bindToDevice":
      return typeof value === "string" && value !== "" ? undefined : "the name of an interface"
  }
}

/** Says what is wrong with a value, whatever the platform. */
export const wrong = (name: keyof SocketOptions, value: unknown): InvalidOption | undefined => {
  const better = expected(name, value)
  return better === undefined ? undefined : new InvalidOption({ option: name, value: String(value), expected: better })
}

/** Says what is wrong with the first of those that are named. */
export const firstWrong = (options: SocketOptions): InvalidOption | undefined => {
  for (const name of names) {
    const value = options[name]
    const refusal = value === undefined ? undefined : wrong(name, value)
    if (refusal !== undefined) return refusal
  }
  return undefined
}
