/** The service `Copas` of a dispatcher. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type DatagramSocket, isDatagramSocket } from "../../DatagramSocket.js"
import type { Listener } from "../../Listener.js"
import type {
  AddServer,
  DatagramServer,
  DatagramServerOptions,
  RemoveOptions,
  Server,
  ServerOptions
} from "../../Server.js"
import type { Socket } from "../../Socket.js"
import { InvalidOption, ListenerClosed, type SocketClosed } from "../../SocketError.js"
import type { Counters, Status, TraceEvent } from "../../Status.js"
import type { ErrorHandler, Thread, ThreadOptions } from "../../Thread.js"
import type { DatagramEndpoint } from "../datagram/endpoint.js"
import * as DispatcherNames from "../dispatcherNames.js"
import * as Clocks from "../effect/clocks.js"
import { currentEnv, servicesOf } from "../effect/env.js"
import type { NetListener } from "../net/listener.js"
import * as Options from "../net/targets.js"
import { observe } from "../observers.js"
import * as SocketFailure from "../socket/socketFailure.js"
import { boundHandler } from "../thread/thread.js"
import * as Deadlines from "../time/deadlines.js"
import * as TimeoutOptions from "../time/timeouts.js"
import { cancelAll } from "./cancelling.js"
import { DispatcherDatagramServer } from "./datagramServer.js"
import { Dispatcher } from "./dispatcher.js"
import * as Running from "./running.js"
import { DispatcherServer } from "./server.js"
import * as StatusReport from "./statusReport.js"

/** The operations of a dispatcher, as `Copas.Service` shows them. */
export interface Service {
  /** Tells the dispatchers of a process apart, in metrics for example: no other one has it while this one lasts. */
  readonly name: string
  readonly run: <A, E, R>(program: Effect.Effect<A, E, R>) => Effect.Effect<A, E, Exclude<R, Scope.Scope>>
  readonly step: (timeout?: Duration.DurationInput) => Effect.Effect<boolean>
  readonly finished: Effect.Effect<boolean>
  readonly running: Effect.Effect<boolean>
  readonly addServer: AddServer<never>
  readonly removeServer: (
    server: Server | DatagramServer,
    options?: RemoveOptions
  ) => Effect.Effect<void>
  readonly addThread: <A, E, R, RE = never>(
    effect: Effect.Effect<A, E, R>,
    options?: ThreadOptions<RE>
  ) => Effect.Effect<Thread<A, E>, never, Exclude<R | RE, Scope.Scope>>
  readonly exit: Effect.Effect<void>
  readonly exiting: Effect.Effect<boolean>
  readonly waitForExit: Effect.Effect<void>
  readonly drain: (within: Duration.DurationInput) => Effect.Effect<boolean>
  readonly cancelAll: Effect.Effect<void>
  readonly setErrorHandler: <R = never>(handler: ErrorHandler<R>) => Effect.Effect<void, never, Exclude<R, Scope.Scope>>
  readonly errorHandler: Effect.Effect<ErrorHandler>
  readonly status: Effect.Effect<Status>
  readonly counters: Effect.Effect<Counters>
  readonly setStatistics: (on: boolean) => Effect.Effect<void>
  readonly trace: (tracer: ((event: TraceEvent) => void) | undefined) => Effect.Effect<void>
  readonly observe: (listener: (event: TraceEvent) => void) => Effect.Effect<void, never, Scope.Scope>
}

/** Nothing new can be served: `cancelAll` is under way, or the layer is being or has been released. */
const endingError = (dispatcher: Dispatcher): InvalidOption =>
  new InvalidOption({
    option: "dispatcher",
    value: dispatcher.name,
    expected: "one that is not ending: `cancelAll` is under way, or its layer has been released"
  })

/** What the status asks the network. */
interface Network {
  readonly sockets: Effect.Effect<ReadonlyArray<Socket>>
  readonly datagramSockets: Effect.Effect<ReadonlyArray<DatagramSocket>>
  readonly bytes: Effect.Effect<{ readonly bytesReceived: number; readonly bytesSent: number }>
}

/**
 * The dispatcher's service on a network. The scope's end interrupts every thread and closes every server.
 */
export const make = (
  net: Network,
  errorHandler: ErrorHandler,
  name: string
): Effect.Effect<Service, never, Scope.Scope> =>
  Effect.gen(function*() {
    const deadlines = Deadlines.forClock(yield* Clocks.current)
    const dispatcher = yield* Effect.acquireRelease(
      Effect.sync(() => new Dispatcher(DispatcherNames.claim(name), errorHandler, deadlines)),
      (dispatcher) =>
        Effect.suspend(() => {
          dispatcher.isReleased = true
          return Effect.ensuring(
            cancelAll(dispatcher),
            Effect.sync(() => {
              dispatcher.traced("released", dispatcher.name)
              DispatcherNames.giveBack(dispatcher.name)
            })
          )
        })
    )

    const addDatagramServer = (
      socket: DatagramSocket,
      handler: (socket: DatagramSocket) => Effect.Effect<unknown, unknown, any>,
      options: DatagramServerOptions<any>
    ): Effect.Effect<DatagramServer, InvalidOption | SocketClosed, any> =>
      Effect.gen(function*() {
        const env = yield* currentEnv<any>()
        const own = socket as DatagramEndpoint
        const timeouts = yield* TimeoutOptions.change(own.timeouts, options.timeouts)
        // Nothing yields from here to the start, so no other fiber closes it or adds it meanwhile.
        if (dispatcher.isEnding) return yield* endingError(dispatcher)
        if (own.isClosing) return yield* SocketFailure.closed(own, "serve", "here", SocketFailure.noBytes)
        if (own.server !== undefined) {
          return yield* new InvalidOption({
            option: "socket",
            value: own.name,
            expected: "one that no other server has; remove that server first, with `keepOpen`"
          })
        }
        own.changeTimeouts(timeouts)
        const server = new DispatcherDatagramServer(dispatcher, env, own, handler, {
          name: options.name ?? own.name,
          autoClose: options.autoClose ?? false,
          onError: boundHandler(options.onError, servicesOf(env))
        })
        server.start()
        return server
      })

    const addListenServer = (
      listener: Listener,
      handler: (socket: Socket) => Effect.Effect<unknown, unknown, any>,
      options: ServerOptions<any>
    ): Effect.Effect<Server, InvalidOption | ListenerClosed, any> =>
      Effect.gen(function*() {
        const env = yield* currentEnv<any>()
        const own = listener as NetListener
        const name = options.name ?? own.shownAddress
        const timeouts = yield* TimeoutOptions.change(own.settings.timeouts, options.timeouts)
        const maxConnections = options.maxConnections === undefined
          ? Infinity
          : yield* Options.count("maxConnections", options.maxConnections, 1)
        const { afterFailure = "close" } = options
        if (afterFailure !== "close" && afterFailure !== "reset") {
          return yield* new InvalidOption({
            option: "afterFailure",
            value: JSON.stringify(afterFailure),
            expected: "\"close\" or \"reset\""
          })
        }
        // Nothing yields from here to the start, so no other fiber closes it or adds it meanwhile.
        if (dispatcher.isEnding) return yield* endingError(dispatcher)
        if (own.isClosing) return yield* new ListenerClosed({ address: own.shownAddress })
        if (own.server !== undefined) {
          return yield* new InvalidOption({
            option: "listener",
            value: own.shownAddress,
            expected: "one that no other server accepts on; remove that server first, with `keepOpen`"
          })
        }
        const server = new DispatcherServer(dispatcher, env, own, handler, {
          name,
          settings: { ...own.settings, label: `${name}:client_`, timeouts },
          maxConnections,
          autoClose: options.autoClose ?? true,
          afterFailure,
          onError: boundHandler(options.onError, servicesOf(env))
        })
        server.start()
        return server
      })

    const addServer = ((listener: Listener | DatagramSocket, handler: any, options: object = {}) =>
      isDatagramSocket(listener)
        ? addDatagramServer(listener, handler, options)
        : addListenServer(listener, handler, options)) as Service["addServer"]

    const addThread = <A, E, R, RE = never>(
      effect: Effect.Effect<A, E, R>,
      options: ThreadOptions<RE> = {}
    ): Effect.Effect<Thread<A, E>, never, Exclude<R | RE, Scope.Scope>> =>
      Effect.map(currentEnv<Exclude<R | RE, Scope.Scope>>(), (env) =>
        dispatcher.spawn(env, effect, {
          label: options.name ?? "",
          onError: boundHandler(options.onError, servicesOf(env)),
          isWatched: false,
          onEnd: undefined
        }))

    const service: Service = {
      name: dispatcher.name,
      run: (program) => Running.run(dispatcher, program),
      step: (timeout) => Running.step(dispatcher, timeout),
      finished: Effect.sync(() => dispatcher.remaining.isFinished),
      running: Effect.sync(() => dispatcher.remaining.running > 0),
      addServer,
      removeServer: (server, options) =>
        (server as DispatcherServer | DispatcherDatagramServer).remove(
          options?.keepOpen ?? false,
          options?.interrupt ?? false
        ),
      addThread,
      exit: Running.exit(dispatcher),
      exiting: Effect.sync(() => dispatcher.remaining.isExiting),
      waitForExit: Running.waitForExit(dispatcher),
      drain: (within) => Running.drain(dispatcher, within),
      cancelAll: cancelAll(dispatcher),
      setErrorHandler: (handler) =>
        Effect.contextWith((context) => {
          dispatcher.errorHandler = boundHandler(handler, context)
        }),
      errorHandler: Effect.sync(() => dispatcher.errorHandler),
      status: Effect.flatMap(
        Effect.all([net.sockets, net.datagramSockets, net.bytes]),
        ([sockets, datagramSockets, bytes]) => StatusReport.make(dispatcher, sockets, datagramSockets, bytes)
      ),
      counters: Effect.map(net.bytes, (bytes) => StatusReport.counters(dispatcher, bytes)),
      setStatistics: (on) => Effect.sync(() => dispatcher.scheduler.measure(on)),
      trace: (tracer) =>
        Effect.sync(() => {
          dispatcher.observers.set(tracer)
        }),
      observe: (listener) => observe(() => dispatcher.observers, listener)
    }
    return service
  })
