/** What fibers are started in by code that is no effect itself: a server's connections, a timer, a thread. */
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as RuntimeFlags from "effect/RuntimeFlags"
import type { Scheduler } from "effect/Scheduler"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type { AnyFiber, RunningFiber } from "./fibers.js"
import type { LateAnnotations } from "./logAnnotations.js"
import type { Reference } from "./reference.js"

/** The services, the ambient settings and the loggers of a fiber, for those that are started on its behalf. */
export type Env<R = never> = Runtime.Runtime<R>

/** The env of the fiber that runs this. */
export const currentEnv = <R = never>(): Effect.Effect<Env<R>, never, R> => Effect.runtime<R>()

export const servicesOf = <R>(env: Env<R>): Context.Context<R> => env.context

/** What was provided for `setting`; `undefined` where nothing was, whatever the default is. */
export const providedIn = <A>(env: Env<any>, setting: Reference<A>): A | undefined =>
  env.context.unsafeMap.get(setting.key)

/** Interruptible even where the asking fiber is not: an uninterruptible region protects the caller, not what it starts. */
const ownFlags = (flags: RuntimeFlags.RuntimeFlags): RuntimeFlags.RuntimeFlags =>
  // Effect's own metrics of fibers cost a thread a tenth of its start; the dispatcher counts its threads itself.
  RuntimeFlags.disable(RuntimeFlags.enable(flags, RuntimeFlags.Interruption), RuntimeFlags.RuntimeMetrics)

/** The env of a thread: `env` with a scope of the thread's own and one setting, interruptible, and outside of metrics. */
export const threadEnv = <A>(env: Env<any>, scope: Scope.Scope, setting: Reference<A>, value: A): Env => {
  const services = new Map<string, any>(env.context.unsafeMap)
  services.set(Scope.Scope.key, scope)
  services.set(setting.key, value)
  return Runtime.make({
    context: Context.unsafeMake<never>(services),
    runtimeFlags: ownFlags(env.runtimeFlags),
    fiberRefs: env.fiberRefs
  })
}

/** For finalizers: `env` with the fiber references as the fiber left them, and without its interruption. */
export const envAfter = (env: Env, fiber: AnyFiber): Env =>
  Runtime.make({
    context: env.context,
    runtimeFlags: env.runtimeFlags,
    fiberRefs: FiberRefs.delete(fiber.getFiberRefs(), FiberRef.interruptedCause)
  })

/** True where spans are shown to somebody: Effect's own tracer keeps them for the program, and shows them to nobody. */
export const hasTracer = (env: Env<any>): boolean => {
  const services = FiberRefs.getOrDefault(env.fiberRefs, DefaultServices.currentServices)
  return Context.get(services, Tracer.Tracer) !== Context.get(DefaultServices.liveServices, Tracer.Tracer)
}

/** Runs an effect that does not wait, and gives its value; throws what it fails with. */
export const runNow = <A, E, R>(env: Env<R>, effect: Effect.Effect<A, E, R>): A => Runtime.runSync(env, effect)

/** Starts a fiber, which runs after this call. */
export const startSoon = <A, E, R>(env: Env<R>, effect: Effect.Effect<A, E, R>): RunningFiber<A, E> =>
  Runtime.runFork(env, effect, { immediate: false })

/** Starts a fiber on `scheduler`; it runs in this call until it first waits. */
export const startOn = <A, E, R>(
  scheduler: Scheduler,
  env: Env<R>,
  effect: Effect.Effect<A, E, R>
): RunningFiber<A, E> => Runtime.runFork(env, effect, { scheduler })

/** Starts fibers on one scheduler; they run when it comes to them, not in the call that starts them. */
export class Starter {
  private readonly scheduler: Scheduler
  private readonly own: Runtime.RunForkOptions = { immediate: false }
  private readonly foreign: Runtime.RunForkOptions

  constructor(scheduler: Scheduler) {
    this.scheduler = scheduler
    this.foreign = { immediate: false, scheduler }
  }

  start<A, E, R>(env: Env<R>, effect: Effect.Effect<A, E, R>, annotations?: LateAnnotations): RunningFiber<A, E> {
    const current = FiberRefs.get(env.fiberRefs, FiberRef.currentScheduler)
    // To set the scheduler that the env has already would copy its fiber references.
    const options = Option.isSome(current) && current.value === this.scheduler ? this.own : this.foreign
    return Runtime.runFork(
      env,
      effect,
      annotations === undefined ? options : { ...options, updateRefs: annotations }
    )
  }
}
