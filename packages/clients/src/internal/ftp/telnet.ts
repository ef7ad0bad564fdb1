/**
 * TELNET (RFC 854) on the control connection: RFC 959, section 2.3, runs FTP over it.
 */
import * as Replies from "../replies/parser.js"
import type { Reply } from "../replies/reply.js"

const IAC = 255
const SE = 240
const SB = 250
const WILL = 251
const CR = 13

/** A byte 255 in an argument is doubled. */
export const escape = (bytes: Uint8Array): Uint8Array => {
  if (!bytes.includes(IAC)) return bytes
  const doubled: Array<number> = []
  for (const byte of bytes) {
    doubled.push(byte)
    if (byte === IAC) doubled.push(byte)
  }
  return Uint8Array.from(doubled)
}

const nothing: ReadonlyArray<number> = []

export interface Parser extends Replies.Parser {
  /** How many bytes of 255 have come, those of TELNET's commands included. */
  readonly bytes255: () => number
}

/** The parser of FTP's replies, with TELNET's commands taken out before it. */
export const parser = (options: Omit<Replies.Options, "protocol" | "inner"> = {}): Parser => {
  const replies = Replies.make({ ...options, protocol: "ftp", inner: "any" })
  let state: "data" | "command" | "option" | "subnegotiation" | "subnegotiation-command" = "data"
  let last = 0
  let count = 0

  /** The bytes that the parser receives for a byte that arrived. */
  const pass = (byte: number): ReadonlyArray<number> => {
    switch (state) {
      case "data":
        if (byte === IAC) {
          state = "command"
          return nothing
        }
        // A CR that does not end a line is sent as CR NUL.
        return byte === 0 && last === CR ? nothing : [byte]
      case "command":
        state = byte === SB ? "subnegotiation" : byte >= WILL && byte < IAC ? "option" : "data"
        if (byte === IAC) return [IAC]
        // No TELNET command is below 240: a server that does not double the ÿ of its Latin-1 names.
        return byte < SE ? [IAC, byte] : nothing
      case "option":
        // RFC 1123, section 4.1.2.12: options must be survived. No answer means no, and cannot be provoked at length.
        state = "data"
        return nothing
      case "subnegotiation":
        if (byte === IAC) state = "subnegotiation-command"
        return nothing
      case "subnegotiation-command":
        state = byte === SE ? "data" : "subnegotiation"
        return nothing
    }
  }

  return {
    ...replies,
    bytes255: () => count,
    push: (chunk) => {
      if (state === "data" && !chunk.includes(IAC) && !chunk.includes(0)) {
        last = chunk[chunk.length - 1] ?? last
        return replies.push(chunk)
      }
      const all: Array<Reply> = []
      let passed: Array<number> = []
      for (const byte of chunk) {
        if (byte === IAC) count += 1
        const bytes = pass(byte)
        passed.push(...bytes)
        last = bytes[bytes.length - 1] ?? last
        if (bytes.length > 0) continue
        all.push(...replies.push(Uint8Array.from(passed)).replies)
        passed = []
        // After an error it gives the error again.
        const { error } = replies.skip(1)
        if (error !== undefined) return { replies: all, error }
      }
      const { error, replies: rest } = replies.push(Uint8Array.from(passed))
      all.push(...rest)
      return error === undefined ? { replies: all } : { replies: all, error }
    }
  }
}
