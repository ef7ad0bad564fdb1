/** What becomes of a thread's failure: error handlers, tracebacks, finalizers. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Copas from "../../Copas.js"
import * as Thread from "../../Thread.js"
import * as Timer from "../../Timer.js"
import * as WorkQueue from "../../WorkQueue.js"
import { type DispatcherCase, keeping, test } from "./dispatcherSupport.js"
import { mentions, same, turn } from "./support.js"

class Reporter extends Context.Tag("@copas/core/contract/Reporter")<Reporter, { readonly name: string }>() {}

/** The cases. */
export const cases: ReadonlyArray<DispatcherCase> = [
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
    "C11 an error handler uses the services of the code that set it, wherever it is given, and has a scope for each call",
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
  )
]
