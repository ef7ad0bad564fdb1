import { DispatcherContract } from "@copas/core/testing"
import * as NodeCopas from "@copas/node/NodeCopas"
import * as Effect from "effect/Effect"
import { writeFileSync } from "node:fs"
const base = Number(process.env["BASE"])
Effect.runPromise(
  Effect.gen(function*() {
    for (let seed = base;; seed++) {
      for (const mode of ["yields", "events"] as const) {
        writeFileSync(`/tmp/adv/seed.${base}`, `${mode} ${seed} ${Date.now()}`)
        const f = yield* Effect.fork(DispatcherContract.interruptAtRandom(seed, mode))
        const t = yield* Effect.raceFirst(Effect.as(f.await, true), Effect.as(Effect.sleep("10 seconds"), false))
        const left = yield* DispatcherContract.leftovers
        if (!t || left.length > 0) {
          console.log(mode, seed, t, left)
          return
        }
      }
    }
  }).pipe(Effect.provide(NodeCopas.layer))
).then(() => process.exit(0))
