/**
 * Machine-readable listings: MLSD and MLST, RFC 3659, section 7.
 */
import * as Either from "effect/Either"
import * as FtpError from "../../../FtpError.js"
import * as Reply from "../../replies/reply.js"
import * as Bytes from "../../text/bytes.js"
import * as Answers from "../answers.js"
import * as Time from "../time.js"
import * as Entry from "./entry.js"

/**
 * Where the facts end: at the first blank. A link's target may hold one itself, though it should not (ProFTPD's
 * `slink:`); then it is the blank after a semicolon.
 */
const factsEnd = (binary: string): number => {
  const space = binary.indexOf(" ")
  if (space <= 0 || binary[space - 1] === ";") return space
  const fact = binary.slice(binary.lastIndexOf(";", space) + 1, space)
  const later = /^type=os\.unix=s(?:ym)?link:/i.test(fact) ? binary.indexOf("; ", space) : -1
  return later < 0 ? space : later + 1
}

const factsOf = (packed: string, context: Entry.Context): Map<string, string> => {
  const facts = new Map<string, string>()
  for (const fact of packed.split(";")) {
    const equals = fact.indexOf("=")
    if (equals <= 0) continue
    const name = fact.slice(0, equals).toLowerCase()
    if (!facts.has(name)) facts.set(name, Entry.decode(fact.slice(equals + 1), context.codec))
  }
  return facts
}

interface Kind {
  readonly type: Entry.EntryType
  readonly role?: Entry.Entry["role"]
  readonly target?: string
}

const kindOf = (value: string | undefined): Kind => {
  const lower = (value ?? "").toLowerCase()
  switch (lower) {
    case "":
      return { type: "unknown" }
    case "file":
      return { type: "file" }
    case "dir":
      return { type: "directory" }
    case "cdir":
      return { type: "directory", role: "self" }
    case "pdir":
      return { type: "directory", role: "parent" }
  }
  // The RFC's own example is not of its grammar (erratum 1500), so servers differ.
  const link = /^(?:os\.unix=)?s?(?:ym)?link(?::(.*))?$/is.exec(value!)
  if (link !== null) return link[1] ? { type: "link", target: link[1] } : { type: "link" }
  return { type: /^os\.unix=(?:chr|blk|char|block|device|socket|sock|pipe|fifo)/.test(lower) ? "other" : "unknown" }
}

const modeOf = (value: string | undefined): number | undefined =>
  value !== undefined && /^[0-7]{1,7}$/.test(value) ? Number.parseInt(value, 8) & 0o7777 : undefined

const timeOf = (value: string | undefined): Time.Timestamp | undefined =>
  value === undefined ? undefined : Time.parse(value)

/**
 * One line. Without facts it begins with a blank.
 */
export const parse: Entry.LineParser = (source, context) => {
  const { binary } = source
  const end = factsEnd(binary)
  const packed = end < 0 ? binary : binary.slice(0, end)
  const facts = factsOf(packed, context)
  if (packed !== "" && facts.size === 0) return undefined
  if (end < 0) return Entry.unparsed(source, "NoName", context)

  const digits = facts.get("size") ?? facts.get("sizd")
  const size = digits === undefined ? undefined : Answers.parseCount(digits)
  if (digits !== undefined && /^\d+$/.test(digits) && size === undefined) {
    return Entry.unparsed(source, "SizeTooLarge", context)
  }
  const name = binary.slice(end + 1)
  const kind = kindOf(facts.get("type"))
  // The bytes of a target, not its text: it is a path like the name.
  const target = kind.target === undefined ? undefined : /(?:^|;)type=[^;]*?link:([^;]*)/i.exec(packed)?.[1]
  return Entry.make(source, context, "mlsx", name, kind.type, {
    role: kind.role,
    size,
    modifiedAt: timeOf(facts.get("modify")),
    createdAt: timeOf(facts.get("create")),
    permissions: modeOf(facts.get("unix.mode")),
    owner: facts.get("unix.ownername") ?? facts.get("unix.owner") ?? facts.get("unix.uid"),
    group: facts.get("unix.groupname") ?? facts.get("unix.group") ?? facts.get("unix.gid"),
    binaryLinkTarget: target,
    unique: facts.get("unique"),
    facts
  })
}

/** A listing of unknown format is of this one only if the facts show. */
export const parseDetected: Entry.LineParser = (source, context) =>
  /^[^ ;=]+=[^ ;]*;/.test(source.binary) ? parse(source, context) : undefined

const isFacts = /^ ?(?:[A-Za-z][\w.-]*=[^;]*;)+(?: |[A-Za-z])/

/**
 * The entry in a 250 to MLST. Its name is a path. One blank stands before the facts; not every server keeps to it.
 */
export const parseReply = (
  reply: Reply.Reply,
  context: Entry.Context
): Either.Either<Entry.Entry, FtpError.ProtocolViolation> => {
  const inside = reply.rawLines.length > 2 ? reply.rawLines.slice(1, -1) : reply.rawLines
  for (const raw of inside) {
    const binary = Bytes.toBinary(raw)
    if (!isFacts.test(binary)) continue
    const trimmed = binary.startsWith(" ") ? binary.slice(1) : binary
    const line = parse({ raw, binary: trimmed }, context)
    if (line?._tag === "Entry") return Either.right(line)
    if (line?.reason === "SizeTooLarge") break
  }
  // RFC 3659, section 7.2: without facts there are two blanks and the path.
  const bare = inside.find((raw) => raw[0] === 32 && raw[1] === 32 && raw.length > 2)
  if (bare !== undefined) {
    const line = parse({ raw: bare, binary: Bytes.toBinary(bare).slice(1) }, context)
    if (line?._tag === "Entry") return Either.right(line)
  }
  return Either.left(
    new FtpError.ProtocolViolation({
      protocol: "ftp",
      what: "the reply to MLST has no entry that can be read",
      received: Reply.show(reply)
    })
  )
}
