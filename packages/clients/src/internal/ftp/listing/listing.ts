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
import * as Mlsx from "./mlsx.js"
import * as Names from "./names.js"
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
  readonly server?: string
}

export const defaultLimit = 64 * 1024 * 1024
export const defaultLineLimit = 16 * 1024

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

const detectable: ReadonlyArray<Entry.LineParser> = [Unix.parse, Dos.parse, Mlsx.parseDetected, Eplf.parse]

// `total 12`, in any language. It opens what `ls -l` prints of a directory.
const totalWord = "total[a-z]*|totaal|insgesamt|gesamt|celkem|razem|summa|toplam|[^\\s\\d]*[\\x80-\\xff][^\\s\\d]*"
const total = new RegExp(`^(?:${totalWord}):? ?\\d+(?:[.,]\\d+)?[KMGT]?$`, "i")
const longestTotal = 80
const totalAgain = /^total \d+$/

const LF = 10
const CR = 13

export const make = (options: Options): Parser => {
  const context: Entry.Context = {
    codec: options.codec ?? Codec.utf8,
    now: options.now,
    utcOffsetMinutes: options.utcOffsetMinutes ?? 0
  }
  const limit = options.limit ?? defaultLimit
  const lineLimit = options.lineLimit ?? defaultLineLimit
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
  let lines: Array<Entry.Line> = []
  let error: FtpError.ListingTooLong | undefined

  const understand = (source: Entry.Source): Entry.Line | undefined => {
    if (parser !== undefined) return parser(source, context)
    for (const candidate of detectable) {
      const line = candidate(source, context)
      if (line === undefined) continue
      parser = candidate
      return line
    }
    return undefined
  }

  const takeLine = (bytes: Uint8Array): void => {
    let end = bytes.length
    while (end > 0 && bytes[end - 1] === CR) end--
    if (end === 0) return
    // A copy: the chunk may be the transport's own buffer. `slice` would not make one of a Node `Buffer`.
    const raw = new Uint8Array(bytes.subarray(0, end))
    const source = { raw, binary: Bytes.toBinary(raw) }
    const isList = options.command === "LIST"
    const line = understand(source)
    if (line !== undefined) lines.push(line)
    else if (
      !(isList && ((isFirst && end <= longestTotal && total.test(source.binary)) || totalAgain.test(source.binary)))
    ) {
      lines.push(Entry.unparsed(source, "Unrecognised", context))
    }
    isFirst = false
  }

  const fail = (what: "listing" | "line", bound: number): void => {
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
      const bounded = count + chunk.length > limit ? chunk.subarray(0, limit - count) : chunk
      let position = 0
      while (error === undefined) {
        const end = bounded.indexOf(LF, position)
        const piece = bounded.subarray(position, end < 0 ? bounded.length : end)
        measure(piece.length)
        if (error !== undefined) break
        if (end < 0) {
          if (piece.length > 0) held.push(new Uint8Array(piece))
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
      return give()
    }
  }
}
