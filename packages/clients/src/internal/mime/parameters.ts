/**
 * Parameters of a structured field, such as `Content-Type` and `Content-Disposition` (RFC 2045, section 5.1; RFC 2231).
 */
import { looksEncoded } from "./encodedWord.js"
import type { Fault } from "./transducer.js"

/** RFC 2045, section 5.1: what needs no quotes. */
const token = /^[!#$%&'*+\-.^_`{|}~A-Za-z0-9]+$/
/** What a quoted string shows as it is. Escapes in it are read wrongly by too many, so they are not written. */
const plain = /^[ !#-[\]-~]*$/
/** RFC 2231, section 7: what needs no percent in an extended value. */
const literal = /[!#$&+\-.^_`{|}~A-Za-z0-9]/
const longest = 76

const utf8 = new TextEncoder()

const percent = (character: string): string => {
  if (literal.test(character)) return character
  let text = ""
  for (const byte of utf8.encode(character)) text += `%${byte.toString(16).toUpperCase().padStart(2, "0")}`
  return text
}

/** Where a control character or DEL stands, or -1. No field may hold one. */
export const controlIn = (text: string): number => text.search(/\p{Cc}/u)

export const isToken = (text: string): boolean => token.test(text)

/**
 * The parameter as one piece, or as several that a fold may part (RFC 2231, section 3). A value that is not plain ASCII,
 * is too long for a line, or holds what readers would decode as an encoded word, is written in UTF-8 with percent signs (section 4), no character cut in two.
 */
export const encode = (name: string, value: string): Array<string> => {
  if (!looksEncoded(value) && token.test(value) && name.length + value.length < longest) return [`${name}=${value}`]
  if (!looksEncoded(value) && plain.test(value) && name.length + value.length + 3 < longest) {
    return [`${name}="${value}"`]
  }
  const pieces: Array<string> = []
  let piece = "UTF-8''"
  // Room for the name, a number of four digits, two asterisks and the equals sign.
  const room = Math.max(24, longest - name.length - 7)
  for (const character of value) {
    const part = percent(character)
    if (piece.length + part.length > room) {
      pieces.push(piece)
      piece = ""
    }
    piece += part
  }
  if (pieces.length === 0) return [`${name}*=${piece}`]
  pieces.push(piece)
  return pieces.map((content, index) => `${name}*${index}*=${content}`)
}

export interface Parsed {
  /** What stands before the first semicolon, without white space around it. */
  readonly value: string
  /** By name in lower case, in the order of the field. */
  readonly parameters: ReadonlyMap<string, string>
}

interface Piece {
  readonly isExtended: boolean
  readonly text: string
}

/** The keys of pieces without a number, before 0, 1, 2 … of those with one. */
const extendedWhole = -2
const plainWhole = -1

const decoderOf = (charset: string): TextDecoder => {
  try {
    return new TextDecoder(charset)
  } catch {
    return new TextDecoder()
  }
}

/** The bytes of a value with percent signs. A percent sign without two digits stands for itself. */
const unescape = (text: string): Uint8Array => {
  const bytes = new Uint8Array(text.length * 3)
  let length = 0
  for (let index = 0; index < text.length; index++) {
    const digits = text[index] === "%" ? text.slice(index + 1, index + 3) : ""
    if (/^[0-9A-Fa-f]{2}$/.test(digits)) {
      bytes[length++] = parseInt(digits, 16)
      index += 2
    } else {
      length += utf8.encodeInto(text[index]!, bytes.subarray(length)).written
    }
  }
  return bytes.slice(0, length)
}

const join = (pieces: ReadonlyMap<number, Piece>): string => {
  // `name*` says more than `name` beside it, which is for readers that know no better; numbered pieces say most.
  let key = pieces.has(0) ? 0 : pieces.has(extendedWhole) ? extendedWhole : plainWhole
  let result = ""
  let decoder: TextDecoder | undefined
  let isFirst = true
  for (let piece = pieces.get(key); piece !== undefined; piece = key > 0 ? pieces.get(key) : undefined) {
    let text = piece.text
    if (piece.isExtended) {
      const marked = isFirst ? /^([^']*)'[^']*'/.exec(text) : null
      if (marked !== null) {
        decoder = decoderOf(marked[1] === "" ? "utf-8" : marked[1]!)
        text = text.slice(marked[0].length)
      }
      decoder ??= new TextDecoder()
      result += decoder.decode(unescape(text), { stream: true })
    } else {
      if (decoder !== undefined) result += decoder.decode()
      result += text
    }
    isFirst = false
    key++
  }
  return decoder === undefined ? result : result + decoder.decode()
}

/**
 * The field's value and parameters. A parameter that stands twice counts the first time. Unless `isLenient`, what is no
 * parameter is a fault; a lenient reader continues after the next semicolon, and takes a value without quotes to that.
 */
export const decode = (field: string, isLenient: boolean): Parsed | Fault => {
  const pieces = new Map<string, Map<number, Piece>>()
  let position = field.indexOf(";")
  const value = (position === -1 ? field : field.slice(0, position)).trim()
  if (position === -1) return { value, parameters: new Map() }

  const space = /[ \t\r\n]*/y
  const attribute = /([!#$%&'+\-.^_`{|}~A-Za-z0-9]+)(?:\*(0|[1-9][0-9]{0,3}))?(\*)?[ \t\r\n]*=[ \t\r\n]*/y
  const quoted = /"((?:[^"\\]|\\[^])*)"/y
  const unquoted = isLenient ? /[^;]*/y : /[!#$%&'*+\-.^_`{|}~A-Za-z0-9]+/y
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = position
    const found = pattern.exec(field)
    if (found !== null) position = pattern.lastIndex
    return found
  }
  const fault = (expected: string): Fault => ({
    offset: position,
    expected,
    got: position >= field.length ? "the end" : JSON.stringify(field.slice(position, position + 20))
  })
  const skip = (): void => {
    const next = field.indexOf(";", position)
    position = next === -1 ? field.length : next
  }

  while (position < field.length) {
    position++
    match(space)
    if (position >= field.length) break
    const name = match(attribute)
    if (name === null) {
      // A semicolon after the last parameter is common, and harmless.
      if (field[position] === ";") continue
      if (!isLenient) return fault("a parameter, as name=value")
      skip()
      continue
    }
    const content = match(quoted)
    const text = content === null ? match(unquoted)?.[0].trim() : content[1]!.replace(/\\([^])/g, "$1")
    if (text === undefined) return fault(`a value of ${name[1]}`)
    const key = name[1]!.toLowerCase()
    const isExtended = name[3] !== undefined
    const number = name[2] !== undefined ? Number(name[2]) : isExtended ? extendedWhole : plainWhole
    const found = pieces.get(key) ?? new Map<number, Piece>()
    pieces.set(key, found)
    if (!found.has(number)) found.set(number, { isExtended, text })
    match(space)
    if (position < field.length && field[position] !== ";") {
      if (!isLenient) return fault(`";" or the end`)
      skip()
    }
  }
  const parameters = new Map<string, string>()
  for (const [name, found] of pieces) parameters.set(name, join(found))
  return { value, parameters }
}
