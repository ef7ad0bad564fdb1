/** The dispatcher where programs are unkind to it: handlers that hang, throw or call back, and ends that coincide. */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as Copas from "../../Copas.js"
import * as Causes from "../../internal/effect/causes.js"
import { hasEnded } from "../../internal/effect/fibers.js"
import * as Thread from "../../Thread.js"
import {
  ask,
  asleep,
  dial,
  type DispatcherCase,
  echo,
  type Handler,
  nothingLeft,
  serving,
  test
} from "./dispatcherSupport.js"
import { begin, failure, holds, listening, outcome, same, turn, until } from "./support.js"

/** The cases. */
export const cases: ReadonlyArray<DispatcherCase> = [
  test(
    "C02 step in a thread does not count the step in which the thread itself runs",
    Effect.gen(function*() {
      const answers: Array<unknown> = []
      const running = yield* Effect.fork(Copas.run(Effect.gen(function*() {
        answers.push(yield* Copas.step(0))
        answers.push(yield* Copas.step("3 seconds"))
        yield* Copas.addThread(Effect.sync(() => answers.push("worked")))
        answers.push(yield* Copas.step(0))
        yield* Copas.addThread(Effect.sync(() => answers.push("worked")))
        answers.push(yield* Copas.step())
      })))
      yield* until(Effect.map(Copas.status, ({ timers }) => timers === 1))
      yield* TestClock.adjust("3 seconds")
      yield* outcome(running)
      same(answers, [false, false, "worked", true, "worked", true], "the answers")
    })
  ),
  test(
    "C10 one that waited for the exit, was woken and was interrupted, does not keep run from ending",
    Copas.run(Effect.gen(function*() {
      const waiter = yield* Copas.addThread(Copas.waitForExit)
      yield* asleep(waiter)
      for (const _ of [1, 2, 3]) {
        yield* waiter.wakeup
        yield* turn
        yield* asleep(waiter)
      }
      yield* waiter.interrupt
    }))
  ),
  test(
    "C10 a fiber outside of the dispatcher that waits for the exit continues at it, and does not keep run from ending",
    Effect.gen(function*() {
      const waiting = yield* begin(Copas.waitForExit)
      same(yield* Copas.run(Effect.as(turn, 1)), 1, "the value")
      same(yield* outcome(waiting), Exit.void, "the wait")
    })
  ),
  test(
    "C10 a thread whose other fiber waits for the exit is woken by it before the end",
    Effect.gen(function*() {
      const events: Array<string> = []
      yield* Copas.run(Copas.addThread(Effect.gen(function*() {
        const self = Option.getOrThrow(yield* Thread.current)
        yield* Effect.fork(Effect.zipRight(Copas.waitForExit, Thread.wakeup(self)))
        yield* Thread.pauseForever
        events.push("woken")
        yield* turn
        events.push("done")
      })))
      same(events, ["woken", "done"], "the events")
    })
  ),
  test(
    "C07 a thread that is added to a dispatcher whose layer has ended is interrupted before it starts",
    Effect.gen(function*() {
      let hasStarted = false
      const copas = yield* Effect.scoped(Effect.map(Layer.build(Copas.layer), Context.get(Copas.Copas)))
      const thread = yield* copas.addThread(Effect.sync(() => (hasStarted = true)))
      holds(Causes.wasInterrupted(yield* thread.await), "it was interrupted")
      same(hasStarted, false, "it started")
    })
  ),
  test(
    "C11 cancelAll interrupts error handlers that are at work, and the next run is not held up by them",
    Effect.gen(function*() {
      const events: Array<string> = []
      const stuck = () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => events.push("interrupted")))
      const begun = yield* Deferred.make<void>()
      const running = yield* Effect.fork(
        Copas.run(
          Copas.addThread(Effect.fail("failed"), {
            onError: () => Effect.zipRight(Deferred.succeed(begun, undefined), stuck())
          })
        )
      )
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(running)
      same(events, ["interrupted"], "the error handler")
      same(
        [yield* Copas.finished, yield* Copas.run(Effect.succeed(1))],
        [true, 1],
        "finished, and the next run's value"
      )
    })
  ),
  test(
    "C11 an error handler may cancel everything, and is not interrupted by that itself",
    Effect.gen(function*() {
      const events: Array<string> = []
      const copas = yield* Copas.Copas
      const exit = yield* Effect.exit(Copas.run(Effect.gen(function*() {
        yield* Copas.addThread(Effect.onInterrupt(Effect.never, () => Effect.sync(() => events.push("interrupted"))))
        yield* turn
        yield* Copas.addThread(Effect.fail("failed"), {
          onError: () =>
            Effect.zipRight(copas.cancelAll, Effect.zipRight(turn, Effect.sync(() => events.push("cancelled"))))
        })
      })))
      same(exit, Exit.void, "the end of run")
      same(events, ["interrupted", "cancelled"], "the events")
    })
  ),
  test(
    "C10 an error handler may drain the dispatcher, and does not wait for itself",
    Effect.gen(function*() {
      const events: Array<unknown> = []
      const copas = yield* Copas.Copas
      yield* Copas.run(Effect.gen(function*() {
        const listener = yield* listening()
        yield* Copas.addServer(listener, echo)
        yield* Copas.addThread(Effect.zipRight(turn, Effect.fail("failed")), {
          onError: () => Effect.flatMap(copas.drain("1 hours"), (ended) => Effect.sync(() => events.push(ended)))
        })
      }))
      same(events, [true], "the drain")
      yield* nothingLeft
    })
  ),
  test(
    "C10 a fiber that a thread left behind may drain the dispatcher, whether the thread ends before or meanwhile",
    Effect.gen(function*() {
      const events: Array<unknown> = []
      for (const isBefore of [true, false]) {
        const done = yield* Deferred.make<void>()
        yield* Copas.run(Effect.gen(function*() {
          const listener = yield* listening()
          yield* Copas.addServer(listener, echo)
          const drain = Effect.zipRight(
            isBefore ? Effect.zipRight(turn, turn) : Effect.void,
            Effect.flatMap(
              Copas.drain("1 hours"),
              (ended) => Effect.zipRight(Effect.sync(() => events.push(ended)), Deferred.succeed(done, undefined))
            )
          )
          yield* Copas.addThread(Effect.zipRight(Effect.forkDaemon(drain), isBefore ? Effect.void : turn))
        }))
        yield* Deferred.await(done)
        same(yield* Copas.finished, true, "finished")
      }
      same(events, [true, true], "the drains")
      yield* nothingLeft
    })
  ),
  test(
    "C11 run waits for the error handler of a handler whose socket is left open, too",
    Effect.gen(function*() {
      const events: Array<string> = []
      let isRemoved = false
      yield* Copas.run(Effect.gen(function*() {
        const listener = yield* listening()
        const server = yield* Copas.addServer(
          listener,
          () => Effect.zipRight(until(Effect.sync(() => isRemoved)), Effect.zipRight(turn, Effect.fail("failed"))),
          { autoClose: false, onError: () => Effect.zipRight(turn, Effect.sync(() => events.push("handled"))) }
        )
        yield* dial(listener)
        yield* until(Effect.map(server.stats, ({ connections }) => connections === 1))
        yield* Copas.removeServer(server)
        isRemoved = true
      }))
      same(events, ["handled"], "the events")
    })
  ),
  test(
    "C07 what is added to the scope of a thread that has ended is released at once",
    Effect.gen(function*() {
      const events: Array<string> = []
      const go = yield* Deferred.make<void>()
      const done = yield* Deferred.make<void>()
      yield* Copas.run(Effect.gen(function*() {
        const thread = yield* Copas.addThread(
          Effect.forkDaemon(Effect.gen(function*() {
            yield* Deferred.await(go)
            yield* Effect.addFinalizer(() => Effect.sync(() => events.push("released")))
            yield* Deferred.succeed(done, undefined)
          }))
        )
        yield* thread.await
        yield* Deferred.succeed(go, undefined)
        yield* Deferred.await(done)
      }))
      same(events, ["released"], "the events")
    })
  ),
  test(
    "C25 an observer of the dispatcher that throws at the end of a connection hurts nobody",
    Effect.scoped(Effect.gen(function*() {
      yield* Copas.observe(({ event }) => {
        if (event === "connectionEnded") throw new Error("a bad listener")
      })
      yield* serving(echo, ({ listener, stats }) =>
        Effect.gen(function*() {
          const client = yield* dial(listener)
          same(yield* ask(client, "hello"), "hello", "the answer")
          yield* client.close
          yield* until(Effect.map(stats, ({ active }) => active === 0))
        }))
      yield* nothingLeft
    }))
  ),
  test(
    "C01 runs within several threads end one after the other, and leave alone what is not theirs",
    Effect.gen(function*() {
      const events: Array<string> = []
      yield* Copas.run(Effect.gen(function*() {
        for (const name of ["a", "b"]) {
          yield* Copas.addThread(Effect.gen(function*() {
            yield* Copas.run(Effect.as(Copas.addThread(turn), name))
            yield* turn
            events.push(name)
          }))
        }
      }))
      same(events.sort(), ["a", "b"], "the events")
    })
  ),
  test(
    "C08 interrupting a thread within which a run is under way interrupts that run, and no other thread",
    Effect.gen(function*() {
      const events: Array<string> = []
      yield* Copas.run(Effect.gen(function*() {
        const inner = Effect.onInterrupt(Effect.never, () => Effect.sync(() => events.push("inner interrupted")))
        const thread = yield* Copas.addThread(Copas.run(inner))
        const other = yield* Copas.addThread(
          Effect.zipRight(Thread.pause("1 hours"), Effect.sync(() => events.push("other")))
        )
        yield* asleep(other)
        yield* thread.interrupt
        yield* TestClock.adjust("1 hours")
        yield* other.await
      }))
      same(events, ["inner interrupted", "other"], "the events")
    })
  ),
  test(
    "C06 removing a server that is removed already does not close the listener of the one that has it now",
    Copas.run(Effect.gen(function*() {
      const listener = yield* listening()
      const first = yield* Copas.addServer(listener, echo)
      yield* Copas.removeServer(first, { keepOpen: true })
      const second = yield* Copas.addServer(listener, echo)
      yield* Copas.removeServer(first)
      const client = yield* dial(listener)
      same(yield* ask(client, "hello"), "hello", "the answer")
      yield* client.close
      yield* Copas.removeServer(second, { keepOpen: true })
      // No fiber has it now: this is how it is closed.
      yield* Copas.removeServer(first)
      yield* failure(listener.accept, "ListenerClosed")
    }))
  ),
  test(
    "C10 a burst of connections in the middle of which the exit comes leaves nothing behind",
    Effect.gen(function*() {
      for (const ending of ["exit", "cancelAll", "remove", "keepOpen"] as const) {
        let served = 0
        const handler: Handler = (socket) =>
          Effect.zipRight(Effect.sync(() => (served += 1)), served % 3 === 0 ? Effect.fail("third") : echo(socket))
        yield* Copas.run(Effect.gen(function*() {
          const listener = yield* listening({ backlog: 20 })
          const server = yield* Copas.addServer(listener, handler, {
            maxConnections: 5,
            onError: () => Effect.die("bad")
          })
          const clients = yield* Effect.fork(
            Effect.forEach(
              Array.from({ length: 60 }, (_, index) => index),
              () => Effect.ignore(Effect.scoped(Effect.flatMap(dial(listener), (client) => ask(client, "hello")))),
              { concurrency: 15, discard: true }
            )
          )
          yield* until(Effect.sync(() => served > 10))
          if (ending === "exit") yield* Copas.exit
          else if (ending === "cancelAll") yield* Copas.cancelAll
          else yield* Copas.removeServer(server, { keepOpen: ending === "keepOpen" })
          if (ending === "keepOpen") yield* listener.close
          yield* Fiber.await(clients)
        }))
        yield* nothingLeft
      }
    })
  ),
  test(
    "C10 a handler that does not end by itself after the exit is interrupted by drain after its time",
    Effect.gen(function*() {
      const ends: Array<string> = []
      const running = yield* Effect.fork(Copas.run(Effect.gen(function*() {
        const listener = yield* listening()
        yield* Copas.addServer(
          listener,
          () => Effect.onExit(Effect.never, (exit) => Effect.sync(() => ends.push(exit._tag)))
        )
        const client = yield* dial(listener)
        yield* until(Effect.map(Copas.status, ({ totals }) => totals.connections === 1))
        const draining = yield* begin(Copas.drain("10 seconds"))
        same(ends, [], "the ends")
        yield* TestClock.adjust("10 seconds")
        same(yield* outcome(draining), Exit.succeed(false), "the drain")
        yield* Effect.exit(client.receive())
      })))
      yield* outcome(running)
      same(ends, ["Failure"], "the ends")
      yield* nothingLeft
    })
  ),
  test(
    "C08 a thread that is interrupted while its finalizers run ends with its own value, and waits for them",
    Effect.gen(function*() {
      const go = yield* Deferred.make<void>()
      yield* Copas.run(Effect.gen(function*() {
        const thread = yield* Copas.addThread(Effect.as(Effect.addFinalizer(() => Deferred.await(go)), 1))
        yield* turn
        const interrupting = yield* begin(thread.interrupt)
        same(hasEnded(interrupting), false, "the interruption waits")
        yield* Deferred.succeed(go, undefined)
        yield* outcome(interrupting)
        same(yield* thread.await, Exit.succeed(1), "the thread's end")
      }))
    })
  ),
  test(
    "C11 what fails while everything is cancelled is still reported",
    Effect.gen(function*() {
      const events: Array<string> = []
      yield* Copas.run(Effect.gen(function*() {
        yield* Copas.addThread(Effect.ensuring(Effect.never, Effect.die("a bad finalizer")), {
          onError: () => Effect.sync(() => events.push("handled"))
        })
        yield* turn
        yield* Copas.cancelAll
        events.push("cancelled")
      }))
      same(events, ["handled", "cancelled"], "the events")
    })
  )
]
