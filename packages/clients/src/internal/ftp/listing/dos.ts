/**
 * MS-DOS style: IIS, Windows CE, Serv-U, FileZilla for Windows, and the `dir` of a command shell.
 */
import * as Answers from "../answers.js"
import * as Time from "../time.js"
import * as Entry from "./entry.js"

const date = "(\\d{1,4})([-/.])(\\d{1,2})\\2(\\d{1,4})"
const time = "(\\d{1,2}):(\\d\\d)(?::(\\d\\d))?[ \\t]?([AaPp])?[Mm]?"
const tagOrSize = "(?:<(DIR|JUNCTION|SYMLINKD?|LINK)>|(-?\\d[\\d,.']*))"
const line = new RegExp(`^[ \\t]*${date}[ \\t]+${time}[ \\t]+${tagOrSize}(?=[ \\t])`)

// IIS prints two digits, four when asked to, and three have been seen: years since 1900.
const fullYear = (text: string): number => {
  const value = Number(text)
  if (text.length === 4) return value
  if (text.length === 3) return 1900 + value
  return value < 70 ? 2000 + value : 1900 + value
}

const calendarOf = (first: string, second: string, third: string): Omit<Time.Calendar, "hour"> | undefined => {
  if (first.length === 4) return { year: Number(first), month: Number(second), day: Number(third) }
  if (first.length > 2 || third.length < 2) return undefined
  const year = fullYear(third)
  // The month comes first. Where it cannot, the server is set to another country.
  return Number(first) > 12
    ? { year, month: Number(second), day: Number(first) }
    : { year, month: Number(first), day: Number(second) }
}

const hourOf = (text: string, half: string | undefined): number => {
  const hour = Number(text)
  if (half === undefined) return hour
  if (hour > 12) return Number.NaN
  return (hour % 12) + (half.toLowerCase() === "p" ? 12 : 0)
}

// `<DIR>` and the blanks after it fill a column of this width; more blanks are of the name.
const column = 15

const nameAfter = (binary: string, position: number, tag: string | undefined): string => {
  const rest = binary.slice(position)
  if (tag === undefined) return rest.slice(1)
  const blanks = rest.length - rest.trimStart().length
  const padding = column - tag.length - 2
  return blanks >= padding ? rest.slice(padding) : rest.trimStart()
}

export const parse: Entry.LineParser = (source, context) => {
  const { binary } = source
  const match = line.exec(binary)
  if (match === null) return undefined
  const [all, first = "", , second = "", third = "", hour = "", minute, seconds, half, tag, digits] = match
  const calendar = calendarOf(first, second, third)
  const clock = hourOf(hour, half)
  if (calendar === undefined || Number.isNaN(clock)) return undefined
  const moment = Time.toDate(
    { ...calendar, hour: clock, minute: Number(minute), second: Number(seconds ?? 0) },
    context.utcOffsetMinutes
  )
  if (moment === undefined) return undefined

  const hasSize = digits !== undefined && !digits.startsWith("-")
  const size = hasSize ? Answers.parseCount(digits.replaceAll(/[,.']/g, "")) : undefined
  if (hasSize && size === undefined) return Entry.unparsed(source, "SizeTooLarge", context)

  const name = nameAfter(binary, all.length, tag)
  const isLink = tag !== undefined && tag !== "DIR"
  // `dir` prints the target in brackets after the name.
  const bracket = isLink && name.endsWith("]") ? name.lastIndexOf(" [") : -1
  return Entry.make(
    source,
    context,
    "dos",
    bracket < 0 ? name : name.slice(0, bracket),
    tag === undefined ? "file" : isLink ? "link" : "directory",
    {
      size,
      modifiedAt: { date: moment, precision: seconds === undefined ? "minute" : "second", zone: "server" },
      binaryLinkTarget: bracket < 0 ? undefined : name.slice(bracket + 2, -1),
      facts: isLink ? new Map([["dos.tag", tag]]) : undefined
    }
  )
}
