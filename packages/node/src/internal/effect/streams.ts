/** Streams that pull: an effect is run for each element, and only when that is wanted. */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import type * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** What `pull` gives each time it is run, until it gives `undefined`. */
export const pulled = <A, E, R>(pull: Effect.Effect<A | undefined, E, R>): Stream.Stream<A, E, R> => {
  const next: Channel.Channel<Chunk.Chunk<A>, unknown, E, unknown, void, unknown, R> = Channel.flatMap(
    Channel.fromEffect(pull),
    (value) => value === undefined ? Channel.void : Channel.flatMap(Channel.write(Chunk.of(value)), () => next)
  )
  return Stream.fromChannel(next)
}
