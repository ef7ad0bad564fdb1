/**
 * How many messages may begin within a time: a sliding window.
 *
 * In any stretch of `perMillis`, wherever it begins, no more than `messages` begin. A bucket that fills up by the clock would
 * let twice as many through: a full bucket, and what drops into it meanwhile.
 */
export class Rate {
  private readonly messages: number
  private readonly perMillis: number
  /** When those of the window began, the oldest first, from `first` on. */
  private begun: Array<number> = []
  private first = 0

  constructor(messages: number, perMillis: number) {
    this.messages = messages
    this.perMillis = perMillis
  }

  /** When the next may begin; not after `now` if it may begin at once. */
  nextAt(now: number): number {
    if (this.messages === Infinity) return now
    const { begun, perMillis } = this
    while (this.first < begun.length && begun[this.first]! <= now - perMillis) this.first += 1
    // The dropped ones are removed from time to time, not one by one.
    if (this.first > 1000 && this.first * 2 > begun.length) {
      this.begun = begun.slice(this.first)
      this.first = 0
    }
    const count = this.begun.length - this.first
    return count < this.messages ? now : this.begun[this.first]! + perMillis
  }

  /** One begins. */
  begin(now: number): void {
    if (this.messages !== Infinity) this.begun.push(now)
  }

  /** The one that began then was not sent after all. */
  takeBack(began: number): void {
    const index = this.begun.lastIndexOf(began)
    if (index >= this.first) this.begun.splice(index, 1)
  }
}
