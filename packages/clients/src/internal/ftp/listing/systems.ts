/**
 * Listings of systems that are rare now: OpenVMS, OS/2, HP NonStop, Nortel's routers, VxWorks, and `ls` in numbers.
 */
import * as Answers from "../answers.js"
import * as Entry from "./entry.js"
import * as ShortDate from "./shortDate.js"
import * as UnixTime from "./unixTime.js"

const named = (name: string, value: string | undefined): ReadonlyMap<string, string> | undefined =>
  value === undefined ? undefined : new Map([[name, value]])

// `NAME.EXT;1 1/18 13-FEB-1997 09:52 [GROUP,USER] (RWE,RWE,RE,)`; the owner may come first, or not at all.
const vmsName = /^[ \t]*(\S+;\d+)(?:[ \t]+(\S.*))?$/
const vmsDate = /(?:^|[ \t])(\d{1,2})-([A-Za-z]{3})-(\d{4})[ \t]+(\d{1,2}:\d\d(?::\d\d)?)/
const vmsBlocks = /(?:^|[ \t])(\d+(?:\/\d+)?)(?=[ \t])/
const vmsOwner = /\[([^\]]*)\]/

/** A name alone: what is known of it stands in the next line. */
export const isVmsName = (binary: string): boolean =>
  vmsName.exec(binary)?.[2] === undefined && /;\d+[ \t]*$/.test(binary)

export const vms: Entry.LineParser = (source, context) => {
  const match = vmsName.exec(source.binary)
  const rest = match?.[2]
  if (match === null || rest === undefined) return undefined
  const date = vmsDate.exec(rest)
  // A file that may not be looked at: `%RMS-E-PRV, insufficient privilege …`
  if (date === null && !rest.startsWith("%")) return undefined
  const full = match[1]!
  const isDirectory = /\.DIR;\d+$/i.test(full)
  const owner = vmsOwner.exec(rest)?.[1]
  return Entry.make(
    source,
    context,
    "vms",
    isDirectory ? full.slice(0, full.lastIndexOf(".")) : full,
    isDirectory ? "directory" : "file",
    {
      owner: owner === undefined || owner === "" ? undefined : Entry.decode(owner, context.codec),
      modifiedAt: date === null ? undefined : ShortDate.parse(date[1]!, date[2]!, date[3]!, date[4]!, context),
      // Blocks of 512 bytes, of which the last need not be full.
      facts: named("vms.blocks", vmsBlocks.exec(rest)?.[1])
    }
  )
}

// `36611 A 04-23-103 10:57 name`, `0 DIR 05-12-97 16:44 name`
const os2Line = /^[ \t]*(\d+)[ \t]+(?:([A-Z]+)[ \t]+)?(\d\d)-(\d\d)-(\d{2,4})[ \t]+(\d\d:\d\d)[ \t]+(\S.*)$/

export const os2: Entry.LineParser = (source, context) => {
  const match = os2Line.exec(source.binary)
  if (match === null) return undefined
  const [, size, attributes, month, day, year, time, name] = match
  const isDirectory = attributes === "DIR"
  return Entry.make(source, context, "os2", name!, isDirectory ? "directory" : "file", {
    size: isDirectory ? undefined : Answers.parseCount(size!),
    modifiedAt: ShortDate.parse(month!, day!, year!, time!, context),
    facts: named("os2.attributes", attributes)
  })
}

// `name 1014196 06/03/04 Thur. 10:20:03`
const nortelLine = /^(\S+)[ \t]+(\d+)[ \t]+(\d\d)\/(\d\d)\/(\d\d)[ \t]+[A-Za-z]+\.?[ \t]+(\d\d:\d\d:\d\d)[ \t]*$/

export const nortel: Entry.LineParser = (source, context) => {
  const match = nortelLine.exec(source.binary)
  if (match === null) return undefined
  return Entry.make(source, context, "nortel", match[1]!, "file", {
    size: Answers.parseCount(match[2]!),
    modifiedAt: ShortDate.parse(match[3]!, match[4]!, match[5]!, match[6]!, context)
  })
}

// `2048 Feb-28-1998 05:23:30 name <DIR>`
const vxworksLine = /^[ \t]*(\d+)[ \t]+([A-Za-z]{3})-(\d\d)-(\d{4})[ \t]+(\d\d:\d\d:\d\d)[ \t]+(\S.*)$/

export const vxworks: Entry.LineParser = (source, context) => {
  const match = vxworksLine.exec(source.binary)
  if (match === null) return undefined
  const rest = match[6]!.trimEnd()
  const isDirectory = rest.endsWith("<DIR>")
  return Entry.make(
    source,
    context,
    "vxworks",
    isDirectory ? rest.slice(0, -5).trimEnd() : rest,
    isDirectory ? "directory" : "file",
    {
      size: isDirectory ? undefined : Answers.parseCount(match[1]!),
      modifiedAt: ShortDate.parse(match[2]!, match[3]!, match[4]!, match[5]!, context)
    }
  )
}

// File Code EOF Last-Modification Owner RWEP
const nonStopLine =
  /^[ \t]*(\S+)[ \t]+(\S+)[ \t]+(\d+)[ \t]+(\d{1,2})-([A-Za-z]{3})-(\d\d(?:\d\d)?)[ \t]+(\d{1,2}:\d\d:\d\d)[ \t]+(\d+,[ \t]*\d+)[ \t]+"?(\S+?)"?[ \t]*$/

export const nonStop: Entry.LineParser = (source, context) => {
  const match = nonStopLine.exec(source.binary)
  if (match === null) return undefined
  const [, name, code, size, day, month, year, time, owner, rights] = match
  return Entry.make(source, context, "nonstop", name!, "file", {
    size: Answers.parseCount(size!),
    modifiedAt: ShortDate.parse(day!, month!, year!, time!, context),
    owner: owner!.replaceAll(/[ \t]/g, ""),
    facts: new Map([["nonstop.code", code!], ["nonstop.rights", rights!]])
  })
}

// `0100644 500 101 12345 123456789 name`: mode, owner, group, size, seconds since 1970.
const numericLine = /^0?([0-7]{5,6})[ \t]+(\S+)[ \t]+(\S+)[ \t]+(\d+)[ \t]+(\d{1,12})[ \t]+(\S.*)$/

export const numeric: Entry.LineParser = (source, context) => {
  const match = numericLine.exec(source.binary)
  if (match === null) return undefined
  const mode = Number.parseInt(match[1]!, 8)
  const kind = mode >> 12
  const type = kind === 0o10 ? "file" : kind === 0o4 ? "directory" : kind === 0o12 ? "link" : "other"
  return Entry.make(source, context, "numeric", match[6]!, type, {
    size: type === "other" ? undefined : Answers.parseCount(match[4]!),
    modifiedAt: { date: new Date(Number(match[5]) * 1000), precision: "second", zone: "utc" },
    permissions: mode & 0o7777,
    owner: match[2],
    group: match[3]
  })
}

// Connect:Enterprise: `-C--E-----FTP B BCC3I1 7670 1294495 Jan 13 07:42 name`
const enterpriseHead = /^[-A-Z]{10}[A-Z]{3}[ \t]+[A-Z][ \t]+/

export const enterprise: Entry.LineParser = (source, context) => {
  const head = enterpriseHead.exec(source.binary)
  if (head === null) return undefined
  const tokens = UnixTime.tokenize(source.binary, head[0].length, 8)
  const [owner, , size] = tokens
  const time = UnixTime.find(tokens, 3, context)
  if (owner === undefined || time === undefined || !/^\d+$/.test(size!.text)) return undefined
  const name = source.binary.slice(tokens[time.next - 1]!.end + 1)
  return Entry.make(source, context, "enterprise", name, "file", {
    size: Answers.parseCount(size!.text),
    modifiedAt: time.modifiedAt,
    owner: Entry.decode(owner.text, context.codec)
  })
}
