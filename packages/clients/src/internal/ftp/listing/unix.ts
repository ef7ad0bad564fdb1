/**
 * `ls -l`, as most servers answer LIST; NetPresenz, and NetWare with rights in brackets.
 *
 * No standard says what stands there. The columns are found from the date: the first number that a date follows is the
 * size. What is after the date is the name, and it is all the name: a name cannot move the columns.
 */
import * as Answers from "../answers.js"
import * as Entry from "./entry.js"
import * as UnixTime from "./unixTime.js"

const mode = /^[ \t]*([-dlbcpsfeDSPCMmnVw?])((?:[-r][-w][-xsStTlL]){3})([+.@*!]?)(?=[ \t\d])/
// Nine characters: without the type (StingRay), or without the last of the mode.
const typeless = /^[ \t]*()((?:[-r][-w][-xsStTlL]){3})(?=[ \t])/
const cutShort = /^[ \t]*([-dlbcps])((?:[-r][-w][-xsStTlL]){2}[-r][-w])(?=[ \t])/
const netware = /^[ \t]*([-d])[ \t]*\[([-A-Z]{6,10})\][ \t]+/

const types: Readonly<Record<string, Entry.EntryType>> = {
  "": "file",
  "-": "file",
  f: "file",
  d: "directory",
  l: "link",
  // z/OS: an external link.
  e: "link",
  b: "other",
  c: "other",
  p: "other",
  s: "other",
  S: "other",
  D: "other",
  P: "other",
  C: "other"
}

/**
 * The mode bits of `rwsr-xr-t`.
 */
const bits = (text: string): number => {
  let value = 0
  for (const [index, character] of Array.from(text).entries()) {
    const triad = Math.floor(index / 3)
    const executable = /[xst]/.test(character)
    if (index % 3 < 2 ? character !== "-" : executable) value |= 0o400 >> index
    if (index % 3 === 2 && /[sStTlL]/.test(character)) value |= 0o4000 >> triad
  }
  return value
}

// The group may have blanks in it (Cygwin).
const maxTokens = 32
const whole = /^\d+$/
// `ls -h` is too coarse to be a size, and -1 is none, but they stand in its place.
const inPlace = /^(?:\d+(?:[.,]\d+)?[kKMGTP]|-\d+)$/
const device = /^(\d+),(\d*)$/

interface Columns {
  readonly before: ReadonlyArray<UnixTime.Token>
  readonly size: string | undefined
  readonly device: string | undefined
  readonly time: UnixTime.Found
}

type Finder = (tokens: ReadonlyArray<UnixTime.Token>, at: number) => UnixTime.Found | undefined

const locate = (tokens: ReadonlyArray<UnixTime.Token>, find: Finder): Columns | undefined => {
  for (const [index, { text }] of tokens.entries()) {
    if (whole.test(text) || inPlace.test(text)) {
      const time = find(tokens, index + 1)
      if (time === undefined) continue
      const previous = index > 0 ? device.exec(tokens[index - 1]!.text) : null
      return previous !== null && previous[2] === ""
        ? { before: tokens.slice(0, index - 1), size: undefined, device: `${previous[1]},${text}`, time }
        : { before: tokens.slice(0, index), size: text, device: undefined, time }
    }
    const both = device.exec(text)
    if (both !== null && both[2] !== "") {
      const time = find(tokens, index + 1)
      if (time !== undefined) return { before: tokens.slice(0, index), size: undefined, device: text, time }
    }
  }
  return undefined
}

/**
 * `name -> target`. The names may hold an arrow themselves: a link's size is the length of its target, which tells.
 */
const splitLink = (text: string, size: string | undefined): readonly [string, string | undefined] => {
  const arrow = " -> "
  const first = text.indexOf(arrow)
  if (first < 0) return [text, undefined]
  const told = text.length - Number(size ?? NaN) - arrow.length
  const split = text.startsWith(arrow, told) && told > 0 ? told : first
  return [text.slice(0, split), text.slice(split + arrow.length)]
}

export const parse: Entry.LineParser = (source, context) => {
  const { binary } = source
  const unix = mode.exec(binary) ?? typeless.exec(binary) ?? cutShort.exec(binary)
  const novell = unix === null ? netware.exec(binary) : null
  const head = unix ?? novell
  if (head === null) return undefined
  const tokens = UnixTime.tokenize(binary, head[0].length, maxTokens)
  const columns = locate(tokens, (from, at) => UnixTime.find(from, at, context)) ??
    locate(tokens, UnixTime.findUnknown)
  if (columns === undefined) return undefined

  const size = columns.size === undefined || !whole.test(columns.size) ? undefined : Answers.parseCount(columns.size)
  if (size === undefined && columns.size !== undefined && whole.test(columns.size)) {
    return Entry.unparsed(source, "SizeTooLarge", context)
  }

  const behind = binary.slice(tokens[columns.time.next - 1]!.end)
  // One blank separates; more of them begin the name. NetWare and dates without a time pad their column.
  const name = novell !== null || columns.time.padded ? behind.trimStart() : behind.slice(1)
  const type = types[head[1]!] ?? "unknown"
  const [linkName, binaryLinkTarget] = type === "link" ? splitLink(name, columns.size) : [name, undefined]

  const before = columns.before
  const links = unix !== null && before[0] !== undefined && whole.test(before[0].text)
  // NetPresenz has the word `folder` there, and no owner.
  const owners = links ? before.slice(1) : before[0]?.text === "folder" ? [] : before
  const facts = new Map<string, string>()
  if (links) facts.set("unix.links", before[0]!.text)
  if (columns.device !== undefined) facts.set("unix.device", columns.device)
  if (columns.size !== undefined && size === undefined) facts.set("size.text", columns.size)
  if (novell !== null) facts.set("netware.rights", head[2]!)
  const last = owners.at(-1)
  const start = owners[1] === undefined ? 0 : owners[1].end - owners[1].text.length

  return Entry.make(source, context, novell === null ? "unix" : "netware", linkName, type, {
    size: type === "other" ? undefined : size,
    modifiedAt: columns.time.modifiedAt,
    permissions: unix === null ? undefined : bits(head[2]!),
    owner: owners[0] === undefined ? undefined : Entry.decode(owners[0].text, context.codec),
    group: last === undefined || owners.length < 2
      ? undefined
      : Entry.decode(binary.slice(start, last.end), context.codec),
    binaryLinkTarget,
    facts: facts.size === 0 ? undefined : facts
  })
}
