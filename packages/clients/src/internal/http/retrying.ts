/** Sending again: what may be, and when. */
import type { Field } from "@copas/core/HttpTransport"
import { valuesOf } from "./fields.js"

/**
 * How long a server asks to wait, in milliseconds: seconds, or a date (RFC 9110, section 10.2.3). Undefined if it does not
 * say, or says nothing that makes sense.
 */
export const retryAfter = (fields: ReadonlyArray<Field>, now: number): number | undefined => {
  const [value] = valuesOf(fields, "retry-after")
  if (value === undefined) return undefined
  const text = value.trim()
  if (/^\d+$/.test(text)) return Number(text) * 1000
  // The three forms of a date begin with a day's name: `Date.parse` takes much else.
  const date = /^[A-Z][a-z]{2,8},? /.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
