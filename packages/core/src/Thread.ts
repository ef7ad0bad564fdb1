/**
 * A thread of the dispatcher: a named fiber that the program can look at, wake up and interrupt.
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
import { suspendCancellable, withFiber } from "./internal/effect/suspend.js"
import { Sleeper, threadOf } from "./internal/thread/thread.js"
import { forClock } from "./internal/time/deadlines.js"
import { millisOf, wrongDuration } from "./internal/time/optionValues.js"
import type { Socket } from "./Socket.js"

/**
 * Gets the failure of a thread. A failure of the handler itself is logged, and ends nothing. `R` are the services that it
 * uses: those of the code that sets it. Each call has a scope of its own.
 *
 * @since 0.1.0
 * @category models
 */
export type ErrorHandler<out R = never> = (
  cause: Cause.Cause<unknown>,
  context: {
    readonly thread: Thread
    /** For a handler thread of a server: the connection, or the datagram socket, that it serves. */
    readonly socket: Option.Option<Socket | DatagramSocket>
  }
) => Effect.Effect<void, never, R>

/**
 * A thread: what `Copas.addThread` returns.
 *
 * It lasts until its effect and its finalizers have ended, whether or not the program keeps a reference to it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Thread<out A = unknown, out E = unknown> {
  /** A number that no other thread of its dispatcher has; later threads have larger ones. */
  readonly id: number
  /** The name in logs, spans, errors and `Copas.status`. */
  readonly name: string
  /** Changes the name; later events, errors and log lines have it. */
  readonly setName: (name: string) => Effect.Effect<void>
  /** The thread's exit. Waits until it and its finalizers have ended; a fiber of the thread itself dies instead. */
  readonly await: Effect.Effect<Exit.Exit<A, E>>
  /** The value, or the failure, of the thread. Waits as `await` does. */
  readonly join: Effect.Effect<A, E>
  /** Interrupts the thread, also while it sleeps, and waits for its end. A fiber of the thread itself does not wait. */
  readonly interrupt: Effect.Effect<void>
  /** Ends its `pause` or `pauseForever`; false when it was in none. */
  readonly wakeup: Effect.Effect<boolean>
  /** Sets what gets the failure of this thread in place of the dispatcher's handler; `undefined` unsets it. */
  readonly setErrorHandler: <R = never>(
    handler: ErrorHandler<R> | undefined
  ) => Effect.Effect<void, never, Exclude<R, Scope.Scope>>
  /** The handler that would get its failure now: its own, its server's, or the dispatcher's. It needs no services. */
  readonly errorHandler: Effect.Effect<ErrorHandler>
}

/**
 * The thread that runs this, if any.
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
    return suspendCancellable<Duration.Duration>((resume) => {
      const sleeper = new Sleeper(deadlines, fiber, (slept) => resume(Effect.succeed(Duration.millis(slept))))
      sleeper.begin(millis)
      return Effect.sync(() => sleeper.end())
    })
  })

/**
 * Sleeps for `duration`, or until `wakeup`; gives the time slept. A pause of zero lets the other threads run once.
 *
 * Follows Effect's `Clock`, on the dispatcher's shared timer. A value that is no duration, or a negative one, is a
 * mistake of the program: the effect dies with an `InvalidOption`. *Interruption* ends it at once.
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
 * Sleeps until `wakeup`; gives the time slept. A thread in `pauseForever` does not keep `Copas.run` going: when nothing
 * else is left to do, it is interrupted. If it is the program that `run` was given, `run` ends as interrupted: to wait for the
 * end, use `Copas.waitForExit`.
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
 * The options of `Copas.addThread`.
 *
 * @since 0.1.0
 * @category models
 */
export interface ThreadOptions<out RE = never> {
  /** Default `thread_N`, with its id. */
  readonly name?: string | undefined
  /** Gets the thread's failure in place of the dispatcher's handler. */
  readonly onError?: ErrorHandler<RE> | undefined
}
