/**
 * The date column of `ls -l`, in every order and language that servers print it.
 */
import * as Time from "../time.js"
import * as Entry from "./entry.js"
import * as Months from "./months.js"

export interface Token {
  readonly text: string
  readonly end: number
}

/**
 * The first words of a line from a position on. The names are behind them, so they are bounded in number.
 */
export const tokenize = (binary: string, from: number, limit: number): ReadonlyArray<Token> => {
  const tokens: Array<Token> = []
  const pattern = /[^ \t]+/g
  pattern.lastIndex = from
  while (tokens.length < limit) {
    const match = pattern.exec(binary)
    if (match === null) break
    tokens.push({ text: match[0], end: pattern.lastIndex })
  }
  return tokens
}

export interface Found {
  readonly modifiedAt: Time.Timestamp | undefined
  /** Which token is the first after the date. */
  readonly next: number
  /** The column is padded where the time would stand, so blanks before the name are not of the name. */
  readonly padded: boolean
}

const clock = /^(\d{1,2})[:.](\d\d)(?:[:.](\d\d)(?:\.\d+)?)?$/
// A year may have the character for "year" behind it, in whatever encoding.
const yearly = /^([12]\d{3})(?:[\x80-\xff].*)?$/
const dayOfMonth = /^(\d{1,2})[.,]?(?:[\x80-\xff].*)?$/
// Chinese, Japanese and Korean months: the number, then a character that is no ASCII in any of their encodings.
const numberedMonth = /^(\d{1,2})[\x80-\xff]/
const isoDate = /^(\d{4})([-/.])(\d{1,2})\2(\d{1,2})$/
const europeanDate = /^(\d{1,2})([-/.])(\d{1,2})\2(\d{4})$/
const monthDay = /^(\d{1,2})-(\d{1,2})$/
const zone = /^[+-]\d{4}$/

// In bytes, of which a character may have four.
const longestMonth = 96

const month = (text: string, context: Entry.Context): number | undefined => {
  const numbered = numberedMonth.exec(text)
  if (numbered !== null) {
    const value = Number(numbered[1])
    return value >= 1 && value <= 12 ? value : undefined
  }
  if (text.length > longestMonth || /^\d/.test(text)) return undefined
  return Months.lookup(Entry.decode(text, context.codec)) ?? Months.lookup(text)
}

const plausibleDay = (text: string | undefined): number | undefined => {
  const match = text === undefined ? null : dayOfMonth.exec(text)
  const value = match === null ? 0 : Number(match[1])
  return value >= 1 && value <= 31 ? value : undefined
}

const server = (date: Date | undefined, precision: Time.Precision): Time.Timestamp | undefined =>
  date && { date, precision, zone: "server" }

interface Moment {
  readonly hour: number
  readonly minute: number
  readonly second: number
  readonly precise: boolean
}

const moment = (text: string | undefined): Moment | undefined => {
  const match = text === undefined ? null : clock.exec(text)
  if (match === null) return undefined
  const [, hour, minute, second] = match
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second ?? 0) > 60) return undefined
  return { hour: Number(hour), minute: Number(minute), second: Number(second ?? 0), precise: second !== undefined }
}

/** A month and a day are known: what follows is a time of the last year, or a year. */
const withMonthAndDay = (
  tokens: ReadonlyArray<Token>,
  next: number,
  calendar: { readonly month: number; readonly day: number },
  context: Entry.Context
): Found | undefined => {
  const text = tokens[next]?.text
  const time = moment(text)
  if (time !== undefined) {
    // Only `ls -T` prints seconds here, and always a year behind them.
    const year = time.precise ? yearly.exec(tokens[next + 1]?.text ?? "") : null
    const date = year === null
      ? Time.guessYear({ ...calendar, ...time }, context.now, context.utcOffsetMinutes)
      : Time.toDate({ ...calendar, ...time, year: Number(year[1]) }, context.utcOffsetMinutes)
    if (date === undefined) return undefined
    const modifiedAt = server(date, time.precise ? "second" : "minute")
    return { modifiedAt, next: next + (year === null ? 1 : 2), padded: false }
  }
  const year = yearly.exec(text ?? "")
  if (year === null) return undefined
  const modifiedAt = server(Time.toDate({ ...calendar, year: Number(year[1]) }, context.utcOffsetMinutes), "day")
  return modifiedAt && { modifiedAt, next: next + 1, padded: false }
}

/** `2001-04-27 13:45`, `24-04-2003 17:12`, `2004.07.15`. */
const withYear = (tokens: ReadonlyArray<Token>, at: number, context: Entry.Context): Found | undefined => {
  const text = tokens[at]!.text
  const iso = isoDate.exec(text)
  const european = iso === null ? europeanDate.exec(text) : null
  if (iso === null && european === null) return undefined
  const calendar = iso !== null
    ? { year: Number(iso[1]), month: Number(iso[3]), day: Number(iso[4]) }
    : { year: Number(european![4]), month: Number(european![3]), day: Number(european![1]) }
  const time = moment(tokens[at + 1]?.text)
  const date = Time.toDate({ ...calendar, ...time }, context.utcOffsetMinutes)
  if (date === undefined) return undefined
  if (time === undefined) return { modifiedAt: server(date, "day"), next: at + 1, padded: true }
  const offset = tokens[at + 2]?.text ?? ""
  if (!time.precise || !zone.test(offset)) {
    return { modifiedAt: server(date, time.precise ? "second" : "minute"), next: at + 2, padded: false }
  }
  // `ls --full-time` tells the zone, so the moment is known.
  const minutes = Number(offset.slice(1, 3)) * 60 + Number(offset.slice(3))
  const exact = Time.toDate({ ...calendar, ...time }, offset.startsWith("-") ? -minutes : minutes)
  return { modifiedAt: exact && { date: exact, precision: "second", zone: "utc" }, next: at + 3, padded: false }
}

const withoutYear = (tokens: ReadonlyArray<Token>, at: number, context: Entry.Context): Found | undefined => {
  const [first, second, third] = [tokens[at]!.text, tokens[at + 1]?.text, tokens[at + 2]?.text]
  if (second === undefined) return undefined
  // `09-26 2000`, `09-26 13:45`
  const pair = monthDay.exec(first)
  if (pair !== null) {
    return withMonthAndDay(tokens, at + 1, { month: Number(pair[1]), day: Number(pair[2]) }, context)
  }
  // `Sep 26 …`, `9月 26日 …`
  const named = month(first, context)
  const day = plausibleDay(second)
  if (named !== undefined && day !== undefined) {
    return withMonthAndDay(tokens, at + 2, { month: named, day }, context)
  }
  const lateMonth = month(second, context)
  if (lateMonth !== undefined) {
    // `26 Sep …`, `26. Juli, …`
    const early = plausibleDay(first)
    if (early !== undefined) {
      const found = withMonthAndDay(tokens, at + 2, { month: lateMonth, day: early }, context)
      if (found !== undefined) return found
    }
    // `2003 3月 20`
    const year = yearly.exec(first)
    const late = plausibleDay(third)
    if (year !== null && late !== undefined && numberedMonth.test(second)) {
      const date = Time.toDate({ year: Number(year[1]), month: lateMonth, day: late }, context.utcOffsetMinutes)
      return date && { modifiedAt: server(date, "day"), next: at + 3, padded: false }
    }
    return undefined
  }
  // `3 29 03:26`. With a year in the third place it could as well be link count, user and group.
  if (/^\d{1,2}$/.test(first) && /^\d{1,2}$/.test(second) && moment(third) !== undefined) {
    const swap = Number(first) > 12
    const calendar = { month: Number(swap ? second : first), day: Number(swap ? first : second) }
    return withMonthAndDay(tokens, at + 2, calendar, context)
  }
  return undefined
}

/**
 * The date that begins at a token.
 */
export const find = (tokens: ReadonlyArray<Token>, at: number, context: Entry.Context): Found | undefined =>
  at >= tokens.length ? undefined : withYear(tokens, at, context) ?? withoutYear(tokens, at, context)

/**
 * A date in a language that is not known: its place can be told, its value cannot.
 */
export const findUnknown = (tokens: ReadonlyArray<Token>, at: number): Found | undefined => {
  const [first, second, third] = [tokens[at]?.text, tokens[at + 1]?.text, tokens[at + 2]?.text]
  if (first === undefined || second === undefined || third === undefined) return undefined
  const isName = (text: string) => /^[A-Za-z\x80-\xff][^\d/]{1,23}$/.test(text)
  const shape = (isName(first) && plausibleDay(second) !== undefined) ||
    (isName(second) && plausibleDay(first) !== undefined)
  return shape && (moment(third) !== undefined || yearly.test(third))
    ? { modifiedAt: undefined, next: at + 3, padded: false }
    : undefined
}
