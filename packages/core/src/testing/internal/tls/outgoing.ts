/** The records that the stand-in sends: while one write is under way, the rest of them wait, and go out together. */
import type { Transport } from "../../../Transport.js"

export class Outgoing {
  private readonly below: Transport
  private waiting: Array<Uint8Array> = []
  /** The transport below has not taken everything yet. */
  isWriting = false

  constructor(below: Transport) {
    this.below = below
  }

  add(records: ReadonlyArray<Uint8Array>): void {
    this.waiting.push(...records)
  }

  flush(): void {
    if (this.waiting.length === 0) return
    this.isWriting = true
    const records = this.waiting.splice(0)
    this.below.write(records, records.reduce((sum, { length }) => sum + length, 0))
  }

  /** A write has ended. True when another one has begun. */
  written(): boolean {
    this.isWriting = false
    this.flush()
    return this.isWriting
  }
}
