/** The lines of an access log: what a peer sent is escaped and bounded here. */

/** What an access log knows of a request. Everything that a client sent is as it came. */
export interface Entry {
  /** When it ended. */
  readonly at: Date
  readonly id: string
  readonly method: string
  readonly path: string
  readonly version: string
  readonly status: number
  /** Of the answer's body; `undefined` for a stream of no known length. */
  readonly bytes: number | undefined
  readonly durationMillis: number
  readonly remoteAddress: string | undefined
  readonly host: string | undefined
  readonly referer: string | undefined
  readonly userAgent: string | undefined
}

const longest = 1024

/** Everything but visible ASCII and blanks as `\xHH`, quotes and `\` too, as nginx writes it. */
const escaped = (text: string): string => {
  const cut = text.length > longest ? `${text.slice(0, longest)}...` : text
  return /[^ !#-[\]-~]/.test(cut) ? cut.replace(/[^ !#-[\]-~]/gu, escape) : cut
}

const escape = (character: string): string => {
  const hex = character.codePointAt(0)!.toString(16)
  return hex.length > 2 ? `\\u{${hex}}` : `\\x${hex.padStart(2, "0")}`
}

/** What stands outside of quotes has no blank either. */
const bare = (text: string | undefined): string =>
  text === undefined || text === "" ? "-" : escaped(text).replace(/ /g, "\\x20")

const quoted = (text: string | undefined): string => `"${text === undefined || text === "" ? "-" : escaped(text)}"`

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
const two = (value: number): string => String(value).padStart(2, "0")

/** `10/Oct/2000:13:55:36 +0000`. */
const clfTime = (at: Date): string =>
  `${two(at.getUTCDate())}/${months[at.getUTCMonth()]}/${at.getUTCFullYear()}:` +
  `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())} +0000`

const millis = (value: number): string => value.toFixed(3)

/** The combined format of Apache and nginx, with the milliseconds and the id after it. */
export const combined = (entry: Entry): string =>
  `${bare(entry.remoteAddress)} - - [${clfTime(entry.at)}] ` +
  `"${escaped(entry.method)} ${escaped(entry.path)} HTTP/${escaped(entry.version)}" ${entry.status} ${
    entry.bytes ?? "-"
  } ` +
  `${quoted(entry.referer)} ${quoted(entry.userAgent)} ${millis(entry.durationMillis)} ${bare(entry.id)}`

const pair = (key: string, value: string | number | undefined): string => {
  if (value === undefined) return ""
  const text = typeof value === "number" ? String(value) : escaped(value)
  return ` ${key}=${text === "" || /[ ="\\]/.test(text) ? `"${text}"` : text}`
}

export const logfmt = (entry: Entry): string =>
  `time=${entry.at.toISOString()}` + pair("id", entry.id) + pair("method", entry.method) + pair("path", entry.path) +
  pair("version", entry.version) + pair("status", entry.status) + pair("bytes", entry.bytes) +
  pair("duration_ms", millis(entry.durationMillis)) + pair("remote", entry.remoteAddress) + pair("host", entry.host) +
  pair("referer", entry.referer) + pair("user_agent", entry.userAgent)
