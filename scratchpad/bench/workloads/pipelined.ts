/** Pipelined lines over 50 connections. */
import type { ServerWorkload } from "../model.js"
import { closedLoop } from "./closed-loop.js"

export const pipelined: ServerWorkload = closedLoop({
  name: "pipelined",
  group: "pipelined",
  title: "20 pipelined lines of 64 bytes, 50 connections",
  mode: "lines",
  connections: 50,
  lines: 20,
  saturates: true,
  goal: { by: "ratio", target: 6, stretch: 9 }
})
