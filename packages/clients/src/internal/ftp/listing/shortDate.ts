/**
 * Dates of two digits a part, in whatever order, as the listings of several systems have them.
 */
import * as Time from "../time.js"
import type * as Entry from "./entry.js"
import * as Months from "./months.js"

const fullYear = (text: string): number => {
  const value = Number(text)
  // Three digits: years since 1900.
  return text.length >= 4 ? value : text.length === 3 || value >= 70 ? 1900 + value : 2000 + value
}

/** Which part is the year, the month and the day: the month comes first, where the numbers let it. */
const calendarOf = (first: string, second: string, third: string): Omit<Time.Calendar, "hour"> | undefined => {
  if (!/\d/.test(second)) {
    const month = Months.lookup(second)
    return month === undefined ? undefined : { year: fullYear(third), month, day: Number(first) }
  }
  if (!/^\d+$/.test(first)) {
    const month = Months.lookup(first)
    return month === undefined ? undefined : { year: fullYear(third), month, day: Number(second) }
  }
  if (first.length === 4 || Number(first) > 31) {
    return { year: fullYear(first), month: Number(second), day: Number(third) }
  }
  return Number(first) > 12
    ? { year: fullYear(third), month: Number(second), day: Number(first) }
    : { year: fullYear(third), month: Number(first), day: Number(second) }
}

/** `time` is `hh:mm`, with seconds or without. */
export const parse = (
  first: string,
  second: string,
  third: string,
  time: string,
  context: Entry.Context
): Time.Timestamp | undefined => {
  const calendar = calendarOf(first, second, third)
  const [hour, minute, seconds] = time.split(":")
  if (calendar === undefined) return undefined
  const date = Time.toDate(
    { ...calendar, hour: Number(hour), minute: Number(minute), second: Math.floor(Number(seconds ?? 0)) },
    context.utcOffsetMinutes
  )
  return date && { date, precision: seconds === undefined ? "minute" : "second", zone: "server" }
}
