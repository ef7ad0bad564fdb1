/**
 * A network in memory: hosts, addresses, ports and Unix-domain paths without the system's sockets, and conditions that
 * can be set: latency, jitter, bandwidth, loss, partitions, peers that vanish, resets, hosts that crash.
 *
 * `NetMemory.layer` is one machine, for tests of servers and clients; `NetMemory.make` is a network of many, for tests of
 * distributed programs. Time follows Effect's `Clock`: `TestClock` drives it, and so does `Simulation`. Without
 * conditions nothing takes time, and bytes arrive in the order in which they were sent.
 *
 * Its TLS is a stand-in without any cryptography: see `TlsMemory`.
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
 * How a link between two hosts behaves, in each direction. A condition that is not named is ideal.
 *
 * @since 0.1.0
 * @category models
 */
export interface LinkOptions {
  /** The shortest time that a packet takes. */
  readonly latency?: Duration.DurationInput | undefined
  /** The most time that is added to it, at random. Streams stay in order: a packet that overtakes another waits. */
  readonly jitter?: Duration.DurationInput | undefined
  /**
   * The probability that a packet is lost, from 0 to less than 1. A lost datagram is gone. A stream sends again, so there
   * a loss is a delay of 200 ms or two latencies, whichever is more, doubled each time (RFC 6298, section 5).
   */
  readonly loss?: number | undefined
  /** Bytes a second, which all connections in a direction share. Headers count: 40 bytes a packet. */
  readonly bandwidth?: number | undefined
}

/**
 * How the bytes that arrive are cut into the chunks that a socket receives:
 *
 * - `"joined"`: all bytes that are there at the time, as the system does it
 * - `"asSent"`: as the sender sent them, without joining the sends of a turn
 * - `"random"`: in pieces of any size, by the network's seed
 * - a number: in pieces of at most this many bytes; 1 is byte by byte
 *
 * A program must not depend on it; `"random"` and 1 find programs that do.
 *
 * @since 0.1.0
 * @category models
 */
export type Chunks = "joined" | "asSent" | "random" | number

/**
 * The conditions of an in-memory network, and the source of its chance.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The conditions of all links between different hosts; if there is only one host, of its link with itself. */
  readonly link?: LinkOptions | undefined
  /** Default `"joined"`. */
  readonly chunks?: Chunks | undefined
  /**
   * The system's buffers of one direction of a connection, both ends together, in bytes: a sender waits while this much is
   * under way or unread. Default 64 KiB. `sendBufferSize` and `receiveBufferSize` change those of a socket.
   */
  readonly bufferSize?: number | undefined
  /** The source of all chance: the same seed gives the same network. Default the simulation's seed, otherwise 0. */
  readonly seed?: number | undefined
  /** How long a connection lasts whose packets do not arrive. Default 15 minutes, as on Linux. */
  readonly giveUpAfter?: Duration.DurationInput | undefined
  /** How long an attempt to connect lasts without an answer. Default 127 seconds, as on Linux. */
  readonly connectGiveUpAfter?: Duration.DurationInput | undefined
  /**
   * The authorities of this platform, which `tls: true` and contexts without `ca` trust. Default none. See `TlsMemory`.
   */
  readonly authorities?: Material | ReadonlyArray<Material> | undefined
}

/**
 * A connection between two hosts.
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
 * The options of a host of the network.
 *
 * @since 0.1.0
 * @category models
 */
export interface HostOptions {
  /** Numeric addresses, of either family. Default a free one, from 10.0.0.1 on. Loopback is added to them. */
  readonly addresses?: ReadonlyArray<string> | undefined
  /** Default a clock that is right. */
  readonly clock?: ClockOptions | undefined
}

/**
 * How a host's clock is wrong.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClockOptions {
  /** How far the time of day is ahead, in milliseconds; a negative number is behind. Default 0. */
  readonly offsetMillis?: number | undefined
  /**
   * How many milliseconds it gains in each millisecond that passes: 0.0001 is 8.64 seconds a day; a negative number loses
   * time. More than -1. Default 0. Sleeps and time-outs of the host's programs follow it, too.
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
  /** False from a crash until the restart. */
  readonly isUp: Effect.Effect<boolean>
  /**
   * The time as this host sees it. Programs of `start` have this clock, and the host's TLS checks the validity of
   * certificates by it; other programs can use it with `Effect.withClock`.
   */
  readonly clock: Clock.Clock
  /**
   * Sets the clock: from now on it is `offsetMillis` ahead of the network's, and gains `drift`. A change of the time of
   * day moves no sleep and no time-out; fibers that already sleep wake as before.
   */
  readonly setClock: (options: ClockOptions) => Effect.Effect<void, InvalidOption>
  /**
   * Starts a program on this host. A crash interrupts it, a restart runs it again, and the end of the scope ends it. A
   * failure is logged.
   */
  readonly start: <A, E, R>(
    program: Effect.Effect<A, E, R>
  ) => Effect.Effect<void, never, Exclude<Exclude<R, Net.Net>, Scope.Scope> | Scope.Scope>
  /**
   * Crashes the host, as when its power fails: its programs are interrupted and its listeners are gone, and peers receive
   * no end and no reset. Once the host is up again, it answers packets of earlier connections with a reset.
   */
  readonly crash: Effect.Effect<void>
  /** Starts the host again: the programs of `start` run from their beginning. */
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
 * The operations on a network while programs run on it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Network {
  /** Adds a host. Its name resolves to its addresses on every host. */
  readonly addHost: (name: string, options?: HostOptions) => Effect.Effect<Host, InvalidOption>
  /** All hosts that were added. */
  readonly hosts: Effect.Effect<ReadonlyArray<Host>>
  /** All connections that are open or being made. */
  readonly connections: Effect.Effect<ReadonlyArray<Connection>>
  /**
   * Changes all links, or the link between two hosts in both directions, or the link from one host to another in this
   * direction only. Packets that are under way arrive as before.
   */
  readonly setLink: (
    link: LinkOptions,
    between?: readonly [string, string] | OneWay
  ) => Effect.Effect<void, InvalidOption>
  /** Changes how the bytes are cut that arrive from now on. */
  readonly setChunks: (chunks: Chunks) => Effect.Effect<void, InvalidOption>
  /**
   * Cuts the network into groups of hosts that do not reach each other; the hosts that are in no group form one more.
   * Without groups every host is alone, and a single host does not reach itself. Streams are held up, datagrams are lost.
   * It replaces the partition before it.
   *
   * With `from` and `to` it cuts one direction: nothing of the hosts in `from` reaches those in `to`, neither data nor
   * acknowledgements. What the hosts in `to` send arrives, but they receive no acknowledgement, so their connections break
   * with `TimedOut` after `giveUpAfter`, too.
   */
  readonly partition: (
    groups?: ReadonlyArray<ReadonlyArray<string>> | OneWayPartition
  ) => Effect.Effect<void, InvalidOption>
  /** Ends the partition: streams that were held up continue. */
  readonly heal: Effect.Effect<void>
  /**
   * Makes one end of each of the connections vanish, as when a cable is pulled: it receives nothing, nothing that it sends
   * arrives, and the other end receives no end and no reset. Returns the number of connections.
   */
  readonly vanish: (
    end: "client" | "server",
    which?: (connection: Connection) => boolean
  ) => Effect.Effect<number>
  /** Resets each of the connections at both ends. Returns the number of connections. */
  readonly resetConnections: (which?: (connection: Connection) => boolean) => Effect.Effect<number>
}

/**
 * The in-memory network on which a program runs, for changing its conditions meanwhile.
 *
 * @since 0.1.0
 * @category tags
 */
export class NetMemory extends Context.Tag("@copas/core/testing/NetMemory")<NetMemory, Network>() {}

/**
 * Makes a network without hosts, on the current `Clock`.
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
 * Changes all links, the link between two hosts, or the link from one host to another.
 *
 * @since 0.1.0
 * @category conditions
 */
export const setLink = (
  link: LinkOptions,
  between?: readonly [string, string] | OneWay
): Effect.Effect<void, InvalidOption, NetMemory> => onNetwork((network) => network.setLink(link, between))

/**
 * Changes how the bytes that arrive are cut into chunks.
 *
 * @since 0.1.0
 * @category conditions
 */
export const setChunks = (chunks: Chunks): Effect.Effect<void, InvalidOption, NetMemory> =>
  onNetwork((network) => network.setChunks(chunks))

/**
 * Cuts the network into groups of hosts that do not reach each other; without groups, every host from every other; with
 * `from` and `to`, one direction.
 *
 * @since 0.1.0
 * @category conditions
 */
export const partition = (
  groups?: ReadonlyArray<ReadonlyArray<string>> | OneWayPartition
): Effect.Effect<void, InvalidOption, NetMemory> => onNetwork((network) => network.partition(groups))

/**
 * Ends the partition: streams that were held up continue.
 *
 * @since 0.1.0
 * @category conditions
 */
export const heal: Effect.Effect<void, never, NetMemory> = onNetwork((network) => network.heal)

/**
 * Makes one end of each of the connections vanish, without an end and without a reset. Returns their number.
 *
 * @since 0.1.0
 * @category conditions
 */
export const vanish = (
  end: "client" | "server",
  which?: (connection: Connection) => boolean
): Effect.Effect<number, never, NetMemory> => onNetwork((network) => network.vanish(end, which))

/**
 * Resets connections. Returns their number.
 *
 * @since 0.1.0
 * @category conditions
 */
export const resetConnections = (
  which?: (connection: Connection) => boolean
): Effect.Effect<number, never, NetMemory> => onNetwork((network) => network.resetConnections(which))

/**
 * All connections that are open or being made.
 *
 * @since 0.1.0
 * @category accessors
 */
export const connections: Effect.Effect<ReadonlyArray<Connection>, never, NetMemory> = onNetwork((network) =>
  network.connections
)
