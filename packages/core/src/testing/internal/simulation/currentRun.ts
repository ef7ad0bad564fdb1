/** Which simulation a fiber belongs to, and which host of it. */
import { type Reference, reference } from "../../../internal/effect/reference.js"
import type { Network } from "../network/network.js"

/** One run of a program in simulated time. */
export class SimulationRun {
  /** Those that were made in it. */
  readonly networks: Array<Network> = []
}

/** The run that a fiber is part of; `undefined` outside of simulations. */
export const CurrentRun: Reference<SimulationRun | undefined> = reference<SimulationRun | undefined>(
  "@copas/core/testing/CurrentRun",
  () => undefined
)

/** The name of the host whose program a fiber is part of. */
export const CurrentHost: Reference<string | undefined> = reference<string | undefined>(
  "@copas/core/testing/CurrentHost",
  () => undefined
)
