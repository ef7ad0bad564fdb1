/**
 * What the errors of SMTP say, and which of them invite another try.
 */
import { severity } from "../../ReplyError.js"
import * as Errors from "../errors.js"
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
  "ConnectError",
  "SocketBroken",
  "SocketClosed",
  "SocketTimeout",
  "SessionClosed",
  "ServiceUnavailable"
])
/** Reasons of a `TlsError` or a `ProxyError` that are the moment's. */
const moments = new Set(["HandshakeTimeout", "ClosedInHandshake", "Overloaded", "TargetUnreachable"])

export const isTransient = (error: unknown): boolean => {
  if (typeof error !== "object" || error === null) return false
  const { _tag, reason, severity } = error as { readonly [name: string]: unknown }
  if (typeof _tag !== "string") return false
  return losses.has(_tag) || severity === "transient" ||
    (_tag === "TlsError" || _tag === "ProxyError") && moments.has(String(reason))
}
