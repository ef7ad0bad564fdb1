/**
 * What the errors of SMTP say, and which of them invite another try.
 */
import { severity } from "../../ReplyError.js"
import * as Errors from "../errors.js"
import { isPassing } from "../retry.js"
import * as Text from "../text/bytes.js"

interface Replied {
  readonly code: number
  readonly enhancedCode?: string | undefined
  readonly lines: ReadonlyArray<string>
}

export const at = (error: { readonly protocol: string; readonly server?: string | undefined }): string =>
  Errors.at(error.protocol, error.server)

export const answer = ({ code, enhancedCode, lines }: Replied): string => {
  const [first = "", ...others] = lines
  return Errors.replyText({ code, lines: [`${enhancedCode ?? ""} ${first}`.trim(), ...others] })
}

export const later = (code: number): string =>
  severity(code) === "transient" ? "trying again later may help" : "the same will be refused again"

export const show = (text: string): string => JSON.stringify(Text.show(text, 80))

/** After the end of a message these would be the cause of a `DeliveryUnknown`. */
const losses = new Set([
  "SocketBroken",
  "SocketClosed",
  "SocketTimeout",
  "SessionClosed",
  "ServiceUnavailable"
])
export const isTransient = (error: unknown): boolean => {
  if (typeof error !== "object" || error === null) return false
  const { _tag, severity } = error as { readonly [name: string]: unknown }
  return typeof _tag === "string" && (losses.has(_tag) || severity === "transient" || isPassing(error))
}
