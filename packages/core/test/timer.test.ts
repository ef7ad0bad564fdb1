/** Timers: arming, recurring, cancelling, failing callbacks. */
import { Copas, Thread, Timer } from "@copas/core"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Context, Deferred, Duration, Effect, Exit, Fiber, Option, Runtime, TestClock } from "effect"
import { copas, inCopas } from "./inCopas.js"

/** Notes the times at which it is run. */
const clocked = (times: Array<number>): Effect.Effect<number> =>
  Effect.map(Clock.currentTimeMillis, (now) => times.push(now))

class Greeting extends Context.Tag("test/Greeting")<Greeting, string>() {}

describe("Timer", () => {
  it.effect("C31 a timer is armed when it is made, and calls back once, after its delay", () =>
    Effect.gen(function*() {
      const times: Array<number> = []
      yield* inCopas(Effect.gen(function*() {
        const timer = yield* Timer.make({ delay: "2 seconds", callback: () => clocked(times) })
        assert.isTrue(yield* timer.isArmed)
        assert.deepStrictEqual(times, [])
        yield* Thread.pause("10 seconds")
        assert.isFalse(yield* timer.isArmed)
        assert.isTrue(Timer.isTimer(timer))
      }))
      assert.deepStrictEqual(times, [2000])
    }))

  it.effect("C31 an armed timer keeps the dispatcher going until it has run", () =>
    Effect.gen(function*() {
      const times: Array<number> = []
      yield* inCopas(Timer.make({ delay: "5 minutes", callback: () => clocked(times) }))
      assert.deepStrictEqual(times, [300_000])
    }))

  it.effect("C31 a recurring timer calls back again its delay after each call has ended, until it is cancelled", () =>
    Effect.gen(function*() {
      const times: Array<number> = []
      yield* inCopas(Effect.gen(function*() {
        const timer = yield* Timer.make({
          delay: "1 second",
          recurring: true,
          callback: () => Effect.zipRight(clocked(times), Thread.pause("500 millis"))
        })
        yield* Thread.pause("5 seconds")
        assert.isTrue(yield* timer.isArmed)
        assert.isTrue(yield* timer.cancel)
        assert.isFalse(yield* timer.isArmed)
        assert.isFalse(yield* timer.cancel)
      }))
      assert.deepStrictEqual(times, [1000, 2500, 4000])
    }))

  it.effect("C31 the initial delay stands in for the first delay; zero calls back at once", () =>
    Effect.gen(function*() {
      const times: Array<number> = []
      const once: Array<number> = []
      yield* inCopas(Effect.gen(function*() {
        yield* Timer.make({
          delay: "5 seconds",
          initialDelay: 0,
          recurring: true,
          callback: (timer) => Effect.zipRight(clocked(times), Effect.when(timer.cancel, () => times.length === 3))
        })
        yield* Timer.make({ delay: "200 millis", initialDelay: "100 millis", callback: () => clocked(once) })
      }))
      assert.deepStrictEqual(times, [0, 5000, 10_000])
      assert.deepStrictEqual(once, [100])
    }))

  it.effect("C31 the callback gets the timer and the params, in a thread named like the timer", () =>
    inCopas(Effect.gen(function*() {
      const got = yield* Deferred.make<ReadonlyArray<unknown>>()
      const params = { word: "hello" }
      const timer = yield* Timer.make({
        name: "greeter",
        delay: "1 second",
        params,
        callback: (self, given) =>
          Effect.gen(function*() {
            const thread = Option.getOrThrow(yield* Thread.current)
            yield* Deferred.succeed(got, [self.name, given.word, thread.name, yield* Greeting])
          })
      }).pipe(Effect.provideService(Greeting, "hi"))
      assert.deepStrictEqual(yield* Deferred.await(got), [timer.name, "hello", "greeter", "hi"])
      const unnamed = yield* Timer.make({ delay: 0, callback: () => Effect.void })
      assert.match(unnamed.name, /^copas_timer_\d+$/)
    })))

  it.effect("C31 a timer that has run may be armed again, also from its own callback, with another first delay", () =>
    Effect.gen(function*() {
      const times: Array<number> = []
      const armed: Array<boolean> = []
      yield* inCopas(Effect.gen(function*() {
        const timer = yield* Timer.make({
          delay: "100 millis",
          callback: (self) =>
            Effect.gen(function*() {
              yield* clocked(times)
              if (times.length > 1) return
              armed.push(yield* self.arm({ initialDelay: "3 seconds" }))
              armed.push(yield* self.arm())
            })
        })
        yield* Thread.pause("1 minute")
        armed.push(yield* timer.arm())
      }))
      assert.deepStrictEqual(times, [100, 3100, 60_100])
      assert.deepStrictEqual(armed, [true, false, true])
    }))

  it.effect("C31 a recurring timer is armed while its callback runs, so that arming it there does nothing", () =>
    Effect.gen(function*() {
      const times: Array<number> = []
      yield* inCopas(Timer.make({
        delay: "1 second",
        recurring: true,
        callback: (self) =>
          Effect.gen(function*() {
            yield* clocked(times)
            assert.isFalse(yield* self.arm())
            assert.isTrue(yield* self.cancel)
            assert.isFalse(yield* self.cancel)
            // Cancelled from its own callback, the call continues to its end, and is the last.
            yield* Thread.pause("10 seconds")
            yield* clocked(times)
          })
      }))
      assert.deepStrictEqual(times, [1000, 11_000])
    }))

  it.effect("C31 a callback that cancels and arms its recurring timer continues with the new arming alone", () =>
    Effect.gen(function*() {
      const times: Array<number> = []
      yield* inCopas(Timer.make({
        delay: "1 second",
        recurring: true,
        callback: (self) =>
          Effect.gen(function*() {
            yield* clocked(times)
            yield* self.cancel
            if (times.length < 3) yield* self.arm({ initialDelay: "10 seconds" })
          })
      }))
      assert.deepStrictEqual(times, [1000, 11_000, 21_000])
    }))

  it.effect.each(["while it waits", "while its callback runs"] as const)(
    "C31 a timer that cancelAll cut %s is not armed, and may be armed again",
    (when) =>
      Effect.gen(function*() {
        let calls = 0
        yield* inCopas(Effect.gen(function*() {
          const timer = yield* Timer.make({
            delay: "1 second",
            recurring: true,
            callback: (timer) => {
              calls += 1
              if (when === "while its callback runs" && calls === 1) return Effect.never
              return timer.cancel
            }
          })
          if (when === "while its callback runs") yield* Thread.pause("2 seconds")
          const before = calls
          yield* Copas.cancelAll
          assert.isFalse(yield* timer.isArmed)
          assert.isFalse(yield* timer.cancel)
          assert.isTrue(yield* timer.arm())
          yield* Thread.pause("2 seconds")
          assert.strictEqual(calls, before + 1)
        }))
      })
  )

  it.effect("C31 cancelling from elsewhere ends a pause at once, and interrupts a call and waits for its end", () =>
    inCopas(Effect.gen(function*() {
      const log: Array<string> = []
      const sleeping = yield* Timer.make({ delay: "1 hour", callback: () => Effect.sync(() => log.push("never")) })
      assert.isTrue(yield* sleeping.cancel)
      const calling = yield* Timer.make({
        delay: 0,
        recurring: true,
        callback: () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => log.push("interrupted")))
      })
      yield* Thread.pause("1 second")
      assert.isTrue(yield* calling.cancel)
      log.push("cancelled")
      assert.deepStrictEqual(log, ["interrupted", "cancelled"])
      assert.strictEqual(yield* Clock.currentTimeMillis, 1000)
    })))

  const elsewhere: ReadonlyArray<
    readonly [who: string, (cancel: Effect.Effect<unknown>) => Effect.Effect<unknown, never, Copas.Copas>]
  > = [
    ["a fiber that the call before left behind", (cancel) => Effect.forkDaemon(cancel)],
    [
      "a fiber that was given the context of the call before",
      (cancel) => Effect.map(Effect.runtime(), (runtime) => Runtime.runFork(runtime, cancel))
    ],
    ["a thread that the call before added", (cancel) => Copas.addThread(cancel)]
  ]
  for (const [who, start] of elsewhere) {
    it.effect(`C31 ${who} cancels from elsewhere: the call under way is interrupted, and it waits for its end`, () =>
      inCopas(Effect.gen(function*() {
        const log: Array<string> = []
        const first = (timer: Timer.Timer) =>
          start(Effect.gen(function*() {
            yield* Effect.sleep("1500 millis")
            log.push(`cancelled ${yield* timer.cancel}`)
          }))
        const second = Effect.onInterrupt(
          Effect.never,
          () => Effect.zipRight(Effect.sleep("1 second"), Effect.sync(() => log.push("ended")))
        )
        let calls = 0
        yield* Timer.make({
          delay: "1 second",
          recurring: true,
          callback: (timer) => {
            calls += 1
            return calls === 1 ? first(timer) : second
          }
        })
        yield* Thread.pause("1 minute")
        assert.deepStrictEqual([calls, log], [2, ["ended", "cancelled true"]])
      })))
  }

  it.effect("C31 a thread that the callback adds cancels from elsewhere, also while that call is under way", () =>
    inCopas(Effect.gen(function*() {
      const log: Array<string> = []
      yield* Timer.make({
        delay: "1 second",
        recurring: true,
        callback: ({ cancel }) =>
          Effect.zipRight(
            Copas.addThread(Effect.map(cancel, (was) => log.push(`cancelled ${was}`))),
            Effect.onInterrupt(Effect.never, () => Effect.sync(() => log.push("ended")))
          )
      })
      yield* Thread.pause("1 minute")
      assert.deepStrictEqual(log, ["ended", "cancelled true"])
    })))

  it.effect("C31 what the callback forks cancels as the callback does: the call continues, and is the last", () =>
    inCopas(Effect.gen(function*() {
      const cancelled: Array<boolean> = []
      const times: Array<number> = []
      const ways: ReadonlyArray<(timer: Timer.Timer) => Effect.Effect<boolean, unknown>> = [
        ({ cancel }) => Effect.timeout(cancel, "1 second"),
        ({ cancel }) => Effect.race(cancel, Effect.never),
        ({ cancel }) => Effect.flatMap(Effect.fork(cancel), Fiber.join),
        ({ cancel }) => Effect.flatMap(Effect.forkDaemon(cancel), Fiber.join)
      ]
      for (const cancel of ways) {
        yield* Timer.make({
          delay: "1 second",
          recurring: true,
          callback: (self) =>
            Effect.gen(function*() {
              cancelled.push(yield* cancel(self))
              yield* Thread.pause("5 seconds")
              yield* clocked(times)
            })
        })
      }
      yield* Thread.pause("1 minute")
      assert.deepStrictEqual(cancelled, [true, true, true, true])
      assert.deepStrictEqual(times, [6000, 6000, 6000, 6000])
    })))

  it.effect("C31 the error handler of a call that failed cancels as the call does, and continues", () =>
    inCopas(Effect.gen(function*() {
      const log: Array<string> = []
      const timer: Timer.Timer = yield* Timer.make({
        delay: "1 second",
        recurring: true,
        onError: () =>
          Effect.gen(function*() {
            yield* timer.cancel
            yield* Thread.pause("1 second")
            log.push("handled")
          }),
        callback: () => Effect.fail("failed")
      })
      yield* Thread.pause("1 minute")
      assert.deepStrictEqual(log, ["handled"])
    })))

  it.effect("C31 an error in the callback goes to the error handler, and does not kill the timer", () =>
    Effect.gen(function*() {
      const failures: Array<string> = []
      const note = (to: string) => (cause: Cause.Cause<unknown>, { thread }: { readonly thread: Thread.Thread }) =>
        Effect.sync(() => {
          failures.push(`${to}: ${thread.name}: ${String(Cause.squash(cause))}`)
        })
      yield* inCopas(Effect.gen(function*() {
        yield* Copas.setErrorHandler(note("dispatcher"))
        let count = 0
        yield* Timer.make({
          name: "recurring",
          delay: "1 second",
          recurring: true,
          onError: note("timer"),
          callback: (self) =>
            Effect.gen(function*() {
              count += 1
              if (count === 3) yield* self.cancel
              return yield* count === 1 ? Effect.fail("error 1") : Effect.die(`error ${count}`)
            })
        })
        yield* Timer.make({ name: "once", delay: "10 seconds", callback: () => Effect.fail("no") })
        yield* Timer.make({
          name: "throws",
          delay: "20 seconds",
          callback: () => {
            throw new RangeError("thrown")
          }
        })
      }))
      assert.deepStrictEqual(failures, [
        "timer: recurring: error 1",
        "timer: recurring: error 2",
        "timer: recurring: error 3",
        "dispatcher: once: no",
        "dispatcher: throws: RangeError: thrown"
      ])
    }))

  it.effect("C31 each call has a scope of its own", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      yield* inCopas(Timer.make({
        delay: "1 second",
        recurring: true,
        callback: (self) =>
          Effect.gen(function*() {
            yield* Effect.addFinalizer(() => Effect.sync(() => log.push("close")))
            log.push("open")
            if (log.length > 2) yield* self.cancel
          })
      }))
      assert.deepStrictEqual(log, ["open", "close", "open", "close"])
    }))

  it.effect("C31 a scoped timer is cancelled when its scope ends", () =>
    inCopas(Effect.gen(function*() {
      const times: Array<number> = []
      const timer = yield* Effect.scoped(Effect.gen(function*() {
        const timer = yield* Timer.scoped({ delay: "1 second", recurring: true, callback: () => clocked(times) })
        yield* Thread.pause("2500 millis")
        return timer
      }))
      assert.isFalse(yield* timer.isArmed)
      yield* Thread.pause("10 seconds")
      assert.deepStrictEqual(times, [1000, 2000])
    })))

  it.effect("C31 negative and senseless delays are InvalidOption, when a timer is made and when it is armed", () =>
    inCopas(Effect.gen(function*() {
      const callback = () => Effect.void
      assert.strictEqual((yield* Effect.flip(Timer.make({ delay: -1, callback }))).option, "delay")
      const error = yield* Effect.flip(Timer.make({ delay: 1, initialDelay: Number.NaN, callback }))
      assert.strictEqual(error.option, "initialDelay")
      const timer = yield* Timer.make({ delay: Duration.infinity, callback })
      assert.strictEqual((yield* Effect.flip(timer.arm({ initialDelay: -1 }))).option, "initialDelay")
      assert.isTrue(yield* timer.isArmed)
    })))

  it.effect("C31 TestClock drives a timer", () =>
    Effect.gen(function*() {
      const called = yield* Deferred.make<void>()
      yield* Timer.make({ delay: "1 minute", callback: () => Deferred.succeed(called, undefined) })
      yield* Effect.repeatN(Effect.yieldNow(), 20)
      yield* TestClock.adjust("59 seconds")
      assert.isFalse(yield* Deferred.isDone(called))
      yield* TestClock.adjust("1 second")
      yield* Deferred.await(called)
    }).pipe(Effect.provide(copas)))

  it.effect("C19 Effect.timeout bounds any effect: what takes too long is interrupted, and its scope closed", () =>
    inCopas(Effect.gen(function*() {
      const log: Array<string> = []
      const slow = Effect.onInterrupt(Thread.pause("1 minute"), () => Effect.sync(() => log.push("interrupted")))
      const exit = yield* Effect.exit(Effect.timeout(slow, "2 seconds"))
      assert.isTrue(Exit.isFailure(exit) && Cause.isFailType(exit.cause) && Cause.isTimeoutException(exit.cause.error))
      assert.strictEqual(yield* Clock.currentTimeMillis, 2000)
      assert.deepStrictEqual(log, ["interrupted"])
      assert.deepStrictEqual(yield* Effect.timeoutOption(slow, "1 second"), Option.none())
      assert.strictEqual(
        yield* Effect.timeoutTo(slow, { duration: "1 second", onSuccess: () => "done", onTimeout: () => "instead" }),
        "instead"
      )
      const fast = yield* Effect.timeout(Effect.as(Thread.pause("1 second"), "in time"), "2 seconds")
      assert.strictEqual(fast, "in time")
    })))

  it.effect("C19 Copas's time-out, which continues and calls back meanwhile, is a timer that is cancelled", () =>
    inCopas(Effect.gen(function*() {
      const late: Array<number> = []
      const watched = (work: Effect.Effect<unknown>) =>
        Effect.scoped(Effect.zipRight(Timer.scoped({ delay: "2 seconds", callback: () => clocked(late) }), work))
      yield* watched(Thread.pause("1 second"))
      yield* watched(Thread.pause("5 seconds"))
      assert.deepStrictEqual(late, [3000])
      assert.strictEqual(yield* Clock.currentTimeMillis, 6000)
    })))
})
