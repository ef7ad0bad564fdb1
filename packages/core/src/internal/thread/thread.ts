/** A thread of the dispatcher, and how it sleeps and is woken. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { ErrorHandler, Thread } from "../../Thread.js"
import type { DatagramEndpoint } from "../datagram/endpoint.js"
import { type AnyFiber, interruptSoon } from "../effect/fibers.js"
import type { LazyScope } from "../effect/lazyScope.js"
import { providedTo, type Reference, reference } from "../effect/reference.js"
import { suspendCancellable, withFiber } from "../effect/suspend.js"
import type { StreamSocket } from "../socket/streamSocket.js"
import { Deadline, type Deadlines } from "../time/deadlines.js"

/**
 * The thread that a fiber belongs to. Fibers inherit it with their context.
 */
export const CurrentThread: Reference<DispatcherThread | undefined> = reference<DispatcherThread | undefined>(
  "@copas/core/Thread/CurrentThread",
  () => undefined
)

/** The thread that a fiber belongs to. */
export const threadOf = (fiber: AnyFiber): DispatcherThread | undefined => providedTo(fiber, CurrentThread)

/**
 * `handler` with the services of the code that set it, and a scope for each call. `Thread.current` is the failed thread.
 */
export const boundHandler: {
  <R>(handler: ErrorHandler<R>, context: Context.Context<Exclude<R, Scope.Scope>>): ErrorHandler
  <R>(
    handler: ErrorHandler<R> | undefined,
    context: Context.Context<Exclude<R, Scope.Scope>>
  ): ErrorHandler | undefined
} = <R>(
  handler: ErrorHandler<R> | undefined,
  context: Context.Context<Exclude<R, Scope.Scope>>
): any => {
  if (handler === undefined) return undefined
  const services = Context.omit(Scope.Scope, CurrentThread)(context as Context.Context<any>) as Context.Context<R>
  const bound: ErrorHandler = (cause, where) =>
    Effect.scoped(
      Effect.mapInputContext(
        Effect.suspend(() => handler(cause, where)),
        (own: Context.Context<Scope.Scope>) => Context.merge(own, services)
      )
    )
  return bound
}

/** The wait of a thread's own fiber in a queue: for a lock, permits, an item or a future. */
export interface QueueWait {
  /** It has no limit, so it does not keep the dispatcher running. */
  readonly isForever: boolean
  /** What the thread waits for, as the status shows it. */
  readonly label: string
  /** On the clock of its deadlines; `undefined` where the time was not taken. */
  readonly since: number | undefined
  /** Leaves the queue, if its fiber was interrupted or has ended. */
  readonly leave: () => void
}

/** What a thread knows of the dispatcher that runs it. */
export interface ThreadHost {
  readonly deadlines: Deadlines
  readonly errorHandler: ErrorHandler
  /** A thread began (1) or ceased (-1) to wait for something that only another thread or an interruption ends. */
  readonly inactiveChanged: (by: number) => void
}

/** The wait of a thread until nothing else is left to do. */
export const untilTheEnd: QueueWait = {
  isForever: true,
  label: "the end of all others",
  since: undefined,
  leave: () => {}
}

export class DispatcherThread implements Thread<any, any> {
  readonly id: number
  readonly dispatcher: ThreadHost
  readonly scope: LazyScope | undefined
  /** The number of the thread that added it. A reference would keep all its ancestors in memory. */
  readonly parentId: number | undefined
  /** On the clock of the dispatcher. */
  readonly addedAt: number
  /** The connection that it serves. */
  readonly socket: StreamSocket | undefined
  /** The datagram socket that it serves. */
  datagramSocket: DatagramEndpoint | undefined = undefined
  private label: string
  /** Appended to the label when the name is asked for: `server:handler_` and 7. */
  private ordinal: number
  fiber: AnyFiber | undefined = undefined
  /** Called once, with the exit of its fiber. */
  fiberEnded: ((exit: Exit.Exit<any, any>) => void) | undefined = undefined
  /** Runs the finalizers of the thread's scope, once the thread's own fiber has ended. */
  closingFiber: AnyFiber | undefined = undefined
  onError: ErrorHandler | undefined
  exit: Exit.Exit<any, any> | undefined = undefined
  /** Called with the exit of the thread, a failure included, in place of the error handler. */
  watcher: ((exit: Exit.Exit<any, any>) => void) | undefined = undefined
  waitsIn: QueueWait | undefined = undefined
  /** It was interrupted, and is about to end: what it waited for no longer counts. */
  private isCut = false
  /** Its present wait began after the interruption, in a finalizer. */
  private waitsSinceCut = false
  private endListeners: Array<() => void> | undefined = undefined
  private sleepers: Array<Sleeper> | undefined = undefined

  constructor(
    dispatcher: ThreadHost,
    id: number,
    label: string,
    ordinal: number,
    scope: LazyScope | undefined,
    socket: StreamSocket | undefined,
    onError: ErrorHandler | undefined,
    parentId: number | undefined
  ) {
    this.parentId = parentId
    this.addedAt = dispatcher.deadlines.now()
    this.dispatcher = dispatcher
    this.id = id
    this.label = label
    this.ordinal = ordinal
    this.scope = scope
    this.socket = socket
    this.onError = onError
  }

  get name(): string {
    return this.ordinal === 0 ? this.label || `thread_${this.id}` : this.label + this.ordinal
  }

  setName(name: string): Effect.Effect<void> {
    return Effect.sync(() => {
      this.label = name
      this.ordinal = 0
    })
  }

  setErrorHandler<R = never>(
    handler: ErrorHandler<R> | undefined
  ): Effect.Effect<void, never, Exclude<R, Scope.Scope>> {
    return Effect.contextWith((context: Context.Context<Exclude<R, Scope.Scope>>) => {
      this.onError = boundHandler(handler, context)
    })
  }

  get errorHandler(): Effect.Effect<ErrorHandler> {
    return Effect.sync(() => this.onError ?? this.dispatcher.errorHandler)
  }

  // ---- the end

  /** No fiber of the thread may wait for the thread's end: the thread may be waiting for that fiber, in a finalizer too. */
  get await(): Effect.Effect<Exit.Exit<any, any>> {
    return withFiber((fiber) =>
      this.exit === undefined && threadOf(fiber) === this
        ? Effect.dieMessage(`${this.name} waits for its own end, which cannot come`)
        : this.awaitEnd
    )
  }

  /** Waits for the end, whichever fiber asks. */
  get awaitEnd(): Effect.Effect<Exit.Exit<any, any>> {
    return suspendCancellable((resume) => {
      if (this.exit !== undefined) {
        resume(Effect.succeed(this.exit))
        return
      }
      const listener = (): void => resume(Effect.succeed(this.exit!))
      const listeners = this.endListeners ??= []
      listeners.push(listener)
      return Effect.sync(() => {
        const index = listeners.indexOf(listener)
        if (index !== -1) listeners.splice(index, 1)
      })
    })
  }

  /** Calls back when the thread has ended, its finalizers included. Call it only before that. */
  onEnd(listener: () => void): void {
    ;(this.endListeners ??= []).push(listener)
  }

  get join(): Effect.Effect<any, any> {
    return Effect.flatten(this.await)
  }

  /** A fiber of the thread itself, a finalizer for example, does not wait: the thread cannot end before that fiber. */
  get interrupt(): Effect.Effect<void> {
    return withFiber((fiber) => {
      this.cut()
      return threadOf(fiber) === this ? Effect.void : Effect.asVoid(this.awaitEnd)
    })
  }

  /** Interrupts without waiting. */
  cut(): void {
    const wasInactive = this.isInactive
    this.isCut = true
    this.waitsSinceCut = false
    this.activityChanged(wasInactive)
    if (this.exit === undefined && this.fiber !== undefined) interruptSoon(this.fiber)
  }

  ended(exit: Exit.Exit<any, any>): void {
    this.exit = exit
    this.watcher?.(exit)
    const listeners = this.endListeners
    this.endListeners = undefined
    listeners?.forEach((listener) => listener())
  }

  // ---- sleeping

  sleeps(sleeper: Sleeper): void {
    const wasInactive = this.isInactive
    ;(this.sleepers ??= []).push(sleeper)
    this.activityChanged(wasInactive)
  }

  wakes(sleeper: Sleeper): void {
    const index = this.sleepers?.indexOf(sleeper) ?? -1
    if (index === -1) return
    const wasInactive = this.isInactive
    this.sleepers!.splice(index, 1)
    this.activityChanged(wasInactive)
  }

  waitBegins(wait: QueueWait): void {
    // The wait that is noted may be one that was interrupted.
    this.waitsIn?.leave()
    const isCounted = wait.isForever || this.waitsIn?.isForever === true || this.isSleeping
    const wasInactive = isCounted && this.isInactive
    this.waitsIn = wait
    this.waitsSinceCut = this.isCut
    if (isCounted) this.activityChanged(wasInactive)
  }

  waitEnds(wait: QueueWait): void {
    if (this.waitsIn !== wait) return
    const isCounted = wait.isForever || this.isSleeping
    const wasInactive = isCounted && this.isInactive
    this.waitsIn = undefined
    if (isCounted) this.activityChanged(wasInactive)
  }

  /** The thread has ended: whatever still waits on its behalf is not the thread. */
  leaveQueue(): void {
    const wait = this.waitsIn
    if (wait === undefined) return
    wait.leave()
    this.waitEnds(wait)
  }

  private activityChanged(wasInactive: boolean): void {
    if (this.isInactive !== wasInactive) this.dispatcher.inactiveChanged(wasInactive ? -1 : 1)
  }

  /** When its pause began; of several pauses, the first. */
  get sleepingSince(): number | undefined {
    return this.sleepers?.[0]?.since
  }

  get isSleeping(): boolean {
    return this.sleepers !== undefined && this.sleepers.length > 0
  }

  /** In `pauseForever`, or in a queue without a limit: only another thread or an interruption wakes it. */
  get isInactive(): boolean {
    if (this.isCut && !(this.waitsSinceCut && this.waitsIn === untilTheEnd)) return false
    // A fiber that the thread forked may pause for ever while the thread itself runs.
    const isOwnForever = this.waitsIn?.isForever ?? this.sleepers?.some((sleeper) => sleeper.isForever && sleeper.isOwn)
    return isOwnForever === true && (this.sleepers?.every((sleeper) => sleeper.isForever) ?? true)
  }

  get wakeup(): Effect.Effect<boolean> {
    return Effect.sync(() => {
      const sleepers = this.sleepers ?? []
      if (sleepers.length === 0) return false
      for (const sleeper of Array.from(sleepers)) sleeper.expire()
      return true
    })
  }
}

/** One pause of a thread, or of a fiber outside the dispatcher. */
export class Sleeper extends Deadline {
  private readonly deadlines: Deadlines
  private readonly thread: DispatcherThread | undefined
  /** The thread's own fiber pauses, and not one that it forked. */
  readonly isOwn: boolean
  private readonly onWake: (sleptMillis: number) => void
  since = 0
  /** It has no end of its own, so it does not keep the dispatcher running. */
  isForever = false

  constructor(deadlines: Deadlines, fiber: AnyFiber, onWake: (sleptMillis: number) => void) {
    super()
    this.deadlines = deadlines
    this.thread = threadOf(fiber)
    this.isOwn = this.thread?.fiber === fiber
    this.onWake = onWake
  }

  begin(millis: number): void {
    this.since = this.deadlines.now()
    this.isForever = millis === Infinity
    if (!this.isForever) this.deadlines.schedule(this, this.since + millis)
    this.thread?.sleeps(this)
  }

  expire(): void {
    this.end()
    this.onWake(this.deadlines.now() - this.since)
  }

  /** Ends the pause without a wake: it was interrupted. */
  end(): void {
    this.deadlines.cancel(this)
    this.thread?.wakes(this)
  }
}
