/** Writes DER (X.690), as far as certificates need it. */

export const element = (tag: number, ...contents: ReadonlyArray<Uint8Array>): Uint8Array => {
  const length = contents.reduce((sum, part) => sum + part.length, 0)
  const header = length < 0x80
    ? [tag, length]
    : length < 0x100
    ? [tag, 0x81, length]
    : length < 0x10000
    ? [tag, 0x82, length >> 8, length & 0xff]
    : [tag, 0x83, length >> 16, (length >> 8) & 0xff, length & 0xff]
  const all = new Uint8Array(header.length + length)
  all.set(header)
  let at = header.length
  for (const part of contents) {
    all.set(part, at)
    at += part.length
  }
  return all
}

export const sequence = (...contents: ReadonlyArray<Uint8Array>): Uint8Array => element(0x30, ...contents)

/** Of the bytes of a number that is not negative, the highest first. */
export const integer = (bytes: Uint8Array): Uint8Array => {
  let from = 0
  while (from < bytes.length - 1 && bytes[from] === 0) from += 1
  const shortest = bytes.subarray(from)
  return shortest[0]! < 0x80 ? element(0x02, shortest) : element(0x02, Uint8Array.of(0), shortest)
}

export const boolean = (value: boolean): Uint8Array => element(0x01, Uint8Array.of(value ? 0xff : 0))

export const octets = (...contents: ReadonlyArray<Uint8Array>): Uint8Array => element(0x04, ...contents)

/** A bit string; `unused` bits at its end do not count. */
export const bits = (bytes: Uint8Array, unused = 0): Uint8Array => element(0x03, Uint8Array.of(unused), bytes)

export const oid = (dotted: string): Uint8Array => {
  const [root = 0, branch = 0, ...arcs] = dotted.split(".").map(Number)
  const bytes: Array<number> = []
  for (const arc of [root * 40 + branch, ...arcs]) {
    const groups = [arc & 0x7f]
    for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) groups.unshift(0x80 | (rest & 0x7f))
    bytes.push(...groups)
  }
  return element(0x06, Uint8Array.from(bytes))
}

const encoder = new TextEncoder()

export const utf8 = (value: string): Uint8Array => element(0x0c, encoder.encode(value))

export const latin1 = (value: string): Uint8Array => Uint8Array.from(value, (character) => character.charCodeAt(0))

/** UTCTime up to 2049 and GeneralizedTime from then on: RFC 5280, section 4.1.2.5. */
export const time = (date: Date): Uint8Array => {
  const digits = date.toISOString().replace(/[-:T]|\.\d+/g, "")
  const year = date.getUTCFullYear()
  return year >= 1950 && year < 2050 ? element(0x17, latin1(digits.slice(2))) : element(0x18, latin1(digits))
}
