/** Running and ending: `run`, `step`, `exit`, `waitForExit`, `drain`. */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Deferreds from "../effect/deferreds.js"
import { currentEnv } from "../effect/env.js"
import { clockOf } from "../effect/reference.js"
import { suspend, withFiber } from "../effect/suspend.js"
import { Sleeper, threadOf } from "../thread/thread.js"
import { Deadline, forClock } from "../time/deadlines.js"
import { millisOf, millisOrDie, wrongDuration } from "../time/optionValues.js"
import type { Dispatcher } from "./dispatcher.js"

export const run = <A, E, R>(
  dispatcher: Dispatcher,
  program: Effect.Effect<A, E, R>
): Effect.Effect<A, E, Exclude<R, Scope.Scope>> =>
  Effect.scopedWith((scope) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const env = yield* currentEnv<Exclude<R, Scope.Scope>>()
        const failed = yield* Deferred.make<never, E>()
        const isInner = yield* withFiber<boolean>((fiber) => Effect.succeed(threadOf(fiber)?.dispatcher === dispatcher))
        if (dispatcher.running === 0) dispatcher.isExiting = false
        dispatcher.running += 1
        const thread = dispatcher.spawn(env, Effect.provideService(program, Scope.Scope, scope), {
          label: "initializer",
          onError: undefined,
          isWatched: true,
          onEnd: (_, exit) => {
            if (Exit.isFailure(exit)) Deferreds.complete(failed, exit as Exit.Exit<never, E>)
          }
        })
        // Each side stays interruptible in an uninterruptible region, or the side that lost would be waited for.
        const exit = yield* Effect.exit(restore(Effect.raceFirst(
          Effect.interruptible(dispatcher.finish),
          Effect.interruptible(Deferred.await(failed))
        )))
        dispatcher.running -= 1
        // What is left after success sleeps until it is woken, and nobody is there to do that. Within a thread there is
        // that one, and what is not of this program is the outer one's.
        yield* isInner ? thread.interrupt : dispatcher.cancelAll
        const ended: Exit.Exit<A, E> = Exit.isFailure(exit) ? exit : thread.exit!
        return yield* ended
      })
    )
  )

class StepDeadline extends Deadline {
  readonly expire: () => void
  constructor(expire: () => void) {
    super()
    this.expire = expire
  }
}

export const step = (
  dispatcher: Dispatcher,
  timeout: Duration.DurationInput = Duration.infinity
): Effect.Effect<boolean> =>
  withFiber((fiber) => {
    const { scheduler } = dispatcher
    const millis = millisOf(timeout)
    if (millis === undefined) return Effect.die(wrongDuration("timeout", timeout))
    // The step in which this very thread runs does not count: it is over when the next one begins.
    const own = scheduler.isStepping ? scheduler.steps + 1 : 0
    if (millis === 0 && (own === 0 ? scheduler.isIdle : !scheduler.hasReady)) return Effect.succeed(false)
    const deadlines = forClock(clockOf(fiber))
    return suspend<boolean>((resume) => {
      let cancel = (): void => {}
      const deadline = new StepDeadline(() => {
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

export const exit = (dispatcher: Dispatcher): Effect.Effect<void> =>
  Effect.suspend(() => {
    dispatcher.exit()
    return Effect.forEach(Array.from(dispatcher.servers), (server) => server.remove(false), { discard: true })
  })

/** Like `pauseForever`, until the exit; a `wakeup` meanwhile changes nothing. */
export const waitForExit = (dispatcher: Dispatcher): Effect.Effect<void> =>
  withFiber((fiber) => {
    const deadlines = forClock(clockOf(fiber))
    const exitOrWakeup = suspend<void>((resume) => {
      let cancel = (): void => {}
      const sleeper = new Sleeper(deadlines, fiber, () => {
        cancel()
        resume(Effect.void)
      })
      cancel = dispatcher.onExit(() => sleeper.expire())
      if (!dispatcher.isExiting && !dispatcher.isEnding) sleeper.begin(Infinity)
      return Effect.sync(() => {
        cancel()
        sleeper.end()
      })
    })
    return Effect.repeat(exitOrWakeup, { until: () => dispatcher.isExiting || dispatcher.isEnding })
  })

export const drain = (dispatcher: Dispatcher, within: Duration.DurationInput): Effect.Effect<boolean> =>
  Effect.gen(function*() {
    const millis = yield* millisOrDie("within", within)
    yield* exit(dispatcher)
    dispatcher.running += 1
    // A drain belongs into a finalizer, which is uninterruptible, and its limit must hold there.
    const ended = yield* Effect.timeoutOption(Effect.interruptible(dispatcher.finish), millis).pipe(
      Effect.ensuring(Effect.sync(() => {
        dispatcher.running -= 1
      }))
    )
    yield* dispatcher.cancelAll
    return ended._tag === "Some"
  })
