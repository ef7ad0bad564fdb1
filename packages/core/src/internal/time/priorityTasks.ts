/** Tasks in the order of their priorities. */

type Tasks = Array<() => void>

/** Lower numbers first; those of one number in the order in which they came. */
export class PriorityTasks {
  private buckets: Array<readonly [priority: number, tasks: Tasks]> = []

  get isEmpty(): boolean {
    return this.buckets.length === 0
  }

  add(task: () => void, priority: number): void {
    const { buckets } = this
    // From the back: nearly all have one priority, and those with a higher one are rare.
    let index = buckets.length
    while (index > 0 && buckets[index - 1]![0] > priority) index -= 1
    const bucket = buckets[index - 1]
    if (bucket !== undefined && bucket[0] === priority) bucket[1].push(task)
    else buckets.splice(index, 0, [priority, [task]])
  }

  /** Takes all that is there. */
  take(): ReadonlyArray<readonly [priority: number, tasks: Tasks]> {
    const taken = this.buckets
    this.buckets = []
    return taken
  }
}
