/** A part of a name that no file of the server has yet. */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { now } from "../effect/fibers.js"

/** The time and chance, in letters and digits. Both are Effect's, so that a simulation is the same twice. */
export const chosenName: Effect.Effect<string> = Effect.zipWith(
  now,
  Random.nextIntBetween(0, 2 ** 30),
  (millis, chance) => `${millis.toString(36)}-${chance.toString(36)}`
)
