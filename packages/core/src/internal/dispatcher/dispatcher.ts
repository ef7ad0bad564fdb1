/** The dispatcher: it starts threads, and learns of their end. */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { ServerStatus, TraceEvent } from "../../Status.js"
import type { ErrorHandler } from "../../Thread.js"
import * as Causes from "../effect/causes.js"
import { type Env, envAfter, providedIn, Starter, threadEnv } from "../effect/env.js"
import { type AnyFiber, exitOf, onExit, type RunningFiber } from "../effect/fibers.js"
import * as LazyScope from "../effect/lazyScope.js"
import { Observers } from "../observers.js"
import { isNormalEnd } from "../socket/ending.js"
import type { StreamSocket } from "../socket/streamSocket.js"
import { annotating } from "../thread/annotations.js"
import { CurrentThread, DispatcherThread } from "../thread/thread.js"
import type { Deadlines } from "../time/deadlines.js"
import { throwLater } from "../time/outOfBand.js"
import { AcceptBurst } from "./acceptBurst.js"
import { FiberEnds } from "./fiberEnds.js"
import { Remaining } from "./remaining.js"
import { DispatcherScheduler } from "./scheduler.js"

/** What a thread is made from. */
export interface Spawn {
  readonly label: string
  /** The server whose connection it serves. */
  readonly server?: string | undefined
  readonly onError: ErrorHandler | undefined
  /** The failure is not reported to the error handler: another part of the program takes it. */
  readonly isWatched: boolean
  /** Called when the thread has ended, its finalizers included. */
  readonly onEnd: ((thread: DispatcherThread, exit: Exit.Exit<unknown, unknown>) => void) | undefined
}

/** A server, whatever it serves. */
export interface RunningServer {
  readonly status: Effect.Effect<ServerStatus>
  readonly remove: (keepOpen: boolean) => Effect.Effect<void>
}

/** The dispatcher's state: its run queue, threads and servers. */
export class Dispatcher {
  /** No other dispatcher of this process has it while this one lasts. */
  readonly name: string
  readonly deadlines: Deadlines
  readonly scheduler: DispatcherScheduler
  private readonly starter: Starter
  readonly burst: AcceptBurst
  readonly threads = new Set<DispatcherThread>()
  readonly servers = new Set<RunningServer>()
  /** Sockets that handlers left open, `autoClose: false`; the program may have forgotten them. */
  readonly leftOpen = new Set<StreamSocket>()
  /** The servers' connections, including those that still flush. */
  readonly connections = new Set<StreamSocket>()
  errorHandler: ErrorHandler
  readonly observers = new Observers<TraceEvent>()
  readonly totals = { connections: 0, handlerFailures: 0, acceptFailures: 0 }
  readonly remaining: Remaining
  /** The program called `run`, `step`, `drain` or `waitForExit`, or was warned that it called none. */
  wasAwaited = false
  /** The layer has ended. */
  isReleased = false
  /** How many `cancelAll` are under way. */
  cancellations = 0
  /** Error handlers at work, by the thread that failed. */
  readonly reports = new Map<DispatcherThread, AnyFiber>()
  private lastThread = 0
  private readonly ends = new FiberEnds()

  constructor(name: string, errorHandler: ErrorHandler, deadlines: Deadlines) {
    this.name = name
    this.deadlines = deadlines
    this.scheduler = new DispatcherScheduler(deadlines)
    this.scheduler.onThrow = this.seeEnds
    this.burst = new AcceptBurst(this.scheduler, deadlines.isLive)
    this.errorHandler = errorHandler
    this.starter = new Starter(this.scheduler)
    this.remaining = new Remaining(this)
  }

  // ---- threads

  get threadsAdded(): number {
    return this.lastThread
  }

  /** Starts a thread: scheduled, not run at once. */
  spawn<A, E, R>(
    env: Env<R>,
    effect: Effect.Effect<A, E, any>,
    options: Spawn,
    ordinal = 0,
    socket?: StreamSocket
  ): DispatcherThread {
    const scope = LazyScope.make()
    this.lastThread += 1
    const thread = new DispatcherThread(
      this,
      this.lastThread,
      options.label,
      ordinal,
      scope,
      socket,
      options.onError,
      providedIn(env, CurrentThread)?.id
    )
    const own = threadEnv(env, scope, CurrentThread, thread)
    this.threads.add(thread)
    this.traced("threadAdded", thread.name)
    const ended = (exit: Exit.Exit<A, E>): void => {
      if (thread.fiberEnded === undefined) return
      thread.fiberEnded = undefined
      this.fiberEnded(own, thread, exit, options)
    }
    thread.fiberEnded = ended
    try {
      const fiber = this.fork(own, thread, options, effect as Effect.Effect<A, E>)
      thread.fiber = fiber
      onExit(fiber, ended)
    } catch (error) {
      throwLater(error)
      ended(Exit.die(error))
    }
    if (this.isEnding) thread.cut()
    return thread
  }

  /** A fiber of a thread. The logs of an unnamed thread do not name it, and it starts faster. */
  private fork<A, E>(
    own: Env<never>,
    thread: DispatcherThread,
    { label, server }: Spawn,
    effect: Effect.Effect<A, E>
  ): RunningFiber<A, E> {
    return this.starter.start(own, effect, label === "" ? undefined : annotating(thread, server))
  }

  /** Looks for fibers that have ended without a report. */
  private readonly seeEnds = (): void => {
    for (const thread of this.threads) {
      const exit = thread.fiber === undefined ? undefined : exitOf(thread.fiber)
      if (exit !== undefined) thread.fiberEnded?.(exit)
    }
    this.ends.look()
  }

  private fiberEnded(
    env: Env<never>,
    thread: DispatcherThread,
    exit: Exit.Exit<unknown, unknown>,
    options: Spawn
  ): void {
    const closing = thread.scope?.closing(exit)
    if (closing === undefined) {
      this.threadEnded(env, thread, exit, options)
      return
    }
    // As in a plain scope: finalizers cannot be interrupted, and find the fiber references as the thread left them.
    const left = envAfter(env, thread.fiber!)
    const close = (): AnyFiber => this.starter.start(left, Effect.uninterruptible(closing))
    thread.closingFiber = this.ends.watch(close, (closed) => {
      this.threadEnded(env, thread, Causes.followedBy(exit, closed), options)
    })
  }

  private threadEnded(
    env: Env<never>,
    thread: DispatcherThread,
    exit: Exit.Exit<unknown, unknown>,
    options: Spawn
  ): void {
    // Its fiber may have been interrupted in a queue that does not learn of that.
    thread.leaveQueue()
    this.threads.delete(thread)
    this.traced("threadEnded", thread.name)
    // The thread is left to do until its failure is reported, whatever its end brings to an end.
    this.remaining.begin()
    options.onEnd?.(thread, exit)
    thread.ended(exit)
    if (
      Exit.isFailure(exit) && !options.isWatched && thread.watcher === undefined &&
      !Causes.isInterruption(exit.cause) &&
      !(thread.socket !== undefined && isNormalEnd(exit, thread.socket))
    ) {
      this.report(env, thread, options, exit.cause)
    }
    this.remaining.done()
  }

  private report(
    env: Env<never>,
    thread: DispatcherThread,
    options: Spawn,
    cause: Cause.Cause<unknown>
  ): void {
    const handler = thread.onError ?? this.errorHandler
    const handled = Effect.catchAllCause(
      Effect.suspend(() =>
        handler(cause, { thread, socket: Option.fromNullable(thread.socket ?? thread.datagramSocket) })
      ),
      (failure) => Effect.logError(`the error handler of ${thread.name} failed`, failure)
    )
    this.remaining.begin()
    const fiber = this.ends.watch(() => this.fork(env, thread, options, handled), () => {
      this.reports.delete(thread)
      this.remaining.done()
    })
    if (fiber !== undefined) this.reports.set(thread, fiber)
  }

  /** True while an error handler works on the thread's failure. */
  isReporting(thread: DispatcherThread): boolean {
    return this.reports.has(thread)
  }

  /** Runs something of the dispatcher's own, which is left to do until it has ended. */
  runPending<R>(env: Env<R>, effect: Effect.Effect<void>): void {
    this.remaining.begin()
    this.ends.watch(() => this.starter.start(env, effect), this.remaining.done)
  }

  inactiveChanged(by: number): void {
    this.remaining.inactiveChanged(by)
  }

  /** The layer has ended, or all is being cancelled: a thread that is added now is interrupted before it starts. */
  get isEnding(): boolean {
    return this.isReleased || this.cancellations > 0
  }

  // ---- observing

  connectionEnded(server: string, thread: DispatcherThread): void {
    if (this.observers.isEmpty) return
    const durationMillis = this.deadlines.now() - thread.addedAt
    this.observers.show({ event: "connectionEnded", name: thread.name, server, durationMillis })
  }

  traced(event: Exclude<TraceEvent["event"], "connectionEnded">, name: string): void {
    if (!this.observers.isEmpty) this.observers.show({ event, name })
  }
}
