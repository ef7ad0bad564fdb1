/**
 * Header fields: what may stand in one, what must be encoded, and where its lines fold (RFC 5322, section 2.2).
 */
import type { Address } from "../../Address.js"
import * as encodedWord from "./encodedWord.js"
import * as parameters from "./parameters.js"
import * as phrase from "./phrase.js"

export interface Field {
  readonly name: string
  /** The whole field, folded, with its CR LF. */
  readonly text: string
}

/** RFC 5322, section 2.1.1: lines of 78 where they can be, of 998 at most. */
const preferred = 78
/** A word that is longer than this cannot stand in a line of 998 beside its field's name. */
const longestWord = 900

/** RFC 5322, section 3.6.8. A name that begins with a dot would need stuffing, and nobody has one. */
const fieldName = /^[!-\-/-9;-~][!-9;-~]{0,75}$/

export const isName = (name: string): boolean => fieldName.test(name)

/** The field with its words: a space or a fold stands before each. The first stands beside the name. */
export const fold = (name: string, words: ReadonlyArray<string>): Field => {
  let text = `${name}:`
  let column = text.length
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!
    if (index > 0 && column + 1 + word.length > preferred) {
      text += "\r\n"
      column = 0
    }
    text += ` ${word}`
    column += 1 + word.length
  }
  return { name, text: `${text}\r\n` }
}

/** Printable ASCII with single spaces between its words, that no reader decodes. */
const plain = /^[!-~]+(?: [!-~]+)*$/

const fits = (words: ReadonlyArray<string>): boolean => words.every((word) => word.length <= longestWord)

/** A field of free text: encoded where it must be, and where a reader would decode or trim what it shows. */
export const unstructured = (name: string, value: string): Field => {
  if (value === "") return fold(name, [])
  if (plain.test(value) && !encodedWord.looksEncoded(value)) {
    const words = value.split(" ")
    if (fits(words)) return fold(name, words)
  }
  return fold(name, encodedWord.encode(value, name.length + 2))
}

/** A field whose grammar knows no encoded words, or undefined where the value cannot stand in it. */
export const structured = (name: string, value: string): Field | undefined => {
  const words = value.split(/[ \t]+/).filter((word) => word !== "")
  return words.every((word) => /^[!-~]+$/.test(word)) && fits(words) ? fold(name, words) : undefined
}

const separated = (parts: ReadonlyArray<ReadonlyArray<string>>, end: string): Array<string> =>
  parts.flatMap((words, index) =>
    index === parts.length - 1
      ? [...words.slice(0, -1), words.at(-1)! + end]
      : [...words.slice(0, -1), `${words.at(-1)!},`]
  )

const addressWords = (address: Address, isUtf8: boolean, column: number): ReadonlyArray<string> => {
  if (address._tag === "Group") {
    const name = phrase.encode(address.name, column)
    const members = address.members.map((member) => addressWords(member, isUtf8, 0))
    return members.length === 0
      ? [...name.slice(0, -1), `${name.at(-1)!}:;`]
      : [...name.slice(0, -1), `${name.at(-1)!}:`, ...separated(members, ";")]
  }
  const name = address.name === undefined ? [] : phrase.encode(address.name, column)
  if (!address.needsUtf8) return address.name === undefined ? [address.address] : [...name, `<${address.address}>`]
  if (isUtf8) {
    const at = address.address.lastIndexOf("@")
    return [...name, `<${address.address.slice(0, at)}@${address.domain}>`]
  }
  // RFC 6857, section 3.1.8: an address that ASCII has no form for is shown as the name of an empty group.
  const shown = phrase.encode(
    address.name === undefined ? address.address : `${address.name} ${address.address}`,
    column
  )
  return [...shown.slice(0, -1), `${shown.at(-1)!}:;`]
}

/**
 * A field of addresses. Only a message in UTF-8 (RFC 6532) shows a local part that is not ASCII as an address, and then
 * its domain as it was given; the others name it without being one.
 */
export const addresses = (name: string, list: ReadonlyArray<Address>, isUtf8: boolean): Field =>
  fold(
    name,
    separated(list.map((address, index) => addressWords(address, isUtf8, index === 0 ? name.length + 2 : 0)), "")
  )

/** A value and its parameters, such as those of Content-Type. */
export const parametrised = (name: string, value: string, given: ReadonlyArray<ReadonlyArray<string>>): Field => {
  const parts = [[value], ...given]
  return fold(
    name,
    parts.flatMap((words, index) => index === parts.length - 1 ? words : [...words.slice(0, -1), `${words.at(-1)!};`])
  )
}

/** `filename` (RFC 2183), each piece with its semicolon apart. */
export const parameter = (name: string, value: string): ReadonlyArray<ReadonlyArray<string>> =>
  parameters.encode(name, value).map((piece) => [piece])

/**
 * `name` of Content-Type, for readers that know no RFC 2231: encoded words in quotes, which that RFC's readers never
 * look at, because Content-Disposition has the name as well.
 */
export const nameParameter = (value: string): ReadonlyArray<string> => {
  if (/^[ !#-[\]-~]*$/.test(value) && value.length <= preferred && !encodedWord.looksEncoded(value)) {
    return [`name="${value}"`]
  }
  const words = encodedWord.encode(value, "name=\"".length + 2)
  return words.map((word, index) => `${index === 0 ? "name=\"" : ""}${word}${index === words.length - 1 ? "\"" : ""}`)
}

const days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
const two = (number: number): string => number < 10 ? `0${number}` : String(number)

/** A date in UTC (RFC 5322, section 3.3), always of the same length, or undefined before 1900 and after 9999. */
export const date = (millis: number): string | undefined => {
  const at = new Date(millis)
  const year = at.getUTCFullYear()
  if (!(year >= 1900 && year <= 9999)) return undefined
  return `${days[at.getUTCDay()]}, ${two(at.getUTCDate())} ${months[at.getUTCMonth()]} ${year} ` +
    `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())} +0000`
}

/** The ids of RFC 5322, section 3.6.4, in their brackets, or undefined where the text is none. */
export const messageId = (text: string): string | undefined => {
  const inner = text.startsWith("<") && text.endsWith(">") ? text.slice(1, -1) : text
  return /^[!-;=?-~]+@[!-;=?-~]+$/.test(inner) && inner.length <= longestWord ? `<${inner}>` : undefined
}
