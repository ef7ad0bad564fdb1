/** Streams that pull, an effect for each element and only when that is wanted; and both directions as a channel. */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as MergeDecision from "effect/MergeDecision"
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

/** A channel of two directions: each element of its input is sent, the end of its input runs `end`, its output is `incoming`. */
export const duplex = <In, Out, E, E2, IE>(
  send: (element: In) => Effect.Effect<void, E>,
  end: Effect.Effect<void, E>,
  incoming: Stream.Stream<Out, E2>
): Channel.Channel<Chunk.Chunk<Out>, Chunk.Chunk<In>, E | E2 | IE, IE, void, unknown> => {
  const write: Channel.Channel<never, Chunk.Chunk<In>, E | E2 | IE, IE, void, unknown> = Channel.readWithCause({
    onInput: (elements: Chunk.Chunk<In>) =>
      Channel.flatMap(Channel.fromEffect(Effect.forEach(elements, send, { discard: true })), () => write),
    onFailure: (cause) => Channel.failCause(cause),
    onDone: () => Channel.fromEffect(end)
  })
  return Channel.mergeWith(write, {
    other: Channel.asVoid(Stream.toChannel(incoming)),
    // The end of what is written does not end what arrives; a failure ends both.
    onSelfDone: (exit) =>
      Exit.isSuccess(exit)
        ? MergeDecision.Await((other: Exit.Exit<void, E | E2 | IE>): Effect.Effect<void, E | E2 | IE> => other)
        : MergeDecision.Done(exit),
    onOtherDone: (exit) => MergeDecision.Done(exit)
  })
}
