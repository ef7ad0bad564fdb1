/** The dispatcher: when it runs, steps and ends. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import * as Copas from "../../Copas.js"
import * as Causes from "../../internal/effect/causes.js"
import { hasEnded } from "../../internal/effect/fibers.js"
import * as Thread from "../../Thread.js"
import { asleep, type DispatcherCase, test } from "./dispatcherSupport.js"
import { begin, holds, listening, outcome, same, turn, until } from "./support.js"

/** The cases. */
export const cases: ReadonlyArray<DispatcherCase> = [
  test(
    "C01 run gives the initializer's value when the threads that it added have ended",
    Effect.gen(function*() {
      const events: Array<string> = []
      const value = yield* Copas.run(Effect.gen(function*() {
        yield* Effect.addFinalizer(() => Effect.sync(() => events.push("the initializer's scope ended")))
        for (const name of ["a", "b"]) {
          yield* Copas.addThread(Effect.gen(function*() {
            yield* turn
            yield* Copas.addThread(Effect.zipRight(turn, Effect.sync(() => events.push(`${name}'s child`))))
            events.push(name)
          }))
        }
        events.push("initialized")
        return 42
      }))
      same(value, 42, "the value")
      same(events, ["initialized", "a", "b", "a's child", "b's child", "the initializer's scope ended"], "the events")
      same([yield* Copas.finished, yield* Copas.running], [true, false], "finished, running")
    })
  ),
  test(
    "C01 a failing initializer is the failure of run, and everything else is interrupted first",
    Effect.gen(function*() {
      const events: Array<string> = []
      const exit = yield* Effect.exit(Copas.run(Effect.gen(function*() {
        const thread = yield* Copas.addThread(
          Effect.onInterrupt(
            Thread.pause("1 hours"),
            () => Effect.zipRight(turn, Effect.sync(() => events.push("ended")))
          )
        )
        yield* asleep(thread)
        return yield* Effect.fail("no start")
      })))
      same(exit, Exit.fail("no start"), "the end of run")
      same(events, ["ended"], "the thread's finalizer")
      same((yield* Copas.status).threads, [], "the threads")
    })
  ),
  test(
    "C01 an initializer that dies is the defect of run",
    Effect.gen(function*() {
      const exit = yield* Effect.exit(Copas.run(Effect.die("dead")))
      same(exit, Exit.die("dead"), "the end of run")
    })
  ),
  test(
    "C01 interrupting run interrupts every thread and waits for their finalizers",
    Effect.gen(function*() {
      let ended = 0
      const running = yield* Effect.fork(Copas.run(Effect.gen(function*() {
        const busy = Effect.ensuring(Thread.pause("1 hours"), Effect.zipRight(turn, Effect.sync(() => (ended += 1))))
        yield* Copas.addThread(busy)
        yield* Copas.addThread(busy)
        yield* busy
      })))
      yield* until(Effect.map(Copas.status, ({ counts }) => counts.sleeping === 3))
      yield* Fiber.interrupt(running)
      same(ended, 3, "the number of finalizers that have run")
      same([(yield* Copas.status).threads.length, yield* Copas.running], [0, false], "threads, running")
    })
  ),
  test(
    "C01 the dispatcher can run again, also after an exit",
    Effect.gen(function*() {
      for (const round of [1, 2, 3]) {
        const value = yield* Copas.run(Effect.gen(function*() {
          same([yield* Copas.running, yield* Copas.exiting], [true, false], "running, exiting")
          if (round === 2) yield* Copas.exit
          return round
        }))
        same(value, round, "the value")
      }
    })
  ),
  test(
    "C01 run within a thread gives its value when nothing but that thread is left, and does not hang",
    Effect.gen(function*() {
      const value = yield* Copas.run(Effect.gen(function*() {
        const inner = yield* Copas.run(Effect.as(Copas.addThread(turn), 20))
        return inner + 1
      }))
      same(value, 21, "the value")
    })
  ),
  test(
    "C16 a program that is itself paused for ever when nothing else is left is interrupted, and run ends as interrupted",
    Effect.gen(function*() {
      const events: Array<string> = []
      const exit = yield* Effect.exit(Copas.run(Effect.gen(function*() {
        yield* Effect.addFinalizer(() => Effect.sync(() => events.push("its scope ended")))
        yield* Copas.addThread(Effect.zipRight(turn, Effect.sync(() => events.push("the other thread worked"))))
        yield* Copas.addThread(Effect.zipRight(Copas.waitForExit, Effect.sync(() => events.push("the exit"))))
        return yield* Effect.onInterrupt(Thread.pauseForever, () => Effect.sync(() => events.push("interrupted")))
      })))
      holds(Exit.isFailure(exit) && Causes.isInterruption(exit.cause), "run is interrupted, and nothing else")
      same(events, ["the other thread worked", "the exit", "interrupted", "its scope ended"], "the events")
      same([yield* Copas.finished, yield* Copas.running], [true, false], "finished, running")
      same(yield* Copas.run(Effect.succeed("again")), "again", "the value of the next run")
    })
  ),
  test(
    "C10 a program that waits for the exit continues when nothing else is left, and gives its value",
    Effect.gen(function*() {
      const value = yield* Copas.run(Effect.gen(function*() {
        const server = yield* Copas.addServer(yield* listening(), () => Effect.void)
        yield* Copas.addThread(Effect.zipRight(turn, Copas.removeServer(server)))
        yield* Copas.waitForExit
        yield* turn
        return (yield* Copas.status).servers.length
      }))
      same(value, 0, "the value")
    })
  ),
  test(
    "C02 step is true when the dispatcher did something, false when there was nothing to do in the time",
    Effect.gen(function*() {
      same(yield* Copas.step(0), false, "a step without a thread")
      let runs = 0
      yield* Copas.addThread(Effect.sync(() => (runs += 1)))
      same([yield* Copas.step(0), runs], [true, 1], "a step with a thread, and how often it ran")
      const waiting = yield* begin(Copas.step("3 seconds"))
      yield* TestClock.adjust("2 seconds")
      same(hasEnded(waiting), false, "the state of the step")
      yield* TestClock.adjust("1 seconds")
      same(yield* outcome(waiting), Exit.succeed(false), "the step that timed out")
      const woken = yield* begin(Copas.step())
      yield* Copas.addThread(Effect.sync(() => (runs += 1)))
      same([yield* outcome(woken), runs], [Exit.succeed(true), 2], "the step that was woken")
    })
  ),
  test(
    "C03 finished tells whether something is left to do, running whether a run is under way",
    Effect.gen(function*() {
      same([yield* Copas.finished, yield* Copas.running], [true, false], "before")
      const thread = yield* Copas.addThread(Thread.pause("1 hours"))
      same([yield* Copas.finished, yield* Copas.running], [false, false], "with a thread")
      yield* thread.interrupt
      same(yield* Copas.finished, true, "after")
    })
  ),
  test(
    "C10 when nothing else is left to do, exiting turns true and those that wait for the exit get their turn",
    Effect.gen(function*() {
      const events: Array<string> = []
      yield* Copas.run(Effect.gen(function*() {
        for (const name of ["a", "b"]) {
          yield* Copas.addThread(Effect.gen(function*() {
            yield* Copas.waitForExit
            events.push(`${name} ${yield* Copas.exiting}`)
            yield* turn
            events.push(`${name} ends`)
          }))
        }
        yield* turn
        events.push(`working ${yield* Copas.exiting}`)
      }))
      same(events, ["working false", "a true", "b true", "a ends", "b ends"], "the events")
    })
  ),
  test(
    "C10 exit wakes those that wait for it, and leaves threads at their work",
    Effect.gen(function*() {
      const events: Array<string> = []
      yield* Copas.run(Effect.gen(function*() {
        yield* Copas.addThread(Effect.zipRight(Copas.waitForExit, Effect.sync(() => events.push("woken"))))
        const worker = yield* Copas.addThread(
          Effect.zipRight(Thread.pause("1 hours"), Effect.sync(() => events.push("done")))
        )
        yield* asleep(worker)
        yield* Copas.exit
        yield* Copas.waitForExit
        same(yield* Copas.exiting, true, "exiting")
        yield* until(Effect.sync(() => events.length === 1))
        yield* TestClock.adjust("1 hours")
      }))
      same(events, ["woken", "done"], "the events")
    })
  ),
  test(
    "C10 a wake-up is not the exit",
    Effect.gen(function*() {
      let exited = false
      yield* Copas.run(Effect.gen(function*() {
        const thread = yield* Copas.addThread(Effect.zipRight(Copas.waitForExit, Effect.sync(() => (exited = true))))
        yield* asleep(thread)
        same(yield* thread.wakeup, true, "it was asleep")
        yield* turn
        same(exited, false, "it continued")
      }))
      same(exited, true, "it continued at the exit")
    })
  ),
  test(
    "C10 a thread that works and waits for the exit at the same time is not idle",
    Effect.gen(function*() {
      const events: Array<string> = []
      yield* Copas.run(Effect.gen(function*() {
        const work = Effect.zipRight(Effect.zipRight(turn, turn), Effect.sync(() => events.push("worked")))
        yield* Copas.addThread(
          Effect.raceFirst(work, Effect.zipRight(Copas.waitForExit, Effect.sync(() => events.push("gave up"))))
        )
      }))
      same(events, ["worked"], "the events")
    })
  ),
  test(
    "C10 drain is true when everything ends in time, also when a thread of the dispatcher drains it",
    Effect.gen(function*() {
      const events: Array<string> = []
      yield* Copas.run(Effect.gen(function*() {
        yield* Copas.addThread(Effect.zipRight(turn, Effect.sync(() => events.push("worked"))))
        yield* Copas.addThread(Effect.gen(function*() {
          events.push(`drained ${yield* Copas.drain("1 hours")}`)
          yield* turn
          events.push("said so")
        }))
      }))
      same(events, ["worked", "drained true", "said so"], "the events")
      same(yield* Copas.drain("1 hours"), true, "drained from outside, with nothing to do")
    })
  ),
  test(
    "C10 drain interrupts what is left after its time, and is false",
    Effect.gen(function*() {
      const thread = yield* Copas.addThread(Thread.pause("1 hours"))
      const draining = yield* begin(Copas.drain("10 seconds"))
      yield* TestClock.adjust("10 seconds")
      same(yield* outcome(draining), Exit.succeed(false), "the drain")
      holds(Causes.wasInterrupted(yield* thread.await), "the thread was interrupted")
    })
  ),
  test(
    "C10 drain keeps its limit in a finalizer too",
    Effect.gen(function*() {
      const thread = yield* Copas.addThread(Thread.pause("1 hours"))
      const ended: Array<boolean> = []
      const draining = yield* begin(
        Effect.scoped(Effect.addFinalizer(() => Effect.map(Copas.drain("10 seconds"), (all) => ended.push(all))))
      )
      yield* TestClock.adjust("10 seconds")
      same(yield* outcome(draining), Exit.void, "the scope's end")
      same(ended, [false], "the drain")
      holds(Causes.wasInterrupted(yield* thread.await), "the thread was interrupted")
    })
  ),
  test(
    "C01 a program that fails ends what else runs, in an uninterruptible region too",
    Effect.gen(function*() {
      const running = yield* begin(Effect.uninterruptible(Copas.run(Effect.zipRight(
        Copas.addThread(Effect.interruptible(Thread.pause("1 hours"))),
        Effect.fail("no")
      ))))
      yield* TestClock.adjust("1 seconds")
      same(yield* outcome(running), Exit.fail("no"), "the run")
    })
  ),
  test(
    "C26 cancelAll interrupts every other thread, also such as add threads while they end, and waits for them",
    Effect.gen(function*() {
      const ended: Array<string> = []
      const running = yield* Effect.fork(Copas.run(Effect.gen(function*() {
        const threads = yield* Effect.forEach(["a", "b"], (name) =>
          Copas.addThread(
            Effect.onInterrupt(Effect.never, () =>
              Effect.zipRight(
                Effect.asVoid(Copas.addThread(Effect.onInterrupt(Effect.never, () =>
                  Effect.sync(() => ended.push(`${name}'s child`))))),
                Effect.sync(() =>
                  ended.push(name)
                )
              ))
          ))
        yield* turn
        yield* Copas.cancelAll
        for (const thread of threads) holds(Causes.wasInterrupted(yield* thread.await), "it was interrupted")
        same((yield* Copas.status).threads.length, 1, "the number of threads that are left")
        return "still here"
      })))
      same(yield* outcome(running), Exit.succeed("still here"), "the end of run")
      same(ended.filter((name) => name.length === 1).sort(), ["a", "b"], "who ended")
    })
  )
]
