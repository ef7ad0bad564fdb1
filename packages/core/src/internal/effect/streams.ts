/** Streams that pull: an effect is run for each element, and only when that is wanted. */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/** What `next` gives for the state of the moment, with the state after it, until it gives `undefined`. */
export const unfolded = <S, A, E, R>(
  initial: S,
  next: (state: S) => Effect.Effect<readonly [A, S] | undefined, E, R>
): Stream.Stream<A, E, R> =>
  Stream.unfoldChunkEffect(
    initial,
    (state) =>
      Effect.map(next(state), (given) =>
        given === undefined ? Option.none() : Option.some([Chunk.of(given[0]), given[1]] as const))
  )

/** What `pull` gives each time it is run, until it gives `undefined`. */
export const pulled = <A, E, R>(pull: Effect.Effect<A | undefined, E, R>): Stream.Stream<A, E, R> =>
  Stream.unfoldChunkEffect(
    pull,
    (pull) =>
      Effect.map(pull, (value) => value === undefined ? Option.none() : Option.some([Chunk.of(value), pull] as const))
  )
