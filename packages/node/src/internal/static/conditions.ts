/** Validators and conditional requests: RFC 9110, 8.8 and 13. */

/** The fields of a request, with names in lower case. */
export type Fields = Readonly<Record<string, string | undefined>>

/** What tells one state of a file from another. */
export interface Validators {
  /** With its quotes, and `W/` if it is weak. */
  readonly etag: string
  /** In whole seconds since 1970: what an HTTP date can say. */
  readonly modified: number
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
const month = `(${months.join("|")})`
const time = "(\\d\\d):(\\d\\d):(\\d\\d)"
const fixDate = new RegExp(`^(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat), (\\d\\d) ${month} (\\d{4}) ${time} GMT$`)
const rfc850Date = new RegExp(
  `^(?:Sunday|Monday|Tuesday|Wednesday|Thursday|Friday|Saturday), (\\d\\d)-${month}-(\\d\\d) ${time} GMT$`
)
const ascDate = new RegExp(`^(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat) ${month} ([ \\d]\\d) ${time} (\\d{4})$`)

/** Seconds since 1970 of an HTTP date in any of its three forms (RFC 9110, 5.6.7), if it is one. */
export const parseDate = (text: string, now: number): number | undefined => {
  const fix = fixDate.exec(text)
  if (fix !== null) return secondsOf(fix[3]!, fix[2]!, fix[1]!, fix.slice(4))
  const asc = ascDate.exec(text)
  if (asc !== null) return secondsOf(asc[6]!, asc[1]!, asc[2]!, asc.slice(3, 6))
  const old = rfc850Date.exec(text)
  if (old === null) return undefined
  const thisYear = new Date(now * 1000).getUTCFullYear()
  const year = thisYear - (thisYear % 100) + Number(old[3])
  // A year that seems to be more than 50 years ahead is the last one with these digits.
  return secondsOf(String(year > thisYear + 50 ? year - 100 : year), old[2]!, old[1]!, old.slice(4))
}

const secondsOf = (
  year: string,
  month: string,
  day: string,
  [hour, minute, second]: ReadonlyArray<string>
): number | undefined => {
  const [y, m, d] = [Number(year), months.indexOf(month), Number(day)]
  const millis = Date.UTC(y, m, d, Number(hour), Number(minute), Number(second))
  const date = new Date(millis)
  // The 30th of February is no day; a second of 60 is a leap second.
  const isDay = date.getUTCMonth() === m && date.getUTCDate() === d || Number(second) === 60
  return isDay && Number(hour) < 24 && Number(minute) < 60 && Number(second) <= 60 ? millis / 1000 : undefined
}

const oneTag = /[ \t]*(?:,|((?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?=,|$))/y

/** The tags of a list, or none if it is malformed. */
const tagsOf = (text: string): ReadonlyArray<string> => {
  const tags: Array<string> = []
  const list = text.trimEnd()
  oneTag.lastIndex = 0
  while (oneTag.lastIndex < list.length) {
    const match = oneTag.exec(list)
    if (match === null) return []
    if (match[1] !== undefined) tags.push(match[1])
  }
  return tags
}

const isWeak = (tag: string): boolean => tag.startsWith("W/")
const opaque = (tag: string): string => isWeak(tag) ? tag.slice(2) : tag
const isSameStrong = (one: string, other: string): boolean => one === other && !isWeak(one)
const isSameWeak = (one: string, other: string): boolean => opaque(one) === opaque(other)

/** How a request of GET or HEAD goes on, by its preconditions in the order of RFC 9110, 13.2.2; `now` in seconds. */
export const judge = (fields: Fields, { etag, modified }: Validators, now: number): "proceed" | 304 | 412 => {
  const match = fields["if-match"]
  const unmodified = fields["if-unmodified-since"]
  if (match !== undefined) {
    if (match.trim() !== "*" && !tagsOf(match).some((tag) => isSameStrong(tag, etag))) return 412
  } else if (unmodified !== undefined) {
    const date = parseDate(unmodified, now)
    if (date !== undefined && modified > date) return 412
  }
  const noneMatch = fields["if-none-match"]
  const since = fields["if-modified-since"]
  if (noneMatch !== undefined) {
    if (noneMatch.trim() === "*" || tagsOf(noneMatch).some((tag) => isSameWeak(tag, etag))) return 304
  } else if (since !== undefined) {
    const date = parseDate(since, now)
    if (date !== undefined && modified <= date) return 304
  }
  return "proceed"
}

/** Whether a Range counts: `If-Range` is absent, or names exactly this state (RFC 9110, 13.1.5). */
export const allowsRange = (ifRange: string | undefined, { etag, modified }: Validators, now: number): boolean =>
  ifRange === undefined || isSameStrong(ifRange, etag)
  // A file that changed within two seconds has a weak tag, and then its date is not strong, either (8.8.2.2).
  || !isWeak(etag) && parseDate(ifRange, now) === modified
