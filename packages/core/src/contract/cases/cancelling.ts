/** Ending everything at once: what is added meanwhile, and which fibers wait for which. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Copas from "../../Copas.js"
import * as Future from "../../Future.js"
import * as Causes from "../../internal/effect/causes.js"
import * as Thread from "../../Thread.js"
import { type DispatcherCase, nothingLeft, test } from "./dispatcherSupport.js"
import { failure, holds, listening, outcome, same, turn } from "./support.js"

/** A thread that adds itself again when it is interrupted. */
const undying: Effect.Effect<unknown, never, Copas.Copas> = Effect.onInterrupt(
  Effect.never,
  () => Copas.addThread(undying)
)

/** What a thread that ends may do in a finalizer, without waiting for itself or for the one that ends it. */
const lastWords: Readonly<Record<string, Effect.Effect<unknown, unknown, Copas.Copas>>> = {
  "adds itself again": Copas.addThread(undying),
  "interrupts its own thread": Effect.flatMap(
    Thread.current,
    (thread) => thread._tag === "Some" ? thread.value.interrupt : Effect.void
  ),
  "cancels all": Copas.cancelAll,
  "waits for the exit": Copas.waitForExit,
  "drains": Copas.drain("1 hours"),
  "runs a program": Copas.run(Effect.void)
}

/** The cases. */
export const cases: ReadonlyArray<DispatcherCase> = [
  ...Object.entries(lastWords).map(([what, finalizer]) =>
    test(
      `C26 cancelAll and an interrupted run end when a thread ${what} in a finalizer`,
      Effect.gen(function*() {
        const ending = Effect.onInterrupt(Effect.never, () => Effect.exit(finalizer))
        const scoped = Effect.zipRight(
          Effect.acquireRelease(Effect.void, () => Effect.flatMap(Copas.Copas, () => Effect.exit(finalizer))),
          Effect.never
        )
        const add = Effect.forEach([ending, ending, scoped], (thread) => Copas.addThread(thread))
        const running = yield* Effect.fork(Copas.run(Effect.zipRight(add, Effect.never)))
        yield* turn
        const interrupting = yield* Effect.fork(Fiber.interrupt(running))
        holds(Exit.isSuccess(yield* outcome(interrupting)), "run is interrupted")
        yield* add
        yield* turn
        const cancelling = yield* Effect.fork(Copas.cancelAll)
        same(yield* outcome(cancelling), Exit.void, "the cancelling")
        yield* nothingLeft
      })
    )
  ),
  test(
    "C26 what is added while all is cancelled does not start, and a server is refused",
    Effect.scoped(Effect.gen(function*() {
      const seen: Array<string> = []
      const listener = yield* listening()
      yield* Copas.addThread(Effect.onInterrupt(Effect.never, () =>
        Effect.gen(function*() {
          yield* Copas.addThread(Effect.sync(() => seen.push("started")))
          const refusal = yield* failure(Copas.addServer(listener, () => Effect.void), "InvalidOption")
          seen.push(refusal.option)
        })))
      yield* turn
      yield* Copas.cancelAll
      same(seen, ["dispatcher"], "what happened")
      const thread = yield* Copas.addThread(Effect.succeed("after"))
      same(yield* thread.join, "after", "a thread that is added afterwards")
    }))
  ),
  test(
    "C08 a thread that waits for its own end dies, and says so; so does a fiber of it, also in a finalizer",
    Effect.gen(function*() {
      const own = Effect.flatMap(Thread.current, Effect.orDie)
      const waits: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        Effect.flatMap(own, (thread) => thread.join),
        Effect.flatMap(own, (thread) => thread.await)
      ]
      for (const wait of waits) {
        for (
          const inFiber of [
            wait,
            Effect.timeout(wait, "1 hours"),
            Effect.all([wait, Effect.void], { concurrency: "unbounded" }),
            Effect.flatMap(Effect.fork(wait), Fiber.join),
            Effect.flatMap(Effect.forkDaemon(Effect.interruptible(wait)), Fiber.join)
          ]
        ) {
          for (
            const thread of [
              inFiber,
              Effect.uninterruptible(inFiber),
              Effect.ensuring(Effect.void, Effect.orDie(inFiber)),
              Effect.addFinalizer(() => Effect.orDie(inFiber))
            ]
          ) {
            const added = yield* Copas.addThread(thread, { onError: () => Effect.void })
            // What is started here waits for it from outside, and so does not wait for itself.
            const waiting = yield* Effect.fork(added.await)
            const exit = yield* Effect.flatten(outcome(waiting))
            holds(Exit.isFailure(exit) && Causes.show(exit.cause).includes("its own end"), "it says so")
          }
        }
      }
    })
  ),
  test(
    "C32 a future whose own thread asks for its result dies, and says so",
    Effect.gen(function*() {
      for (const where of [(get: Effect.Effect<unknown>) => get, Effect.uninterruptible, Effect.timeout("1 hours")]) {
        const future: Future.Future<unknown, unknown> = yield* Future.add(
          Effect.zipRight(Effect.yieldNow(), Effect.suspend(() => where(Effect.orDie(future.get))))
        )
        const exit = yield* Effect.flatten(outcome(yield* Effect.fork(future.await)))
        holds(Exit.isFailure(exit) && Causes.show(exit.cause).includes("its own result"), "it says so")
      }
    })
  ),
  test(
    "C01 run in an uninterruptible region ends as elsewhere, in a thread too, and no time-out or failure is waited out",
    Effect.gen(function*() {
      const inactive = Copas.addThread(Thread.pauseForever)
      const programs: ReadonlyArray<
        readonly [Effect.Effect<unknown, unknown, Copas.Copas>, Exit.Exit<unknown, unknown>]
      > = [
        [Effect.as(inactive, "value"), Exit.succeed("value")],
        [Effect.zipRight(inactive, Effect.fail("failure")), Exit.fail("failure")],
        [Effect.zipRight(Copas.addThread(Effect.never), Effect.die("defect")), Exit.die("defect")],
        [Effect.as(Copas.addThread(turn), "later"), Exit.succeed("later")]
      ]
      for (const [program, end] of programs) {
        const run = Effect.uninterruptible(Copas.run(program))
        same(yield* outcome(yield* Effect.fork(run)), end, "the end")
        yield* nothingLeft
        const inner = Effect.zipLeft(Effect.exit(run), Copas.cancelAll)
        same(yield* outcome(yield* Effect.fork(Copas.run(inner))), Exit.succeed(end), "the end in a thread")
        yield* nothingLeft
        // An interruption is not waited for, and changes nothing: the region is over when the program is.
        const interrupted = yield* Effect.fork(run)
        yield* Effect.yieldNow()
        yield* Effect.fork(Fiber.interrupt(interrupted))
        holds(Exit.isFailure(yield* outcome(interrupted)) || Exit.isSuccess(end), "it has ended")
        yield* nothingLeft
      }
    })
  ),
  test(
    "C01 two runs at once in one thread both end",
    Effect.gen(function*() {
      const both = Copas.run(Effect.all([Copas.run(Effect.succeed(1)), Copas.run(Effect.succeed(2))], {
        concurrency: "unbounded"
      }))
      const running = yield* Effect.fork(both)
      same(yield* outcome(running), Exit.succeed([1, 2]), "both")
    })
  )
]
