/**
 * Runs a program in simulated time: hours of it in seconds, and the same each time for the same seed.
 *
 * Whenever no fiber has anything left to do, the clock moves by itself to the next time at which something is due. So a
 * program must not wait for anything outside of the simulation, such as a file or a real socket: the clock would move
 * meanwhile. The network is `NetMemory`; chance is Effect's `Random`, time is Effect's `Clock`.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as ErrorSummary from "../ErrorSummary.js"
import * as Causes from "../internal/effect/causes.js"
import * as Clocks from "../internal/effect/clocks.js"
import { currentEnv, startOn } from "../internal/effect/env.js"
import { exitOf, interruptSoon, onExit, type RunningFiber } from "../internal/effect/fibers.js"
import { withSeed } from "../internal/effect/random.js"
import { suspend, suspendCancellable } from "../internal/effect/suspend.js"
import { queueWaits } from "../internal/thread/waitQueue.js"
import * as EventLoop from "../internal/time/eventLoop.js"
import { millisOf, wrongDuration } from "../internal/time/optionValues.js"
import { CurrentRun, SimulationRun } from "./internal/simulation/currentRun.js"
import { CurrentSeed } from "./internal/simulation/seed.js"
import { SimulationScheduler } from "./internal/simulation/simulationScheduler.js"
import { waiters } from "./internal/simulation/waiters.js"
import * as SimulationClock from "./SimulationClock.js"

/**
 * A fiber that waits in a simulation that has stalled.
 *
 * @since 0.1.0
 * @category errors
 */
export const Waiter = Schema.Struct({
  /** The host that runs its program, or whose socket it waits for. */
  host: Schema.optional(Schema.String),
  /** The name of its Copas thread; outside of threads `fiber` and a number, which counts from the first fiber on. */
  thread: Schema.String,
  /** A socket, a lock, a queue …, as far as it is known: `receive on 10.0.0.2:7`, `accept on 0.0.0.0:7`. */
  waitsFor: Schema.String,
  /** The innermost span in which it waits, of `Effect.fn("name")` or `Effect.withSpan`. */
  span: Schema.optional(Schema.String)
})

/**
 * The type of `Waiter`.
 *
 * @since 0.1.0
 * @category errors
 */
export type Waiter = typeof Waiter.Type

const mostShown = 20

const showWaiters = (waiters: ReadonlyArray<Waiter>): string => {
  const lines = waiters.slice(0, mostShown).map(({ host, span, thread, waitsFor }) =>
    `\n  ${host === undefined ? "" : `${host}, `}${thread} waits for ${waitsFor}${
      span === undefined ? "" : ` in ${span}`
    }`
  )
  return lines.join("") + (waiters.length > mostShown ? `\n  and ${waiters.length - mostShown} more` : "")
}

/**
 * The program did not end by itself: it was interrupted.
 *
 * - `Stalled`: every fiber waits, and nothing is due: a deadlock, or a wait for something outside. `waiters` names them
 * - `TimeOver`: it would have continued past `maxTime`
 *
 * @since 0.1.0
 * @category errors
 */
export class SimulationError
  extends Schema.TaggedError<SimulationError>("@copas/core/testing/Simulation/SimulationError")("SimulationError", {
    reason: Schema.Literal("Stalled", "TimeOver"),
    /** The simulated time at which it was interrupted. */
    atMillis: Schema.Number,
    /** The fibers that waited when it stalled, in the order in which they began. Empty for `TimeOver`. */
    waiters: Schema.Array(Waiter)
  })
{
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    const why = this.reason === "Stalled"
      ? "every fiber waits and nothing is due: a deadlock, or a wait for something outside of the simulation"
      : "it would have continued past `maxTime`; raise it, or find out what does not end"
    return `The simulated program was interrupted at ${Math.round(this.atMillis)} ms: ${why}${
      showWaiters(this.waiters)
    }`
  }
}

/**
 * The options of `run`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The source of all chance: `Random`, and the network's jitter and loss. Default 0. */
  readonly seed?: number | undefined
  /** The most simulated time that it may take. Default no limit. */
  readonly maxTime?: Duration.DurationInput | undefined
  /** The time of the clock at the start, in milliseconds. Default 0. */
  readonly startMillis?: number | undefined
}

/** One run: lets time pass until the program has ended. */
class Run {
  readonly clock: SimulationClock.SimulationClock
  readonly fiber: RunningFiber<unknown, unknown>
  private readonly limit: number
  private readonly listeners: Array<() => void> = []
  private readonly simulated: SimulationRun
  private hasEnded = false
  private isLooking = false
  givenUp: SimulationError | undefined = undefined

  constructor(
    clock: SimulationClock.SimulationClock,
    limit: number,
    simulated: SimulationRun,
    fiber: RunningFiber<unknown, unknown>
  ) {
    this.clock = clock
    this.limit = limit
    this.simulated = simulated
    this.fiber = fiber
    onExit(fiber, () => this.end())
    EventLoop.whenIdle(this.tick)
  }

  onEnd(listener: () => void): void {
    if (this.hasEnded) listener()
    else this.listeners.push(listener)
  }

  interrupt(): void {
    interruptSoon(this.fiber)
  }

  private end(): void {
    this.hasEnded = true
    for (const listener of this.listeners.splice(0)) listener()
  }

  // Called when the microtasks are done, so the only ready fibers are those that wait for a turn of the event loop.
  private readonly tick = (): void => {
    if (this.hasEnded) return
    if (!EventLoop.isAwaited()) this.goOn()
    EventLoop.whenIdle(this.tick)
  }

  private goOn(): void {
    if (this.isLooking) return
    // An interrupted program may take its time to end.
    if (this.givenUp === undefined && this.clock.unsafeNextMillis() > this.limit) {
      if (this.clock.unsafeNextMillis() === Infinity) this.stalled()
      else this.giveUp("TimeOver", this.limit, [])
    } else if (!this.clock.unsafeAdvance()) {
      // It cannot even be interrupted: it will never end.
      if (this.givenUp !== undefined) this.end()
      else this.stalled()
    }
  }

  /** Fibers tell what they wait for when they get a turn. */
  private stalled(): void {
    this.isLooking = true
    onExit(Effect.runFork(waiters(this.simulated)), (exit) => {
      this.isLooking = false
      if (this.hasEnded) return
      const found = Exit.isSuccess(exit) ? exit.value : []
      this.giveUp("Stalled", Clocks.millisOf(this.clock), found)
    })
  }

  private giveUp(reason: SimulationError["reason"], atMillis: number, found: ReadonlyArray<Waiter>): void {
    this.givenUp = new SimulationError({ reason, atMillis, waiters: found })
    this.interrupt()
  }
}

/**
 * Runs `program` to its end in simulated time, which starts at `startMillis` and costs nothing while nothing happens.
 *
 * The same program with the same seed does the same things at the same times. *Interruption* interrupts the program, and
 * moves the clock until its finalizers have run.
 *
 * @since 0.1.0
 * @category running
 * @example
 * ```ts
 * import { Simulation } from "@copas/core/testing"
 * import { Clock, Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   yield* Effect.sleep("30 days")
 *   return yield* Clock.currentTimeMillis
 * })
 *
 * Effect.runPromise(Simulation.run(program)).then(console.log) // 2592000000
 * ```
 */
export const run = <A, E, R>(
  program: Effect.Effect<A, E, R>,
  options?: Options
): Effect.Effect<A, E | SimulationError, R> =>
  Effect.flatMap(currentEnv<R>(), (env) => {
    const seed = options?.seed ?? 0
    const start = options?.startMillis ?? 0
    const maxTime = options?.maxTime === undefined ? Infinity : millisOf(options.maxTime)
    if (maxTime === undefined) return Effect.die(wrongDuration("maxTime", options?.maxTime))
    const limit = start + maxTime
    const clock = SimulationClock.make(start)
    const scheduler = new SimulationScheduler()
    const current = new SimulationRun()
    const simulated = program.pipe(
      Effect.provideService(CurrentSeed, seed),
      Effect.provideService(CurrentRun, current),
      (program) => Clocks.withClock(program, clock),
      (program) => withSeed(program, seed)
    )
    return suspendCancellable<A, E | SimulationError>((resume) => {
      const fiber = startOn(scheduler, env, simulated)
      queueWaits.observe()
      const run = new Run(clock, limit, current, fiber)
      run.onEnd(() => {
        queueWaits.unobserve()
        const exit = exitOf(fiber)
        // What it did on its way out may have failed: that counts for more.
        if (run.givenUp !== undefined && (exit === undefined || Causes.wasInterrupted(exit))) {
          resume(Effect.fail(run.givenUp))
        } else if (exit !== undefined) {
          resume(exit)
        }
      })
      return Effect.suspend(() => {
        run.interrupt()
        return suspend<void>((done) => {
          run.onEnd(() => done(Effect.void))
        })
      })
    })
  })
