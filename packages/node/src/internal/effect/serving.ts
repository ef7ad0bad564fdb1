/** What a connection's fiber does to itself between two requests, for which Effect has no operation that is as cheap. */
import * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerError from "@effect/platform/HttpServerError"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import type * as FiberRefs from "effect/FiberRefs"
import { globalValue } from "effect/GlobalValue"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type { AnyFiber } from "./fibers.js"

/** True where spans are shown to somebody: Effect's own tracer keeps them for the program, and shows them to nobody. */
export const hasTracer = (fiber: AnyFiber): boolean =>
  fiber.getFiberRef(FiberRef.currentTracerEnabled) &&
  Context.get(fiber.getFiberRef(DefaultServices.currentServices), Tracer.Tracer) !==
    Context.get(DefaultServices.liveServices, Tracer.Tracer)

/** Interrupts the fiber on behalf of a client that went away, without waiting. */
export const abortByClient = (fiber: AnyFiber): void => fiber.unsafeInterruptAsFork(HttpServerError.clientAbortFiberId)

/** True if the fiber was interrupted, although it may run on for as long as it is in an uninterruptible region. */
export const isInterrupted = (fiber: AnyFiber): boolean => fiber.getFiberRef(FiberRef.interruptedCause)._tag !== "Empty"

/** The handler that the program appended for its answers, if any. */
export const preResponseHandlerOf = (fiber: AnyFiber): HttpApp.PreResponseHandler | undefined =>
  Option.getOrUndefined(fiber.getFiberRef(HttpApp.currentPreResponseHandlers))

/** A service of the fiber; `undefined` where it was not provided. */
export const serviceOf = <A>(fiber: AnyFiber, key: string): A | undefined => fiber.currentContext.unsafeMap.get(key)

const ejected = globalValue("@effect/platform/HttpApp/ejectedScopes", () => new WeakSet<Scope.Scope>())

/** The program closes this scope of a request itself: `HttpApp.ejectDefaultScopeClose`. */
export const isEjected = (scope: Scope.Scope): boolean => ejected.has(scope)

/** What Effect's fibers have, and their type does not tell. */
interface Own extends AnyFiber {
  readonly sendInterruptSignalToAllChildren: () => boolean
  readonly setFiberRefs: (refs: FiberRefs.FiberRefs) => void
  readonly setFiberRef: <A>(ref: FiberRef.FiberRef<A>, value: A) => void
}

/** Services by their keys. */
export type Services = ReadonlyArray<readonly [key: string, value: unknown]>

/**
 * What a fiber returns to between two requests: settings that one request changed, and fibers that it forked, must not
 * reach the next, as if each request had a fiber of its own.
 */
export class Ground {
  private readonly fiber: Own
  private readonly refs: FiberRefs.FiberRefs
  private readonly services: ReadonlyMap<string, unknown>

  constructor(fiber: AnyFiber) {
    this.fiber = fiber as Own
    this.refs = fiber.getFiberRefs()
    this.services = fiber.currentContext.unsafeMap
  }

  /** Provides these services besides those of the connection. Only where the fiber was not interrupted. */
  begin(services: Services): void {
    this.fiber.setFiberRefs(this.refs)
    this.fiber.setFiberRef(FiberRef.currentContext, this.with(services))
  }

  /** The same for an effect of another fiber. */
  provide<A, E>(effect: Effect.Effect<A, E, any>, services: Services): Effect.Effect<A, E> {
    return Effect.mapInputContext(effect, () => this.with(services))
  }

  private with(services: Services): Context.Context<any> {
    const map = new Map(this.services)
    for (const [key, value] of services) map.set(key, value)
    return Context.unsafeMake<any>(map)
  }

  /** Interrupts the fibers that the request forked. As Effect's own server, the answer does not wait for them. */
  interruptChildren(): void {
    this.fiber.sendInterruptSignalToAllChildren()
  }
}

/** Something other than interruptions went wrong. */
export const isMistake = (cause: Cause.Cause<unknown>): boolean =>
  !Cause.isEmpty(cause) && !Cause.isInterruptedOnly(cause)

export const isNothing = (cause: Cause.Cause<unknown>): boolean => Cause.isEmptyType(cause)

/** It has an expected failure, and no defect. */
export const isExpected = (cause: Cause.Cause<unknown>): boolean => Cause.isFailure(cause) && !Cause.isDie(cause)
