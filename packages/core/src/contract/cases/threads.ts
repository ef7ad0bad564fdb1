/** The threads of the dispatcher: their start, pauses, failures and names. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as Copas from "../../Copas.js"
import * as Causes from "../../internal/effect/causes.js"
import type * as Status from "../../Status.js"
import * as Thread from "../../Thread.js"
import * as Timer from "../../Timer.js"
import * as WorkQueue from "../../WorkQueue.js"
import { asleep, type DispatcherCase, keeping, test } from "./dispatcherSupport.js"
import { holds, mentions, same, turn, until } from "./support.js"

class Reporter extends Context.Tag("@copas/core/contract/Reporter")<Reporter, { readonly name: string }>() {}

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
    "C11 a thread that fails, dies or throws ends alone, and the error handler gets its cause and its name",
    Effect.gen(function*() {
      const failures = keeping()
      yield* Copas.setErrorHandler(failures.handler)
      let worked = 0
      yield* Copas.run(Effect.gen(function*() {
        const ends: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
          Effect.fail("failed"),
          Effect.die("died"),
          Effect.sync(() => {
            throw new Error("thrown")
          }),
          Effect.zipRight(turn, Effect.fail("failed later"))
        ]
        for (const [index, end] of ends.entries()) yield* Copas.addThread(end, { name: `thread ${index}` })
        yield* Copas.addThread(Effect.zipRight(Effect.zipRight(turn, turn), Effect.sync(() => (worked += 1))))
      }))
      same(
        failures.seen.map(({ text, thread }) => `${thread}: ${text}`).sort(),
        [
          "thread 0: Error: failed",
          "thread 1: Error: died",
          "thread 2: Error: thrown",
          "thread 3: Error: failed later"
        ].map((line) => line.replace("Error: failed", "failed").replace("Error: died", "died")),
        "what the handler got"
      )
      same(worked, 1, "the other thread's work")
    })
  ),
  test(
    "C11 a thread's own error handler gets its failure in place of the default one",
    Effect.gen(function*() {
      const byDefault = keeping()
      const own = keeping()
      yield* Copas.setErrorHandler(byDefault.handler)
      yield* Copas.run(Effect.gen(function*() {
        yield* Copas.addThread(Effect.fail("one"), { onError: own.handler })
        const later = yield* Copas.addThread(Effect.zipRight(turn, Effect.fail("two")))
        yield* later.setErrorHandler(own.handler)
        const back = yield* Copas.addThread(Effect.zipRight(turn, Effect.fail("three")), { onError: own.handler })
        yield* back.setErrorHandler(undefined)
      }))
      same(own.seen.map(({ text }) => text), ["one", "two"], "the threads' own")
      same(byDefault.seen.map(({ text }) => text), ["three"], "the default")
    })
  ),
  test(
    "C11 a thread tells which error handler it has: its own, its server's, or the dispatcher's",
    Effect.gen(function*() {
      const handlers = { default: keeping(), options: keeping(), own: keeping() }
      const seen: Array<ReadonlyArray<number>> = []
      yield* Copas.setErrorHandler(handlers.default.handler)
      yield* Copas.run(Effect.gen(function*() {
        const one = yield* Copas.addThread(Effect.never)
        const two = yield* Copas.addThread(Effect.never, { onError: handlers.options.handler })
        const ask = (thread: Thread.Thread) =>
          Effect.gen(function*() {
            const handler = yield* thread.errorHandler
            yield* handler(Cause.fail("asked"), { thread, socket: Option.none() })
            seen.push(Object.values(handlers).map((each) => each.seen.splice(0).length))
          })
        yield* ask(one)
        yield* ask(two)
        yield* one.setErrorHandler(handlers.own.handler)
        yield* ask(one)
        yield* one.setErrorHandler(undefined)
        yield* ask(one)
        const byDefault = yield* Copas.errorHandler
        yield* byDefault(Cause.fail("asked"), { thread: one, socket: Option.none() })
        seen.push(Object.values(handlers).map((each) => each.seen.splice(0).length))
        yield* Effect.all([one.interrupt, two.interrupt])
      }))
      same(seen, [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0], [1, 0, 0]], "who was called")
    })
  ),
  test(
    "C11 an error handler uses the services of whoever set it, wherever it is given, and has a scope for each call",
    Effect.gen(function*() {
      const seen: Array<string> = []
      const handler: Thread.ErrorHandler<Reporter | Scope.Scope> = (cause, { thread }) =>
        Effect.gen(function*() {
          const { name } = yield* Reporter
          yield* Effect.addFinalizer(() => Effect.sync(() => seen.push(`${name} is done`)))
          const current = yield* Thread.current
          const isThread = Option.isSome(current) && current.value === thread
          seen.push(`${name}: ${String(Cause.squash(cause))} ${isThread}`)
        })
      const as = (name: string) => Effect.provideService(Reporter, { name })
      const fails = (what: string) => Effect.zipRight(turn, Effect.fail(what))
      yield* Copas.setErrorHandler(handler).pipe(as("default"))
      yield* Copas.run(Effect.gen(function*() {
        yield* Copas.addThread(fails("a thread")).pipe(as("another"))
        yield* Copas.addThread(fails("options"), { onError: handler }).pipe(as("adder"))
        const later = yield* Copas.addThread(fails("later"))
        yield* later.setErrorHandler(handler).pipe(as("setter"))
        yield* Timer.make({ delay: 0, callback: () => fails("timer"), onError: handler }).pipe(as("timer"))
        const queue = yield* WorkQueue.make<string>()
        yield* queue.addWorker(fails, { onError: handler }).pipe(as("worker"))
        yield* queue.push("queue")
        yield* queue.finish()
      }))
      const expected = [
        "default: a thread",
        "adder: options",
        "setter: later",
        "timer: timer",
        "worker: queue"
      ].flatMap((line) => [`${line} true`, `${line.slice(0, line.indexOf(":"))} is done`])
      same(seen.sort(), expected.sort(), "what the handlers saw")
    })
  ),
  test(
    "C11 an error handler that fails, or waits, ends nothing, and run waits for it",
    Effect.gen(function*() {
      const handled: Array<string> = []
      yield* Copas.run(Effect.gen(function*() {
        yield* Copas.addThread(Effect.fail("one"), { onError: () => Effect.die("a bad handler") })
        yield* Copas.addThread(Effect.fail("two"), {
          onError: () => {
            throw new Error("a worse handler")
          }
        })
        yield* Copas.addThread(Effect.fail("three"), {
          onError: () => Effect.zipRight(turn, Effect.sync(() => handled.push("three")))
        })
      }))
      same(handled, ["three"], "what was handled")
    })
  ),
  test(
    "C11 an interruption is no failure, and a failing finalizer is one",
    Effect.gen(function*() {
      const failures = keeping()
      yield* Copas.setErrorHandler(failures.handler)
      yield* Copas.run(Effect.gen(function*() {
        const thread = yield* Copas.addThread(Effect.never)
        yield* turn
        yield* thread.interrupt
        yield* Copas.addThread(Effect.addFinalizer(() => Effect.die("a bad finalizer")))
      }))
      same(failures.seen.map(({ text }) => text), ["a bad finalizer"], "the failures")
    })
  ),
  test(
    "C11 a traceback names the thread and shows the cause",
    Effect.gen(function*() {
      const texts: Array<string> = []
      yield* Copas.run(
        Copas.addThread(Effect.die(new Error("lost the thread")), {
          name: "worker",
          onError: (cause, context) => Effect.sync(() => texts.push(Copas.traceback(cause, context)))
        })
      )
      mentions(texts[0] ?? "", "worker", "lost the thread")
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
    "C38 errors are caught across suspensions, and finalizers run",
    Effect.gen(function*() {
      const events: Array<string> = []
      yield* Copas.run(Effect.gen(function*() {
        const work = turn.pipe(
          Effect.zipRight(Effect.fail("inner")),
          Effect.ensuring(Effect.zipRight(turn, Effect.sync(() => events.push("finally"))))
        )
        const caught = yield* Effect.catchAll(work, (error) => Effect.zipRight(turn, Effect.succeed(`caught ${error}`)))
        events.push(caught)
        const exit = yield* Effect.exit(Effect.zipRight(turn, Effect.die("defect")))
        same(exit, Exit.die("defect"), "the exit")
        const text = yield* Effect.catchAllCause(
          Effect.zipRight(turn, Effect.die("again")),
          (cause) => Effect.succeed(String(Cause.squash(cause)))
        )
        events.push(text)
      }))
      same(events, ["finally", "caught inner", "again"], "the events")
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
