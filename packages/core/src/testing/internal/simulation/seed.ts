/** The seed of the simulation that runs. */
import * as Context from "effect/Context"

/** What a simulation's chance comes from; 0 elsewhere. */
export class CurrentSeed extends Context.Reference<CurrentSeed>()("@copas/core/testing/CurrentSeed", {
  defaultValue: (): number => 0
}) {}
