/**
 * Replies on the control connection: RFC 959, section 4.2, over TELNET (RFC 854).
 *
 * The parser is fed whatever arrives and gives the replies that are complete. How the bytes were cut makes no
 * difference. It keeps at most one unfinished reply, of bounded length.
 */
import * as FtpError from "../../FtpError.js"
import * as Bytes from "../text/bytes.js"
import * as Codec from "../text/codec.js"

export interface Reply {
  readonly code: number
  /** The lines in the session's encoding, each without the reply's own code in front of it. */
  readonly lines: ReadonlyArray<string>
  /** The same lines as they came. */
  readonly rawLines: ReadonlyArray<Uint8Array>
}

export type Kind = "preliminary" | "completion" | "intermediate" | "transient" | "permanent" | "protected"

/**
 * RFC 959, section 4.2.1; RFC 2228, section 4 for 6yz.
 */
export const kind = (reply: Reply): Kind => {
  switch (Math.floor(reply.code / 100)) {
    case 1:
      return "preliminary"
    case 2:
      return "completion"
    case 3:
      return "intermediate"
    case 4:
      return "transient"
    case 5:
      return "permanent"
    default:
      return "protected"
  }
}

export const text = (reply: Reply): string => reply.lines.join("\n")

export interface Pushed {
  readonly replies: ReadonlyArray<Reply>
  /** Once set the parser gives nothing more: where the next reply begins is no longer known. */
  readonly error?: FtpError.ReplyTooLong | FtpError.ProtocolViolation
}

export interface Parser {
  readonly push: (chunk: Uint8Array) => Pushed
  /** How many bytes of an unfinished reply are held. Behind the reply to AUTH TLS there must be none (RFC 4217). */
  readonly pending: () => number
}

export interface Options {
  readonly codec?: Codec.Codec
  /** In bytes, for one reply with its line ends. */
  readonly limit?: number
  readonly server?: string
}

export const defaultLimit = 64 * 1024

const LF = 10
const CR = 13
const SP = 32
const TAB = 9
const HYPHEN = 45

// RFC 854: what may follow an IAC.
const IAC = 255
const SE = 240
const SB = 250
const WILL = 251

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 48 && byte <= 57
const isBlank = (byte: number): boolean => byte === SP || byte === TAB

// RFC 2228 adds 6yz to the first digits of RFC 959. The second digit is anything: servers make codes up.
const codeOf = (line: Uint8Array): number | undefined => {
  const [first, second, third] = line
  if (first === undefined || first < 49 || first > 54 || !isDigit(second) || !isDigit(third)) return undefined
  return (first - 48) * 100 + (second! - 48) * 10 + (third! - 48)
}

export const make = (options: Options = {}): Parser => {
  const codec = options.codec ?? Codec.utf8
  const limit = options.limit ?? defaultLimit
  const server = options.server === undefined ? {} : { server: options.server }

  let telnet: "data" | "command" | "option" | "subnegotiation" | "subnegotiation-command" = "data"
  let line: Array<number> = []
  let open: { readonly code: number; readonly rawLines: Array<Uint8Array> } | undefined
  let count = 0
  let replies: Array<Reply> = []
  let error: Pushed["error"]

  const complete = (code: number, rawLines: ReadonlyArray<Uint8Array>): void => {
    replies.push({ code, rawLines, lines: rawLines.map(codec.decode) })
    open = undefined
    count = 0
  }

  const takeLine = (taken: Uint8Array): void => {
    const code = codeOf(taken)
    const separator = taken[3]
    const ends = separator === undefined || isBlank(separator)
    if (open === undefined) {
      // Some servers put an empty line between two replies.
      if (taken.every(isBlank)) return
      if (code === undefined || !(ends || separator === HYPHEN)) {
        error = new FtpError.ProtocolViolation({
          protocol: "ftp",
          ...server,
          what: "a reply does not begin with a code of three digits",
          received: Bytes.showBytes(taken)
        })
      } else if (ends) complete(code, [taken.slice(4)])
      else open = { code, rawLines: [taken.slice(4)] }
      return
    }
    // Inside, a line with another code is text, and so is one without a code: only the same code ends the reply.
    if (code !== open.code || !(ends || separator === HYPHEN)) open.rawLines.push(taken)
    else {
      open.rawLines.push(taken.slice(4))
      if (ends) complete(open.code, open.rawLines)
    }
  }

  const accept = (byte: number): void => {
    if (byte === LF) {
      // RFC 959 wants CR LF. Bare LF is common, and so is CR CR LF from a text file sent in text mode.
      let end = line.length
      while (end > 0 && line[end - 1] === CR) end--
      const taken = Uint8Array.from(line.slice(0, end))
      line = []
      takeLine(taken)
    } // RFC 854: a CR that does not end a line is sent as CR NUL.
    else if (byte !== 0 || line[line.length - 1] !== CR) line.push(byte)
  }

  const take = (byte: number): void => {
    switch (telnet) {
      case "data":
        if (byte === IAC) telnet = "command"
        else accept(byte)
        return
      case "command":
        if (byte === SB) telnet = "subnegotiation"
        else if (byte >= WILL && byte < IAC) telnet = "option"
        else {
          telnet = "data"
          if (byte === IAC) accept(IAC)
          // No TELNET command is below 240: a server that does not double the ÿ of its Latin-1 names.
          else if (byte < SE) {
            accept(IAC)
            accept(byte)
          }
        }
        return
      case "option":
        // RFC 1123, section 4.1.2.12: options must be survived. No answer means no, and cannot be provoked at length.
        telnet = "data"
        return
      case "subnegotiation":
        if (byte === IAC) telnet = "subnegotiation-command"
        return
      case "subnegotiation-command":
        telnet = byte === SE ? "data" : "subnegotiation"
        return
    }
  }

  return {
    push: (chunk) => {
      for (const byte of chunk) {
        if (error !== undefined) break
        count++
        if (count > limit) error = new FtpError.ReplyTooLong({ protocol: "ftp", ...server, limit })
        else take(byte)
      }
      const pushed = replies
      replies = []
      if (error === undefined) return { replies: pushed }
      line = []
      open = undefined
      return { replies: pushed, error }
    },
    pending: () => count
  }
}
