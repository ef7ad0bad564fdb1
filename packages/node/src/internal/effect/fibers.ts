/** What this package asks of Effect's runtime, and another major version of Effect would change. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as RuntimeFlags from "effect/RuntimeFlags"
import type * as Scope from "effect/Scope"

export type AnyFiber = Fiber.RuntimeFiber<unknown, unknown>

/**
 * Suspends the fiber until `resume` is called with the effect that it continues with. A wake never runs the woken fiber in
 * the waker's call; a wake that comes too late does nothing. Nobody learns that the fiber was interrupted: where that
 * matters, the wait is core's `Transport.suspendCancellable`.
 */
export const suspend: <A, E = never>(
  register: (resume: (effect: Effect.Effect<A, E>) => void) => undefined
) => Effect.Effect<A, E> = Effect.async

/** The fiber that runs an effect in this call, as within `suspend`: an effect less than `withFiber`. */
export const currentFiber = (): AnyFiber => Option.getOrThrow(Fiber.getCurrentFiber()) as AnyFiber

/** Runs `use` with the fiber that runs this. */
export const withFiber: <A, E = never, R = never>(
  use: (fiber: AnyFiber) => Effect.Effect<A, E, R>
) => Effect.Effect<A, E, R> = Effect.withFiberRuntime

export const hasEnded = (fiber: AnyFiber): boolean => fiber.unsafePoll() !== null

/** Calls back when the fiber has ended; at once, if it has already. */
export const onExit = <A, E>(fiber: Fiber.RuntimeFiber<A, E>, listener: (exit: Exit.Exit<A, E>) => void): void =>
  fiber.addObserver(listener)

/** Completes a deferred from a callback. */
export const complete = <A, E>(deferred: Deferred.Deferred<A, E>, exit: Exit.Exit<A, E>): void =>
  Deferred.unsafeDone(deferred, exit)

/** What a fiber is started in from a callback: the clock, the loggers and the settings of the fiber that took it. */
export type Env = Runtime.Runtime<never>

/** That of the fiber that runs this. */
export const env: Effect.Effect<Env> = Effect.runtime<never>()

/** That of another fiber, for what it would have run itself: interruptible even where that fiber is not. */
export const envOf = (fiber: AnyFiber): Env =>
  Runtime.make({
    context: fiber.currentContext as Context.Context<never>,
    runtimeFlags: RuntimeFlags.enable(
      (fiber as AnyFiber & { readonly currentRuntimeFlags: RuntimeFlags.RuntimeFlags }).currentRuntimeFlags,
      RuntimeFlags.Interruption
    ),
    fiberRefs: fiber.getFiberRefs()
  })

export const clockOf = (fiber: AnyFiber): Clock.Clock => Context.unsafeGet(fiber.currentDefaultServices, Clock.Clock)

/** Interrupts the fiber without waiting for its end. */
export const interruptSoon = (fiber: AnyFiber): void => fiber.unsafeInterruptAsFork(FiberId.none)

/** Starts a fiber; it runs at once, in this call, until it first waits. The scope's end, if one is given, interrupts it. */
export const start = <A, E>(env: Env, effect: Effect.Effect<A, E>, scope?: Scope.Scope): Fiber.RuntimeFiber<A, E> =>
  Runtime.runFork(env, effect, scope === undefined ? undefined : { scope })
