/** Programs as threads of a dispatcher in simulated time. */
import { Copas } from "@copas/core"
import { NetMemory, Simulation } from "@copas/core/testing"
import { Effect, Layer } from "effect"

/** A dispatcher on a network of its own. */
export const copas = Layer.provide(Copas.layer, NetMemory.layer)

/** Runs the program as a thread of such a dispatcher, for at most an hour of simulated time. */
export const inCopas = <A, E, R>(program: Effect.Effect<A, E, R>) =>
  Simulation.run(Effect.provide(Copas.run(program), copas), { maxTime: "1 hour" })
