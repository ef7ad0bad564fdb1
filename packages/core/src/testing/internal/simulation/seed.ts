/** The seed of the simulation that runs. */
import { type Reference, reference } from "../../../internal/effect/reference.js"

/** What a simulation's chance comes from; 0 elsewhere. */
export const CurrentSeed: Reference<number> = reference("@copas/core/testing/CurrentSeed", () => 0)
