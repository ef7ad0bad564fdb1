/** Streams that pull: an effect is run for each element, and only when that is wanted. */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/** What `pull` gives each time it is run, until it gives `undefined`. */
export const pulled = <A, E, R>(pull: Effect.Effect<A | undefined, E, R>): Stream.Stream<A, E, R> =>
  Stream.unfoldChunkEffect(
    pull,
    (pull) =>
      Effect.map(pull, (value) => value === undefined ? Option.none() : Option.some([Chunk.of(value), pull] as const))
  )
