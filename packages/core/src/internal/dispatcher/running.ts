/** Running and ending: `run`, `step`, `exit`, `waitForExit`, `drain`. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Clocks from "../effect/clocks.js"
import { currentEnv } from "../effect/env.js"
import { clockOf } from "../effect/reference.js"
import { suspendCancellable, withFiber } from "../effect/suspend.js"
import { Sleeper, threadOf } from "../thread/thread.js"
import { Due, forClock } from "../time/deadlines.js"
import { millisOf, millisOrDie, wrongDuration } from "../time/optionValues.js"
import { cancelAll } from "./cancelling.js"
import type { Dispatcher } from "./dispatcher.js"

export const run = <A, E, R>(
  dispatcher: Dispatcher,
  program: Effect.Effect<A, E, R>
): Effect.Effect<A, E, Exclude<R, Scope.Scope>> =>
  Effect.scopedWith((scope) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const env = yield* currentEnv<Exclude<R, Scope.Scope>>()
        const isInner = yield* withFiber<boolean>((fiber) => Effect.succeed(threadOf(fiber)?.dispatcher === dispatcher))
        const { remaining } = dispatcher
        if (remaining.running === 0) remaining.isExiting = false
        remaining.running += 1
        let hasFailed = false
        let stop = (): void => {}
        dispatcher.wasAwaited = true
        const thread = dispatcher.spawn(env, Effect.provideService(program, Scope.Scope, scope), {
          label: "initializer",
          onError: undefined,
          isWatched: true,
          onEnd: (_, exit) => {
            hasFailed = Exit.isFailure(exit)
            if (hasFailed) stop()
          }
        })
        const waited = yield* Effect.exit(restore(remaining.finish((stopWaiting) => {
          stop = stopWaiting
          if (hasFailed) stop()
        })))
        remaining.running -= 1
        // Threads that are left after success wait to be woken, and no thread is left to do that. In a thread there is that
        // thread, and all that is not of this program is the outer program's.
        yield* isInner ? thread.interrupt : cancelAll(dispatcher)
        const ended: Exit.Exit<A, E> = Exit.isFailure(waited) ? waited : thread.exit!
        return yield* ended
      })
    )
  )

export const step = (
  dispatcher: Dispatcher,
  timeout: Duration.DurationInput = Duration.infinity
): Effect.Effect<boolean> =>
  withFiber((fiber) => {
    dispatcher.wasAwaited = true
    const { scheduler } = dispatcher
    const millis = millisOf(timeout)
    if (millis === undefined) return Effect.die(wrongDuration("timeout", timeout))
    // The step in which this very thread runs does not count: it has ended when the next one begins.
    const own = scheduler.isStepping ? scheduler.steps + 1 : 0
    if (millis === 0 && (own === 0 ? scheduler.isIdle : !scheduler.hasReady)) return Effect.succeed(false)
    const deadlines = forClock(clockOf(fiber))
    return suspendCancellable<boolean>((resume) => {
      let cancel = (): void => {}
      const deadline = new Due(() => {
        cancel()
        resume(Effect.succeed(false))
      })
      const listen = (): void => {
        cancel = scheduler.afterStep(() => {
          if (scheduler.steps === own) listen()
          else {
            deadlines.cancel(deadline)
            resume(Effect.succeed(true))
          }
        })
      }
      listen()
      if (millis !== Infinity && millis > 0) deadlines.schedule(deadline, deadlines.now() + millis)
      return Effect.sync(() => {
        cancel()
        deadlines.cancel(deadline)
      })
    })
  })

/**
 * Warns, once for a dispatcher, of a program that adds a server and then ends: nothing was ever served, and nothing failed
 * either. A program to whose servers connections came waits by some means of its own.
 */
export const warnOfNoWait = (dispatcher: Dispatcher, server: string): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (dispatcher.wasAwaited || dispatcher.totals.connections > 0) return Effect.void
    dispatcher.wasAwaited = true
    return Effect.logWarning(
      `The server ${server} ended with its scope before anything came to it, because the program did not wait; run the ` +
        "program with Copas.run, or serve with Layer.launch(Copas.serve(handler, options))"
    )
  })

export const exit = (dispatcher: Dispatcher): Effect.Effect<void> =>
  Effect.suspend(() => {
    dispatcher.remaining.exit()
    return Effect.forEach(Array.from(dispatcher.servers), (server) => server.remove(false), { discard: true })
  })

/** Like `pauseForever`, until the exit; a `wakeup` meanwhile changes nothing. */
export const waitForExit = (dispatcher: Dispatcher): Effect.Effect<void> =>
  withFiber((fiber) => {
    dispatcher.wasAwaited = true
    const deadlines = forClock(clockOf(fiber))
    const exitOrWakeup = suspendCancellable<void>((resume) => {
      let cancel = (): void => {}
      const sleeper = new Sleeper(deadlines, fiber, () => {
        cancel()
        resume(Effect.void)
      })
      cancel = dispatcher.remaining.onExit(() => sleeper.expire())
      if (!dispatcher.remaining.isExiting && !dispatcher.isEnding) sleeper.begin(Infinity)
      return Effect.sync(() => {
        cancel()
        sleeper.end()
      })
    })
    return Effect.repeat(exitOrWakeup, { until: () => dispatcher.remaining.isExiting || dispatcher.isEnding })
  })

export const drain = (dispatcher: Dispatcher, within: Duration.DurationInput): Effect.Effect<boolean> =>
  Effect.gen(function*() {
    const millis = yield* millisOrDie("within", within)
    dispatcher.wasAwaited = true
    yield* exit(dispatcher)
    const { remaining } = dispatcher
    const deadlines = forClock(yield* Clocks.current)
    let deadline: Due | undefined = undefined
    const isFinished = yield* Effect.acquireUseRelease(
      Effect.sync(() => {
        remaining.running += 1
      }),
      () =>
        remaining.finish((stop) => {
          if (millis !== Infinity) deadlines.schedule(deadline = new Due(stop), deadlines.now() + millis)
        }),
      () =>
        Effect.sync(() => {
          if (deadline !== undefined) deadlines.cancel(deadline)
          remaining.running -= 1
        })
    )
    yield* cancelAll(dispatcher)
    return isFinished
  })
