/** What the library asks of a fiber, and does to it, from outside. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as HashSet from "effect/HashSet"
import * as RuntimeFlags from "effect/RuntimeFlags"
import * as Tracer from "effect/Tracer"

/** A fiber that this process runs. */
export type RunningFiber<A, E = never> = Fiber.RuntimeFiber<A, E>

export type AnyFiber = RunningFiber<any, any>

/** How it ended; `undefined` while it has not. */
export const exitOf = <A, E>(fiber: RunningFiber<A, E>): Exit.Exit<A, E> | undefined => fiber.unsafePoll() ?? undefined

export const hasEnded = (fiber: AnyFiber): boolean => fiber.unsafePoll() !== null

/** Calls back when the fiber has ended; at once, if it has already. */
export const onExit = <A, E>(fiber: RunningFiber<A, E>, listener: (exit: Exit.Exit<A, E>) => void): void =>
  fiber.addObserver(listener)

/** Takes `onExit` back. */
export const offExit = (fiber: AnyFiber, listener: (exit: Exit.Exit<any, any>) => void): void =>
  fiber.removeObserver(listener)

/** Interrupts the fiber without waiting for its end. */
export const interruptSoon = (fiber: AnyFiber): void => fiber.unsafeInterruptAsFork(FiberId.none)

/** How a fiber ends that was interrupted by nobody in particular. */
export const interruptedExit: Exit.Exit<never> = Exit.interrupt(FiberId.none)

/** True if the fiber was interrupted, although it may run on for as long as it is in an uninterruptible region. */
export const isInterrupted = (fiber: AnyFiber): boolean => fiber.getFiberRef(FiberRef.interruptedCause)._tag !== "Empty"

/** True where an interruption of the fiber takes effect at once. Asked by the fiber itself. */
export const isInterruptible = (fiber: AnyFiber): boolean =>
  RuntimeFlags.interruptible(
    (fiber as AnyFiber & { readonly currentRuntimeFlags: RuntimeFlags.RuntimeFlags }).currentRuntimeFlags
  )

/** After how many operations Effect makes the fiber yield. */
export const opsBeforeYield = (fiber: AnyFiber): number => fiber.getFiberRef(FiberRef.currentMaxOpsBeforeYield)

/**
 * True if something waits in the fiber's inbox for its next turn: it was woken, was interrupted, or has yielded. Effect
 * keeps that for itself, where it costs nothing.
 */
export const isRunnable = (fiber: AnyFiber): boolean =>
  (fiber as unknown as { readonly _queue: ReadonlyArray<unknown> })._queue.length > 0

/** It does not run, nor is it about to: it waits, or has ended. */
export const hasSettled = (fiber: AnyFiber): Effect.Effect<boolean> =>
  Effect.map(fiber.status, (status) => status._tag !== "Running")

/** The numbers of the fibers whose ends the fiber waits for, if it waits for such; `undefined` if it does not wait at all. */
export const endsAwaited = (fiber: AnyFiber): Effect.Effect<ReadonlyArray<number> | undefined> =>
  Effect.map(fiber.status, (status) =>
    status._tag === "Suspended"
      ? Array.from(HashSet.values(FiberId.ids(status.blockingOn)))
      : undefined)

/** All fibers of the process that have no parent, and have not ended. */
export const roots: Effect.Effect<ReadonlyArray<AnyFiber>> = Fiber.roots

/** The fibers that the fiber forked, and that have not ended. */
export const childrenOf = (fiber: AnyFiber): Effect.Effect<ReadonlyArray<AnyFiber>> => fiber.children

/** The name of the innermost span that the fiber is in. */
export const spanNameOf = (fiber: AnyFiber): string | undefined => {
  const span = Context.getOption(fiber.currentContext as Context.Context<Tracer.ParentSpan>, Tracer.ParentSpan)
  return span._tag === "Some" && span.value._tag === "Span" ? span.value.name : undefined
}

/** The number of the fiber: those that began later have a larger one. */
export const numberOf = (fiber: AnyFiber): number => fiber.id().id
