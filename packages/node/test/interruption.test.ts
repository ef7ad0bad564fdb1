/** Random programs that interrupt, end, cancel and remove, on Node. */
import { DispatcherContract } from "@copas/core/contract"
import * as Copas from "@copas/core/Copas"
import { Sampling } from "@copas/core/testing"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as NodeCopas from "../src/NodeCopas.js"
import { sockets } from "./tls/support.js"
import { turn } from "./turns.js"

/** What Node holds of sockets, and which sockets the process has in the system. */
const held = Effect.map(sockets, (descriptors) => ({
  resources: process.getActiveResourcesInfo().filter((name) =>
    /TCP|Pipe(Server|Connect)|ConnectWrap|GetAddrInfo/.test(name)
  )
    .length,
  descriptors
}))

/** Waits until it holds what it held before, or until it is clear that it will not. */
const heldAgain = (before: Effect.Effect.Success<typeof held>): typeof held =>
  Effect.gen(function*() {
    for (let turns = 0; turns < 500; turns += 1) {
      const now = yield* held
      if (now.descriptors === before.descriptors && now.resources === before.resources) return now
      yield* turn
    }
    return yield* held
  })

for (const mode of ["yields", "events"] as const) {
  it.live(
    `C08 a random program that is interrupted at any point leaves no descriptor, listener, timer or thread (${mode})`,
    () =>
      Effect.gen(function*() {
        const before = yield* held
        yield* Sampling.forEachSeed({ short: 20, long: 120 }, (seed) =>
          Effect.gen(function*() {
            yield* DispatcherContract.interruptAtRandom(seed, mode)
            expect(yield* DispatcherContract.leftovers).toEqual([])
            // Connections that were not accepted are closed with their listener, and gone a turn later.
            expect(yield* heldAgain(before)).toEqual(before)
          }))
      }).pipe(Effect.provide(NodeCopas.layer))
  )
}

it.live(
  "C10 a random program that ends, cancels, removes and adds all at once comes to its end and leaves no descriptor",
  () =>
    Effect.gen(function*() {
      const before = yield* held
      yield* Sampling.forEachSeed({ short: 15, long: 60 }, (seed) =>
        Effect.gen(function*() {
          yield* DispatcherContract.churnAtRandom(seed)
          expect(yield* DispatcherContract.leftovers).toEqual([])
          expect(yield* Copas.finished).toBe(true)
          expect(yield* heldAgain(before)).toEqual(before)
        }))
    }).pipe(Effect.provide(Layer.merge(NodeCopas.layer, Logger.remove(Logger.defaultLogger))))
)
