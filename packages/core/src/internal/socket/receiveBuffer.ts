/** Chunks shorter than this are copied together, so that a peer that dribbles cannot make the list grow. */
const smallChunk = 512
const blockSize = 4096
/** Up to here a loop finds a byte faster than a call into the engine does. */
const shortScan = 128

const noBytes = new Uint8Array(0)

/**
 * A delimiter and what a search for it falls back to (Knuth, Morris and Pratt, 1977): after a mismatch the longest end of
 * what matched that the delimiter begins with, so that no byte is looked at again.
 */
class Delimiter {
  /** It must not be changed. The same delimiter of a later call is another array. */
  bytes: Uint8Array
  /** For each length of a match, that of its longest border. Made when a match first breaks off. */
  private borders: Uint32Array | undefined = undefined

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  hasBytes(bytes: Uint8Array): boolean {
    const own = this.bytes
    if (own.length !== bytes.length) return false
    for (let index = 0; index < own.length; index += 1) if (own[index] !== bytes[index]) return false
    this.bytes = bytes
    return true
  }

  borderOf(length: number): number {
    return length <= 1 ? 0 : (this.borders ??= bordersOf(this.bytes))[length]!
  }

  /** Looks through `chunk`; gives where the delimiter ends, 0 where it does not, and leaves in `state` what matched. */
  scan(chunk: Uint8Array, from: number, state: { matched: number; work: number }): number {
    const { bytes } = this
    let { matched } = state
    let index = from
    while (index < chunk.length) {
      if (matched === 0) {
        index = findByte(chunk, bytes[0]!, index)
        if (index === -1) break
        matched = 1
        index += 1
      } else if (chunk[index] === bytes[matched]) {
        matched += 1
        index += 1
      } else {
        matched = this.borderOf(matched)
        state.work += 1
        continue
      }
      if (matched === bytes.length) return index
    }
    state.matched = matched
    return 0
  }
}

const bordersOf = (bytes: Uint8Array): Uint32Array => {
  const borders = new Uint32Array(bytes.length + 1)
  let border = 0
  for (let index = 1; index < bytes.length; index += 1) {
    while (border > 0 && bytes[index] !== bytes[border]) border = borders[border]!
    if (bytes[index] === bytes[border]) border += 1
    borders[index + 1] = border
  }
  return borders
}

/**
 * Bytes that came and were not read yet: a list of the platform's own chunks. A chunk that is taken whole is not copied;
 * neither is a line that lies in one chunk.
 *
 * Every operation costs as much as the bytes that it takes, and a search looks at each byte once, however they come and
 * whatever the delimiter: what is known of the bytes looked at is kept until they are taken.
 */
export class ReceiveBuffer {
  size = 0
  private first: Uint8Array = noBytes
  private offset = 0
  /** The chunks after the first begin at `head`: what lies before it was taken. */
  private rest: Array<Uint8Array> = []
  private head = 0
  /** The block that small chunks are copied into; the last of `rest` is a view of its used part. */
  private block: Uint8Array | undefined = undefined
  private blockUsed = 0
  // A search continues where the last one for the same delimiter ended.
  private delimiter: Delimiter | undefined = undefined
  /** How many bytes were looked at; the delimiter does not lie within them. */
  private scanned = 0
  /** How many of the last of them are the delimiter's first. */
  matched = 0
  /** The chunk that the next byte to look at is in (-1 for the first, else an index of `rest`), and where it begins. */
  private scanChunk = -1
  private scanStart = 0
  /** The bytes and chunks that were ever looked at: what searching costs. */
  work = 0

  push(chunk: Uint8Array): void {
    const length = chunk.length
    if (length === 0) return
    if (this.size === 0) {
      this.first = chunk
      this.offset = 0
    } else if (length < smallChunk) {
      this.pushSmall(chunk)
    } else {
      this.block = undefined
      this.rest.push(chunk)
    }
    this.size += length
  }

  private pushSmall(chunk: Uint8Array): void {
    if (this.block !== undefined && this.blockUsed + chunk.length <= blockSize) {
      this.block.set(chunk, this.blockUsed)
      this.blockUsed += chunk.length
      this.rest[this.rest.length - 1] = this.block.subarray(0, this.blockUsed)
      return
    }
    this.block = new Uint8Array(blockSize)
    this.block.set(chunk, 0)
    this.blockUsed = chunk.length
    this.rest.push(this.block.subarray(0, this.blockUsed))
  }

  /** Takes what lies together at the front, at most `most` bytes. */
  takeChunk(most: number): Uint8Array {
    const length = Math.min(this.first.length - this.offset, most)
    return this.take(length)
  }

  /** Takes exactly `length` bytes; there must be as many. What has to be joined is copied, to `into` if that is given. */
  take(length: number, into?: Uint8Array): Uint8Array {
    const { first, offset } = this
    if (length > first.length - offset) {
      const bytes = this.peek(length, into?.subarray(0, length))
      this.skip(length)
      return bytes
    }
    this.skip(length)
    return offset === 0 && length === first.length ? first : first.subarray(offset, offset + length)
  }

  /** A copy of the first `length` bytes, which stay. */
  peek(length: number, bytes: Uint8Array = new Uint8Array(length)): Uint8Array {
    let filled = 0
    for (let index = this.head - 1; filled < length; index += 1) {
      const chunk = index === this.head - 1 ? this.first.subarray(this.offset) : this.rest[index]!
      const part = chunk.length <= length - filled ? chunk : chunk.subarray(0, length - filled)
      bytes.set(part, filled)
      filled += part.length
      this.work += 1
    }
    return bytes
  }

  /** Drops the first `length` bytes. */
  skip(length: number): void {
    this.size -= length
    if (this.scanned !== 0) this.forget(length)
    const inFirst = this.first.length - this.offset
    if (length < inFirst) {
      this.offset += length
      return
    }
    this.skipChunks(length - inFirst)
  }

  /** Drops the first chunk, and this many bytes after it. */
  private skipChunks(length: number): void {
    const { rest } = this
    let left = length
    for (;;) {
      if (this.head === rest.length) {
        this.first = noBytes
        this.offset = 0
        this.clearRest()
        return
      }
      const next = rest[this.head]!
      rest[this.head] = noBytes
      this.head += 1
      this.work += 1
      if (left < next.length) {
        this.first = next
        this.offset = left
        break
      }
      left -= next.length
    }
    // The front may be the block itself: later bytes must not be written behind a chunk that is given out.
    if (this.head === rest.length) this.clearRest()
    else if (this.head >= 64 && this.head * 2 >= rest.length) {
      // Each chunk is moved at most once for one that was dropped.
      this.rest = rest.slice(this.head)
      this.scanChunk -= this.head
      this.head = 0
    }
  }

  private clearRest(): void {
    if (this.rest.length > 0) this.rest = []
    this.head = 0
    this.block = undefined
    // Whatever chunk the search was in is the first one now, or gone.
    this.scanChunk = -1
    this.scanStart = 0
  }

  clear(): void {
    this.skip(this.size)
  }

  /** The first `length` bytes go: what the search knows of the others stays true. */
  private forget(length: number): void {
    this.scanned = Math.max(0, this.scanned - length)
    const { delimiter } = this
    // The longest beginning of the delimiter that the bytes end with must lie within those that are left.
    while (this.matched > this.scanned && delimiter !== undefined) this.matched = delimiter.borderOf(this.matched)
    this.scanStart -= length
    // The chunk that the search was in may be the first by then: it is looked for again, from the front.
    if (this.scanStart <= 0) {
      this.scanChunk = -1
      this.scanStart = 0
    }
  }

  /** Where `bytes` begin, counted from the front, or -1. They must not be changed afterwards. */
  indexOf(bytes: Uint8Array): number {
    let { delimiter } = this
    if (delimiter !== undefined && delimiter.bytes !== bytes) {
      this.work += bytes.length
      if (!delimiter.hasBytes(bytes)) delimiter = undefined
    }
    if (delimiter === undefined) {
      delimiter = new Delimiter(bytes)
      this.delimiter = delimiter
      this.scanned = 0
      this.matched = 0
      this.scanChunk = -1
      this.scanStart = 0
    }
    // Most lines lie in the first chunk.
    if (bytes.length === 1 && this.scanned === 0) {
      const { first, offset } = this
      const found = findByte(first, bytes[0]!, offset)
      this.work += (found === -1 ? first.length : found + 1) - offset
      if (found !== -1) return found - offset
      this.scanned = first.length - offset
    }
    const { length } = bytes
    while (this.scanned < this.size) {
      const chunk = this.chunkOfNext()
      const at = this.scanned - this.scanStart
      const inFirst = this.scanChunk === -1
      const shift = inFirst ? this.offset : 0
      const from = at + shift
      const end = this.matched === 0 && length === 1
        ? findByte(chunk, bytes[0]!, from) + 1
        : delimiter.scan(chunk, from, this)
      this.work += 1 + (end === 0 ? chunk.length : end) - from
      if (end !== 0) {
        // It stays where it is: taking it comes next, and another search for it finds it again.
        const position = this.scanStart + end - shift - length
        this.matched = 0
        this.restartAt(position)
        return position
      }
      this.scanned = this.scanStart + chunk.length - shift
    }
    return -1
  }

  /** The delimiter was found at `position`: if it is not taken, the next search begins there. */
  private restartAt(position: number): void {
    this.scanned = position
    if (position < this.scanStart) {
      this.scanChunk = -1
      this.scanStart = 0
    }
  }

  /** The chunk that the next byte to look at is in. */
  private chunkOfNext(): Uint8Array {
    for (;;) {
      const chunk = this.scanChunk === -1 ? this.first : this.rest[this.scanChunk]!
      const length = this.scanChunk === -1 ? chunk.length - this.offset : chunk.length
      if (this.scanned < this.scanStart + length) return chunk
      this.scanStart += length
      this.scanChunk = this.scanChunk === -1 ? this.head : this.scanChunk + 1
      this.work += 1
    }
  }

  byteAt(position: number): number {
    const inFirst = this.first.length - this.offset
    if (position < inFirst) return this.first[this.offset + position]!
    let left = position - inFirst
    for (let index = this.head; index < this.rest.length; index += 1) {
      const chunk = this.rest[index]!
      this.work += 1
      if (left < chunk.length) return chunk[left]!
      left -= chunk.length
    }
    return -1
  }

  /** Takes `length` bytes as text and drops `extra` bytes after them. */
  takeText(
    length: number,
    extra: number,
    encoding: "utf-8" | "latin1",
    decode: (chunk: Uint8Array, start: number, end: number, encoding: "utf-8" | "latin1") => string
  ): string {
    const { first, offset } = this
    const inFirst = length <= first.length - offset
    const text = inFirst
      ? decode(first, offset, offset + length, encoding)
      : decode(this.peek(length), 0, length, encoding)
    this.skip(length + extra)
    return text
  }
}

const findByte = (chunk: Uint8Array, byte: number, from: number): number => {
  const near = Math.min(chunk.length, from + shortScan)
  for (let index = from; index < near; index += 1) {
    if (chunk[index] === byte) return index
  }
  return near === chunk.length ? -1 : Uint8Array.prototype.indexOf.call(chunk, byte, near)
}
