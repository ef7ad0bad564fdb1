/**
 * What DKIM hashes and signs of a message: the "relaxed" forms of header fields and of the body (RFC 6376, section 3.4).
 */
import type { IncrementalHash } from "@copas/core/NetPlatform"
import { CR, LF, SPACE, TAB } from "../mime/transducer.js"

/** RFC 6376, section 3.4.2. `text` is a whole field with its line end; what comes back has one as well. */
export const relaxedField = (text: string): string => {
  const colon = text.indexOf(":")
  const name = text.slice(0, colon).trimEnd().toLowerCase()
  const value = text.slice(colon + 1).replace(/\r\n/g, "").replace(/[ \t]+/g, " ").trim()
  return `${name}:${value}\r\n`
}

const scratchSize = 16_384

/**
 * Feeds a hash with the relaxed form of a body (RFC 6376, section 3.4.4), whose line ends are CR LF: runs of white space
 * are one space, none at a line's end, and no empty lines at the end of all. Empty lines that wait for more are counted,
 * not kept.
 */
export class RelaxedBody {
  readonly #hash: IncrementalHash
  readonly #scratch = new Uint8Array(scratchSize)
  #length = 0
  #lineEnds = 0
  #isWhite = false
  #isAfterCR = false
  #isEmpty = true

  constructor(hash: IncrementalHash) {
    this.#hash = hash
  }

  #put(byte: number): void {
    if (this.#length === scratchSize) this.#flush()
    this.#scratch[this.#length++] = byte
  }

  #flush(): void {
    this.#hash.update(this.#scratch.subarray(0, this.#length))
    this.#length = 0
  }

  #lineEnd(): void {
    this.#put(CR)
    this.#put(LF)
  }

  update(bytes: Uint8Array): void {
    for (let index = 0; index < bytes.length; index++) {
      const byte = bytes[index]!
      if (this.#isAfterCR) {
        this.#isAfterCR = false
        if (byte === LF) {
          this.#lineEnds++
          this.#isWhite = false
          continue
        }
        this.#content(CR)
      }
      if (byte === CR) this.#isAfterCR = true
      else if (byte === SPACE || byte === TAB) this.#isWhite = true
      else this.#content(byte)
    }
  }

  #content(byte: number): void {
    for (; this.#lineEnds > 0; this.#lineEnds--) this.#lineEnd()
    if (this.#isWhite) this.#put(SPACE)
    this.#isWhite = false
    this.#isEmpty = false
    this.#put(byte)
  }

  digest(): Uint8Array {
    if (this.#isAfterCR) this.#content(CR)
    if (!this.#isEmpty) this.#lineEnd()
    this.#flush()
    return this.#hash.digest()
  }
}
