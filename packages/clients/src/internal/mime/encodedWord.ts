/**
 * Encoded words: text of any language in a header field (RFC 2047).
 */
import * as base64 from "./base64.js"
import { runAll } from "./transducer.js"

const utf8 = new TextEncoder()

/** RFC 2047, section 2: an encoded word is at most 75 characters, of which `=?UTF-8?B?` and `?=` are twelve. */
const longestContent = 75 - 12

/** What RFC 2047, section 5 (3) lets stand in a phrase, the strictest of the three places. */
const literal = /[A-Za-z0-9!*+/-]/

const hex = (byte: number): string => `=${byte.toString(16).toUpperCase().padStart(2, "0")}`

const inQ = (character: string): string => {
  if (literal.test(character)) return character
  if (character === " ") return "_"
  let text = ""
  for (const byte of utf8.encode(character)) text += hex(byte)
  return text
}

const latin1 = new TextDecoder("latin1")
const inB = (text: string): string => latin1.decode(runAll(base64.encoder(0), utf8.encode(text)))

/**
 * The words that together are `text`, each at most 75 characters and valid UTF-8 by itself. All of them are in the
 * encoding, Q or B, that is shorter. The first one is shorter by `column`, what stands before it on its line: a line with
 * an encoded word has 76 characters at most (RFC 2047, section 2).
 */
export const encode = (text: string, column = 0): Array<string> => {
  const words: Array<string> = []
  let room = Math.max(12, longestContent - Math.max(0, column - 1))
  let inQs = ""
  let bytes = 0
  let quoted = 0
  for (const character of text) {
    const code = character.codePointAt(0)!
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
    quoted += inQ(character).length
  }
  if (quoted <= Math.ceil(bytes / 3) * 4) {
    for (const character of text) {
      const part = inQ(character)
      if (inQs.length + part.length > room) {
        words.push(`=?UTF-8?Q?${inQs}?=`)
        inQs = ""
        room = longestContent
      }
      inQs += part
    }
    if (inQs !== "") words.push(`=?UTF-8?Q?${inQs}?=`)
    return words
  }
  let start = 0
  let end = 0
  let length = 0
  for (const character of text) {
    const code = character.codePointAt(0)!
    const width = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
    if (length + width > Math.floor(room / 4) * 3) {
      words.push(`=?UTF-8?B?${inB(text.slice(start, end))}?=`)
      start = end
      length = 0
      room = longestContent
    }
    end += character.length
    length += width
  }
  if (end > start) words.push(`=?UTF-8?B?${inB(text.slice(start, end))}?=`)
  return words
}

/** One encoded word. RFC 2231, section 5, allows a language after the charset. */
const word = /=\?([!#$%&'+\-^_`{}~A-Za-z0-9]{1,64})(?:\*[A-Za-z0-9-]{0,64})?\?([BbQq])\?([!->@-~]*)\?=/g

/** Whether a reader would decode a part of `text` that was never encoded. */
export const looksEncoded = (text: string): boolean => text.includes("=?")

const bytesOf = (encoding: string, content: string): Uint8Array => {
  if (encoding === "B" || encoding === "b") return runAll(base64.decoder(true), utf8.encode(content))
  const bytes = new Uint8Array(content.length)
  let length = 0
  for (let index = 0; index < content.length; index++) {
    const character = content[index]!
    const digits = character === "=" ? content.slice(index + 1, index + 3) : ""
    if (/^[0-9A-Fa-f]{2}$/.test(digits)) {
      bytes[length++] = parseInt(digits, 16)
      index += 2
    } else {
      bytes[length++] = character === "_" ? 32 : character.charCodeAt(0)
    }
  }
  return bytes.subarray(0, length)
}

const decoderOf = (charset: string): TextDecoder | undefined => {
  try {
    return new TextDecoder(charset)
  } catch {
    return undefined
  }
}

/**
 * `text` with its encoded words decoded. White space between two of them is none of the text's. Words of one charset
 * that stand next to each other are decoded together, because senders cut characters in two. What is not an encoded
 * word, or has a charset that the platform does not know, stays as it is.
 */
export const decode = (text: string): string => {
  let result = ""
  let position = 0
  /** The words before `position` that await their decoding, of one charset. */
  let charset = ""
  let original = ""
  let parts: Array<Uint8Array> = []
  const flush = (): void => {
    if (parts.length === 0) return
    const decoder = decoderOf(charset)
    if (decoder === undefined) result += original
    else {
      for (const part of parts) result += decoder.decode(part, { stream: true })
      result += decoder.decode()
    }
    parts = []
    original = ""
  }
  for (const match of text.matchAll(word)) {
    const between = text.slice(position, match.index)
    const isNext = position > 0 && /^[ \t\r\n]*$/.test(between)
    const name = match[1]!.toLowerCase()
    if (!isNext || name !== charset) {
      flush()
      if (!isNext) result += between
    }
    charset = name
    original += (isNext && original !== "" ? between : "") + match[0]
    parts.push(bytesOf(match[2]!, match[3]!))
    position = match.index + match[0].length
  }
  flush()
  return result + text.slice(position)
}
