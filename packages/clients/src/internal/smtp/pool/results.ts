/**
 * Many messages of one stream: as many workers as there are connections, each with one message at a time.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import type * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { makeSemaphore } from "../../effect/fibers.js"
import { pulledChunks, pullOf } from "../../effect/streams.js"

interface Result<M, A, E> {
  readonly message: M
  readonly result: Either.Either<A, E>
}

/** The workers have ended. */
class End {
  readonly exit: Exit.Exit<void>
  constructor(exit: Exit.Exit<void>) {
    this.exit = exit
  }
}

const none = Symbol("no more messages")

/**
 * What becomes of each message, in the order in which they end. At most `size` are under way, and `size` results wait to
 * be taken. If the stream of messages fails, those under way end first, and their results are given.
 */
export const results = <M, A, E2, R2, E, R>(
  messages: Stream.Stream<M, E, R>,
  size: number,
  send: (message: M) => Effect.Effect<A, E2, R2>
): Stream.Stream<Result<M, A, E2>, E, R | R2> =>
  Stream.unwrapScoped(Effect.gen(function*() {
    const pull = yield* pullOf(messages)
    const queue = yield* Queue.bounded<Result<M, A, E2> | End>(size)
    const pulling = makeSemaphore(1)
    let pulled: ReadonlyArray<M> = []
    let at = 0
    let isOver = false
    let failure: Cause.Cause<E> | undefined = undefined

    /** The next message. One worker pulls, and the others wait for what it gets. */
    const pulledNext: Effect.Effect<M | typeof none, never, R> = Effect.suspend(() => {
      if (at < pulled.length) return Effect.succeed(pulled[at++]!)
      if (isOver) return Effect.succeed(none)
      return Effect.zipRight(
        Effect.matchCause(pull, {
          onFailure: (cause) => {
            failure = cause
            isOver = true
          },
          onSuccess: (chunk) => {
            pulled = chunk ?? []
            at = 0
            isOver = chunk === undefined
          }
        }),
        pulledNext
      )
    })
    const worker: Effect.Effect<void, never, R | R2> = Effect.suspend(() => {
      const handle = (message: M | typeof none): Effect.Effect<void, never, R | R2> =>
        message === none
          ? Effect.void
          : Effect.flatMap(
            Effect.flatMap(Effect.either(send(message)), (result) => Queue.offer(queue, { message, result })),
            () => worker
          )
      return at < pulled.length ? handle(pulled[at++]!) : Effect.flatMap(pulling.withPermits(1)(pulledNext), handle)
    })
    const workers = Effect.forEach(Array.from({ length: size }), () => worker, {
      concurrency: "unbounded",
      discard: true
    })
    // The end may not be taken any more: then the wait for room is interrupted.
    yield* Effect.forkScoped(
      Effect.onExit(workers, (exit) => Effect.interruptible(Queue.offer(queue, new End(exit))))
    )

    let end: End | undefined
    const take = Effect.suspend((): Effect.Effect<ReadonlyArray<Result<M, A, E2>> | undefined, E> =>
      end === undefined
        ? Effect.zipWith(Queue.take(queue), Queue.takeUpTo(queue, size), (first, more) => {
          const taken: Array<Result<M, A, E2>> = []
          for (const one of [first, ...more]) {
            if (one instanceof End) end = one
            else taken.push(one)
          }
          return taken
        })
        : Effect.zipRight(end.exit, failure === undefined ? Effect.succeed(undefined) : Effect.failCause(failure))
    )
    return pulledChunks(take)
  }))
