/** What this package asks of Effect's runtime, and another major version of Effect would change. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Tracer from "effect/Tracer"

/** A fiber that this process runs. */
export type RunningFiber<A, E = never> = Fiber.RuntimeFiber<A, E>

export type AnyFiber = RunningFiber<any, any>

/**
 * Suspends the fiber until `resume` is called with the effect that it continues with. A wake never runs the woken fiber in
 * the waker's call; a wake that comes too late does nothing. Nobody learns that the fiber was interrupted: where that
 * matters, the wait is core's `Transport.suspendCancellable`.
 */
export const suspend: <A, E = never>(
  register: (resume: (effect: Effect.Effect<A, E>) => void) => undefined
) => Effect.Effect<A, E> = Effect.async

/** The fiber that runs an effect in this call, as within `Effect.suspend`: an effect less than `withFiber`. */
export const currentFiber = (): AnyFiber => Option.getOrThrow(Fiber.getCurrentFiber())

/** Runs `use` with the fiber that runs this. */
export const withFiber: <A, E = never, R = never>(
  use: (fiber: AnyFiber) => Effect.Effect<A, E, R>
) => Effect.Effect<A, E, R> = Effect.withFiberRuntime

/** A semaphore made outside of an effect, for a field of a class. */
export const makeSemaphore = (permits: number): Effect.Semaphore => Effect.unsafeMakeSemaphore(permits)

/** What the clock shows, in milliseconds. */
export const millisOf = (clock: Clock.Clock): number => clock.unsafeCurrentTimeMillis()

/** What the fiber's clock shows, in milliseconds. */
export const now: Effect.Effect<number> = Effect.clockWith((clock) => Effect.sync(() => millisOf(clock)))

/** True where spans are shown to somebody: Effect's own tracer keeps them for the program, and shows them to nobody. */
export const hasTracer = (fiber: AnyFiber): boolean =>
  fiber.currentTracer !== Context.get(DefaultServices.liveServices, Tracer.Tracer) &&
  fiber.getFiberRef(FiberRef.currentTracerEnabled)

/** The fiber's clock. */
export const clockOf = (fiber: AnyFiber): Clock.Clock => Context.get(fiber.currentDefaultServices, Clock.Clock)

/** Runs effects from callbacks, with what the fiber that runs this has. */
export const runner: Effect.Effect<(effect: Effect.Effect<void>) => void> = Effect.map(
  Effect.runtime<never>(),
  (runtime) => (effect) => {
    Runtime.runFork(runtime)(effect)
  }
)
