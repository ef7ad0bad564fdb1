/** The options of datagram sockets, their checks, and multicast groups. */
import * as Effect from "effect/Effect"
import type { CommonOptions, DatagramOptions, MembershipOptions } from "../../DatagramOptions.js"
import { type Family, familyOf } from "../../NetAddress.js"
import type { InvalidOption } from "../../SocketError.js"
import { invalid } from "../time/optionValues.js"

/** Every option of a datagram socket, in the order in which they are set. */
export const names = [
  "bindToDevice",
  "receiveBufferSize",
  "sendBufferSize",
  "broadcast",
  "dontRoute",
  "ttl",
  "multicastTtl",
  "multicastLoop",
  "multicastInterface"
] as const satisfies ReadonlyArray<keyof DatagramOptions>

const isCount = (value: unknown, least: number, most: number): boolean =>
  Number.isInteger(value) && (value as number) >= least && (value as number) <= most

/** Says what is wrong with a value, whatever the platform. */
export const check = (name: keyof DatagramOptions, value: unknown): InvalidOption | undefined => {
  switch (name) {
    case "broadcast":
    case "multicastLoop":
    case "dontRoute":
      return typeof value === "boolean" ? undefined : invalid(name, value, "true or false")
    case "ttl":
      return isCount(value, 1, 255) ? undefined : invalid(name, value, "a whole number from 1 to 255")
    case "multicastTtl":
      return isCount(value, 0, 255) ? undefined : invalid(name, value, "a whole number from 0 to 255")
    case "sendBufferSize":
    case "receiveBufferSize":
      return isCount(value, 1, 0x7fffffff) ? undefined : invalid(name, value, "a whole number of bytes, at least 1")
    case "multicastInterface":
      return typeof value === "string" && familyOf(value) !== undefined
        ? undefined
        : invalid(name, value, "the IPv4 address of an interface, or \"::%\" and its name")
    case "bindToDevice":
      return typeof value === "string" && value !== "" ? undefined : invalid(name, value, "the name of an interface")
  }
}

/** Those that are named, checked. */
export const given = (
  options: CommonOptions
): Effect.Effect<ReadonlyArray<keyof DatagramOptions>, InvalidOption> =>
  Effect.suspend(() => {
    const present = names.filter((name) => options[name] !== undefined)
    for (const name of present) {
      const wrong = check(name, options[name])
      if (wrong !== undefined) return Effect.fail(wrong)
    }
    return Effect.succeed(present)
  })

/** RFC 1112, section 4, and RFC 4291, section 2.7. */
const isMulticast = (group: string): boolean => {
  const family = familyOf(group)
  if (family === "IPv6") return /^ff/i.test(group)
  const first = Number.parseInt(group, 10)
  return family === "IPv4" && first >= 224 && first <= 239
}

export const membership = (
  group: string,
  options: MembershipOptions,
  family: Family
): Effect.Effect<void, InvalidOption> => {
  if (!isMulticast(group) || familyOf(group) !== family) {
    return Effect.fail(invalid("group", group, `the ${family} address of a multicast group`))
  }
  if (options.source !== undefined && familyOf(options.source) !== family) {
    return Effect.fail(invalid("source", options.source, `a numeric ${family} address`))
  }
  const at = options.interface
  if (at !== undefined && familyOf(at) !== family) {
    return Effect.fail(
      invalid(
        "interface",
        at,
        family === "IPv4" ? "the IPv4 address of an interface" : "\"::%\" and an interface's name"
      )
    )
  }
  return Effect.void
}

/** Every address of the family. */
export const unspecified = (family: Family | undefined): string => family === "IPv6" ? "::" : "0.0.0.0"
