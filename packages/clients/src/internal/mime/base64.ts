/**
 * Base64 (RFC 2045, section 6.8; RFC 4648, section 4) as transducers.
 */
import { CR, EQUALS, type Fault, LF, showByte, SPACE, TAB, type Transducer } from "./transducer.js"

const alphabet = new TextEncoder().encode("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")

/** CR LF as a word in memory. */
const lineEnd = new Uint16Array(Uint8Array.of(CR, LF).buffer)[0]!

/** For 12 bits, their two letters in the order in which the machine stores a 16-bit word. */
const pairs = new Uint16Array(4096)
{
  const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1
  for (let bits = 0; bits < 4096; bits++) {
    const [first, second] = [alphabet[bits >> 6]!, alphabet[bits & 63]!]
    pairs[bits] = isLittleEndian ? second << 8 | first : first << 8 | second
  }
}

/** The length of what `encoder` gives for this many bytes. */
export const encodedLength = (bytes: number, lineLength: number): number => {
  const letters = Math.ceil(bytes / 3) * 4
  return lineLength === 0 || letters === 0 ? letters : letters + 2 * (Math.ceil(letters / lineLength) - 1)
}

/**
 * Lines of `lineLength` letters (a multiple of four; 0 is one line without an end), with CR LF between them and none
 * after the last. No line begins with a dot, so that the result needs no dot-stuffing.
 */
export const encoder = (lineLength: number): Transducer => {
  const bytesOfLine = lineLength / 4 * 3
  let first = 0
  let second = 0
  /** How many bytes wait for their group of three. */
  let held = 0
  /** The letters of the line under way. A full line gets its CR LF once more follows. */
  let column = 0

  const group = (a: number, b: number, c: number, output: Uint8Array, at: number): number => {
    if (column === lineLength && lineLength !== 0) {
      output[at++] = CR
      output[at++] = LF
      column = 0
    }
    output[at] = alphabet[a >> 2]!
    output[at + 1] = alphabet[(a & 3) << 4 | b >> 4]!
    output[at + 2] = alphabet[(b & 15) << 2 | c >> 6]!
    output[at + 3] = alphabet[c & 63]!
    column += 4
    return at + 4
  }

  /** Whole lines, a word of two letters at a time. */
  const lines = (input: Uint8Array, from: number, count: number, output: Uint8Array, at: number): number => {
    const words = new Uint16Array(output.buffer, output.byteOffset + at, count * (lineLength / 2 + 1))
    let word = 0
    for (let line = 0; line < count; line++) {
      words[word++] = lineEnd
      for (const end = from + bytesOfLine; from < end; from += 3) {
        const bits = input[from]! << 16 | input[from + 1]! << 8 | input[from + 2]!
        words[word++] = pairs[bits >> 12]!
        words[word++] = pairs[bits & 4095]!
      }
    }
    return at + word * 2
  }

  return {
    fault: undefined,
    bound: (length) => {
      const letters = Math.ceil((length + 2) / 3) * 4
      return lineLength === 0 ? letters : letters + 2 * (Math.ceil(letters / lineLength) + 1)
    },
    push: (input, output, at) => {
      let from = 0
      while (held !== 0 && from < input.length) {
        const byte = input[from++]!
        if (held === 2) {
          at = group(first, second, byte, output, at)
          held = 0
        } else {
          second = byte
          held = 2
        }
      }
      const whole = input.length - (input.length - from) % 3
      while (from < whole) {
        const count = column === lineLength && lineLength !== 0 && (output.byteOffset + at) % 2 === 0
          ? Math.floor((whole - from) / bytesOfLine)
          : 0
        if (count > 0) {
          at = lines(input, from, count, output, at)
          from += count * bytesOfLine
        } else {
          at = group(input[from]!, input[from + 1]!, input[from + 2]!, output, at)
          from += 3
        }
      }
      for (; from < input.length; from++) {
        if (held === 0) first = input[from]!
        else second = input[from]!
        held++
      }
      return at
    },
    end: (output, at) => {
      if (held === 0) return at
      at = group(first, held === 2 ? second : 0, 0, output, at)
      output[at - 1] = EQUALS
      if (held === 1) output[at - 2] = EQUALS
      held = 0
      return at
    }
  }
}

const invalid = 255
const values = new Uint8Array(256).fill(invalid)
for (let value = 0; value < 64; value++) values[alphabet[value]!] = value

/**
 * White space counts nowhere. Unless `isLenient`, every other byte must belong to the alphabet, the last group must be
 * whole, and nothing may follow its padding. A lenient decoder skips what is wrong; padding ends a group, and another
 * may follow, as in encoded texts that were joined.
 */
export const decoder = (isLenient: boolean): Transducer => {
  let bits = 0
  /** The letters of the group under way. */
  let letters = 0
  let padding = 0
  let offset = 0
  let fault: Fault | undefined

  const wrong = (position: number, expected: string, got: string): void => {
    fault = { offset: position, expected, got }
  }
  const flush = (output: Uint8Array, at: number): number => {
    if (letters >= 2) output[at++] = letters === 2 ? bits >> 4 : bits >> 10
    if (letters === 3) output[at++] = bits >> 2 & 255
    letters = 0
    bits = 0
    return at
  }

  return {
    get fault() {
      return fault
    },
    bound: (length) => Math.ceil(length / 4 + 1) * 3,
    push: (input, output, at) => {
      for (let index = 0; index < input.length && fault === undefined; index++) {
        const byte = input[index]!
        const value = values[byte]!
        if (value !== invalid) {
          if (padding > 0) {
            if (!isLenient) {
              wrong(offset + index, padding + letters < 4 ? `"="` : "the end", showByte(byte))
              break
            }
            padding = 0
          }
          bits = bits << 6 | value
          if (++letters === 4) {
            output[at] = bits >> 16 & 255
            output[at + 1] = bits >> 8 & 255
            output[at + 2] = bits & 255
            at += 3
            letters = 0
            bits = 0
          }
        } else if (byte === EQUALS) {
          if (isLenient) {
            at = flush(output, at)
            padding = 1
          } else if (letters < 2 || letters + padding >= 4) {
            wrong(offset + index, padding > 0 ? "the end" : "a letter of base64", `"="`)
          } else {
            padding++
          }
        } else if (!isLenient && byte !== CR && byte !== LF && byte !== SPACE && byte !== TAB) {
          wrong(offset + index, "a letter of base64", showByte(byte))
        }
      }
      offset += input.length
      return at
    },
    end: (output, at) => {
      if (fault !== undefined) return at
      if (!isLenient) {
        if (letters !== 0 && letters + padding !== 4) {
          wrong(offset, `a group of four letters or "="`, `the end after ${letters + padding}`)
          return at
        }
        const unused = letters === 2 ? bits & 15 : letters === 3 ? bits & 3 : 0
        if (unused !== 0) {
          wrong(offset, "a last letter without bits that belong to no byte", "such bits")
          return at
        }
      }
      return flush(output, at)
    }
  }
}
