/**
 * A whole listing: fed whatever arrives on the data connection, gives the lines that are complete.
 *
 * LIST has no format. The first line that one of the known parsers understands decides for the rest of the listing, so
 * no later name can make its line be read by another. What does not fit is kept as a value, never dropped.
 */
import * as FtpError from "../../../FtpError.js"
import * as Bytes from "../../text/bytes.js"
import * as Codec from "../../text/codec.js"
import * as Dos from "./dos.js"
import * as Entry from "./entry.js"
import * as Eplf from "./eplf.js"
import * as Ibm from "./ibm.js"
import * as Mlsx from "./mlsx.js"
import * as Names from "./names.js"
import * as Ornaments from "./ornaments.js"
import * as Systems from "./systems.js"
import * as Unix from "./unix.js"

export interface Options {
  /** Which command it answers. */
  readonly command: "MLSD" | "LIST" | "NLST"
  readonly now: number
  readonly codec?: Codec.Codec
  readonly utcOffsetMinutes?: number
  /** The directory as it was asked for. */
  readonly directory?: Uint8Array
  /** In bytes, for all of it. */
  readonly limit?: number
  /** In bytes, for one line. */
  readonly lineLimit?: number
  /** The most memory that the lines may take, in bytes, as far as it can be told. */
  readonly memoryLimit?: number
  /** Tried for each line of LIST before the known formats. */
  readonly parseLine?: ((line: Uint8Array) => Entry.CustomEntry | undefined) | undefined
  readonly server?: string
}

export const defaultLimit = 64 * 1024 * 1024
const defaultLineLimit = 16 * 1024
export const defaultMemoryLimit = 256 * 1024 * 1024

/** What an entry takes at most beside its text, and what each byte of its line takes in all of its fields: as measured. */
const entryCost = 480
const byteCost = 12

export interface Pushed {
  readonly lines: ReadonlyArray<Entry.Line>
  /** Once set nothing more is given. */
  readonly error?: FtpError.ListingTooLong
}

export interface Parser {
  readonly push: (chunk: Uint8Array) => Pushed
  /** The last line may lack its line end. */
  readonly end: () => Pushed
}

const detectable: ReadonlyArray<Entry.LineParser> = [
  Unix.parse,
  Dos.parse,
  Mlsx.parseDetected,
  Eplf.parse,
  Systems.vms,
  Ibm.as400,
  Ibm.zos,
  Ibm.members,
  Ibm.zvm,
  Systems.os2,
  Systems.vxworks,
  Systems.nortel,
  Systems.nonStop,
  Systems.numeric,
  Systems.enterprise
]

const LF = 10
const CR = 13
const blank = Uint8Array.of(32)

export const make = (options: Options): Parser => {
  const context: Entry.Context = {
    codec: options.codec ?? Codec.utf8,
    now: options.now,
    utcOffsetMinutes: options.utcOffsetMinutes ?? 0
  }
  const limit = options.limit ?? defaultLimit
  const lineLimit = options.lineLimit ?? defaultLineLimit
  const memoryLimit = options.memoryLimit ?? defaultMemoryLimit
  const server = options.server === undefined ? {} : { server: options.server }

  let parser: Entry.LineParser | undefined = options.command === "MLSD"
    ? Mlsx.parse
    : options.command === "NLST"
    ? Names.make(options.directory)
    : undefined
  let isFirst = true
  let held: Array<Uint8Array> = []
  let heldLength = 0
  let count = 0
  let memory = 0
  let carried: Entry.Source | undefined
  let lines: Array<Entry.Line> = []
  let error: FtpError.ListingTooLong | undefined

  const understand = (source: Entry.Source): Entry.Line | undefined => {
    const own = options.command === "LIST" ? options.parseLine?.(source.raw) : undefined
    if (own !== undefined) return Entry.custom(source, context, own)
    if (parser !== undefined) return parser(source, context)
    for (const candidate of detectable) {
      const line = candidate(source, context)
      if (line === undefined) continue
      parser = candidate
      return line
    }
    return undefined
  }

  const unread = (source: Entry.Source): void => {
    lines.push(Entry.unparsed(source, "Unrecognised", context))
  }

  const takeSource = (source: Entry.Source): void => {
    const line = understand(source)
    if (line !== undefined) lines.push(line)
    else {
      const ornament = options.command === "LIST" ? Ornaments.find(source.binary, isFirst) : undefined
      if (ornament === undefined) unread(source)
      else parser ??= ornament.parser
    }
    isFirst = false
  }

  const takeLine = (line: Uint8Array): void => {
    let end = line.length
    while (end > 0 && line[end - 1] === CR) end--
    if (end === 0) return
    const raw = line.subarray(0, end)
    memory += entryCost + byteCost * end
    if (memory > memoryLimit) return fail("memory", memoryLimit)
    const source = { raw, binary: Bytes.toBinary(raw) }
    const before = carried
    carried = undefined
    if (before !== undefined) {
      // OpenVMS breaks a line after a long name.
      const joined = Bytes.concat([before.raw, blank, raw])
      const whole = { raw: joined, binary: Bytes.toBinary(joined) }
      const line = /^[ \t]/.test(source.binary) ? Systems.vms(whole, context) : undefined
      if (line !== undefined) {
        parser ??= Systems.vms
        lines.push(line)
        return
      }
      unread(before)
    }
    const mayBeVms = options.command === "LIST" && (parser === undefined || parser === Systems.vms)
    if (mayBeVms && Systems.isVmsName(source.binary)) carried = source
    else takeSource(source)
  }

  const fail = (what: "listing" | "line" | "memory", bound: number): void => {
    error = new FtpError.ListingTooLong({ ...server, what, limit: bound })
  }

  const measure = (length: number): void => {
    heldLength += length
    if (heldLength > lineLimit) fail("line", lineLimit)
  }

  const flush = (piece: Uint8Array): void => {
    const bytes = held.length === 0 ? piece : Bytes.concat([...held, piece])
    held = []
    heldLength = 0
    takeLine(bytes)
  }

  const give = (): Pushed => {
    const given = lines
    lines = []
    if (error === undefined) return { lines: given }
    held = []
    return { lines: given, error }
  }

  return {
    push: (chunk) => {
      // Where the bound falls does not depend on how the bytes were cut.
      // One copy for all its lines, since the chunk may be the transport's own buffer, and each array of its own would cost
      // more than what is in it.
      const bounded = new Uint8Array(count + chunk.length > limit ? chunk.subarray(0, limit - count) : chunk)
      let position = 0
      while (error === undefined) {
        const end = bounded.indexOf(LF, position)
        const piece = bounded.subarray(position, end < 0 ? bounded.length : end)
        measure(piece.length)
        if (error !== undefined) break
        if (end < 0) {
          if (piece.length > 0) held.push(piece)
          break
        }
        flush(piece)
        position = end + 1
      }
      count += bounded.length
      if (error === undefined && bounded.length < chunk.length) fail("listing", limit)
      return give()
    },
    end: () => {
      if (error === undefined && heldLength > 0) flush(Bytes.empty)
      if (error === undefined && carried !== undefined) unread(carried)
      carried = undefined
      return give()
    }
  }
}
