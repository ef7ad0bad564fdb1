/**
 * What every MIME coding is built on: a state machine that writes into its caller's buffer, so that a sender can use one
 * buffer again and again, and that gives the same bytes however its input is cut.
 */

/** Why a decoder stopped: the position counts the input's bytes from its first. */
export interface Fault {
  readonly offset: number
  readonly expected: string
  readonly got: string
}

export interface Transducer {
  /** The most bytes that `length` further bytes of input, or the end of the input, can give. */
  readonly bound: (length: number) => number
  /** Writes what `input` gives into `output` from `at`, and returns where it ended. */
  readonly push: (input: Uint8Array, output: Uint8Array, at: number) => number
  /** Writes what was held back for a next chunk that does not come. */
  readonly end: (output: Uint8Array, at: number) => number
  /** The first fault of the input. Once it is there, `push` and `end` write nothing. */
  readonly fault: Fault | undefined
}

export const CR = 13
export const LF = 10
export const TAB = 9
export const SPACE = 32
export const DOT = 46
export const EQUALS = 61

/** One byte as a message shows it. */
export const showByte = (byte: number): string =>
  byte > 32 && byte < 127 ? JSON.stringify(String.fromCharCode(byte)) : `0x${byte.toString(16).padStart(2, "0")}`

/** All of an input at once. */
export const runAll = (transducer: Transducer, input: Uint8Array): Uint8Array => {
  const output = new Uint8Array(transducer.bound(input.length) + transducer.bound(0))
  return output.subarray(0, transducer.end(output, transducer.push(input, output, 0)))
}

/** The next chunk of an input in pieces, in a buffer of its own. */
export const pushAlone = (transducer: Transducer, input: Uint8Array): Uint8Array => {
  const output = new Uint8Array(transducer.bound(input.length))
  return output.subarray(0, transducer.push(input, output, 0))
}

/** The end of an input in pieces, in a buffer of its own. */
export const endAlone = (transducer: Transducer): Uint8Array => {
  const output = new Uint8Array(transducer.bound(0))
  return output.subarray(0, transducer.end(output, 0))
}

/** One transducer after another. What the second holds back may outlive the first's end. */
export const chain = (first: Transducer, second: Transducer): Transducer => ({
  bound: (length) => second.bound(first.bound(length)) + second.bound(0),
  push: (input, output, at) => second.push(pushAlone(first, input), output, at),
  end: (output, at) => {
    const last = endAlone(first)
    return first.fault === undefined ? second.end(output, second.push(last, output, at)) : at
  },
  get fault() {
    return first.fault ?? second.fault
  }
})

/** Passes bytes on, through `inner` if given. It is a fault when they are not `size` in all, where that is known. */
export const counted = (size: number | undefined, inner?: Transducer): Transducer => {
  let count = 0
  let fault: Fault | undefined
  return {
    get fault() {
      return fault ?? inner?.fault
    },
    bound: (length) => inner === undefined ? length : inner.bound(length),
    push: (input, output, at) => {
      if (fault !== undefined) return at
      count += input.length
      if (size !== undefined && count > size) {
        fault = { offset: size, expected: `${size} bytes`, got: `at least ${count}` }
        return at
      }
      if (inner !== undefined) return inner.push(input, output, at)
      output.set(input, at)
      return at + input.length
    },
    end: (output, at) => {
      if (size !== undefined && count < size) fault ??= { offset: count, expected: `${size} bytes`, got: String(count) }
      return inner === undefined || fault !== undefined ? at : inner.end(output, at)
    }
  }
}
