/** What the TLS tests share. */
import type { Listener } from "@copas/core"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import { until } from "../turns.js"

/** The sockets among this process's descriptors. */
export const sockets: Effect.Effect<number> = Effect.sync(() => {
  let count = 0
  for (const name of Fs.readdirSync("/proc/self/fd")) {
    try {
      if (Fs.readlinkSync(`/proc/self/fd/${name}`).startsWith("socket:")) count += 1
    } catch {
      // The one that read the folder.
    }
  }
  return count
})

export const backTo = (before: number): Effect.Effect<void> => until(Effect.map(sockets, (now) => now <= before))

export const stats = (
  listener: Listener.Listener,
  enough: (stats: Listener.ListenerStats) => boolean
): Effect.Effect<void> => until(Effect.map(listener.stats, enough))
