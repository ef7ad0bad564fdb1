/** Reads into buffers of this library, and takes them back (`Socket.recycle`). */
import type * as NodeNet from "node:net"

/** The number of buffers that are kept for further reads. */
const mostSpare = 8

/**
 * Reads into buffers of our own, past Node's streams: fewer and larger reads. A buffer that a read filled for a good
 * part is handed out and replaced, if possible by one that was given back: collecting garbage is most of what a bulk
 * transfer costs in a program with a large heap. From a buffer that was hardly used the bytes are copied, so that a few
 * bytes do not keep all of it alive.
 */
export class LargeReads {
  private readonly size: number
  private buffer: Uint8Array | undefined = undefined
  private readonly spare: Array<Uint8Array> = []
  /**
   * The chunks that were handed out. Only these objects are taken back, each once: a part of a chunk that was read in
   * parts is not, because the rest is still to be read.
   */
  private readonly lent = new WeakSet<Uint8Array>()
  deliver: ((chunk: Uint8Array) => void) | undefined = undefined

  constructor(size: number) {
    this.size = size
  }

  get onread(): NodeNet.OnReadOpts {
    return {
      // Node asks after each read for the buffer of the next one.
      buffer: () => this.buffer ??= this.spare.pop() ?? Buffer.allocUnsafeSlow(this.size),
      callback: (count, buffer) => {
        if (count > this.size / 4) {
          this.buffer = undefined
          const chunk = buffer.subarray(0, count)
          this.lent.add(chunk)
          this.deliver?.(chunk)
        } else {
          const copy = Buffer.allocUnsafeSlow(count)
          copy.set(buffer.subarray(0, count))
          this.deliver?.(copy)
        }
        return true
      }
    }
  }

  recycle(chunk: Uint8Array): void {
    if (!this.lent.delete(chunk) || this.spare.length === mostSpare) return
    this.spare.push(new Uint8Array(chunk.buffer))
  }
}
