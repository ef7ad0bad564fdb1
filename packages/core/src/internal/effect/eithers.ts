/** An Either as an effect, which not every edition of Effect takes it for by itself. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"

/** Gives the right, or fails with the left. */
export const orFail = <A, E>(either: Either.Either<A, E>): Effect.Effect<A, E> =>
  Either.isRight(either) ? Effect.succeed(either.right) : Effect.fail(either.left)
