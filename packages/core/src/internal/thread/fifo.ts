/** A list, first in first out, in which taking from the front moves nothing. */
export class Fifo<A> {
  private items: Array<A | undefined> = []
  private head = 0

  get size(): number {
    return this.items.length - this.head
  }

  push(item: A): void {
    this.items.push(item)
  }

  /** Call it only if `size` is not zero: an item may be `undefined`. */
  shift(): A {
    const item = this.items[this.head] as A
    this.items[this.head] = undefined
    this.head += 1
    // Cutting the array sooner would cost more than the empty slots do.
    if (this.head >= 1024 && this.head * 2 >= this.items.length) {
      this.items = this.items.slice(this.head)
      this.head = 0
    }
    return item
  }

  /** Drops the last `count` items. */
  drop(count: number): void {
    this.items.length -= count
  }
}
