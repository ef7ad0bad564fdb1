/**
 * Bytes to replies: RFC 959, section 4.2, and RFC 5321, section 4.2.1.
 *
 * The parser takes whatever arrives and gives the replies that are complete. How the bytes were cut makes no difference.
 * It keeps at most one unfinished reply, of bounded length, and its cost is linear in the bytes.
 */
import { type Protocol, ProtocolViolation, ReplyTooLong } from "../../ReplyError.js"
import * as Bytes from "../text/bytes.js"
import * as Codec from "../text/codec.js"
import type { Reply } from "./reply.js"

export interface Pushed {
  readonly replies: ReadonlyArray<Reply>
  /** Once set the parser gives nothing more: where the next reply begins is no longer known. */
  readonly error?: ReplyTooLong | ProtocolViolation
}

export interface Parser {
  readonly push: (chunk: Uint8Array) => Pushed
  /** So many bytes came that stand for nothing (TELNET). They count against the bound, and as pending. */
  readonly skip: (bytes: number) => Pushed
  /** How many bytes of an unfinished reply are held. After the go-ahead to start TLS there must be none. */
  readonly pending: () => number
  /** Whether a part of a reply is held that is not blank: the rest of it is no answer to what is sent from now on. */
  readonly hasBegun: () => boolean
}

export interface Options {
  readonly protocol: Protocol
  readonly server?: string | undefined
  readonly codec?: Codec.Codec | undefined
  /** In bytes, for one reply with its line ends. */
  readonly limit?: number | undefined
  /**
   * What the lines within a reply begin with: with the reply's code (RFC 5321, section 4.2.1), or with anything, since
   * only the last line has to have it (RFC 959, section 4.2).
   */
  readonly inner: "code" | "any"
}

export const defaultLimit = 64 * 1024

const LF = 10
const CR = 13
const SP = 32
const TAB = 9
const HYPHEN = 45
const ZERO = 48

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= ZERO && byte <= ZERO + 9
const isBlank = (byte: number): boolean => byte === SP || byte === TAB

export const make = (options: Options): Parser => {
  const { codec = Codec.utf8, inner, limit = defaultLimit, protocol } = options
  const origin = options.server === undefined ? { protocol } : { protocol, server: options.server }
  // RFC 5321 has 2yz to 5yz. RFC 959 has 1yz too, and RFC 2228 adds 6yz. The second digit is anything: servers make
  // codes up.
  const [least, most] = inner === "code" ? [2, 5] as const : [1, 6] as const

  let parts: Array<Uint8Array> = []
  let open: { readonly code: number; readonly rawLines: Array<Uint8Array> } | undefined
  let count = 0
  let replies: Array<Reply> = []
  let error: Pushed["error"]

  const codeOf = (line: Uint8Array): number | undefined => {
    const [first, second, third] = line
    if (first === undefined || first < ZERO + least || first > ZERO + most) return undefined
    return isDigit(second) && isDigit(third)
      ? (first - ZERO) * 100 + (second! - ZERO) * 10 + (third! - ZERO)
      : undefined
  }

  const complete = (code: number, rawLines: ReadonlyArray<Uint8Array>): void => {
    replies.push({ code, rawLines, lines: rawLines.map(codec.decode) })
    open = undefined
    count = 0
  }

  const violation = (what: string, line: Uint8Array): void => {
    error = new ProtocolViolation({ ...origin, what, received: Bytes.showBytes(line) })
  }

  const takeLine = (line: Uint8Array): void => {
    const code = codeOf(line)
    const separator = line[3]
    const ends = separator === undefined || isBlank(separator)
    const begins = code !== undefined && (ends || separator === HYPHEN)
    if (open === undefined) {
      // Some servers put an empty line between two replies.
      if (line.every(isBlank)) return
      if (!begins) violation("a reply does not begin with a code of three digits", line)
      else if (ends) complete(code, [line.slice(4)])
      else open = { code, rawLines: [line.slice(4)] }
    } else if (begins && code === open.code) {
      open.rawLines.push(line.slice(4))
      if (ends) complete(code, open.rawLines)
    } else if (inner === "code") violation("a line of a reply does not begin with the reply's code", line)
    // A line with another code is text here, and so is one without a code: only the same code ends the reply.
    else open.rawLines.push(line.slice())
  }

  const add = (bytes: number): boolean => {
    count = Math.min(count + bytes, limit + 1)
    if (count > limit) error = new ReplyTooLong({ ...origin, limit })
    return count <= limit
  }

  const taken = (): Pushed => {
    const pushed = replies
    replies = []
    if (error === undefined) return { replies: pushed }
    parts = []
    open = undefined
    return { replies: pushed, error }
  }

  return {
    push: (chunk) => {
      let start = 0
      while (error === undefined && start < chunk.length) {
        const end = chunk.indexOf(LF, start)
        const next = end < 0 ? chunk.length : end + 1
        if (!add(next - start)) break
        // What is kept is copied: it would keep the whole chunk alive.
        if (end < 0) parts.push(chunk.slice(start))
        else {
          const piece = chunk.subarray(start, end)
          const line = parts.length === 0 ? piece : Bytes.concat([...parts, piece])
          if (parts.length > 0) parts = []
          // The RFCs want CR LF. Bare LF is common, and so is CR CR LF from a text file sent in text mode.
          let length = line.length
          while (length > 0 && line[length - 1] === CR) length--
          takeLine(line.subarray(0, length))
        }
        start = next
      }
      return taken()
    },
    skip: (bytes) => {
      if (error === undefined) add(bytes)
      return taken()
    },
    pending: () => count,
    hasBegun: () => open !== undefined || parts.some((part) => part.some((byte) => byte !== CR && !isBlank(byte)))
  }
}
