/** The files that the HTTP workloads get, and how a client tells that one came wrong. */

export const mebibyte = 1 << 20

/** Small files are so many, so that an answer to another request is told from the right one. */
export const smallFiles = 16
const smallSize = 1024

const fill = (bytes: Uint8Array, first: number): Uint8Array => {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2)
  for (let index = 0; index < words.length; index++) words[index] = first + index
  return bytes
}

export const small = (index: number): Uint8Array => fill(new Uint8Array(smallSize), index * smallSize)

/** A mebibyte of the big file: each of its words is the word's number in the file. */
export const block = (index: number, into: Uint8Array): Uint8Array => fill(into, (index * mebibyte) >> 2)

const expected = Array.from({ length: smallFiles }, (_, index) => Buffer.from(small(index)))

export const checkSmall = (index: number, body: Uint8Array): void => {
  if (expected[index]!.equals(body)) return
  throw new Error(`BYTES WRONG: small file ${index} came as ${body.length} bytes, not the ${smallSize} that it has`)
}

/** Looks at the first and the last whole word of a chunk: a chunk lost, doubled or misplaced is found at no cost. */
export class Checked {
  #at = 0
  readonly #size: number
  constructor(size: number) {
    this.#size = size
  }
  take(chunk: Uint8Array): void {
    const { length } = chunk
    const first = -this.#at & 3
    const last = first + ((length - first - 4) & ~3)
    if (length >= 8) {
      this.#word(chunk, first)
      this.#word(chunk, last)
    }
    this.#at += length
  }
  end(): void {
    if (this.#at !== this.#size) throw new Error(`BYTES WRONG: ${this.#at} came of ${this.#size}`)
  }
  #word(chunk: Uint8Array, offset: number): void {
    const word = (chunk[offset]! | chunk[offset + 1]! << 8 | chunk[offset + 2]! << 16 | chunk[offset + 3]! << 24) >>> 0
    const at = this.#at + offset
    if (word !== at >> 2) throw new Error(`BYTES WRONG: at ${at} stands what belongs at ${word * 4}`)
  }
}
