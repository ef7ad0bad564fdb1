/**
 * A timer: it calls back after a delay, once or repeatedly, in a thread of its own.
 *
 * A timer that has run or was cancelled keeps its name, its delay and its callback, so it can be armed again, also from its
 * own callback.
 *
 * Use Effect's own `Effect.delay`, `Effect.repeat` and `Effect.schedule` with a `Schedule` where the work belongs to the
 * fiber that starts it; a `Schedule` also has back-off, jitter and cron. Use a timer for work that is armed and cancelled
 * from elsewhere, shows as a thread in `Copas.status`, and keeps the dispatcher running.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as Copas from "./Copas.js"
import { currentEnv, type Env, runNow } from "./internal/effect/env.js"
import { providedTo, reference } from "./internal/effect/reference.js"
import { withFiber } from "./internal/effect/suspend.js"
import { reported } from "./internal/thread/reporting.js"
import { type DispatcherThread, threadOf } from "./internal/thread/thread.js"
import { nextNumber } from "./internal/time/deadlines.js"
import { millis } from "./internal/time/optionValues.js"
import type { InvalidOption } from "./SocketError.js"
import * as Thread from "./Thread.js"

/**
 * Marks a `Timer`: `isTimer` looks for it.
 *
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("@copas/core/Timer")

/**
 * The type of `TypeId`.
 *
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * The options of `arm`.
 *
 * @since 0.1.0
 * @category models
 */
export interface ArmOptions {
  /** The delay before the first call, in place of the timer's delay. With zero it calls in the thread's first turn. */
  readonly initialDelay?: Duration.DurationInput | undefined
}

/**
 * The options of `make`. `P` is the type of `params`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<P, E, R, RE = never> extends ArmOptions {
  /** Names the timer and its thread. Default `copas_timer_N`. */
  readonly name?: string | undefined
  /** The time from arming to the call; for a recurring timer also from the end of a call to the next one. */
  readonly delay: Duration.DurationInput
  /** Default false: one call for each arming. */
  readonly recurring?: boolean | undefined
  /** The second argument of the callback. */
  readonly params?: P | undefined
  /** The effect that the timer runs. Each call has a scope of its own. */
  readonly callback: (timer: Timer, params: P) => Effect.Effect<unknown, E, R>
  /** Gets the failures of the callback in place of the dispatcher's handler. */
  readonly onError?: Thread.ErrorHandler<RE> | undefined
}

/**
 * A timer. It lasts as long as the program refers to it; while it is armed it keeps the dispatcher running.
 *
 * @since 0.1.0
 * @category models
 */
export interface Timer {
  readonly [TypeId]: TypeId
  readonly name: string

  /** Arms a timer that has run or was cancelled; false when it is armed already. */
  readonly arm: (options?: ArmOptions) => Effect.Effect<boolean, InvalidOption>

  /**
   * Disarms the timer; false when it was not armed. A call that is under way is interrupted, and this waits until it has
   * ended. Called by the callback itself, or by a fiber that it forked during that call, it interrupts nothing: the call
   * continues, and is the last one.
   */
  readonly cancel: Effect.Effect<boolean>

  /**
   * True from arming until the timer was cancelled, by `Copas.cancelAll` too, or, unless it recurs, until its callback
   * begins.
   */
  readonly isArmed: Effect.Effect<boolean>
}

/**
 * The call of a timer that a fiber runs, or was forked within. A fiber inherits it when it is forked, so `cancel` can tell
 * the callback and its children from a fiber that an earlier call left behind, or that merely has the thread's context.
 */
const CurrentCall = reference<object | undefined>("@copas/core/Timer/CurrentCall", () => undefined)

class TimerImpl<P, E, R, RE> implements Timer {
  readonly [TypeId]: TypeId = TypeId
  readonly name: string
  private readonly options: Options<P, E, R, RE>
  private readonly env: Env<Copas.Copas | Exclude<R | RE, Scope.Scope>>
  private readonly delay: number
  /** The thread of the last arming. */
  private thread: DispatcherThread | undefined = undefined
  /** The call under way. */
  private call: object | undefined = undefined

  constructor(
    name: string,
    options: Options<P, E, R, RE>,
    env: Env<Copas.Copas | Exclude<R | RE, Scope.Scope>>,
    delay: number
  ) {
    this.name = name
    this.options = options
    this.env = env
    this.delay = delay
  }

  arm(options?: ArmOptions): Effect.Effect<boolean, InvalidOption> {
    return Effect.flatMap(initialDelayOf(options, this.delay), (initialDelay) =>
      Effect.suspend(() => {
        if (this.armed !== undefined) return Effect.succeed(false)
        const thread = runNow(
          this.env,
          Copas.addThread(
            Effect.suspend((): Effect.Effect<void, never, Exclude<R, Scope.Scope>> => this.wait(thread, initialDelay)),
            {
              name: this.name,
              onError: this.options.onError
            }
          )
        ) as Thread.Thread<any, any> as DispatcherThread
        this.thread = thread
        return Effect.succeed(true)
      }))
  }

  /** The thread of the present arming. One that was cut before its time, by `Copas.cancelAll` for example, is none. */
  private get armed(): DispatcherThread | undefined {
    return this.thread?.exit === undefined ? this.thread : undefined
  }

  private wait(
    thread: DispatcherThread,
    millis: number
  ): Effect.Effect<void, never, Exclude<R, Scope.Scope>> {
    return Effect.flatMap(Thread.pause(millis), () => this.expire(thread))
  }

  private expire(thread: DispatcherThread): Effect.Effect<void, never, Exclude<R, Scope.Scope>> {
    const recurring = this.options.recurring ?? false
    // The callback may arm the timer again.
    if (!recurring && this.thread === thread) this.thread = undefined
    const call = Effect.scoped(Effect.suspend(() => this.options.callback(this, this.options.params as P)))
    const own = this.call = {}
    return Effect.flatMap(Effect.provideService(reported(call), CurrentCall, own), () => {
      if (this.call === own) this.call = undefined
      return this.thread === thread ? this.wait(thread, this.delay) : Effect.void
    })
  }

  get cancel(): Effect.Effect<boolean> {
    return withFiber((fiber) => {
      const thread = this.armed
      if (thread === undefined) return Effect.succeed(false)
      this.thread = undefined
      const isWithin = this.call !== undefined && providedTo(fiber, CurrentCall) === this.call
      if (isWithin && threadOf(fiber) === thread) return Effect.succeed(true)
      thread.cut()
      return Effect.as(thread.awaitEnd, true)
    })
  }

  get isArmed(): Effect.Effect<boolean> {
    return Effect.sync(() => this.armed !== undefined)
  }
}

const initialDelayOf = (options: ArmOptions | undefined, delay: number): Effect.Effect<number, InvalidOption> =>
  options?.initialDelay === undefined
    ? Effect.succeed(delay)
    : millis("initialDelay", options.initialDelay)

/**
 * True if `u` is a `Timer`.
 *
 * @since 0.1.0
 * @category guards
 */
export const isTimer = (u: unknown): u is Timer => Predicate.hasProperty(u, TypeId)

/**
 * Makes a timer and arms it. An error in the callback goes to the error handler and ends no timer.
 *
 * The timer's thread is the dispatcher's: it outlives the fiber and the scope that made it, until it has run or is
 * cancelled; `scoped` ties it to a scope. While it is armed it keeps the dispatcher running. Delays follow Effect's
 * `Clock`.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Copas, Timer } from "@copas/core"
 * import { NetMemory } from "@copas/core/testing"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   let ticks = 0
 *   yield* Timer.make({
 *     name: "ticker",
 *     delay: "10 millis",
 *     initialDelay: 0,
 *     recurring: true,
 *     params: "tick",
 *     callback: (timer, word) =>
 *       Effect.gen(function*() {
 *         ticks += 1
 *         console.log(word, ticks)
 *         if (ticks === 3) yield* timer.cancel
 *       })
 *   })
 * })
 *
 * const layer = Layer.provideMerge(Copas.layer, NetMemory.layer)
 * Effect.runPromise(Copas.run(program).pipe(Effect.provide(layer))) // tick 1, tick 2, tick 3
 * ```
 */
export const make = <P = undefined, E = never, R = never, RE = never>(
  options: Options<P, E, R, RE>
): Effect.Effect<Timer, InvalidOption, Copas.Copas | Exclude<R | RE, Scope.Scope>> =>
  Effect.gen(function*() {
    const delay = yield* millis("delay", options.delay)
    const env = yield* currentEnv<Copas.Copas | Exclude<R | RE, Scope.Scope>>()
    const name = options.name ?? `copas_timer_${yield* nextNumber("timer")}`
    const timer = new TimerImpl(name, options, env, delay)
    yield* timer.arm({ initialDelay: options.initialDelay })
    return timer
  })

/**
 * Like `make`; the timer is cancelled when the scope ends.
 *
 * @since 0.1.0
 * @category constructors
 */
export const scoped = <P = undefined, E = never, R = never, RE = never>(
  options: Options<P, E, R, RE>
): Effect.Effect<Timer, InvalidOption, Copas.Copas | Scope.Scope | Exclude<R | RE, Scope.Scope>> =>
  Effect.acquireRelease(make(options), (timer) => timer.cancel)
