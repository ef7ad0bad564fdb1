/**
 * The state of the dispatcher, as `Copas.status` reports it: its threads, servers and sockets, its timers and steps.
 *
 * The dispatcher keeps none of this: `Copas.status` gathers it when it runs.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"

/**
 * The state of a thread.
 *
 * - `ready`: it runs, or is about to run
 * - `reading`, `writing`: it waits for a socket
 * - `sleeping`: in `pause`
 * - `inactive`: in `pauseForever`, `Copas.waitForExit`, or a wait without a limit for a lock, a semaphore or a queue; it
 *   does not keep the dispatcher going
 * - `waiting`: it waits for anything else
 *
 * @since 0.1.0
 * @category models
 */
export type State = "ready" | "reading" | "writing" | "sleeping" | "inactive" | "waiting"

/**
 * One thread, and its state.
 *
 * @since 0.1.0
 * @category models
 */
export interface ThreadStatus {
  readonly id: number
  readonly name: string
  readonly state: State
  /** Milliseconds since the wait began, if that is known: a read with a time-out counts from the last byte. */
  readonly waitingMillis: Option.Option<number>
  /** The object of the wait, in words: `receive on echo:client_7`. */
  readonly waitsFor: Option.Option<string>
  /** The connection that it serves. */
  readonly socket: Option.Option<string>
  /** The thread that added it, until that thread has ended. */
  readonly parent: Option.Option<string>
  /** Milliseconds since it was added. */
  readonly ageMillis: number
}

/**
 * One server, and what it has served. Its figures count from `addServer` on.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerStatus {
  readonly name: string
  readonly kind: "stream" | "datagram"
  readonly address: string
  /** Connections that the handler was ever given, and those that are open now. */
  readonly accepted: number
  readonly active: number
  /** Connections cut because too many waited, and connections that the system failed to hand over. */
  readonly refused: number
  readonly acceptFailures: number
  readonly handlerFailures: number
  /** Connections that wait to be accepted. */
  readonly pending: number
}

/**
 * One open socket. Bytes count since it was made; `receiveBuffered` and `sendBuffered` are those that wait in its buffers
 * now.
 *
 * @since 0.1.0
 * @category models
 */
export interface SocketStatus {
  readonly id: number
  readonly name: string
  readonly kind: "stream" | "datagram"
  readonly localAddress: string
  /** Empty for a datagram socket that is not connected. */
  readonly remoteAddress: string
  readonly bytesReceived: number
  readonly bytesSent: number
  readonly receiveBuffered: number
  readonly sendBuffered: number
  readonly ageMillis: number
}

/**
 * How long the dispatcher's steps took, in milliseconds. A step runs all threads that are ready. The steps since the
 * dispatcher began count that were measured, while statistics were on: `steps` and `totalMillis` only grow, and reading
 * them resets nothing, so there may be any number of readers (`durationsSince`).
 *
 * @since 0.1.0
 * @category models
 */
export interface StepDurations {
  readonly steps: number
  readonly totalMillis: number
  readonly averageMillis: number
  /** The shortest and the longest step that was measured. */
  readonly minMillis: number
  readonly maxMillis: number
}

/**
 * The steps between two readings, and how long they took. `None` if no step was measured meanwhile.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Copas, Status, Thread } from "@copas/core"
 * import { NetMemory } from "@copas/core/testing"
 * import { Effect, Layer, Option } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   yield* Copas.setStatistics(true)
 *   const before = (yield* Copas.status).durations
 *   yield* Thread.pause(0)
 *   const after = (yield* Copas.status).durations
 *   return Option.map(Status.durationsSince(before, after), ({ steps }) => steps > 0)
 * })
 *
 * const layer = Layer.provide(Copas.layer, NetMemory.layer)
 * Effect.runPromise(Copas.run(program).pipe(Effect.provide(layer))).then(Option.getOrThrow).then(console.log) // true
 * ```
 */
export const durationsSince = (
  before: Option.Option<StepDurations>,
  after: Option.Option<StepDurations>
): Option.Option<Pick<StepDurations, "steps" | "totalMillis" | "averageMillis">> =>
  Option.flatMap(after, (now) => {
    const steps = now.steps - (Option.isSome(before) ? before.value.steps : 0)
    const totalMillis = now.totalMillis - (Option.isSome(before) ? before.value.totalMillis : 0)
    return steps > 0 ? Option.some({ steps, totalMillis, averageMillis: totalMillis / steps }) : Option.none()
  })

/**
 * Counts since the dispatcher began; they only grow.
 *
 * @since 0.1.0
 * @category models
 */
export interface Totals {
  /** Connections handed to a server's handler. */
  readonly connections: number
  readonly handlerFailures: number
  readonly acceptFailures: number
  /** Bytes of every stream socket of the network, including closed ones. */
  readonly bytesReceived: number
  readonly bytesSent: number
  /** Threads ever added. */
  readonly threads: number
}

/**
 * The totals, and the present numbers, as `Copas.counters` gives them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Counters extends Totals {
  /** Connections of servers that are open now, including those that still flush. */
  readonly connectionsActive: number
  /** Threads that have not ended. */
  readonly threadsActive: number
  /** Steps since the dispatcher began. */
  readonly steps: number
}

/**
 * The result of `Copas.status`: a reading of the moment, which no later event changes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Status {
  readonly running: boolean
  readonly exiting: boolean
  /** How many threads are in each state. */
  readonly counts: Readonly<Record<State, number>>
  readonly threads: ReadonlyArray<ThreadStatus>
  readonly servers: ReadonlyArray<ServerStatus>
  /** Every open socket of the network, including those of clients. */
  readonly sockets: ReadonlyArray<SocketStatus>
  /** Time-outs and sleeps that are set. */
  readonly timers: number
  readonly totals: Totals
  /** Steps since the dispatcher began. */
  readonly steps: number
  /** Present while statistics are on, once a step was measured. */
  readonly durations: Option.Option<StepDurations>
}

/**
 * An event of the dispatcher. `name` is the name of the thread or the server; with `exiting`, and with `released`, which
 * is the last event, the dispatcher's; with `connectionEnded` that of the handler's thread.
 *
 * @since 0.1.0
 * @category models
 */
export type TraceEvent =
  | {
    readonly event: "threadAdded" | "threadEnded" | "serverAdded" | "serverRemoved" | "exiting" | "released"
    readonly name: string
  }
  | {
    /** The handler of a server's connection has ended. The connection may still flush. */
    readonly event: "connectionEnded"
    readonly name: string
    readonly server: string
    /** How long the handler took. */
    readonly durationMillis: number
  }
