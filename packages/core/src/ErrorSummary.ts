/**
 * How errors appear in logs and in JSON: with their tag, message and short fields, and the length of bytes in place of the
 * bytes. Every error of this library does so, and errors of programs can.
 *
 * @since 0.1.0
 */
import * as Inspectable from "effect/Inspectable"

const longestText = 300
const longestMessage = 1500
const mostEntries = 10

const cut = (text: string, longest = longestText): string =>
  text.length <= longest ? text : `${text.slice(0, longest)}… (${text.length} characters)`

/** Values of others may throw when they are looked at. */
const attempt = <A>(look: () => A): A | undefined => {
  try {
    return look()
  } catch {
    return undefined
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

/**
 * The message, unless a schema made it: a tagged error without a message of its own gets one of all its fields, and the
 * peer's bytes are among them. Its tag stands for that one.
 */
const messageOf = (error: Readonly<Record<string, unknown>>): unknown => {
  const { _tag, message } = error
  if (typeof _tag !== "string" || typeof message !== "string") return message
  const isGenerated = Object.keys(error).some((key) => message.startsWith(`{ ${JSON.stringify(key)}: `))
  return isGenerated ? _tag : message
}

/** The tag or name, the code and the message: enough to search for, and never what hangs on it. */
const ofCause = (cause: unknown): unknown => {
  if (!isObject(cause)) return typeof cause === "function" ? "(a function)" : ofValue(cause, 0)
  const parts: Record<string, unknown> = {}
  for (const key of ["_tag", "name", "code", "message"] as const) {
    const value = attempt(() => key === "message" ? messageOf(cause) : cause[key])
    if (typeof value === "string" || typeof value === "number") parts[key] = ofValue(value, 0)
  }
  return parts
}

const ofValue = (value: unknown, depth: number): unknown => {
  if (typeof value === "string") return cut(value)
  if (typeof value === "boolean" || value === null || typeof value === "undefined") return value
  if (typeof value === "number" || typeof value === "bigint") return Number.isFinite(value) ? value : String(value)
  if (typeof value !== "object") return `(a ${typeof value})`
  if (ArrayBuffer.isView(value)) return { length: value.byteLength }
  if (depth >= 2) return Array.isArray(value) ? { length: value.length } : "(an object)"
  if (Array.isArray(value)) {
    const shown: Array<unknown> = value.slice(0, mostEntries).map((one) => ofValue(one, depth + 1))
    return value.length > mostEntries ? [...shown, `(${value.length - mostEntries} more)`] : shown
  }
  return ofFields(value, depth + 1)
}

const hidden: ReadonlySet<string> = new Set(["message", "stack", "name"])

const ofFields = (value: object, depth: number): Record<string, unknown> => {
  const fields: Record<string, unknown> = {}
  const keys = Object.keys(value).slice(0, 2 * mostEntries)
  // The constructor of Error makes it a property that is not enumerable.
  if (value instanceof Error && Object.hasOwn(value, "cause") && !keys.includes("cause")) keys.push("cause")
  for (const key of keys) {
    if (hidden.has(key) && value instanceof Error) continue
    const shown = attempt(() => {
      const field: unknown = (value as Readonly<Record<string, unknown>>)[key]
      return key === "cause" || field instanceof Error ? ofCause(field) : ofValue(field, depth)
    })
    if (shown !== undefined) fields[key] = typeof shown === "bigint" ? String(shown) : shown
  }
  return fields
}

/**
 * Returns what `error` shows in logs and in JSON: short, without a cycle, and without bytes that a peer sent. It never
 * throws.
 *
 * @since 0.1.0
 * @category conversions
 * @example
 * ```ts
 * import { ErrorSummary, SocketError } from "@copas/core"
 *
 * const error = new SocketError.SocketClosed({
 *   operation: "receive",
 *   socket: "echo:client_1",
 *   by: "peer",
 *   partial: new Uint8Array(60_000),
 *   bytesSent: 0
 * })
 * console.log(ErrorSummary.toJson(error).partial) // { length: 60000 }
 * ```
 */
export const toJson = (error: Error): { readonly [key: string]: unknown } => ({
  message: cut(
    attempt(() => String(messageOf(error as unknown as Readonly<Record<string, unknown>>))) ?? "(no message)",
    longestMessage
  ),
  ...attempt(() => ofFields(error, 0))
})

/** The stack without its header, which may be older than the message. */
const framesOf = (error: Error): string => {
  const stack = attempt(() => error.stack)
  if (typeof stack !== "string") return ""
  const frames = stack.split("\n").filter((line) => line.startsWith("    at ")).slice(0, mostEntries)
  return frames.length === 0 ? "" : `\n${frames.join("\n")}`
}

/**
 * Makes the errors of a class show their summary in `JSON.stringify`, in every logger of Effect, and in `console.log`.
 * The encoding of a schema does not change.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { ErrorSummary } from "@copas/core"
 * import { Schema } from "effect"
 *
 * class BadGreeting extends Schema.TaggedError<BadGreeting>()("BadGreeting", { bytes: Schema.Uint8ArrayFromSelf }) {
 *   static {
 *     ErrorSummary.summarize(this)
 *   }
 * }
 * console.log(JSON.stringify(new BadGreeting({ bytes: new Uint8Array(9000) })).length < 300) // true
 * ```
 */
export const summarize = (errors: { readonly prototype: Error }): void => {
  Object.defineProperties(errors.prototype, {
    toJSON: {
      configurable: true,
      writable: true,
      value(this: Error): unknown {
        return toJson(this)
      }
    },
    [Inspectable.NodeInspectSymbol]: {
      configurable: true,
      writable: true,
      value(this: Error): unknown {
        const { _tag, message, ...fields } = toJson(this)
        const rest = Object.keys(fields).length === 0 ? "" : ` ${JSON.stringify(fields)}`
        return `${String(_tag ?? attempt(() => this.name))}: ${String(message)}${framesOf(this)}${rest}`
      }
    }
  })
}
