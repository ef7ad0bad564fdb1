/** The peer that uses Effect 3 as it comes. */
import { nodePeer } from "./node-peer.js"

/** What Effect 3 has as it comes: @effect/platform's socket server, and Effect's own fibers, queues and time-outs. */
export const effect = nodePeer({
  name: "effect",
  title: "Effect 3",
  programs: {
    echo: "effect-platform",
    lines: "effect-platform",
    storm: "effect-platform",
    "thread-start": "effect-threads",
    "thread-join": "effect-threads",
    queues: "effect-threads",
    sleepers: "effect-threads",
    timeout: "effect-threads"
  }
})
