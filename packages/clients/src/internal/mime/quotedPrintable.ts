/**
 * Quoted-printable (RFC 2045, section 6.7) as transducers.
 */
import { CR, DOT, EQUALS, type Fault, LF, showByte, SPACE, TAB, type Transducer } from "./transducer.js"

const hex = new TextEncoder().encode("0123456789ABCDEF")
/** RFC 2045, section 6.7, rule 5: 76 characters a line, the "=" of a soft line break among them. */
const widest = 75

/**
 * Lines of 76 characters at most. In text each CR LF, CR or LF is a line break and becomes CR LF; in binary (`isBinary`)
 * CR and LF are bytes like others and are written as `=0D` and `=0A`.
 *
 * White space at a line's end is written in hexadecimal (rule 3), and so is a dot at a line's beginning: the result needs
 * no dot-stuffing, and a relay that stuffs wrongly does not harm it.
 */
export const encoder = (isBinary: boolean): Transducer => {
  let column = 0
  /** White space that is literal unless the line ends after it; 0 is none. */
  let white = 0
  let isAfterCR = false

  const room = (width: number, output: Uint8Array, at: number): number => {
    if (column + width <= widest) return at
    output[at] = EQUALS
    output[at + 1] = CR
    output[at + 2] = LF
    column = 0
    return at + 3
  }
  const coded = (byte: number, output: Uint8Array, at: number): number => {
    at = room(3, output, at)
    output[at] = EQUALS
    output[at + 1] = hex[byte >> 4]!
    output[at + 2] = hex[byte & 15]!
    column += 3
    return at + 3
  }
  const literal = (byte: number, output: Uint8Array, at: number): number => {
    at = room(1, output, at)
    if (byte === DOT && column === 0) return coded(byte, output, at)
    output[at] = byte
    column++
    return at + 1
  }
  const lineBreak = (output: Uint8Array, at: number): number => {
    at = endOfWhite(output, at)
    output[at] = CR
    output[at + 1] = LF
    column = 0
    return at + 2
  }
  const endOfWhite = (output: Uint8Array, at: number): number => {
    if (white === 0) return at
    at = coded(white, output, at)
    white = 0
    return at
  }

  return {
    fault: undefined,
    // Each byte gives three, and at most every 25th a soft break; one byte of white space may have been held.
    bound: (length) => (length + 1) * 3 + 3 * (Math.ceil(length / 25) + 1),
    push: (input, output, at) => {
      for (let index = 0; index < input.length; index++) {
        const byte = input[index]!
        if (!isBinary && (byte === CR || byte === LF)) {
          if (byte === CR || !isAfterCR) at = lineBreak(output, at)
          isAfterCR = byte === CR
          continue
        }
        isAfterCR = false
        if (white !== 0) {
          at = literal(white, output, at)
          white = 0
        }
        if (byte === SPACE || byte === TAB) white = byte
        else if (byte > 32 && byte < 127 && byte !== EQUALS) at = literal(byte, output, at)
        else at = coded(byte, output, at)
      }
      return at
    },
    end: endOfWhite
  }
}

const digit = (byte: number): number => {
  if (byte >= 48 && byte <= 57) return byte - 48
  const letter = byte & ~32
  return letter >= 65 && letter <= 70 ? letter - 55 : -1
}

/** No line of mail is longer (RFC 5322, section 2.1.1), so no more white space is kept back for the end of its line. */
const mostWhite = 998

/**
 * White space at a line's end is dropped (rule 3: a transport added it). A soft line break may have white space before its
 * end, and may end in LF alone. Unless `isLenient`, an "=" needs two hexadecimal digits, of either case, or a line end
 * after it, and no 8-bit or control character stands in the text. A lenient decoder passes on what is wrong.
 */
export const decoder = (isLenient: boolean): Transducer => {
  /** What may turn out to be the end of a line, or an escape that a chunk's border cut. */
  const held = new Uint8Array(mostWhite + 1)
  let heldLength = 0
  /** Whether what is held begins with "=". */
  let isEscape = false
  /** The last byte was the CR of a hard line break, or of a soft one: an LF after it belongs to it. */
  let isAfterCR = false
  let isSoft = false
  let offset = 0
  let fault: Fault | undefined

  const wrong = (position: number, expected: string, got: string): void => {
    fault = { offset: position, expected, got }
  }
  const release = (output: Uint8Array, at: number): number => {
    output.set(held.subarray(0, heldLength), at)
    at += heldLength
    heldLength = 0
    isEscape = false
    return at
  }
  const isWhite = (byte: number): boolean => byte === SPACE || byte === TAB

  /** The byte after "=" and what followed it. Returns -1 where that is no escape, and the byte counts by itself. */
  const escaped = (byte: number, position: number, output: Uint8Array, at: number): number => {
    const isFirst = heldLength === 1
    if (byte === CR || byte === LF) {
      if (isFirst || isWhite(held[1]!)) {
        heldLength = 0
        isEscape = false
        isSoft = byte === CR
        return at
      }
    } else if (isFirst || isWhite(byte) === isWhite(held[1]!)) {
      if (isFirst ? digit(byte) >= 0 || isWhite(byte) : isWhite(byte) && heldLength < held.length) {
        held[heldLength++] = byte
        return at
      }
      if (!isFirst && digit(byte) >= 0) {
        output[at] = digit(held[1]!) << 4 | digit(byte)
        heldLength = 0
        isEscape = false
        return at + 1
      }
    }
    if (!isLenient) wrong(position, `two hexadecimal digits or a line end after "="`, showByte(byte))
    return -1
  }

  return {
    get fault() {
      return fault
    },
    // A line end of one byte gives two; what was held comes besides.
    bound: (length) => 2 * length + held.length + 2,
    push: (input, output, at) => {
      for (let index = 0; index < input.length && fault === undefined; index++) {
        const byte = input[index]!
        if (byte === LF && (isSoft || isAfterCR)) {
          if (isAfterCR) output[at++] = LF
          isSoft = isAfterCR = false
          continue
        }
        isSoft = false
        if (isAfterCR) {
          isAfterCR = false
          output[at++] = LF
        }
        if (isEscape) {
          const end = escaped(byte, offset + index, output, at)
          if (end >= 0) {
            at = end
            continue
          }
          if (fault !== undefined) break
          at = release(output, at)
        }
        if (byte === EQUALS) {
          at = release(output, at)
          held[0] = EQUALS
          heldLength = 1
          isEscape = true
        } else if (byte === CR || byte === LF) {
          heldLength = 0
          output[at++] = CR
          if (byte === CR) isAfterCR = true
          else output[at++] = LF
        } else if (isWhite(byte)) {
          if (heldLength === held.length) at = release(output, at)
          held[heldLength++] = byte
        } else if (!isLenient && (byte < 32 || byte > 126)) {
          wrong(offset + index, "a printable character of ASCII", showByte(byte))
        } else {
          at = release(output, at)
          output[at++] = byte
        }
      }
      offset += input.length
      return at
    },
    end: (output, at) => {
      if (fault !== undefined) return at
      if (isAfterCR) {
        isAfterCR = false
        output[at++] = LF
      }
      if (!isEscape) {
        heldLength = 0
        return at
      }
      // "=" and white space at the end of all is a soft line break that lost its line end.
      if (heldLength === 1 || isWhite(held[1]!)) {
        heldLength = 0
        isEscape = false
        return at
      }
      if (!isLenient) {
        wrong(offset, `two hexadecimal digits or a line end after "="`, "the end")
        return at
      }
      return release(output, at)
    }
  }
}
