/** Distinguishes a close_notify from an end without it. */
import type * as NodeNet from "node:net"
import { Duplex } from "node:stream"
import type * as Tls from "node:tls"

/**
 * Stands between a socket and TLS if the program wants to know whether the peer finished with a close_notify: Node reports
 * "end" either way. Here the bytes pass through JavaScript, which shows what comes first, the end of TLS or the end of the
 * connection below. It costs a copy of every record, so it is used only for `requireCloseNotify`.
 */
export class Tap extends Duplex {
  /** TLS has been informed that nothing more comes. */
  private isBelowEnded = false
  isTruncated = false
  readonly below: NodeNet.Socket

  constructor(below: NodeNet.Socket) {
    super({ allowHalfOpen: true })
    this.below = below
    below.on("data", (chunk: Buffer) => {
      if (!this.push(chunk)) below.pause()
    })
    below.on("end", () => this.push(null))
    below.on("error", (error) => this.destroy(error))
    below.on("close", () => this.destroy())
    // This stream notices it first; the streams above pass it on to TLS.
    this.on("end", () => {
      this.isBelowEnded = true
    })
  }

  /** Watches for the end of `secure`, which is pushed into it as soon as its alert was read. */
  watch(secure: Tls.TLSSocket): void {
    const push = secure.push.bind(secure)
    let isEnded = false
    secure.push = (chunk: unknown, encoding?: BufferEncoding): boolean => {
      if (chunk === null && !isEnded) {
        isEnded = true
        this.isTruncated = this.isBelowEnded
      }
      return push(chunk, encoding)
    }
  }

  override _read(): void {
    this.below.resume()
  }

  override _write(chunk: Uint8Array, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.below.write(chunk, done)
  }

  override _writev(chunks: Array<{ chunk: Uint8Array }>, done: (error?: Error | null) => void): void {
    this.below.cork()
    const last = chunks.length - 1
    for (const [index, { chunk }] of chunks.entries()) {
      if (index === last) this.below.write(chunk, done)
      else this.below.write(chunk)
    }
    this.below.uncork()
  }

  override _final(done: (error?: Error | null) => void): void {
    this.below.end(() => done())
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.below.destroy()
    done(error)
  }
}
