/**
 * Listings of IBM's systems: AS/400 (IBM i), z/OS data sets and members, z/VM.
 *
 * Their sizes are kept only where they are bytes: records, tracks and blocks would be compared with SIZE.
 */
import * as Answers from "../answers.js"
import * as Entry from "./entry.js"
import * as ShortDate from "./shortDate.js"

const facts = (known: Readonly<Record<string, string | undefined>>): ReadonlyMap<string, string> =>
  new Map(Object.entries(known).filter((each): each is [string, string] => each[1] !== undefined))

// `QPGMR 36864 18/09/03 14:20:03 *FILE name`, and members (`QPGMR *MEM NAME.MBR`), which have no more.
const object = /^(\S+)[ \t]+(\d+)[ \t]+(\d+)([/.-])(\d+)\4(\d+)[ \t]+(\d\d:\d\d:\d\d)[ \t]+(\*[A-Z0-9]+)[ \t]+(\S.*)$/
const member = /^(\S+)[ \t]+(\*[A-Z0-9]+)[ \t]+(\S.*)$/
const as400Directories = new Set(["*DIR", "*DDIR", "*FLR", "*LIB"])
const as400Files = new Set(["*STMF", "*DSTMF", "*FILE", "*MEM", "*DOC", "*SAVF", "*USRSPC"])

export const as400: Entry.LineParser = (source, context) => {
  const whole = object.exec(source.binary)
  const short = whole === null ? member.exec(source.binary) : null
  if (whole === null && short === null) return undefined
  const [owner, kind, given] = whole === null ? [short![1]!, short![2]!, short![3]!] : [whole[1]!, whole[8]!, whole[9]!]
  const trimmed = given.trimEnd()
  const isDirectory = trimmed.endsWith("/") || as400Directories.has(kind)
  const name = trimmed.endsWith("/") ? trimmed.slice(0, -1) : trimmed
  const type = isDirectory ? "directory" : as400Files.has(kind) ? "file" : "other"
  return Entry.make(source, context, "as400", name, type, {
    owner: Entry.decode(owner, context.codec),
    // Of anything but a stream file it is what the object takes, not what RETR gives.
    size: whole !== null && kind.endsWith("STMF") ? Answers.parseCount(whole[2]!) : undefined,
    modifiedAt: whole === null ? undefined : ShortDate.parse(whole[3]!, whole[5]!, whole[6]!, whole[7]!, context),
    facts: facts({ "as400.type": kind, "size.text": whole?.[2] })
  })
}

// Volume Unit Referred Ext Used Recfm Lrecl BlkSz Dsorg Dsname; Ext and Used may run into each other.
const dataSet =
  /^[ \t]*(\S+)[ \t]+(\S+)[ \t]+(\d{4}\/\d\d\/\d\d|\*\*NONE\*\*)[ \t]+[\d+]+(?:[ \t]+[\d+]+)?[ \t]+(\S+)[ \t]+(\d+)[ \t]+(\d+)[ \t]+([A-Z]{2,3}(?:-E)?|NONE)[ \t]+(\S+)[ \t]*$/
const elsewhere =
  /^[ \t]*(?:\S+[ \t]+)?(Migrated|Tape|Not Direct Access Device|Not Mounted|Pseudo Directory|GDG|VSAM|User catalog connector|Error determining attributes)[ \t]+(\S+)[ \t]*$/
const vsam = /^[ \t]*(\S+)[ \t]+(\S+)[ \t]+(VSAM)[ \t]+(\S+)[ \t]*$/

export const zos: Entry.LineParser = (source, context) => {
  const match = dataSet.exec(source.binary)
  if (match !== null) {
    const [, volume, unit, referred, recfm, lrecl, blksz, dsorg = "", name = ""] = match
    // A partitioned data set is a directory of members.
    return Entry.make(source, context, "zos", name, dsorg.startsWith("PO") || dsorg === "HFS" ? "directory" : "file", {
      facts: facts({
        "zos.volume": volume,
        "zos.unit": unit,
        "zos.referred": referred,
        "zos.recfm": recfm,
        "zos.lrecl": lrecl,
        "zos.blksz": blksz,
        "zos.dsorg": dsorg
      })
    })
  }
  const other = vsam.exec(source.binary)?.slice(2) ?? elsewhere.exec(source.binary)
  if (other === null) return undefined
  const [, state = "", name = ""] = other
  const type = state === "Pseudo Directory"
    ? "directory"
    : state === "Tape"
    ? "file"
    : state === "VSAM"
    ? "other"
    : "unknown"
  return Entry.make(source, context, "zos", name, type, { facts: facts({ "zos.state": state }) })
}

// Name VV.MM Created Changed Size Init Mod Id. The size is in records.
const statistics =
  /^[ \t]*(\S+)[ \t]+(\d\d\.\d\d)[ \t]+(\d{4}\/\d\d\/\d\d)[ \t]+(\d{4})\/(\d\d)\/(\d\d)[ \t]+(\d\d:\d\d(?::\d\d)?)[ \t]+(\d+)[ \t]+\d+[ \t]+\d+[ \t]+(\S+)[ \t]*$/
// Name Size TTR Alias-of AC Attributes Amode Rmode: a load module, whose size is in bytes, in hex.
const module = /^[ \t]*(\S+)[ \t]+([0-9A-F]{6})[ \t]+([0-9A-F]{6})[ \t]+\S.*$/
const bareMember = /^[ \t]*([A-Z@#$][A-Z0-9@#$]{0,7})[ \t]*$/

/** Members of a partitioned data set. One without statistics is a name alone, after the header only. */
const memberOf = (allowsBare: boolean): Entry.LineParser => (source, context) => {
  const { binary } = source
  const known = statistics.exec(binary)
  if (known !== null) {
    const [, name = "", version, created, year, month, day, time, records, id] = known
    return Entry.make(source, context, "zos", name, "file", {
      owner: Entry.decode(id!, context.codec),
      modifiedAt: ShortDate.parse(year!, month!, day!, time!, context),
      facts: facts({ "zos.version": version, "zos.created": created, "zos.records": records })
    })
  }
  const load = module.exec(binary)
  if (load !== null) {
    return Entry.make(source, context, "zos", load[1]!, "file", {
      size: Number.parseInt(load[2]!, 16),
      facts: facts({ "zos.ttr": load[3] })
    })
  }
  const bare = allowsBare ? bareMember.exec(binary) : null
  return bare === null ? undefined : Entry.make(source, context, "zos", bare[1]!, "file", {})
}

export const members = memberOf(false)
export const membersAfterHeader = memberOf(true)

// name, type, format, record length, records, blocks, date, time, owner
const cms =
  /^(\S{1,8})[ \t]+(\S{1,8})[ \t]+([VF]|-)[ \t]+(\d+|-)[ \t]+(\d+|-)(?:[ \t]+(?:\d+|-))?[ \t]+(\d{1,4})([/-])(\d{1,2})\7(\d{1,4})[ \t]+(\d{1,2}:\d\d(?::\d\d)?)[ \t]+(\S+)[ \t]*$/

export const zvm: Entry.LineParser = (source, context) => {
  const match = cms.exec(source.binary)
  if (match === null) return undefined
  const [, name = "", extension = "", format, length, records, first, , second, third, time, owner = ""] = match
  const isDirectory = extension === "DIR" && format === "-"
  return Entry.make(
    source,
    context,
    "zvm",
    isDirectory ? name : `${name}.${extension}`,
    isDirectory ? "directory" : "file",
    {
      // Records of one length: of the others the longest alone is told.
      size: format === "F" ? Answers.parseCount(String(Number(length) * Number(records))) : undefined,
      owner: owner === "-" ? undefined : Entry.decode(owner, context.codec),
      modifiedAt: ShortDate.parse(first!, second!, third!, time!, context),
      facts: facts({ "zvm.format": format, "zvm.length": length, "zvm.records": records })
    }
  )
}
