/**
 * A thread of the dispatcher: a named fiber that one can look at, wake up and interrupt.
 *
 * `Copas.addThread` makes one, and each connection of a server runs in one. Plain fibers that a thread forks belong to
 * it: within them `Thread.current` is the thread.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { DatagramSocket } from "./DatagramSocket.js"
import { clockOf } from "./internal/effect/reference.js"
import { suspend, withFiber } from "./internal/effect/suspend.js"
import { Sleeper, threadOf } from "./internal/thread/thread.js"
import { forClock } from "./internal/time/deadlines.js"
import { millisOf, wrongDuration } from "./internal/time/optionValues.js"
import type { Socket } from "./Socket.js"

/**
 * Gets the failure of a thread. What it fails with itself is logged, and ends nothing. `R` are the services that it uses:
 * they are those of whoever sets it. Each call has a scope of its own.
 *
 * @since 0.1.0
 * @category models
 */
export type ErrorHandler<out R = never> = (
  cause: Cause.Cause<unknown>,
  context: {
    readonly thread: Thread
    /** The connection, or the datagram socket, that the thread serves, for a server's handler thread. */
    readonly socket: Option.Option<Socket | DatagramSocket>
  }
) => Effect.Effect<void, never, R>

/**
 * @since 0.1.0
 * @category models
 */
export interface Thread<out A = unknown, out E = unknown> {
  readonly id: number
  readonly name: string
  readonly setName: (name: string) => Effect.Effect<void>
  /** How it ended, its finalizers included. Waits until it has; a fiber of the thread itself dies instead of waiting. */
  readonly await: Effect.Effect<Exit.Exit<A, E>>
  /** The value, or the failure, of the thread. */
  readonly join: Effect.Effect<A, E>
  /** Interrupts it, also while it sleeps, and waits until it has ended. A fiber of the thread itself does not wait. */
  readonly interrupt: Effect.Effect<void>
  /** Ends its `pause` or `pauseForever`; false when it was in none. */
  readonly wakeup: Effect.Effect<boolean>
  /** Gets the failure of this thread in place of the dispatcher's handler, until `undefined` gives it back to that one. */
  readonly setErrorHandler: <R = never>(
    handler: ErrorHandler<R> | undefined
  ) => Effect.Effect<void, never, Exclude<R, Scope.Scope>>
  /** What would get its failure now: its own handler, its server's, or the dispatcher's. It needs no services. */
  readonly errorHandler: Effect.Effect<ErrorHandler>
}

/**
 * The thread in which this runs, if any.
 *
 * @since 0.1.0
 * @category accessors
 */
export const current: Effect.Effect<Option.Option<Thread>> = withFiber((fiber) =>
  Effect.succeed(Option.fromNullable(threadOf(fiber)))
)

const sleep = (millis: number): Effect.Effect<Duration.Duration> =>
  withFiber((fiber) => {
    const deadlines = forClock(clockOf(fiber))
    return suspend<Duration.Duration>((resume) => {
      const sleeper = new Sleeper(deadlines, fiber, (slept) => resume(Effect.succeed(Duration.millis(slept))))
      sleeper.begin(millis)
      return Effect.sync(() => sleeper.end())
    })
  })

/**
 * Sleeps for `duration`, or until `wakeup`; gives the time slept. A pause of zero lets the other threads run once.
 *
 * Follows Effect's `Clock`, on the dispatcher's shared timer. What is no duration, or a negative one, is a mistake of the
 * program: the effect dies with an `InvalidOption`. *Interruption* ends it at once.
 *
 * @since 0.1.0
 * @category combinators
 */
export const pause = (duration: Duration.DurationInput): Effect.Effect<Duration.Duration> => {
  const millis = millisOf(duration)
  if (millis === undefined) return Effect.die(wrongDuration("duration", duration))
  return millis > 0 ? sleep(millis) : Effect.as(Effect.yieldNow(), Duration.zero)
}

/**
 * Sleeps until `wakeup`; gives the time slept. A thread that sleeps so does not keep `Copas.run` going: when nothing
 * else is left to do, it is interrupted. Is it the program that `run` was given, `run` ends as interrupted:
 * `Copas.waitForExit` is what waits for the end.
 *
 * @since 0.1.0
 * @category combinators
 */
export const pauseForever: Effect.Effect<Duration.Duration> = sleep(Infinity)

/**
 * Wakes a thread from its `pause` or `pauseForever`; false when it was in none.
 *
 * @since 0.1.0
 * @category combinators
 */
export const wakeup = (thread: Thread): Effect.Effect<boolean> => thread.wakeup

/**
 * Interrupts a thread, also while it sleeps, and waits until it has ended.
 *
 * @since 0.1.0
 * @category combinators
 */
export const interrupt = (thread: Thread): Effect.Effect<void> => thread.interrupt

/**
 * @since 0.1.0
 * @category models
 */
export interface ThreadOptions<out RE = never> {
  readonly name?: string | undefined
  readonly onError?: ErrorHandler<RE> | undefined
}
