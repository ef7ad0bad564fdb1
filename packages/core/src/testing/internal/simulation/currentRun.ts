/** Which simulation a fiber belongs to, and which host of it. */
import * as Context from "effect/Context"
import type { Network } from "../network/network.js"

/** One run of a program in simulated time. */
export class SimulationRun {
  /** Those that were made in it. */
  readonly networks: Array<Network> = []
}

/** The run that a fiber is part of; `undefined` outside of simulations. */
export class CurrentRun extends Context.Reference<CurrentRun>()("@copas/core/testing/CurrentRun", {
  defaultValue: (): SimulationRun | undefined => undefined
}) {}

/** The name of the host whose program a fiber is part of. */
export class CurrentHost extends Context.Reference<CurrentHost>()("@copas/core/testing/CurrentHost", {
  defaultValue: (): string | undefined => undefined
}) {}
