import type * as NodeNet from "node:net"

/**
 * Reads into buffers of our own, past Node's streams: fewer and larger reads. A buffer that a read filled for the most
 * part is given away and replaced; of one that was hardly used a copy is given, so that a few bytes do not keep it all.
 */
export class LargeReads {
  private readonly size: number
  private buffer: Buffer | undefined = undefined
  deliver: ((chunk: Uint8Array) => void) | undefined = undefined

  constructor(size: number) {
    this.size = size
  }

  get onread(): NodeNet.OnReadOpts {
    return {
      // Node asks behind each read what the next one shall fill.
      buffer: () => this.buffer ??= Buffer.allocUnsafeSlow(this.size),
      callback: (count, buffer) => {
        if (count > this.size / 2) {
          this.buffer = undefined
          this.deliver?.(buffer.subarray(0, count))
        } else {
          const copy = Buffer.allocUnsafeSlow(count)
          copy.set(buffer.subarray(0, count))
          this.deliver?.(copy)
        }
        return true
      }
    }
  }
}
