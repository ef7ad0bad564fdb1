/**
 * The dispatcher: it runs programs of many threads, serves connections, and ends when nothing is left to do.
 *
 * A thread is an Effect fiber on the dispatcher's own run queue. `Copas.layer` is scoped: releasing it interrupts every
 * thread and closes every server. A failing thread or handler never ends the dispatcher or another thread: its cause
 * goes to an error handler.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as CopasService from "./internal/dispatcher/service.js"
import * as Causes from "./internal/effect/causes.js"
import { isBrokenByPeer } from "./internal/socket/ending.js"
import * as Net from "./Net.js"
import type { AddServer, DatagramServer, RemoveOptions, Server, ServerOptions } from "./Server.js"
import type { InetSocket, Socket, UnixSocket } from "./Socket.js"
import type { BindError, InvalidOption, UnsupportedOption } from "./SocketError.js"
import type { InetListenOptions, UnixListenOptions } from "./SocketOptions.js"
import type { Counters, Status, TraceEvent } from "./Status.js"
import type { ErrorHandler, Thread, ThreadOptions } from "./Thread.js"

export type { AddServer, RemoveOptions } from "./Server.js"

/**
 * The operations of a dispatcher. Each is described at the function of its name below. `name` tells the dispatchers of a
 * process apart, in metrics for example: no other one has it while this one lasts.
 *
 * @since 0.1.0
 * @category models
 */
export type Service = CopasService.Service

/**
 * The dispatcher.
 *
 * @since 0.1.0
 * @category tags
 */
export class Copas extends Context.Tag("@copas/core/Copas")<Copas, Service>() {}

/**
 * The default error handler: it logs a failure, with the names of its thread and socket. A connection that the peer cut
 * (`SocketBroken` of the handler's own socket) is an everyday failure, and logs one line at Debug. An error handler of your
 * own gets every cause.
 *
 * @since 0.1.0
 * @category errors
 */
export const logError: ErrorHandler = (cause, { socket, thread }) =>
  Effect.annotateLogs(
    Option.isSome(socket) && isBrokenByPeer(cause, socket.value)
      ? Effect.logDebug(`${thread.name}: ${Causes.failuresOf(cause).map(String).join("; ")}`)
      : Effect.logError(`${thread.name} failed`, cause),
    Option.isSome(socket)
      ? { "copas.thread": thread.name, "copas.socket": socket.value.name }
      : { "copas.thread": thread.name }
  )

/**
 * A failure as text: the thread, its socket, and the cause with its stack. Copas's `gettraceback`.
 *
 * @since 0.1.0
 * @category errors
 */
export const traceback: (
  cause: Cause.Cause<unknown>,
  context: Parameters<ErrorHandler>[1]
) => string = (cause, { socket, thread }) => {
  const where = Option.isSome(socket) ? ` on ${socket.value.name}` : ""
  return `${thread.name}${where}: ${Causes.show(cause)}`
}

/**
 * Like `layer`, with a name for the dispatcher: the label `dispatcher` of its metrics. If another dispatcher of the process
 * has the name, a number is appended to it: `Service.name` is the name with the number.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Copas } from "@copas/core"
 * import { NetMemory } from "@copas/core/testing"
 * import { Effect, Layer } from "effect"
 *
 * const layer = Layer.provide(Copas.layerWith({ name: "admin" }), NetMemory.layer)
 * const name = Effect.map(Copas.Copas, (copas) => copas.name)
 * Effect.runPromise(Effect.provide(name, layer)).then(console.log) // admin
 * ```
 */
export const layerWith = (
  options: { readonly name?: string | undefined }
): Layer.Layer<Copas, never, Net.Net> =>
  Layer.scoped(Copas, Effect.flatMap(Net.Net, (net) => CopasService.make(net, logError, options.name ?? "copas")))

/**
 * The dispatcher on the network that is provided. Releasing it interrupts every thread, waits for their finalizers, and
 * closes every server.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Copas, never, Net.Net> = layerWith({})

/**
 * Runs `program` as a thread, and gives its value when nothing is left to do: no server, no threads except those waiting to
 * be woken, no connection that still flushes. Threads that wait for the exit continue first.
 *
 * The scope of `program` lasts until then, and so do its listeners. A connection that it opens for a while requires
 * `Effect.scoped` around it; otherwise the thread at the other end waits for it. If `program` fails, everything else is
 * interrupted, and this effect fails as `program` did. If `program` itself waits to be woken at the end, in
 * `Thread.pauseForever` or in a queue without a limit, it has no value: it is interrupted, and this effect ends as
 * interrupted, which `NodeRuntime.runMain` and the runner treat as a normal end. A program that stays until the end and
 * then continues waits with `waitForExit`.
 *
 * In a thread of the dispatcher `run` waits for all other threads, and ends only `program` if that fails or `run` is
 * interrupted. *Interruption* interrupts every thread, closes every server, and waits for them.
 *
 * @since 0.1.0
 * @category running
 * @example
 * ```ts
 * import { Copas, Net, type Socket } from "@copas/core"
 * import { NetMemory } from "@copas/core/testing"
 * import { Effect, Layer } from "effect"
 *
 * const shout = (socket: Socket.Socket) =>
 *   Effect.flatMap(socket.receiveLine(), (line) => socket.send(`${line.toUpperCase()}\n`))
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Net.listen({ host: "127.0.0.1", port: 2000 })
 *   const server = yield* Copas.addServer(listener, shout)
 *   const socket = yield* Net.connect({ host: "127.0.0.1", port: 2000 })
 *   yield* socket.send("hello\n")
 *   const answer = yield* socket.receiveLine()
 *   yield* Copas.removeServer(server)
 *   return answer
 * })
 *
 * const layer = Layer.provideMerge(Copas.layer, NetMemory.layer)
 * Effect.runPromise(Copas.run(program).pipe(Effect.provide(layer))).then(console.log) // HELLO
 * ```
 */
export const run = <A, E, R>(
  program: Effect.Effect<A, E, R>
): Effect.Effect<A, E, Exclude<R, Scope.Scope> | Copas> => Effect.flatMap(Copas, (copas) => copas.run(program))

/**
 * Waits until the dispatcher has made a step, at most `timeout` (default: no limit); true if it did. In a thread, the step
 * in which that thread runs does not count. What the platform does by itself, closing a descriptor for example, is no step
 * either: to wait for that, give a `timeout` and look again.
 *
 * @since 0.1.0
 * @category running
 */
export const step = (timeout?: Duration.DurationInput): Effect.Effect<boolean, never, Copas> =>
  Effect.flatMap(Copas, (copas) => copas.step(timeout))

/**
 * True when nothing is left to do.
 *
 * @since 0.1.0
 * @category running
 */
export const finished: Effect.Effect<boolean, never, Copas> = Effect.flatMap(Copas, (copas) => copas.finished)

/**
 * True while a `Copas.run` is under way.
 *
 * @since 0.1.0
 * @category running
 */
export const running: Effect.Effect<boolean, never, Copas> = Effect.flatMap(Copas, (copas) => copas.running)

/**
 * Serves the connections of `listener`, each in a thread of its own with its own scope. The socket is closed when the
 * handler ends: flushed after success, when its own peer hung up between two messages, and after a failure, unless
 * `afterFailure` is `"reset"`; cut after an interruption.
 *
 * On a datagram socket the handler runs once, in one thread, and gets the socket: the server lasts as long as the handler.
 * The socket is not closed when the handler ends, unless `autoClose` is set.
 *
 * A listener that is closed, or whose scope has ended, fails with `ListenerClosed`, a datagram socket with `SocketClosed`.
 * A listener or socket that another server has fails with `InvalidOption` (Copas replaces the handler; here, remove that
 * server first, with `keepOpen`), and so does every call while `cancelAll` is under way or after the layer's release.
 *
 * It does not wait: the server ends with the scope of its listener. If that scope ends after success, before any connection
 * came, and the program called none of `run`, `step`, `drain` and `waitForExit`, one warning is logged.
 *
 * @since 0.1.0
 * @category servers
 */
export const addServer =
  ((listener: any, handler: any, options?: object) =>
    Effect.flatMap(Copas, (copas) => copas.addServer(listener, handler, options))) as AddServer<Copas>

/**
 * Stops accepting; handlers that run continue, unless `interrupt` is set. The listener is closed, unless `keepOpen` is set.
 * A datagram server's socket is closed, which tells its handler to end; with `keepOpen` the socket stays open, and its
 * handler is interrupted.
 *
 * @since 0.1.0
 * @category servers
 */
export const removeServer = (
  server: Server | DatagramServer,
  options?: RemoveOptions
): Effect.Effect<void, never, Copas> => Effect.flatMap(Copas, (copas) => copas.removeServer(server, options))

/**
 * `Net.listen` and `addServer` as a layer. When the layer is released, the server stops accepting, its handlers are
 * interrupted and their connections closed, before the services that they use are released. To let them finish first, call
 * `Copas.drain`, as the runner does.
 *
 * @since 0.1.0
 * @category layers
 */
export const serve: {
  <E, R, RE = never>(
    handler: (socket: InetSocket) => Effect.Effect<unknown, E, R>,
    options: InetListenOptions & ServerOptions<RE>
  ): Layer.Layer<never, BindError | InvalidOption | UnsupportedOption, Copas | Net.Net | Exclude<R | RE, Scope.Scope>>
  <E, R, RE = never>(
    handler: (socket: UnixSocket) => Effect.Effect<unknown, E, R>,
    options: UnixListenOptions & ServerOptions<RE>
  ): Layer.Layer<never, BindError | InvalidOption | UnsupportedOption, Copas | Net.Net | Exclude<R | RE, Scope.Scope>>
  <E, R, RE = never>(
    handler: (socket: Socket) => Effect.Effect<unknown, E, R>,
    options: Net.ListenOptions & ServerOptions<RE>
  ): Layer.Layer<never, BindError | InvalidOption | UnsupportedOption, Copas | Net.Net | Exclude<R | RE, Scope.Scope>>
} = (
  handler: (socket: any) => Effect.Effect<unknown, any, any>,
  options: Net.ListenOptions & ServerOptions<any>
): Layer.Layer<never, BindError | InvalidOption | UnsupportedOption, any> =>
  Layer.scopedDiscard(Effect.gen(function*() {
    const listener = yield* Net.listen(options)
    // Only this layer's scope would close the listener.
    const added = Effect.catchTag(addServer(listener, handler, options), "ListenerClosed", Effect.die)
    yield* Effect.acquireRelease(added, (server) => removeServer(server, { interrupt: true }))
  }))

/**
 * Adds a thread: it is scheduled, not started at once. It has a scope of its own, and may outlive the thread that added it.
 *
 * @since 0.1.0
 * @category threads
 */
export const addThread = <A, E, R, RE = never>(
  effect: Effect.Effect<A, E, R>,
  options?: ThreadOptions<RE>
): Effect.Effect<Thread<A, E>, never, Exclude<R | RE, Scope.Scope> | Copas> =>
  Effect.flatMap(Copas, (copas) => copas.addThread(effect, options))

/**
 * Begins the shutdown: `exiting` becomes true, `waitForExit` returns, and servers stop accepting. Handlers that run
 * continue; a server that is added afterwards serves. (Copas leaves the servers to the program, and does not end while
 * there is one.)
 *
 * @since 0.1.0
 * @category ending
 */
export const exit: Effect.Effect<void, never, Copas> = Effect.flatMap(Copas, (copas) => copas.exit)

/**
 * True once the shutdown has begun, by `exit` or `drain`.
 *
 * @since 0.1.0
 * @category ending
 */
export const exiting: Effect.Effect<boolean, never, Copas> = Effect.flatMap(Copas, (copas) => copas.exiting)

/**
 * Waits for the exit: for `Copas.exit`, or until nothing else is left to do. The thread does not keep the dispatcher
 * running.
 *
 * @since 0.1.0
 * @category ending
 */
export const waitForExit: Effect.Effect<void, never, Copas> = Effect.flatMap(Copas, (copas) => copas.waitForExit)

/**
 * Ends in order: it calls `exit`, waits until nothing is left to do, at most `within`, and interrupts what is left then.
 * True if everything ended by itself. The limit holds in an uninterruptible region, too. *Interruption* ends the wait, and
 * interrupts nothing else.
 *
 * @since 0.1.0
 * @category ending
 */
export const drain = (within: Duration.DurationInput): Effect.Effect<boolean, never, Copas> =>
  Effect.flatMap(Copas, (copas) => copas.drain(within))

/**
 * Interrupts every other thread, and error handlers that are at work, closes every server and every socket that a
 * handler left open, and waits for them. Until then, threads that are added are interrupted before they start, and
 * `addServer` fails. In a thread, while another `cancelAll` is under way, it returns at once: the two would wait for each
 * other.
 *
 * @since 0.1.0
 * @category ending
 */
export const cancelAll: Effect.Effect<void, never, Copas> = Effect.flatMap(Copas, (copas) => copas.cancelAll)

/**
 * Sets the handler for the failures of threads that have no handler of their own. The default is `logError`. The handler
 * uses the services of the caller, also if the threads that fail have others.
 *
 * @since 0.1.0
 * @category errors
 */
export const setErrorHandler = <R = never>(
  handler: ErrorHandler<R>
): Effect.Effect<void, never, Copas | Exclude<R, Scope.Scope>> =>
  Effect.flatMap(Copas, (copas) => copas.setErrorHandler(handler))

/**
 * The handler that `setErrorHandler` set. It has its services already. `thread.errorHandler` is that of one thread.
 *
 * @since 0.1.0
 * @category errors
 */
export const errorHandler: Effect.Effect<ErrorHandler, never, Copas> = Effect.flatMap(
  Copas,
  (copas) => copas.errorHandler
)

/**
 * Gathers the status: what each thread, server and socket is doing at the moment.
 *
 * @since 0.1.0
 * @category observing
 */
export const status: Effect.Effect<Status, never, Copas> = Effect.flatMap(Copas, (copas) => copas.status)

/**
 * The totals of `status` without its lists: cheap, however many threads and sockets there are.
 *
 * @since 0.1.0
 * @category observing
 */
export const counters: Effect.Effect<Counters, never, Copas> = Effect.flatMap(Copas, (copas) => copas.counters)

/**
 * Switches the measuring of steps on or off. `status` has `durations` while it is on. Switching resets nothing: the numbers
 * grow as long as the dispatcher lasts, and `Status.durationsSince` gives the difference of two readings.
 *
 * @since 0.1.0
 * @category observing
 */
export const setStatistics = (on: boolean): Effect.Effect<void, never, Copas> =>
  Effect.flatMap(Copas, (copas) => copas.setStatistics(on))

/**
 * Shows what the dispatcher does to `tracer`, until `trace(undefined)` or the next `trace`: there is one tracer. For
 * several listeners use `observe`. `trace` of a socket and of the `Net` service show what sockets do.
 *
 * An exception of the tracer, or the rejection of an `async` one, is swallowed: it runs in the dispatcher's step.
 *
 * @since 0.1.0
 * @category observing
 */
export const trace = (
  tracer: ((event: TraceEvent) => void) | undefined
): Effect.Effect<void, never, Copas> => Effect.flatMap(Copas, (copas) => copas.trace(tracer))

/**
 * Shows what the dispatcher does to `listener` for as long as the scope lasts. There may be any number of listeners, beside
 * the tracer of `trace`. An exception of a listener, or the rejection of an `async` one, is swallowed.
 *
 * @since 0.1.0
 * @category observing
 * @example
 * ```ts
 * import { Copas } from "@copas/core"
 * import { NetMemory } from "@copas/core/testing"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   yield* Copas.observe(({ event, name }) => {
 *     if (name === "worker") console.log(event)
 *   })
 *   yield* Effect.flatMap(Copas.addThread(Effect.void, { name: "worker" }), (thread) => thread.join)
 * })
 *
 * const layer = Layer.provide(Copas.layer, NetMemory.layer)
 * Effect.runPromise(Copas.run(program).pipe(Effect.provide(layer))) // threadAdded, threadEnded
 * ```
 */
export const observe = (
  listener: (event: TraceEvent) => void
): Effect.Effect<void, never, Copas | Scope.Scope> => Effect.flatMap(Copas, (copas) => copas.observe(listener))
