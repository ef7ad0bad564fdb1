/** Chunks shorter than this are copied together, so that a peer that dribbles cannot make the list grow. */
const smallChunk = 512
const blockSize = 4096
/** Up to here a loop finds a byte faster than a call into the engine does. */
const shortScan = 128

const noBytes = new Uint8Array(0)

/**
 * Bytes that came and were not read yet: a list of the platform's own chunks. A chunk that is taken whole is not copied;
 * neither is a line that lies in one chunk.
 */
export class ReceiveBuffer {
  size = 0
  private first: Uint8Array = noBytes
  private offset = 0
  private rest: Array<Uint8Array> = []
  /** The block that small chunks are copied into; the last of `rest` is a view of its used part. */
  private block: Uint8Array | undefined = undefined
  private blockUsed = 0
  /** No `scannedFor` begins before this many bytes: a scan goes on where the last one ended. */
  private scanned = 0
  private scannedFor: Uint8Array | undefined = undefined

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

  /** Takes exactly `length` bytes; there must be as many. */
  take(length: number): Uint8Array {
    const { first, offset } = this
    if (length > first.length - offset) {
      const bytes = this.peek(length)
      this.skip(length)
      return bytes
    }
    this.skip(length)
    return offset === 0 && length === first.length ? first : first.subarray(offset, offset + length)
  }

  /** A copy of the first `length` bytes, which stay. */
  peek(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    let filled = 0
    for (let index = -1; filled < length; index += 1) {
      const chunk = index === -1 ? this.first.subarray(this.offset) : this.rest[index]!
      const part = chunk.length <= length - filled ? chunk : chunk.subarray(0, length - filled)
      bytes.set(part, filled)
      filled += part.length
    }
    return bytes
  }

  /** Drops the first `length` bytes. */
  skip(length: number): void {
    this.size -= length
    this.scanned = 0
    let left = length
    let inFirst = this.first.length - this.offset
    let dropped = 0
    while (left >= inFirst && dropped < this.rest.length) {
      left -= inFirst
      this.first = this.rest[dropped]!
      this.offset = 0
      inFirst = this.first.length
      dropped += 1
    }
    if (dropped > 0) {
      if (dropped === this.rest.length) {
        this.rest = []
        // The front may be the block itself: later bytes must not be written behind a chunk that is given out.
        this.block = undefined
      } else {
        this.rest.splice(0, dropped)
      }
    }
    this.offset += left
    if (this.size === 0) {
      this.first = noBytes
      this.offset = 0
    }
  }

  clear(): void {
    this.skip(this.size)
  }

  /** Where `delimiter` begins, counted from the front, or -1. */
  indexOf(delimiter: Uint8Array): number {
    if (this.scannedFor !== delimiter) {
      this.scannedFor = delimiter
      this.scanned = 0
    }
    const last = this.size - delimiter.length
    let at = this.find(delimiter[0]!, this.scanned)
    while (at !== -1 && at <= last) {
      let matched = 1
      while (matched < delimiter.length && this.byteAt(at + matched) === delimiter[matched]) matched += 1
      if (matched === delimiter.length) return at
      at = this.find(delimiter[0]!, at + 1)
    }
    this.scanned = at === -1 ? this.size : at
    return -1
  }

  private find(byte: number, from: number): number {
    const { first, offset } = this
    let before = first.length - offset
    if (from < before) {
      const found = findByte(first, byte, offset + from)
      if (found !== -1) return found - offset
    }
    for (const chunk of this.rest) {
      if (from < before + chunk.length) {
        const found = findByte(chunk, byte, Math.max(0, from - before))
        if (found !== -1) return before + found
      }
      before += chunk.length
    }
    return -1
  }

  byteAt(position: number): number {
    const inFirst = this.first.length - this.offset
    if (position < inFirst) return this.first[this.offset + position]!
    let left = position - inFirst
    for (const chunk of this.rest) {
      if (left < chunk.length) return chunk[left]!
      left -= chunk.length
    }
    return -1
  }

  /** Takes `length` bytes as text and drops `extra` bytes behind them. */
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
