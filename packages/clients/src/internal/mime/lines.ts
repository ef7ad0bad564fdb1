/**
 * Line ends, dot-stuffing (RFC 5321, section 4.5.2) and wrapping as transducers.
 */
import { CR, DOT, type Fault, LF, type Transducer } from "./transducer.js"

/** Each CR LF, CR and LF becomes `marker`. */
export const eol = (marker: Uint8Array): Transducer => {
  let isAfterCR = false
  return {
    fault: undefined,
    bound: (length) => length * Math.max(1, marker.length),
    push: (input, output, at) => {
      for (let index = 0; index < input.length; index++) {
        const byte = input[index]!
        if (byte === CR || byte === LF && !isAfterCR) {
          for (let part = 0; part < marker.length; part++) output[at++] = marker[part]!
        } else if (byte !== LF) {
          output[at++] = byte
        }
        isAfterCR = byte === CR
      }
      return at
    },
    end: (_, at) => at
  }
}

export interface DotStuffer extends Transducer {
  /** Whether the content so far ends with a line end, or is empty. */
  readonly isAtLineStart: boolean
}

/**
 * Each CR LF, CR and LF becomes CR LF, and a line that begins with a dot gets one more. Both in one machine: a line end
 * that some server takes for one and the stuffing did not is how a message is smuggled into another.
 */
export const dotStuffer = (): DotStuffer => {
  let isAfterCR = false
  let isAtLineStart = true
  return {
    fault: undefined,
    get isAtLineStart() {
      return isAtLineStart
    },
    bound: (length) => 2 * length,
    push: (input, output, at) => {
      let afterCR = isAfterCR
      let lineStart = isAtLineStart
      for (let index = 0; index < input.length; index++) {
        const byte = input[index]!
        if (byte > DOT) {
          output[at++] = byte
          lineStart = afterCR = false
        } else if (byte === CR || byte === LF) {
          if (byte === CR || !afterCR) {
            output[at++] = CR
            output[at++] = LF
          }
          afterCR = byte === CR
          lineStart = true
        } else {
          if (byte === DOT && lineStart) output[at++] = DOT
          output[at++] = byte
          lineStart = afterCR = false
        }
      }
      isAfterCR = afterCR
      isAtLineStart = lineStart
      return at
    },
    end: (_, at) => at
  }
}

/** The first dot of each line goes. A line of one dot alone is the end of a message: a fault, unless `isLenient`. */
export const dotUnstuffer = (isLenient: boolean): Transducer => {
  let isAtLineStart = true
  /** The last byte was a line's first dot. */
  let isAfterDot = false
  let offset = 0
  let fault: Fault | undefined
  const isLone = (position: number): boolean => {
    if (isLenient) return false
    fault = { offset: position, expected: "a character after a line's first dot", got: "a dot alone on its line" }
    return true
  }
  return {
    get fault() {
      return fault
    },
    bound: (length) => length,
    push: (input, output, at) => {
      for (let index = 0; index < input.length && fault === undefined; index++) {
        const byte = input[index]!
        const isLineEnd = byte === CR || byte === LF
        if (isAfterDot && isLineEnd && isLone(offset + index)) break
        isAfterDot = isAtLineStart && byte === DOT
        if (!isAfterDot) output[at++] = byte
        isAtLineStart = isLineEnd
      }
      offset += input.length
      return at
    },
    end: (_, at) => {
      if (isAfterDot && fault === undefined) isLone(offset)
      return at
    }
  }
}

/** A CR LF before each byte that would make its line longer than `width`. Line ends of the input become CR LF. */
export const wrap = (width: number): Transducer => {
  let column = 0
  let isAfterCR = false
  return {
    fault: undefined,
    bound: (length) => 3 * length,
    push: (input, output, at) => {
      for (let index = 0; index < input.length; index++) {
        const byte = input[index]!
        const isLineEnd = byte === CR || byte === LF && !isAfterCR
        if (isLineEnd || column === width && byte !== LF) {
          output[at++] = CR
          output[at++] = LF
          column = 0
        }
        if (byte !== CR && byte !== LF) {
          output[at++] = byte
          column++
        }
        isAfterCR = byte === CR
      }
      return at
    },
    end: (_, at) => at
  }
}
