/**
 * A network in memory: hosts, addresses, ports and Unix-domain paths without the system's sockets, and conditions that
 * can be set: latency, jitter, bandwidth, loss, partitions, peers that vanish, resets, hosts that crash.
 *
 * `NetMemory.layer` is one machine, for tests of servers and clients; `NetMemory.make` is a network of many, for tests of
 * distributed programs. Time follows Effect's `Clock`: `TestClock` drives it, and so does `Simulation`. Without
 * conditions nothing takes time, and what two ends say to each other happens in the order in which they say it.
 *
 * What it has for TLS is a stand-in without any cryptography: see `TlsMemory`.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Net from "../Net.js"
import type { NetAddress } from "../NetAddress.js"
import type { InvalidOption } from "../SocketError.js"
import type { Material } from "../TlsContext.js"
import * as Control from "./internal/network/control.js"

/**
 * How a link between two hosts behaves, in each direction. What is not named is ideal.
 *
 * @since 0.1.0
 * @category models
 */
export interface LinkOptions {
  /** How long a packet is under way, at least. */
  readonly latency?: Duration.DurationInput | undefined
  /** At most so much more, by chance. Streams stay in order: what overtakes waits. */
  readonly jitter?: Duration.DurationInput | undefined
  /**
   * The chance that a packet is lost, from 0 to less than 1. A datagram is gone then; a stream sends again, so there it
   * shows as a delay of 200 ms or two latencies, whichever is more, doubled each time (RFC 6298, section 5).
   */
  readonly loss?: number | undefined
  /** Bytes a second, shared by all connections in the direction. Headers count: 40 bytes a packet. */
  readonly bandwidth?: number | undefined
}

/**
 * How what came is cut into the chunks that a socket is handed:
 *
 * - `"joined"`: all there is at the time, as the system does it
 * - `"asSent"`: as the sender's sends were, those of a turn not joined
 * - `"random"`: in pieces of any size, by the network's seed
 * - a number: in pieces of at most so many bytes; 1 is byte by byte
 *
 * A program must not notice any difference; `"random"` and 1 find those that do.
 *
 * @since 0.1.0
 * @category models
 */
export type Chunks = "joined" | "asSent" | "random" | number

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Of all links between different hosts; of the one host with itself where there is but one. */
  readonly link?: LinkOptions | undefined
  /** Default `"joined"`. */
  readonly chunks?: Chunks | undefined
  /**
   * The system's buffers of one direction of a connection, both ends' together, in bytes: as much may be under way or
   * wait unread until a sender has to wait. Default 64 KiB. `sendBufferSize` and `receiveBufferSize` change a socket's.
   */
  readonly bufferSize?: number | undefined
  /** All chance comes from it: the same seed, the same network. Default the simulation's seed, else 0. */
  readonly seed?: number | undefined
  /** How long a connection stands whose packets do not come through. Default 15 minutes, as with Linux. */
  readonly giveUpAfter?: Duration.DurationInput | undefined
  /** How long an attempt to connect goes on unanswered. Default 127 seconds, as with Linux. */
  readonly connectGiveUpAfter?: Duration.DurationInput | undefined
  /**
   * The authorities that stand for those of the platform: whom `tls: true` and contexts without `ca` trust. Default
   * none. See `TlsMemory`.
   */
  readonly authorities?: Material | ReadonlyArray<Material> | undefined
}

/**
 * A connection as it stands between two hosts.
 *
 * @since 0.1.0
 * @category models
 */
export interface Connection {
  readonly client: NetAddress
  readonly server: NetAddress
  readonly clientHost: string
  readonly serverHost: string
}

/**
 * @since 0.1.0
 * @category models
 */
export interface HostOptions {
  /** Numeric addresses, of either family. Default one that is free, from 10.0.0.1 on. Loopback comes on top. */
  readonly addresses?: ReadonlyArray<string> | undefined
  /** Default right, and at the right pace. */
  readonly clock?: ClockOptions | undefined
}

/**
 * How a host's clock is wrong.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClockOptions {
  /** How far the time of day is ahead, in milliseconds; behind where it is negative. Default 0. */
  readonly offsetMillis?: number | undefined
  /**
   * How many milliseconds it gains in each that passes: 0.0001 is 8.64 seconds a day, a negative one loses. More than -1.
   * Default 0. Sleeping and time-outs of the host's programs follow it, too.
   */
  readonly drift?: number | undefined
}

/**
 * A machine of the network.
 *
 * @since 0.1.0
 * @category models
 */
export interface Host {
  readonly name: string
  readonly addresses: ReadonlyArray<string>
  /** The network as the programs of this host see it. */
  readonly net: Net.Service
  readonly layer: Layer.Layer<Net.Net>
  readonly isUp: Effect.Effect<boolean>
  /**
   * The time as this host sees it. Programs that `start` starts have it, and its TLS judges certificates by it; others
   * take it by `Effect.withClock`.
   */
  readonly clock: Clock.Clock
  /**
   * Sets the clock: from now on it is `offsetMillis` ahead of the network's, and gains `drift`. No sleep and no time-out
   * moves because the time of day does; what sleeps already keeps its time.
   */
  readonly setClock: (options: ClockOptions) => Effect.Effect<void, InvalidOption>
  /**
   * Starts a program on this host. A crash interrupts it, a restart starts it anew; the scope ends it for good. A failure
   * is logged.
   */
  readonly start: <A, E, R>(
    program: Effect.Effect<A, E, R>
  ) => Effect.Effect<void, never, Exclude<Exclude<R, Net.Net>, Scope.Scope> | Scope.Scope>
  /**
   * The power fails: the host's programs are interrupted, its listeners are gone, and no peer hears of it. What a peer
   * sends to a connection of before is answered by a reset once the host is up again.
   */
  readonly crash: Effect.Effect<void>
  /** Up again: the programs that were started run from their beginning. */
  readonly restart: Effect.Effect<void>
}

/**
 * One direction between two hosts, by their names.
 *
 * @since 0.1.0
 * @category models
 */
export interface OneWay {
  readonly from: string
  readonly to: string
}

/**
 * One direction between hosts, by their names.
 *
 * @since 0.1.0
 * @category models
 */
export interface OneWayPartition {
  readonly from: ReadonlyArray<string>
  readonly to: ReadonlyArray<string>
}

/**
 * What can be done to a network while programs run on it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Network {
  /** Adds a host. Its name resolves to its addresses on every host. */
  readonly addHost: (name: string, options?: HostOptions) => Effect.Effect<Host, InvalidOption>
  readonly hosts: Effect.Effect<ReadonlyArray<Host>>
  /** Every connection that stands, or is being made. */
  readonly connections: Effect.Effect<ReadonlyArray<Connection>>
  /**
   * Changes every link, or that between two hosts in both directions, or that from one host to another in this direction
   * alone. What is under way already keeps its time.
   */
  readonly setLink: (
    link: LinkOptions,
    between?: readonly [string, string] | OneWay
  ) => Effect.Effect<void, InvalidOption>
  readonly setChunks: (chunks: Chunks) => Effect.Effect<void, InvalidOption>
  /**
   * Cuts the network in groups of hosts that do not reach each other; those that are in no group are one more. Without
   * groups every host is alone, and where there is but one, it does not reach itself. Streams are held up, datagrams are
   * lost. Takes the place of the partition before.
   *
   * With `from` and `to` one direction is cut: nothing of the hosts in `from` reaches those in `to`, neither data nor
   * acknowledgements. What the others send arrives, and since they never hear so, their connections break with `TimedOut`
   * after `giveUpAfter`, too.
   */
  readonly partition: (
    groups?: ReadonlyArray<ReadonlyArray<string>> | OneWayPartition
  ) => Effect.Effect<void, InvalidOption>
  /** Ends the partition: what was held up goes on. */
  readonly heal: Effect.Effect<void>
  /**
   * One end of each of the connections vanishes, as when a cable is pulled: it hears nothing, nothing it sends arrives,
   * and no end and no reset is told. Gives how many there were.
   */
  readonly vanish: (
    end: "client" | "server",
    which?: (connection: Connection) => boolean
  ) => Effect.Effect<number>
  /** Both ends of each of the connections are told that it was reset. Gives how many there were. */
  readonly resetConnections: (which?: (connection: Connection) => boolean) => Effect.Effect<number>
}

/**
 * The network in memory that a program runs on: to change its conditions while it runs.
 *
 * @since 0.1.0
 * @category tags
 */
export class NetMemory extends Context.Tag("@copas/core/testing/NetMemory")<NetMemory, Network>() {}

/**
 * A network without hosts yet, on the current `Clock`.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Net } from "@copas/core"
 * import { NetMemory } from "@copas/core/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const network = yield* NetMemory.make({ link: { latency: "20 millis" } })
 *   const server = yield* network.addHost("server")
 *   const client = yield* network.addHost("client")
 *   yield* server.start(Effect.gen(function*() {
 *     const listener = yield* Net.listen({ host: "0.0.0.0", port: 13 })
 *     const socket = yield* listener.accept
 *     yield* socket.send("tea time\n")
 *   }))
 *   const socket = yield* client.net.connect({ host: "server", port: 13 })
 *   return yield* socket.receiveLine()
 * })
 *
 * Effect.runPromise(Effect.scoped(program)).then(console.log) // tea time
 * ```
 */
export const make = (options?: Options): Effect.Effect<Network, InvalidOption> =>
  Effect.map(Control.makeNetwork(options ?? {}, false), Control.control)

/**
 * One machine called `localhost`, with the addresses 127.0.0.1 and ::1.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerWith = (options: Options): Layer.Layer<Net.Net | NetMemory, InvalidOption> =>
  Layer.effectContext(Effect.map(Control.makeNetwork(options, true), (network) => {
    const net = Control.netOf(network.addHost("localhost", []))
    return Context.add(Context.make(Net.Net, net), NetMemory, Control.control(network))
  }))

/**
 * One machine called `localhost`, with the addresses 127.0.0.1 and ::1, on which nothing takes time.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Net } from "@copas/core"
 * import { NetMemory } from "@copas/core/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Net.listen({ port: 7 })
 *   yield* Effect.fork(Effect.flatMap(listener.accept, (socket) => socket.send("hello\n")))
 *   const socket = yield* Net.connect({ host: "localhost", port: 7 })
 *   return yield* socket.receiveLine()
 * })
 *
 * Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(NetMemory.layer))).then(console.log) // hello
 * ```
 */
export const layer: Layer.Layer<Net.Net | NetMemory> = Layer.orDie(layerWith({}))

const onNetwork = <A, E>(use: (network: Network) => Effect.Effect<A, E>): Effect.Effect<A, E, NetMemory> =>
  Effect.flatMap(NetMemory, use)

/**
 * Changes every link, that between two hosts, or that from one host to another.
 *
 * @since 0.1.0
 * @category conditions
 */
export const setLink = (
  link: LinkOptions,
  between?: readonly [string, string] | OneWay
): Effect.Effect<void, InvalidOption, NetMemory> => onNetwork((network) => network.setLink(link, between))

/**
 * Changes how what came is cut into chunks.
 *
 * @since 0.1.0
 * @category conditions
 */
export const setChunks = (chunks: Chunks): Effect.Effect<void, InvalidOption, NetMemory> =>
  onNetwork((network) => network.setChunks(chunks))

/**
 * Cuts the network in groups of hosts that do not reach each other; without groups, all of it; with `from` and `to`, one
 * direction.
 *
 * @since 0.1.0
 * @category conditions
 */
export const partition = (
  groups?: ReadonlyArray<ReadonlyArray<string>> | OneWayPartition
): Effect.Effect<void, InvalidOption, NetMemory> => onNetwork((network) => network.partition(groups))

/**
 * Ends the partition: what was held up goes on.
 *
 * @since 0.1.0
 * @category conditions
 */
export const heal: Effect.Effect<void, never, NetMemory> = onNetwork((network) => network.heal)

/**
 * One end of each of the connections vanishes without a word; gives how many there were.
 *
 * @since 0.1.0
 * @category conditions
 */
export const vanish = (
  end: "client" | "server",
  which?: (connection: Connection) => boolean
): Effect.Effect<number, never, NetMemory> => onNetwork((network) => network.vanish(end, which))

/**
 * Resets connections; gives how many there were.
 *
 * @since 0.1.0
 * @category conditions
 */
export const resetConnections = (
  which?: (connection: Connection) => boolean
): Effect.Effect<number, never, NetMemory> => onNetwork((network) => network.resetConnections(which))

/**
 * Every connection that stands, or is being made.
 *
 * @since 0.1.0
 * @category accessors
 */
export const connections: Effect.Effect<ReadonlyArray<Connection>, never, NetMemory> = onNetwork((network) =>
  network.connections
)
