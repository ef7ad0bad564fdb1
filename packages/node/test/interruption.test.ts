import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readdirSync, readlinkSync } from "node:fs"
import * as NodeCopas from "../src/NodeCopas.js"
import { becomes, interrupted, left, type Mode, nothing } from "../../core/test/support/interruption.js"

/** What Node holds of sockets, and which sockets the process has in the system. */
const held = Effect.sync(() => ({
  resources: process.getActiveResourcesInfo().filter((name) => /TCP|Pipe(Server|Connect)|ConnectWrap|GetAddrInfo/.test(name)).length,
  descriptors: readdirSync("/proc/self/fd").filter((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`).startsWith("socket:")
    } catch {
      // The one with which the directory itself was read.
      return false
    }
  }).length
}))

const modes: ReadonlyArray<Mode> = ["yields", "events"]

for (const mode of modes) {
  it.live(
    `C08 a random program that is interrupted at any point leaves no descriptor, listener, timer or thread (${mode})`,
    () =>
      Effect.gen(function*() {
        const before = yield* held
        for (let seed = 1; seed <= 120; seed += 1) {
          yield* interrupted(seed, mode)
          expect({ seed, ...(yield* left) }).toEqual({ seed, ...nothing })
          // Connections that nobody accepted are closed with their listener, and gone a turn later.
          const after = yield* becomes(held, ({ descriptors, resources }) =>
            descriptors === before.descriptors && resources === before.resources)
          expect({ seed, ...after }).toEqual({ seed, ...before })
        }
      }).pipe(Effect.provide(NodeCopas.layer)),
    60_000
  )
}
