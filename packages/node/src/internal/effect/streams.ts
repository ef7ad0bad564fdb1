/** Streams that pull: an effect is run for each element, and only when that is wanted. */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** What `pull` gives each time it is run, until it gives `undefined`. */
export const pulled = <A, E, R>(pull: Effect.Effect<A | undefined, E, R>): Stream.Stream<A, E, R> => {
  const next: Channel.Channel<Chunk.Chunk<A>, unknown, E, unknown, void, unknown, R> = Channel.flatMap(
    Channel.fromEffect(pull),
    (value) => value === undefined ? Channel.void : Channel.flatMap(Channel.write(Chunk.of(value)), () => next)
  )
  return Stream.fromChannel(next)
}

/**
 * An effect that gives the stream's next elements each time it is run, and `undefined` at its end. The stream is left when the
 * scope ends, and not before.
 */
export const pullOf = <A, E, R>(
  stream: Stream.Stream<A, E, R>
): Effect.Effect<Effect.Effect<ReadonlyArray<A> | undefined, E, R>, never, R | Scope.Scope> =>
  Effect.map(Stream.toPull(stream), (pull) =>
    Effect.matchEffect(pull, {
      onFailure: Option.match({ onNone: () => Effect.succeed(undefined), onSome: (error: E) => Effect.fail(error) }),
      onSuccess: (chunk) => Effect.succeed(Chunk.toReadonlyArray(chunk))
    }))
