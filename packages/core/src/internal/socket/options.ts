/** The options of stream sockets, and what is wrong with their values. */
import type { InvalidOption } from "../../SocketError.js"
import type { SocketOptions } from "../../SocketOptions.js"
import { invalid, isCount, millisOf } from "../time/optionValues.js"

const isWholeSecond = (value: unknown): boolean => {
  const millis = millisOf(value)
  return millis !== undefined && millis >= 1000 && millis !== Infinity
}

const isAboveZero = (value: unknown): boolean => isCount(value, 1)

const seconds = `a duration of at least one second that is not infinite, such as "1 minute"`
const aboveZero = "a whole number above zero"

type Rule = readonly [expected: string, isRight: (value: unknown) => boolean]

const rules: { readonly [K in keyof SocketOptions]-?: Rule } = {
  noDelay: ["true or false", (value) => typeof value === "boolean"],
  keepAlive: [`true, false, or ${seconds}`, (value) => typeof value === "boolean" || isWholeSecond(value)],
  // The system counts in seconds.
  keepAliveInterval: [seconds, isWholeSecond],
  keepAliveCount: [aboveZero, isAboveZero],
  sendBufferSize: [aboveZero, isAboveZero],
  receiveBufferSize: [aboveZero, isAboveZero],
  fastOpen: ["true or false", (value) => typeof value === "boolean"],
  deferAccept: [seconds, isWholeSecond],
  dontRoute: ["true or false", (value) => typeof value === "boolean"],
  bindToDevice: ["the name of an interface", (value) => typeof value === "string" && value !== ""]
}

/** Every option of a stream socket. */
export const names = Object.keys(rules) as ReadonlyArray<keyof SocketOptions>

/** Says why `value` is none for the option, on any platform. */
export const wrong = (option: keyof SocketOptions, value: unknown): InvalidOption | undefined => {
  const [expected, isRight] = rules[option]
  return isRight(value) ? undefined : invalid(option, value, expected)
}

/** Says which of the options that are given is wrong. */
export const firstWrong = (options: SocketOptions): InvalidOption | undefined => {
  for (const name of names) {
    const value = options[name]
    const refusal = value === undefined ? undefined : wrong(name, value)
    if (refusal !== undefined) return refusal
  }
  return undefined
}
