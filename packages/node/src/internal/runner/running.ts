/** Runs a program on the dispatcher until it has ended, or until a signal ends it. */
import * as Copas from "@copas/core/Copas"
import type * as Dns from "@copas/core/Dns"
import type * as Net from "@copas/core/Net"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as NodeCopas from "../../NodeCopas.js"
import * as Causes from "../effect/causes.js"
import { type AnyFiber, complete, hasEnded, withFiber } from "../effect/fibers.js"

/** How the runner ended, as its exit code. */
export const exitCodes = {
  /** Nothing was left to do, or everything ended by itself after a signal. */
  ended: 0,
  /** The program failed. */
  failed: 1,
  /** The command line or the script is wrong. */
  usage: 2,
  /** 128 and the signal's number, as shells have it: what was left after the drain time was cut. */
  cutBySIGHUP: 129,
  cutBySIGINT: 130,
  cutBySIGTERM: 143
} as const

type Signal = "SIGINT" | "SIGTERM" | "SIGHUP"

/** Logs to stderr, because stdout belongs to the program. */
export const say = Effect.provide(Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.stringLogger)))

/**
 * Completes with the first signal; a second one ends the process. SIGHUP is ignored if the program listens for it, to read
 * its configuration again for example.
 */
const firstSignal: Effect.Effect<Deferred.Deferred<Signal>, never, Scope.Scope> = Effect.gen(function*() {
  const signalled = yield* Deferred.make<Signal>()
  let isSignalled = false
  const on = (signal: Signal): void => {
    if (signal === "SIGHUP" && process.listenerCount("SIGHUP") > 1) return
    if (isSignalled) process.exit(exitCodes[`cutBy${signal}`])
    isSignalled = true
    complete(signalled, Exit.succeed(signal))
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => process.on("SIGINT", on).on("SIGTERM", on).on("SIGHUP", on)),
    () => Effect.sync(() => process.off("SIGINT", on).off("SIGTERM", on).off("SIGHUP", on))
  )
  return signalled
})

/** The main thread's name, as `Copas.run` gives it. */
const mainName = "initializer"

/** The state of the main thread, until it has ended. */
const mainState = Effect.map(
  Copas.status,
  ({ threads }) => threads.find(({ name }) => name === mainName)?.state
)

/**
 * True if the main thread waits for the exit, because it ends by itself then. One that has work to do is let do it first:
 * the wait may be what comes next. One that computes for ever has half of the drain time, at most a second.
 */
const awaitsExit = (drain: Duration.Duration): Effect.Effect<boolean, never, Copas.Copas> =>
  Effect.gen(function*() {
    let state = yield* mainState
    const settle = Effect.gen(function*() {
      while (state === "ready") {
        yield* Copas.step(100)
        state = yield* mainState
      }
    })
    yield* Effect.timeoutOption(settle, Duration.min(Duration.times(drain, 0.5), "1 second"))
    return state === "inactive"
  })

/**
 * Ends a main thread that would never end, in `Layer.launch` for example, once everything else has ended, because
 * connections use the services of its layer until then. A main thread that reads or writes has the rest of the drain time.
 */
const endMain = (main: AnyFiber): Effect.Effect<void, never, Copas.Copas> =>
  Effect.gen(function*() {
    while (!hasEnded(main)) {
      const { sockets, threads } = yield* Copas.status
      const isLast = threads.every(({ name, state }) =>
        name === mainName ? state === "waiting" || state === "sleeping" : state === "inactive"
      ) && sockets.every(({ sendBuffered }) =>
        sendBuffered === 0
      )
      // The platform's own work is no step, hence the limit.
      yield* isLast ? Fiber.interrupt(main) : Copas.step(100)
    }
  })

export type Services = Copas.Copas | Dns.Dns | Net.Net

/**
 * The programs that `main` runs one after the other, in the dispatcher's main thread. An effect runs until it ends. A layer
 * runs until a signal or `Copas.exit`, whatever it is made of, because the dispatcher does not know Node's HTTP servers.
 */
export interface Script {
  readonly main: Effect.Effect<unknown, unknown, Services | Scope.Scope>
  /** True while a layer is what runs. */
  readonly isLayer: () => boolean
}

const supervise = (
  script: Script,
  drain: Duration.Duration,
  signalled: Deferred.Deferred<Signal>
): Effect.Effect<number, unknown> =>
  Effect.gen(function*() {
    const started = yield* Deferred.make<AnyFiber>()
    const ran = yield* Effect.forkScoped(Copas.run(withFiber<unknown, unknown, Services | Scope.Scope>(
      (fiber) => {
        complete(started, Exit.succeed(fiber))
        return script.main
      }
    )))
    const main = yield* Deferred.await(started)
    yield* Effect.forkScoped(Effect.zipRight(
      Copas.waitForExit,
      Effect.suspend(() => script.isLayer() ? endMain(main) : Effect.void)
    ))
    const signal = yield* Effect.raceFirst(
      Effect.map(Fiber.join(ran), () => Option.none<Signal>()),
      Effect.asSome(Deferred.await(signalled))
    )
    if (Option.isNone(signal)) return exitCodes.ended
    yield* say(Effect.logInfo(`${signal.value}: stopped accepting; waiting ${Duration.format(drain)} at most`))
    const [settled, endsByItself] = yield* Effect.timed(awaitsExit(drain))
    if (!endsByItself) yield* Effect.forkScoped(Effect.zipRight(Copas.exit, endMain(main)))
    if (!(yield* Copas.drain(Duration.subtract(drain, settled)))) return exitCodes[`cutBy${signal.value}`]
    yield* Fiber.join(ran)
    return exitCodes.ended
  }).pipe(Effect.scoped, Effect.provide(NodeCopas.layer))

/** The dispatcher decides when a program has ended, and not Node, which may know of nothing that the program waits for. */
const keepAlive = Effect.acquireRelease(
  Effect.sync(() => setInterval(() => {}, 2 ** 31 - 1)),
  (timer) => Effect.sync(() => clearInterval(timer))
)

/** Runs a script to its end and gives the exit code. */
export const run = (script: Script, drain: Duration.Duration): Effect.Effect<number, unknown> =>
  Effect.gen(function*() {
    yield* keepAlive
    const signalled = yield* firstSignal
    const supervised = yield* Effect.forkDaemon(supervise(script, drain, signalled))
    // What was cut has finalizers, and those are waited for as long again, but not for ever.
    const limit = Effect.flatMap(
      Deferred.await(signalled),
      (signal) =>
        Effect.delay(Effect.succeed(exitCodes[`cutBy${signal}`]), Duration.max(Duration.times(drain, 2), "1 second"))
    )
    return yield* Effect.raceFirst(Fiber.join(supervised), limit)
  }).pipe(
    Effect.scoped,
    Effect.catchAllCause((cause) =>
      Causes.isInterruption(cause) ? Effect.succeed(exitCodes.ended) : Effect.failCause(cause)
    )
  )
