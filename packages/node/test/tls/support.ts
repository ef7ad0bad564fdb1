/** What the TLS tests share. */
import type { Listener } from "@copas/core"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"

/** One turn of the event loop. */
export const turn: Effect.Effect<void> = Effect.async<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

export const turns = (count: number): Effect.Effect<void> =>
  Effect.repeatN(turn, Math.max(0, count - 1)).pipe(
    (all) => count === 0 ? Effect.void : all
  )

/** What comes from this machine mostly comes within a few turns. What takes longer is waited for without spinning. */
const quickTurns = 100

const slowTurn: Effect.Effect<void> = Effect.async<void>((resume) => {
  setTimeout(() => resume(Effect.void), 1)
})

/** Goes round the event loop until something is so; the test's own time-out is the bound. */
export const until = <E, R>(condition: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> => {
  const from = (turns: number): Effect.Effect<void, E, R> =>
    Effect.flatMap(
      condition,
      (isTrue) => isTrue ? Effect.void : Effect.zipRight(turns < quickTurns ? turn : slowTurn, from(turns + 1))
    )
  return from(0)
}

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
