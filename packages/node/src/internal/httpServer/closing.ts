/** How a connection ends from this side: so that the peer reads the last answer, and is not waited for without bound. */
import type { Timekeeper } from "@copas/core/Transport"
import * as Effect from "effect/Effect"
import type { Duplex } from "node:stream"
import { suspend } from "../effect/fibers.js"

/** How long, and how much, is read and dropped of a peer that sends on. */
export const lingerMillis = 2000
const lingerBytes = 1024 * 1024

interface Soon {
  destroySoon?: () => void
}

export class Closing {
  private readonly stream: Duplex & Soon
  private readonly time: Timekeeper
  private hasBegun = false
  private isClosed = false
  private waiting: (() => void) | undefined = undefined
  private cancel: (() => void) | undefined = undefined

  constructor(stream: Duplex, time: Timekeeper) {
    this.stream = stream
    this.time = time
  }

  /** Has `answered` called where Node, having sent an answer that says `Connection: close`, destroys the stream. */
  takeOver(answered: () => void): void {
    this.stream.destroySoon = answered
  }

  /**
   * Finishes sending. What the peer still sends is read and dropped for a while, if `drops` is set: unread bytes would
   * turn the close into a reset, which can overtake the answer (RFC 9112, section 9.6).
   */
  begin(drops: boolean): void {
    const { stream } = this
    if (this.hasBegun || stream.destroyed) return
    this.hasBegun = true
    delete stream.destroySoon
    stream.end()
    this.cancel = this.time.after(lingerMillis, () => stream.destroy())
    stream.once("end", () => stream.destroy())
    if (!drops) {
      if (stream.writableFinished) stream.destroy()
      else stream.once("finish", () => stream.destroy())
      return
    }
    let dropped = 0
    // A listener for "data" takes the handle back from Node's parser.
    stream.removeAllListeners("data")
    stream.removeAllListeners("pause")
    stream.removeAllListeners("resume")
    stream.on("data", (chunk: Buffer) => {
      dropped += chunk.length
      // A client that sends on is kept waiting: it may read the answer meanwhile.
      if (dropped > lingerBytes) stream.pause()
    })
    stream.resume()
  }

  /** The stream is closed. */
  ended(): void {
    this.isClosed = true
    this.cancel?.()
    this.waiting?.()
  }

  get closed(): Effect.Effect<void> {
    return suspend((resume) => {
      if (this.isClosed) resume(Effect.void)
      else this.waiting = () => resume(Effect.void)
    })
  }
}
