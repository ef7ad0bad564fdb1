/** Gathers the chunks of a body, or of a file, in memory that is not much larger than it. */

const least = 64 * 1024

/**
 * A chunk may be one byte, and may hold a large buffer of which it is a part. So only a body of one chunk stays as it came;
 * further ones are copied together as they come.
 */
export class Gathering {
  length = 0
  private bytes: Uint8Array = none
  private isOwn = false
  private readonly announced: number | undefined

  /** `announced` is the length that the body will have, if that is known. */
  constructor(announced: number | undefined) {
    this.announced = announced
  }

  add(chunk: Uint8Array): void {
    const { length } = this
    this.length = length + chunk.length
    if (length === 0) {
      this.bytes = chunk
      return
    }
    if (!this.isOwn || this.bytes.length < this.length) this.grow(length)
    this.bytes.set(chunk, length)
  }

  private grow(held: number): void {
    // What a peer announces is believed up to what has come: an empty promise costs no memory.
    const doubled = Math.max(this.length * 2, least)
    const { announced } = this
    const room = announced !== undefined && announced >= this.length ? Math.min(announced, doubled) : doubled
    const bytes = new Uint8Array(room)
    bytes.set(this.bytes.subarray(0, held))
    this.bytes = bytes
    this.isOwn = true
  }

  /** The body, for a look: it may be a part of a larger buffer. */
  get view(): Uint8Array {
    const { bytes, length } = this
    return bytes.length === length ? bytes : bytes.subarray(0, length)
  }

  /** The body, to be kept. */
  get result(): Uint8Array {
    const { view } = this
    // A body may be kept for long, and would keep all of its buffer.
    return view.length * 2 < view.buffer.byteLength
      ? new Uint8Array(view)
      : new Uint8Array(view.buffer, view.byteOffset, view.length)
  }
}

const none = new Uint8Array(0)
