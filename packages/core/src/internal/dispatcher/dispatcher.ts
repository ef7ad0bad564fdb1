/** The dispatcher: threads, servers, and what is left to do. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { ServerStatus, TraceEvent } from "../../Status.js"
import type { ErrorHandler } from "../../Thread.js"
import { type Env, envAfter, providedIn, Starter, threadEnv } from "../effect/env.js"
import { type AnyFiber, exitOf, interruptedExit, onExit, type RunningFiber } from "../effect/fibers.js"
import { suspend, withFiber } from "../effect/suspend.js"
import { Observers } from "../observers.js"
import { isNormalEnd } from "../socket/ending.js"
import type { StreamSocket } from "../socket/streamSocket.js"
import { annotating } from "../thread/annotations.js"
import * as ThreadScope from "../thread/scope.js"
import { CurrentThread, DispatcherThread, threadOf, untilTheEnd } from "../thread/thread.js"
import type { Deadlines } from "../time/deadlines.js"
import { throwLater } from "../time/outOfBand.js"
import { AcceptBurst } from "./acceptBurst.js"
import { DispatcherScheduler } from "./scheduler.js"

const remove = <A>(list: Array<A>, item: A): void => {
  const index = list.indexOf(item)
  if (index !== -1) list.splice(index, 1)
}

/** What a thread is made from. */
export interface Spawn {
  readonly label: string
  /** The server whose connection it serves. */
  readonly server?: string | undefined
  readonly onError: ErrorHandler | undefined
  /** The error handler is not told: somebody else takes the failure. */
  readonly isWatched: boolean
  /** Called when the thread has ended, its finalizers included. */
  readonly onEnd: ((thread: DispatcherThread, exit: Exit.Exit<unknown, unknown>) => void) | undefined
}

/** Waits for the end within a thread, or within its error handler. */
interface InnerListener {
  readonly thread: DispatcherThread | undefined
  readonly wake: () => void
}

/** A server, whatever it serves. */
export interface RunningServer {
  readonly status: Effect.Effect<ServerStatus>
  readonly remove: (keepOpen: boolean) => Effect.Effect<void>
}

/**
 * The dispatcher's state: its run queue, threads and servers, and what is left to do.
 */
export class Dispatcher {
  /** No other dispatcher of this process has it while this one lasts. */
  readonly name: string
  readonly deadlines: Deadlines
  readonly scheduler: DispatcherScheduler
  private readonly starter: Starter
  readonly burst: AcceptBurst
  readonly threads = new Set<DispatcherThread>()
  readonly servers = new Set<RunningServer>()
  /** Sockets that handlers left open, `autoClose: false`; nobody else may remember them. */
  readonly leftOpen = new Set<StreamSocket>()
  /** The servers' connections, those included that still flush. */
  readonly connections = new Set<StreamSocket>()
  errorHandler: ErrorHandler
  readonly observers = new Observers<TraceEvent>()
  readonly totals = { connections: 0, handlerFailures: 0, acceptFailures: 0 }
  isExiting = false
  /** The layer has ended: a thread that somebody still adds is interrupted before it starts. */
  isReleased = false
  /** How many `cancelAll` are under way. */
  private cancellations = 0
  running = 0
  private lastThread = 0
  private inactive = 0
  /** Handlers at work on an error, and connections that still flush: something is left to do. */
  private pending = 0
  /** What to call when a fiber that is no thread's main one has ended. */
  private readonly watched = new Map<AnyFiber, (exit: Exit.Exit<any, any>) => void>()
  /** Error handlers at work, by the thread that failed. */
  private readonly reports = new Map<DispatcherThread, AnyFiber>()
  private readonly finishListeners: Array<() => void> = []
  private readonly innerListeners: Array<InnerListener> = []
  private exitListeners: Array<() => void> = []

  constructor(name: string, errorHandler: ErrorHandler, deadlines: Deadlines) {
    this.name = name
    this.deadlines = deadlines
    this.scheduler = new DispatcherScheduler(deadlines)
    this.scheduler.onThrow = this.seeEnds
    this.burst = new AcceptBurst(this.scheduler, deadlines.isLive)
    this.errorHandler = errorHandler
    this.starter = new Starter(this.scheduler)
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
    const scope = ThreadScope.make()
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

  /** A fiber of a thread. One that nobody named says nothing of itself in logs, and starts the faster. */
  private fork<A, E>(
    own: Env<never>,
    thread: DispatcherThread,
    { label, server }: Spawn,
    effect: Effect.Effect<A, E>
  ): RunningFiber<A, E> {
    return this.starter.start(own, effect, label === "" ? undefined : annotating(thread, server))
  }

  /**
   * Calls back when a fiber that is no thread's main one has ended; `spawn` does the same for those, without an entry. A
   * fiber calls those who watch it one after the other, and one that throws (a logger can, too) keeps it from the others:
   * then `seeEnds` looks for what was missed. A supervisor that throws keeps a fiber from starting: it has ended as with a
   * defect, so that what waits for it does not wait for ever.
   */
  private watch(fork: () => AnyFiber, ended: (exit: Exit.Exit<any, any>) => void): AnyFiber | undefined {
    let fiber: AnyFiber
    try {
      fiber = fork()
    } catch (error) {
      throwLater(error)
      ended(Exit.die(error))
      return undefined
    }
    this.watched.set(fiber, ended)
    onExit(fiber, (exit) => {
      if (this.watched.delete(fiber)) ended(exit)
    })
    return fiber
  }

  private readonly seeEnds = (): void => {
    for (const thread of this.threads) {
      const exit = thread.fiber === undefined ? undefined : exitOf(thread.fiber)
      if (exit !== undefined) thread.fiberEnded?.(exit)
    }
    for (const [fiber, ended] of this.watched) {
      const exit = exitOf(fiber)
      if (exit !== undefined && this.watched.delete(fiber)) ended(exit)
    }
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
    thread.closingFiber = this.watch(close, (closed) => {
      this.threadEnded(env, thread, Exit.isSuccess(closed) ? exit : Exit.zipRight(exit, closed), options)
    })
  }

  private threadEnded(
    env: Env<never>,
    thread: DispatcherThread,
    exit: Exit.Exit<unknown, unknown>,
    options: Spawn
  ): void {
    // Should its fiber have been interrupted in a line, nobody told the line.
    thread.leaveQueue()
    this.threads.delete(thread)
    this.traced("threadEnded", thread.name)
    // It is not over before its failure is reported, whatever its end brings to an end.
    this.pending += 1
    options.onEnd?.(thread, exit)
    thread.ended(exit)
    if (
      Exit.isFailure(exit) && !options.isWatched && thread.watcher === undefined &&
      !Cause.isInterruptedOnly(exit.cause) &&
      !(thread.socket !== undefined && isNormalEnd(exit, thread.socket))
    ) {
      this.report(env, thread, options, exit.cause)
    }
    this.pendingDone()
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
    this.pending += 1
    const fiber = this.watch(() => this.fork(env, thread, options, handled), () => {
      this.reports.delete(thread)
      this.pendingDone()
    })
    if (fiber !== undefined) this.reports.set(thread, fiber)
  }

  /** Runs something of the dispatcher's own, which is not over before it is done. */
  runPending<R>(env: Env<R>, effect: Effect.Effect<void>): void {
    this.pending += 1
    this.watch(() => this.starter.start(env, effect), () => this.pendingDone())
  }

  pendingBegun(): void {
    this.pending += 1
  }

  pendingDone(): void {
    this.pending -= 1
    this.checkFinished()
  }

  private readonly afterExit = (): void => this.pendingDone()

  inactiveChanged(by: number): void {
    this.inactive += by
    if (by > 0) this.checkFinished()
  }

  // ---- the end

  /** Nothing is left to do: no server, and no thread but such as wait to be woken. */
  get isFinished(): boolean {
    return this.servers.size === 0 && this.pending === 0 && this.threads.size === this.inactive
  }

  /** When nothing is left to do those that wait for the exit get their turn; when they are done too, all is. */
  checkFinished(): void {
    if (this.running === 0 || !this.isFinished) return
    if (this.exit()) {
      // They may be fibers of which is not known when they are done: they have one step.
      this.pending += 1
      this.scheduler.scheduleTask(this.afterExit, 0)
      return
    }
    // A thread that waited for the end goes on, the last one first; so it is not the end yet.
    this.wakeInner()
    if (!this.isFinished) return
    for (const listener of this.finishListeners.splice(0)) listener()
  }

  /** Several fibers of one thread that wait for the end continue together: none of them waits for the thread itself. */
  private wakeInner(): void {
    const last = this.innerListeners.pop()
    if (last === undefined) return
    const { thread } = last
    const others = thread === undefined ? [] : this.innerListeners.filter((listener) => listener.thread === thread)
    for (const listener of others) this.innerListeners.splice(this.innerListeners.indexOf(listener), 1)
    for (const listener of [last, ...others]) listener.wake()
  }

  /** Waits until nothing is left to do. A thread, or an error handler, may wait so too: it does not wait for itself. */
  get finish(): Effect.Effect<void> {
    return withFiber((fiber) => {
      const current = threadOf(fiber)
      const thread = current !== undefined && this.threads.has(current) ? current : undefined
      const isReport = current !== undefined && this.reports.has(current)
      const isInner = thread !== undefined || isReport
      return suspend<void>((resume) => {
        let isWaiting = true
        const waitEnds = (): void => {
          if (!isWaiting) return
          isWaiting = false
          if (thread !== undefined && this.innerListeners.every((other) => other.thread !== thread)) {
            thread.waitEnds(untilTheEnd)
          }
          if (isReport) this.pending += 1
        }
        const wake = (): void => {
          waitEnds()
          resume(Effect.void)
        }
        const inner: InnerListener = { thread, wake }
        if (isInner) this.innerListeners.push(inner)
        else this.finishListeners.push(wake)
        thread?.waitBegins(untilTheEnd)
        if (isReport) this.pending -= 1
        this.checkFinished()
        return Effect.sync(() => {
          if (isInner) remove(this.innerListeners, inner)
          else remove(this.finishListeners, wake)
          waitEnds()
        })
      })
    })
  }

  /** Tells those who wait for the exit; true when there were any. */
  exit(): boolean {
    if (!this.isExiting) this.traced("exiting", this.name)
    this.isExiting = true
    const listeners = this.exitListeners.splice(0)
    for (const listener of listeners) listener()
    return listeners.length > 0
  }

  /** The layer has ended, or all is being cancelled: what is added now does not start. */
  get isEnding(): boolean {
    return this.isReleased || this.cancellations > 0
  }

  onExit(listener: () => void): () => void {
    if (this.isExiting || this.isEnding) {
      listener()
      return () => {}
    }
    this.exitListeners.push(listener)
    return () => {
      const index = this.exitListeners.indexOf(listener)
      if (index !== -1) this.exitListeners.splice(index, 1)
    }
  }

  /**
   * Interrupts every thread, closes every server, every connection, and every socket that was left open. Gives back when
   * all of them are gone, but for the thread that asks, and its connection.
   */
  get cancelAll(): Effect.Effect<void> {
    return withFiber((fiber) => {
      // Two threads that end, and cancel all in their finalizers, would wait for each other.
      if (this.cancellations > 0 && threadOf(fiber)?.dispatcher === this) return Effect.void
      return Effect.acquireUseRelease(
        Effect.sync(() => {
          this.cancellations += 1
          // A finalizer that waits for the exit cannot be interrupted.
          for (const listener of this.exitListeners.splice(0)) listener()
        }),
        () => this.cancelling,
        () =>
          Effect.sync(() => {
            this.cancellations -= 1
          })
      )
    })
  }

  private get cancelling(): Effect.Effect<void> {
    return withFiber((fiber) => {
      const mine = threadOf(fiber)
      // Servers first, all at once, so that none accepts meanwhile.
      const servers = Effect.suspend(() =>
        Effect.forEach(Array.from(this.servers), (server) => server.remove(false), {
          concurrency: "unbounded",
          discard: true
        })
      )
      // What is interrupted may add threads while it ends; those are interrupted before they start.
      const threads: Effect.Effect<void> = Effect.suspend(() => {
        const others = Array.from(this.threads).filter((thread) => thread !== mine)
        // An error handler runs on behalf of the thread that failed.
        const reports = Array.from(this.reports).filter(([thread]) => thread !== mine).map(([, report]) => report)
        if (others.length === 0 && this.servers.size === 0 && reports.length === 0) return Effect.void
        for (const thread of others) thread.cut()
        return Effect.forEach(others, (thread) => thread.await, { discard: true }).pipe(
          Effect.zipRight(this.cutReports(reports)),
          Effect.zipRight(servers),
          Effect.zipRight(threads)
        )
      })
      const connections = Effect.suspend(() => {
        const others = Array.from(this.connections).filter((socket) => socket !== mine?.socket)
        for (const socket of others) socket.end(interruptedExit)
        return Effect.forEach(others, (socket) => socket.awaitClosed, { discard: true })
      })
      const leftOpen = Effect.suspend(() =>
        Effect.forEach(Array.from(this.leftOpen), (socket) => socket.abort, { discard: true })
      )
      return Effect.all([servers, threads, connections, leftOpen], { discard: true })
    })
  }

  /** What fails while all is cancelled is reported as well: each error handler has the step that begins with it. */
  private cutReports(reports: ReadonlyArray<AnyFiber>): Effect.Effect<void> {
    if (reports.length === 0) return Effect.void
    const begun = suspend<void>((resume) => this.scheduler.scheduleTask(() => resume(Effect.void), 0))
    return Effect.zipRight(begun, Effect.forEach(reports, (report) => Fiber.interrupt(report), { discard: true }))
  }

  connectionEnded(server: string, thread: DispatcherThread): void {
    if (this.observers.isEmpty) return
    const durationMillis = this.deadlines.now() - thread.addedAt
    this.observers.show({ event: "connectionEnded", name: thread.name, server, durationMillis })
  }

  traced(event: Exclude<TraceEvent["event"], "connectionEnded">, name: string): void {
    if (!this.observers.isEmpty) this.observers.show({ event, name })
  }
}
