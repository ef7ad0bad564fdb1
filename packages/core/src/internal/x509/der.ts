/** One element of a DER encoding (X.690): where its contents lie. Nothing is copied. */
export interface Element {
  readonly tag: number
  /** The contents. */
  readonly bytes: Uint8Array
  /** The whole element, its header included. */
  readonly whole: Uint8Array
}

/** A malformed encoding. It stays inside the library: readers turn it into a typed error. */
export class Malformed extends Error {}

const malformed = (what: string): never => {
  throw new Malformed(what)
}

/** Reads the element at `offset`. Lengths are definite, as DER wants them, and lie within `bytes`. */
export const read = (bytes: Uint8Array, offset = 0): Element => {
  const tag = bytes[offset]
  if (tag === undefined) return malformed("an element is missing")
  if ((tag & 0x1f) === 0x1f) return malformed("a long tag")
  let at = offset + 1
  let length = bytes[at++]
  if (length === undefined) return malformed("a length is missing")
  if (length >= 0x80) {
    const count = length & 0x7f
    if (count === 0 || count > 4) return malformed("an indefinite or huge length")
    length = 0
    for (let index = 0; index < count; index += 1) {
      const byte = bytes[at++]
      if (byte === undefined) return malformed("a length is cut")
      length = length * 256 + byte
    }
  }
  if (at + length > bytes.length) return malformed("an element is cut")
  return { tag, bytes: bytes.subarray(at, at + length), whole: bytes.subarray(offset, at + length) }
}

/** The elements of a constructed one. */
export const children = (element: Element): Array<Element> => {
  const found: Array<Element> = []
  for (let at = 0; at < element.bytes.length;) {
    const child = read(element.bytes, at)
    found.push(child)
    at += child.whole.length
  }
  return found
}

export const expect = (element: Element | undefined, tag: number, what: string): Element => {
  if (element === undefined || element.tag !== tag) return malformed(`no ${what}`)
  return element
}

export const oid = ({ bytes }: Element): string => {
  const parts: Array<bigint> = []
  let value = 0n
  for (const byte of bytes) {
    value = (value << 7n) | BigInt(byte & 0x7f)
    if (value > 1n << 128n) return malformed("a huge object identifier")
    if ((byte & 0x80) === 0) {
      parts.push(value)
      value = 0n
    }
  }
  // Each part ends with a byte whose highest bit is not set: X.690, section 8.19.2.
  if ((bytes[bytes.length - 1] ?? 0) >= 0x80) return malformed("an object identifier is cut")
  const first = parts.shift()
  if (first === undefined) return malformed("an empty object identifier")
  const root = first < 40n ? 0n : first < 80n ? 1n : 2n
  return [root, first - root * 40n, ...parts].join(".")
}

export const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")

const utf8 = new TextDecoder()

/** A string of any of the types that names use. Invalid bytes become U+FFFD; nothing is dropped. */
export const text = ({ bytes, tag }: Element): string => {
  switch (tag & 0x1f) {
    case 12: // UTF8String
      return utf8.decode(bytes)
    case 30: { // BMPString
      let value = ""
      for (let at = 0; at + 1 < bytes.length; at += 2) value += String.fromCharCode(bytes[at]! * 256 + bytes[at + 1]!)
      return value
    }
    case 28: { // UniversalString
      let value = ""
      for (let at = 0; at + 3 < bytes.length; at += 4) {
        const point = ((bytes[at]! * 256 + bytes[at + 1]!) * 256 + bytes[at + 2]!) * 256 + bytes[at + 3]!
        value += point <= 0x10ffff ? String.fromCodePoint(point) : "\ufffd"
      }
      return value
    }
    default:
      return latin1(bytes)
  }
}

export const latin1 = (bytes: Uint8Array): string => {
  let value = ""
  for (const byte of bytes) value += String.fromCharCode(byte)
  return value
}

/** UTCTime or GeneralizedTime in UTC (RFC 5280, section 4.1.2.5). */
export const time = (element: Element): Date => {
  const shown = latin1(element.bytes)
  const match = element.tag === 0x17
    ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(shown)
    : element.tag === 0x18
    ? /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(shown)
    : null
  if (match === null) return malformed("no date")
  const [year = 0, month = 0, ...rest] = match.slice(1).map(Number)
  const full = element.tag === 0x18 ? year : year < 50 ? 2000 + year : 1900 + year
  const [day = 0, hour = 0, minute = 0, second = 0] = rest
  const date = new Date(0)
  date.setUTCFullYear(full, month - 1, day)
  date.setUTCHours(hour, minute, second)
  // A month 13 or an hour 25 would be carried over to a later date than anybody wrote. RFC 5280 has no leap seconds.
  const isAsWritten = date.getUTCFullYear() === full && date.getUTCMonth() === month - 1 && date.getUTCDate() === day &&
    date.getUTCHours() === hour && date.getUTCMinutes() === minute && date.getUTCSeconds() === second
  return isAsWritten ? date : malformed("a date that the calendar does not have")
}
