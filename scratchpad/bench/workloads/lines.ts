/** Single lines over 50 connections. */
import type { ServerWorkload } from "../model.js"
import { closedLoop } from "./closed-loop.js"

export const lines: ServerWorkload = closedLoop({
  name: "lines",
  group: "lines",
  title: "single lines of 64 bytes, 50 connections",
  mode: "lines",
  connections: 50,
  lines: 1,
  saturates: true,
  goal: { by: "ratio", target: 0.72, stretch: 0.85 }
})
