/** Ping-pong over 1, 50 and 1,000 connections. */
import type { Goal, ServerWorkload } from "../model.js"
import { closedLoop } from "./closed-loop.js"

const pingPong = (connections: number, goal?: Goal): ServerWorkload =>
  closedLoop({
    name: `ping-pong-${connections}`,
    group: "ping-pong",
    title: `ping-pong of 64 bytes, ${connections} connection${connections === 1 ? "" : "s"}`,
    mode: "echo",
    connections,
    lines: 1,
    // One connection alone waits for its peer half of the time.
    saturates: connections > 1,
    ...(goal === undefined ? {} : { goal })
  })

export const pingPongs: ReadonlyArray<ServerWorkload> = [
  pingPong(1),
  pingPong(50, { by: "ratio", target: 0.75, stretch: 0.85 }),
  pingPong(1000, { by: "ratio", target: 0.65, stretch: 0.8 })
]
