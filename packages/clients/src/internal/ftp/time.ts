/**
 * Times: the time-val of RFC 3659, section 2.3, and the calendar that listings need.
 */
import * as Either from "effect/Either"
import * as FtpError from "../../FtpError.js"

export type Precision = "millisecond" | "second" | "minute" | "day"

export interface Timestamp {
  readonly date: Date
  /** The smallest unit that the server gave. What is below it is zero in `date`. */
  readonly precision: Precision
  /** RFC 3659 times are in UTC. Those of LIST are in a zone that the server does not tell. */
  readonly zone: "utc" | "server"
}

export interface Calendar {
  readonly year: number
  /** 1 to 12. */
  readonly month: number
  readonly day: number
  readonly hour?: number
  readonly minute?: number
  readonly second?: number
  readonly millisecond?: number
}

const dayMillis = 86_400_000

const days = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

const isLeap = (year: number): boolean => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0

const daysIn = (year: number, month: number): number => month === 2 && isLeap(year) ? 29 : days[month - 1] ?? 0

/**
 * The moment, or undefined when there is no such day or time. A leap second (60) is the first of the next minute.
 */
export const toDate = (calendar: Calendar, utcOffsetMinutes = 0): Date | undefined => {
  const { day, hour = 0, millisecond = 0, minute = 0, month, second = 0, year } = calendar
  if (month < 1 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 60) return undefined
  // `Date.UTC` takes the years 0 to 99 for 1900 to 1999. The calendar repeats every 400 years.
  const isEarly = year < 100
  const shifted = isEarly ? year + 400 : year
  const time = Date.UTC(shifted, month - 1, day, hour, minute - utcOffsetMinutes, second, millisecond)
  return new Date(isEarly ? time - 146_097 * dayMillis : time)
}

const timeVal = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d+))?/
// `printf("19%d", tm_year)`: 2000 was sent as 19100, 2024 as 19124.
const year2000 = /^19(1\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?!\d)(?:\.(\d+))?/

/**
 * `YYYYMMDDHHMMSS[.sss]`, in UTC. What follows it is not looked at.
 */
export const parse = (text: string): Timestamp | undefined => {
  const late = year2000.exec(text)
  const match = late ?? timeVal.exec(text)
  if (match === null || (late === null && /^\d{15}/.test(text))) return undefined
  const fraction = match[7]
  const date = toDate({
    year: late === null ? Number(match[1]) : 1900 + Number(match[1]),
    month: Number(match[2]),
    day: Number(match[3]),
    hour: Number(match[4]),
    minute: Number(match[5]),
    second: Number(match[6]),
    millisecond: fraction === undefined ? 0 : Number(fraction.slice(0, 3).padEnd(3, "0"))
  })
  return date && { date, precision: fraction === undefined ? "second" : "millisecond", zone: "utc" }
}

const pad = (value: number, length = 2): string => String(value).padStart(length, "0")

/**
 * A time-val for MFMT and its like. The fraction is left out when it is zero: not every server takes one.
 */
export const format = (date: Date): Either.Either<string, FtpError.InvalidArgument> => {
  const year = date.getUTCFullYear()
  // An invalid date has no year: the comparison is written so that NaN fails it.
  if (!(year >= 0 && year <= 9999)) {
    return Either.left(
      new FtpError.InvalidArgument({
        protocol: "ftp",
        what: "a time",
        argument: String(date),
        reason: "its year has no four digits"
      })
    )
  }
  const seconds = pad(year, 4) + pad(date.getUTCMonth() + 1) + pad(date.getUTCDate()) + pad(date.getUTCHours()) +
    pad(date.getUTCMinutes()) + pad(date.getUTCSeconds())
  const millisecond = date.getUTCMilliseconds()
  return Either.right(millisecond === 0 ? seconds : `${seconds}.${pad(millisecond, 3)}`)
}

/**
 * The year of a date that was printed without one. `ls` does so for the last half year, so it is the last such date
 * that is not in the future. A day is allowed for the server's zone and its clock. 29 February skips to a leap year.
 */
export const guessYear = (
  calendar: Omit<Calendar, "year">,
  now: number,
  utcOffsetMinutes: number
): Date | undefined => {
  const thisYear = new Date(now + utcOffsetMinutes * 60_000 + dayMillis).getUTCFullYear()
  for (let year = thisYear; year > thisYear - 9; year--) {
    const date = toDate({ ...calendar, year }, utcOffsetMinutes)
    if (date !== undefined && date.getTime() <= now + dayMillis) return date
  }
  return undefined
}
