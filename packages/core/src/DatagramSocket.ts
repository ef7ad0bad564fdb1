/**
 * The datagram socket: whole messages to and from many peers, or one, without a connection (UDP, RFC 768).
 *
 * A socket comes from `Udp.bind` or `Udp.connect`; its scope closes it. Datagrams wait in a bounded queue until they are
 * read; one that finds the queue full is dropped and counted, as the system does with its own queue. A read gives a whole
 * datagram, unless `receive` has `maxBytes`.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type { DatagramOptions, DatagramTimeouts, MembershipOptions } from "./DatagramOptions.js"
import { DatagramSocketTypeId } from "./internal/typeIds.js"
import type { InetAddress } from "./NetAddress.js"
import type { TraceEvent } from "./Socket.js"
import type {
  ConnectError,
  DatagramError,
  DatagramOfferError,
  DatagramReceiveError,
  DatagramSendError,
  InvalidOption,
  SocketClosed,
  UnsupportedOption
} from "./SocketError.js"

export type {
  BindOptions,
  CommonOptions,
  ConnectOptions,
  DatagramOptions,
  DatagramTimeouts,
  MembershipOptions
} from "./DatagramOptions.js"

/**
 * Marks a `DatagramSocket`: `isDatagramSocket` looks for it.
 *
 * @since 0.1.0
 * @category type ids
 */
export { DatagramSocketTypeId as TypeId }

/**
 * The type of `TypeId`.
 *
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof DatagramSocketTypeId

/**
 * A message and its sender.
 *
 * @since 0.1.0
 * @category models
 */
export interface Datagram {
  /** It may be empty: a datagram may have no bytes. The bytes are the reader's: nothing else writes into them. */
  readonly data: Uint8Array
  readonly from: InetAddress
}

/**
 * Where a datagram is to go: the `from` of a `Datagram`, or a host and a port. A name is looked up each time.
 *
 * @since 0.1.0
 * @category models
 */
export interface Destination {
  readonly host: string
  readonly port: number
}

/**
 * The counts of a datagram socket since it was made: received, sent and lost.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stats {
  readonly datagramsReceived: number
  readonly datagramsSent: number
  readonly bytesReceived: number
  readonly bytesSent: number
  /** Datagrams that came while the queue was full, or from a host other than the peer. Not in `datagramsReceived`. */
  readonly dropped: number
  /** Datagrams that the system took and then could not send, and whose `send` had already returned. See `sendTo`. */
  readonly unsent: number
  /** Datagrams that wait unread. */
  readonly queued: number
  /** Their bytes, as `maxQueuedBytes` counts them. */
  readonly queuedBytes: number
  /** Milliseconds since the socket was made. */
  readonly ageMillis: number
}

/**
 * A bound datagram socket.
 *
 * @since 0.1.0
 * @category models
 */
export interface DatagramSocket {
  readonly [DatagramSocketTypeId]: TypeId

  /**
   * A number that no other socket of this process has. Under the clock of a test or of a simulation, numbers begin at 1
   * again, so that each run shows the same.
   */
  readonly id: number

  /** The name in logs, spans and `Copas.status`. The default is its local address. */
  readonly name: string
  /** Changes the name; later events, errors and log lines have it. */
  readonly setName: (name: string) => Effect.Effect<void>

  /** With the port that the system chose. */
  readonly localAddress: InetAddress
  /** The port of `localAddress`. */
  readonly port: number
  /** The peer, while there is one. */
  readonly remoteAddress: InetAddress | undefined

  /**
   * Waits for the next datagram and gives its bytes. Each of several readers gets a datagram of its own. If the peer of a
   * connected socket refuses what was sent (ICMP), one call fails with `DatagramError`, reason `Refused`; the next waits
   * again.
   *
   * With `maxBytes` it returns at most that many bytes, and drops the rest of that datagram, as recv(2) does. It dies with
   * `InvalidOption` unless `maxBytes` is a whole number of at least 1. *Interruption* loses no datagram.
   *
   * @example
   * ```ts
   * import { Udp } from "@copas/core"
   * import { NetMemory } from "@copas/core/testing"
   * import { Effect } from "effect"
   *
   * const program = Effect.scoped(Effect.gen(function*() {
   *   const server = yield* Udp.bind({ host: "127.0.0.1" })
   *   const client = yield* Udp.connect(server.localAddress)
   *   yield* client.send("ping")
   *   yield* client.send("a longer message")
   *   const whole = yield* server.receive()
   *   const start = yield* server.receive({ maxBytes: 8 })
   *   return [whole, start].map((bytes) => new TextDecoder().decode(bytes))
   * }))
   *
   * Effect.runPromise(program.pipe(Effect.provide(NetMemory.layer))).then(console.log) // [ 'ping', 'a longer' ]
   * ```
   */
  readonly receive: (
    options?: { readonly maxBytes?: number | undefined }
  ) => Effect.Effect<Uint8Array, DatagramReceiveError>

  /** Waits for the next datagram and gives it whole, with its sender. Otherwise as `receive`. */
  readonly receiveFrom: Effect.Effect<Datagram, DatagramReceiveError>

  /**
   * Sends one datagram to the peer of a connected socket; text as UTF-8. Completes when the system accepts it; delivery is
   * not confirmed. If an earlier datagram failed, by a refusal for example, and no `receive` has reported that, the call
   * fails with it and sends nothing. More than fits one datagram is `MessageTooLong`. *Interruption* does not take the
   * datagram back.
   */
  readonly send: (data: string | Uint8Array) => Effect.Effect<void, DatagramSendError>

  /**
   * Sends one datagram to any address. A reply (to the `from` of `receiveFrom`) does not wait until the system accepts it:
   * if the system refuses it, it counts as `unsent`, and the replies after it wait, and fail where they must. Otherwise as
   * `send`.
   */
  readonly sendTo: (data: string | Uint8Array, to: Destination) => Effect.Effect<void, DatagramSendError>

  /**
   * Sends one datagram to the peer if that does not wait, and returns whether it did. `true`: the system was given the
   * datagram. `false`: 64 datagrams were given to it whose outcome is not known yet, and this one was not. One that the
   * system then cannot send counts as `unsent`, and its failure is reported to the next `receive`, `send` or `offer`.
   * Otherwise it fails as `send`.
   *
   * *Interruption*: there is nothing to interrupt; it never waits and never forks.
   */
  readonly offer: (data: string | Uint8Array) => Effect.Effect<boolean, DatagramOfferError>

  /**
   * Does what `offer` does, to any address. The host of `to` must be numeric (`InvalidOption`): looking a name up would
   * wait. A datagram that the system then cannot send counts as `unsent`.
   *
   * @example
   * ```ts
   * import type { DatagramSocket, NetAddress } from "@copas/core"
   * import { Effect } from "effect"
   *
   * const tell = (
   *   socket: DatagramSocket.DatagramSocket,
   *   members: Iterable<NetAddress.InetAddress>,
   *   position: Uint8Array
   * ) => Effect.forEach(members, (member) => socket.offerTo(position, member), { discard: true })
   * ```
   */
  readonly offerTo: (data: string | Uint8Array, to: Destination) => Effect.Effect<boolean, DatagramOfferError>

  /**
   * Makes `to` the peer, in place of an earlier one: `send` goes there, the socket receives only what the peer sends, and
   * drops unread datagrams of others, and refusals are reported. *Interruption* while the name is looked up changes
   * nothing.
   */
  readonly connect: (to: Destination) => Effect.Effect<void, ConnectError | InvalidOption | SocketClosed>

  /** Removes the peer. It does nothing if there is none. */
  readonly disconnect: Effect.Effect<void, DatagramError | SocketClosed>

  /**
   * Joins a multicast group until the scope ends. The system refuses a socket that joins a group which it is in already,
   * on the same interface (`AddressInUse`). RFC 1112, RFC 3376, RFC 3810.
   */
  readonly join: (
    group: string,
    options?: MembershipOptions
  ) => Effect.Effect<void, DatagramError | InvalidOption | UnsupportedOption | SocketClosed, Scope.Scope>

  /**
   * Closes before the scope does: pending reads and writes of other fibers fail with `SocketClosed` at once, and unread
   * datagrams are dropped. A second call fails with `SocketClosed`. *Interruption* waits for the close.
   */
  readonly close: Effect.Effect<void, SocketClosed>

  /** The time-outs that are set now. */
  readonly timeouts: DatagramTimeouts
  /** Changes the time-outs that are named, each by itself; `null` removes one. It applies to calls under way, too. */
  readonly setTimeouts: (
    timeouts: { readonly [K in keyof DatagramTimeouts]?: Duration.DurationInput | null | undefined }
  ) => Effect.Effect<void, InvalidOption>

  /**
   * Sets one option of the socket. `UnsupportedOption` if the platform cannot, `InvalidOption` if the value makes no
   * sense.
   */
  readonly setOption: <K extends keyof DatagramOptions>(
    name: K,
    value: NonNullable<DatagramOptions[K]>
  ) => Effect.Effect<void, UnsupportedOption | InvalidOption | SocketClosed>
  /** The value as the platform knows it; `undefined` if it was not set and the system cannot be asked. */
  readonly getOption: <K extends keyof DatagramOptions>(
    name: K
  ) => Effect.Effect<DatagramOptions[K], UnsupportedOption | SocketClosed>

  /** The counts of this moment. They can be read after the end, too. */
  readonly stats: Effect.Effect<Stats>

  /** Shows every event of this socket to `tracer` until `trace(undefined)` or the next `trace`: there is one tracer. */
  readonly trace: (tracer: ((event: TraceEvent) => void) | undefined) => Effect.Effect<void>

  /**
   * Shows every event of this socket to `listener` for as long as the scope lasts. Any number of listeners may observe,
   * beside the tracer. What a listener throws, or an `async` one rejects with, is swallowed.
   */
  readonly observe: (listener: (event: TraceEvent) => void) => Effect.Effect<void, never, Scope.Scope>
}

/**
 * True if `u` is a `DatagramSocket`.
 *
 * @since 0.1.0
 * @category guards
 */
export const isDatagramSocket = (u: unknown): u is DatagramSocket => Predicate.hasProperty(u, DatagramSocketTypeId)

/**
 * Runs `f` for each datagram, one after the other, without end: the loop of a datagram server. The first failure, of `f`
 * or of receiving, ends it. To survive a reply that cannot be sent, handle that failure in `f`.
 *
 * *Interruption* loses no datagram that `f` has not received.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { DatagramSocket } from "@copas/core"
 * import { Effect } from "effect"
 *
 * const echo = (socket: DatagramSocket.DatagramSocket) =>
 *   DatagramSocket.forEach(socket, ({ data, from }) =>
 *     Effect.catchTag(socket.sendTo(data, from), "DatagramError", (error) => Effect.logWarning(error.message)))
 * ```
 */
export const forEach = <E, R>(
  self: DatagramSocket,
  f: (datagram: Datagram) => Effect.Effect<unknown, E, R>
): Effect.Effect<never, E | DatagramReceiveError, R> => {
  // Like `Effect.forever`, which yields at each round: a read yields by itself when it is time.
  const again = (): Effect.Effect<never, E | DatagramReceiveError, R> => loop
  const round = (datagram: Datagram): Effect.Effect<never, E | DatagramReceiveError, R> =>
    Effect.flatMap(f(datagram), again)
  const loop = Effect.flatMap(self.receiveFrom, round)
  return loop
}
