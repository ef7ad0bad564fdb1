/** Starting, joining, sleeping, queues and time-outs, without a network. */
import type { ThreadWorkload } from "../model.js"

/**
 * The targets are CPU µs on the machine that the tables of the specification come from, where Effect's own row had
 * `own`. As absolute times mean nothing elsewhere, what is judged is the ratio of the two.
 */
const threads = (name: string, title: string, own: number, target: number): ThreadWorkload => ({
  kind: "threads",
  name,
  group: "threads",
  title: `${title} (target there: ${target} µs where Effect's own takes ${own})`,
  mode: name,
  once: name === "thread-start",
  baseline: "effect",
  figure: { label: "CPU µs each", digits: 2 },
  columns: name === "thread-start" ? [{ label: "RSS kB", digits: 1 }] : [],
  goal: { by: "ratio", target: Math.round(own / target * 100) / 100 }
})

export const threadWorkloads: ReadonlyArray<ThreadWorkload> = [
  threads("thread-start", "start a thread that sleeps; target of its memory: 3.8 kB", 19, 13),
  threads("thread-join", "start a thread and join it", 9.2, 8),
  threads("queues", "two threads, two queues, a round trip", 17, 3),
  threads("sleepers", "100 000 threads sleep 0 to 500 ms and wake", 41, 27),
  threads("timeout", "arm a time-out, yield, disarm", 21, 2)
]
