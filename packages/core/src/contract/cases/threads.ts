/** The threads of the dispatcher: their start, pauses, names and traces. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as Copas from "../../Copas.js"
import * as Causes from "../../internal/effect/causes.js"
import type * as Status from "../../Status.js"
import * as Thread from "../../Thread.js"
import { asleep, type DispatcherCase, keeping, test } from "./dispatcherSupport.js"
import { holds, same, turn, until } from "./support.js"

/** The cases. */
export const cases: ReadonlyArray<DispatcherCase> = [
  test(
    "C07 a thread that is added is scheduled, not started at once, and threads start in the order in which they were added",
    Effect.gen(function*() {
      const events: Array<string> = []
      yield* Copas.run(Effect.gen(function*() {
        const a = yield* Copas.addThread(Effect.sync(() => events.push("a")), { name: "first" })
        const b = yield* Copas.addThread(Effect.sync(() => events.push("b")))
        events.push("added")
        same([a.name, b.name.startsWith("thread_")], ["first", true], "the names")
        yield* a.await
        yield* b.await
      }))
      same(events, ["added", "a", "b"], "the order")
    })
  ),
  test(
    "C07 a thread has its value, its failure and its own scope",
    Effect.gen(function*() {
      const events: Array<string> = []
      const failures = keeping()
      yield* Copas.run(Effect.gen(function*() {
        const good = yield* Copas.addThread(Effect.gen(function*() {
          yield* Effect.addFinalizer((exit) => Effect.sync(() => events.push(exit._tag)))
          return 7
        }))
        same(yield* good.join, 7, "the value")
        same(events, ["Success"], "the finalizer has run")
        same(yield* good.await, Exit.succeed(7), "the exit")
        const bad = yield* Copas.addThread(
          Effect.zipRight(Effect.addFinalizer((exit) => Effect.sync(() => events.push(exit._tag))), Effect.fail("bad")),
          { onError: failures.handler }
        )
        same(yield* Effect.flip(bad.join), "bad", "the failure")
        same(events, ["Success", "Failure"], "the finalizers")
      }))
    })
  ),
  test(
    "C07 a thread outlives the scope and the thread that added it",
    Effect.gen(function*() {
      const go = yield* Deferred.make<void>()
      let done = false
      yield* Copas.run(Effect.gen(function*() {
        yield* Effect.scoped(
          Copas.addThread(Copas.addThread(Effect.zipRight(Deferred.await(go), Effect.sync(() => (done = true)))))
        )
        yield* turn
        yield* Deferred.succeed(go, undefined)
      }))
      same(done, true, "the thread's child has run")
    })
  ),
  test(
    "C08 interrupting a thread while it sleeps ends it at once, and then run can end",
    Effect.gen(function*() {
      yield* Copas.run(Effect.gen(function*() {
        const sleepers = yield* Effect.forEach(
          [Thread.pause("1 hours"), Effect.sleep("1 hours"), Thread.pauseForever, Effect.never],
          (sleep) => Copas.addThread(Effect.asVoid(sleep))
        )
        yield* turn
        for (const sleeper of sleepers) {
          yield* sleeper.interrupt
          holds(Causes.wasInterrupted(yield* sleeper.await), "it was interrupted")
          yield* sleeper.interrupt
        }
      }))
      same((yield* Copas.status).timers, 0, "the timers that are left")
    })
  ),
  test(
    "C08 a thread that is interrupted before its turn never starts its work",
    Effect.gen(function*() {
      let worked = false
      yield* Copas.run(Effect.gen(function*() {
        const thread = yield* Copas.addThread(Effect.zipRight(Effect.yieldNow(), Effect.sync(() => (worked = true))))
        yield* thread.interrupt
      }))
      same(worked, false, "it worked")
    })
  ),
  test(
    "C12 a thread knows itself, and its name can be changed",
    Effect.gen(function*() {
      const names: Array<string | undefined> = []
      const name = Effect.map(Thread.current, (thread) => Option.getOrUndefined(thread)?.name)
      same(yield* name, undefined, "outside of a thread")
      yield* Copas.run(Effect.gen(function*() {
        names.push(yield* name)
        const thread = yield* Copas.addThread(
          Effect.gen(function*() {
            names.push(yield* name)
            yield* turn
            names.push(yield* Effect.flatMap(Effect.fork(name), Fiber.join))
          }),
          { name: "worker" }
        )
        yield* Effect.yieldNow()
        yield* thread.setName("renamed")
        yield* thread.await
      }))
      same(names, ["initializer", "worker", "renamed"], "the names")
    })
  ),
  test(
    "C15 the time is the Clock's",
    Effect.gen(function*() {
      const before = yield* Clock.currentTimeMillis
      yield* TestClock.adjust("90 seconds")
      same((yield* Clock.currentTimeMillis) - before, 90_000, "the time that went by")
    })
  ),
  test(
    "C16 pause gives the time slept, its own or that until the wake-up",
    Effect.gen(function*() {
      const slept: Array<number> = []
      const note = (time: Duration.Duration): void => {
        slept.push(Duration.toMillis(time))
      }
      yield* Copas.run(Effect.gen(function*() {
        const first = yield* Copas.addThread(Effect.map(Thread.pause("10 seconds"), note))
        yield* asleep(first)
        yield* TestClock.adjust("10 seconds")
        yield* first.await
        const second = yield* Copas.addThread(Effect.map(Thread.pause("10 seconds"), note))
        yield* asleep(second)
        yield* TestClock.adjust("4 seconds")
        same(yield* Thread.wakeup(second), true, "it was asleep")
        yield* second.await
        same(yield* Thread.wakeup(second), false, "it was asleep")
        const third = yield* Copas.addThread(Effect.map(Thread.pauseForever, note))
        yield* asleep(third)
        yield* TestClock.adjust("1 hours")
        same(yield* Thread.wakeup(third), true, "it was asleep")
        yield* third.await
        note(yield* Thread.pause(0))
      }))
      same(slept, [10_000, 4_000, 3_600_000, 0], "the times slept")
    })
  ),
  test(
    "C16 threads wake in the order of their times, however many there are",
    Effect.gen(function*() {
      const times = Array.from({ length: 200 }, (_, index) => 1 + (index * 7919) % 1000)
      const woken: Array<number> = []
      yield* Copas.run(Effect.gen(function*() {
        for (const time of times) {
          yield* Copas.addThread(Effect.zipRight(Thread.pause(time), Effect.sync(() => woken.push(time))))
        }
        yield* until(Effect.map(Copas.status, ({ counts }) => counts.sleeping === times.length))
        yield* TestClock.adjust("1 seconds")
      }))
      same(woken, [...times].sort((a, b) => a - b), "the order")
    })
  ),
  test(
    "C16 a thread in pauseForever does not keep run going: it is interrupted at the end",
    Effect.gen(function*() {
      let end = ""
      yield* Copas.run(
        Copas.addThread(Effect.onExit(Thread.pauseForever, (exit) =>
          Effect.sync(() => {
            end = Causes.wasInterrupted(exit) ? "interrupted" : "woken"
          })))
      )
      same(end, "interrupted", "the end of the thread")
    })
  ),
  test(
    "C27 a trace of the dispatcher shows threads come and go, and one that throws hurts nobody",
    Effect.gen(function*() {
      const events: Array<string> = []
      yield* Copas.trace(({ event, name }) => {
        events.push(`${event} ${name}`)
        throw new Error("a bad tracer")
      })
      yield* Copas.run(Copas.addThread(Effect.void, { name: "worker" }))
      yield* Copas.trace(undefined)
      yield* Copas.run(Effect.void)
      same(events.slice(0, 2), ["threadAdded initializer", "threadAdded worker"], "what was added")
      same(events.slice(2, 4).sort(), ["threadEnded initializer", "threadEnded worker"], "what ended")
    })
  ),
  test(
    "C36 a thread that is always busy does not hold the others up",
    Effect.gen(function*() {
      let rounds = 0
      yield* Copas.run(Effect.gen(function*() {
        const busy = yield* Copas.addThread(Effect.forever(Effect.sync(() => (rounds += 1))))
        const other = yield* Copas.addThread(Effect.forEach([1, 2, 3], () => Effect.zipRight(turn, Effect.yieldNow())))
        yield* other.await
        yield* busy.interrupt
      }))
      holds(rounds > 0, "the busy thread worked")
    })
  ),
  test(
    "C27 any number observe the dispatcher beside its tracer, each until its scope ends, and one that throws hurts nobody",
    Effect.gen(function*() {
      const seen: Array<string> = []
      const note = (who: string) => (event: Status.TraceEvent): void => {
        if (event.event === "threadAdded" && event.name !== "initializer") seen.push(`${who} ${event.name}`)
      }
      const work = (name: string) => Copas.run(Copas.addThread(Effect.void, { name }))
      yield* Copas.trace(note("tracer"))
      yield* Effect.scoped(Effect.gen(function*() {
        yield* Copas.observe(() => {
          throw new Error("a bad observer")
        })
        yield* Copas.observe(() => Promise.reject(new Error("a bad async observer")))
        yield* Copas.observe(note("observer"))
        yield* work("one")
        yield* Copas.trace(undefined)
        yield* work("two")
      }))
      yield* work("three")
      same(seen, ["tracer one", "observer one", "observer two"], "who saw what")
    })
  ),
  test(
    "C27 a trace of the dispatcher shows that it exits, once, with its name",
    Effect.scoped(Effect.gen(function*() {
      const { name } = yield* Copas.Copas
      const seen: Array<string> = []
      yield* Copas.observe((event) => {
        if (event.event === "exiting") seen.push(event.name)
      })
      yield* Copas.run(Effect.zipRight(Copas.exit, Copas.exit))
      same(seen, [name], "the exits")
    }))
  )
]
