/**
 * The network as a capability: connecting and listening.
 *
 * A platform brings the layer (`NodeNet.layer`, `NetMemory.layer`); programs ask for `Net` and run on either.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as DatagramSocket from "./DatagramSocket.js"
import * as DatagramOpening from "./internal/datagram/opening.js"
import * as Opening from "./internal/net/opening.js"
import { Hub } from "./internal/netState.js"
import { observe } from "./internal/observers.js"
import { platformOf } from "./internal/tls/handshake.js"
import { ListenerTypeId } from "./internal/typeIds.js"
import type { Family, NetAddress } from "./NetAddress.js"
import type { Socket, Timeouts, TraceEvent } from "./Socket.js"
import type {
  AcceptError,
  BindError,
  ConnectError,
  InvalidOption,
  ListenerClosed,
  SocketClosed,
  UnsupportedOption
} from "./SocketError.js"
import type { ClientContext, ConnectTlsOptions, ListenTlsOptions, ServerContext } from "./Tls.js"
import type { TlsError } from "./TlsError.js"
import type { TlsPlatform } from "./TlsTransport.js"
import type { Platform, Transport } from "./Transport.js"

/**
 * Options of the connection itself, for `connect`, for what a listener accepts, and for `socket.setOption`. One that
 * the platform cannot set fails with `UnsupportedOption`; none is dropped silently.
 *
 * @since 0.1.0
 * @category models
 */
export interface SocketOptions {
  /** Send small packets at once (TCP_NODELAY). Default true: sends of one turn are joined here already. */
  readonly noDelay?: boolean | undefined
  /** Probe an idle connection (SO_KEEPALIVE); a duration sets the idle time before the first probe as well. */
  readonly keepAlive?: boolean | Duration.DurationInput | undefined
  /** The time between keep-alive probes (TCP_KEEPINTVL). */
  readonly keepAliveInterval?: Duration.DurationInput | undefined
  /** How many probes go unanswered before the connection is broken (TCP_KEEPCNT). */
  readonly keepAliveCount?: number | undefined
  /** The system's own buffers, in bytes (SO_SNDBUF, SO_RCVBUF). */
  readonly sendBufferSize?: number | undefined
  readonly receiveBufferSize?: number | undefined
  /** Send data with the SYN (TCP_FASTOPEN, RFC 7413). */
  readonly fastOpen?: boolean | undefined
  /** Accept when data has come, waiting so long for it (TCP_DEFER_ACCEPT). */
  readonly deferAccept?: Duration.DurationInput | undefined
  /** Send only to what is on the same link (SO_DONTROUTE). */
  readonly dontRoute?: boolean | undefined
  /** Use this interface only (SO_BINDTODEVICE). */
  readonly bindToDevice?: string | undefined
}

/**
 * What `connect` and `listen` have in common.
 *
 * @since 0.1.0
 * @category models
 */
export interface CommonOptions extends SocketOptions {
  readonly timeouts?: Timeouts | undefined
  /**
   * How long leaving the scope may take: counted from the last byte that moved while what was sent is flushed (default
   * 30 seconds), then once more for the peer to finish (default 2 seconds). Past it the connection is cut.
   *
   * Zero does not wait at all: what was sent is handed to the system in one write of at most 128 KiB, unless another
   * write is under way, and the connection is closed at once. What the system does not take then is dropped, and what the
   * peer sent and nobody read turns the close into a reset. (LuaSocket's `linger` with a time-out of zero resets always.)
   */
  readonly linger?: Duration.DurationInput | undefined
  /** Reading from the system stops when so many bytes wait unread. Default 128 KiB. */
  readonly highWaterMark?: number | undefined
  /** `send` waits while more than so many bytes wait to go out. Default 256 KiB. */
  readonly sendHighWaterMark?: number | undefined
  readonly name?: string | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export type ConnectOptions =
  & CommonOptions
  & {
    /**
     * Do a TLS handshake before the socket is handed out. `true` verifies the server by the platform's authorities and the
     * host's name.
     */
    readonly tls?: boolean | ClientContext | ConnectTlsOptions | undefined
    /**
     * How many bytes one read of the system may bring at most, where the platform lets that be chosen. Large reads make
     * bulk transfers cheaper, and cost a buffer of that size for as long as the connection stands. Default the platform's
     * (64 KiB on Node, with no buffer while nothing comes). Not for connections that TLS will stand on.
     */
    readonly readSize?: number | undefined
  }
  & (
    | {
      /** A name or a numeric address. Default `"localhost"`. */
      readonly host?: string | undefined
      readonly port: number
      /** Only addresses of this family. Default both, raced (RFC 8305). */
      readonly family?: Family | undefined
      /** Connect from this address of this machine. */
      readonly localAddress?: string | undefined
      readonly localPort?: number | undefined
      readonly path?: undefined
    }
    | {
      /** A Unix-domain socket: a path, or, after a NUL, an abstract name of Linux. */
      readonly path: string
      readonly host?: undefined
      readonly port?: undefined
    }
  )

/**
 * @since 0.1.0
 * @category models
 */
export type ListenOptions =
  & CommonOptions
  & {
    /** How many connections may wait to be accepted, in the system and again here. Default 511. */
    readonly backlog?: number | undefined
    /**
     * Do TLS handshakes with those who connect: only those whose handshake is done are accepted. One that fails is told
     * as an `AcceptError`, reason `Handshake`.
     */
    readonly tls?: ServerContext | ListenTlsOptions | undefined
  }
  & (
    | {
      /** A name or a numeric address of this machine. Default `"127.0.0.1"`; `"0.0.0.0"` or `"::"` listen to all. */
      readonly host?: string | undefined
      /** 0 lets the system choose; `listener.address` tells. */
      readonly port: number
      readonly family?: Family | undefined
      /** Take an address whose old connections still linger (SO_REUSEADDR). */
      readonly reuseAddress?: boolean | undefined
      /** Share the port with other processes (SO_REUSEPORT). */
      readonly reusePort?: boolean | undefined
      /** On `::`, leave IPv4 alone (IPV6_V6ONLY). */
      readonly ipv6Only?: boolean | undefined
      readonly path?: undefined
    }
    | {
      /**
       * A Unix-domain socket: a file that is removed when the listener closes, or, after a NUL, an abstract name of Linux.
       * A path has at most about 107 bytes (`PathTooLong`).
       */
      readonly path: string
      /** Who may connect: the permissions of the file, such as `0o600`. At no moment does it have more. */
      readonly mode?: number | undefined
      /**
       * Replace a socket file that a process left behind: one on which nobody listens. Default true. A file that is no
       * socket is never touched.
       */
      readonly takeOver?: boolean | undefined
      readonly host?: undefined
      readonly port?: undefined
    }
  )

/**
 * @since 0.1.0
 * @category type ids
 */
export { ListenerTypeId }

/**
 * @since 0.1.0
 * @category models
 */
export interface ListenerStats {
  readonly accepted: number
  /** Cut at once because `backlog` connections waited already. */
  readonly refused: number
  /** What the system could not hand over, for want of descriptors for example. */
  readonly failed: number
  readonly pending: number
  /** TLS handshakes under way. */
  readonly handshakes: number
  /** TLS handshakes that failed. */
  readonly handshakeFailures: number
}

/**
 * A listening socket. Its scope closes it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Listener {
  readonly [ListenerTypeId]: typeof ListenerTypeId
  /** The address with the port that the system chose. */
  readonly address: NetAddress
  /**
   * The next connection, for as long as the scope lasts. `AcceptError` means that one was lost, not that the listener
   * is: accept again. *Interruption* loses no connection.
   */
  readonly accept: Effect.Effect<Socket, AcceptError | ListenerClosed, Scope.Scope>
  /** Stops listening before the scope does; what it accepted goes on. A second call fails. */
  readonly close: Effect.Effect<void, ListenerClosed>
  readonly stats: Effect.Effect<ListenerStats>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  readonly connect: (
    options: ConnectOptions
  ) => Effect.Effect<Socket, ConnectError | TlsError | InvalidOption | UnsupportedOption, Scope.Scope>
  readonly listen: (
    options: ListenOptions
  ) => Effect.Effect<Listener, BindError | InvalidOption | UnsupportedOption, Scope.Scope>
  /** What `Udp.bind` does. */
  readonly bindUdp: (
    options: DatagramSocket.BindOptions
  ) => Effect.Effect<DatagramSocket.DatagramSocket, BindError | InvalidOption | UnsupportedOption, Scope.Scope>
  /** What `Udp.connect` does. */
  readonly connectUdp: (
    options: DatagramSocket.ConnectOptions
  ) => Effect.Effect<
    DatagramSocket.DatagramSocket,
    BindError | ConnectError | InvalidOption | UnsupportedOption | SocketClosed,
    Scope.Scope
  >
  /** Every datagram socket that is open now. */
  readonly datagramSockets: Effect.Effect<ReadonlyArray<DatagramSocket.DatagramSocket>>
  /** What the platform does for TLS. The functions of `Tls` and `Certificate` are what programs use. */
  readonly tls: Effect.Effect<TlsPlatform, UnsupportedOption>
  /** Every stream socket that is open now. */
  readonly sockets: Effect.Effect<ReadonlyArray<Socket>>
  /** Bytes of every stream socket there ever was. */
  readonly bytes: Effect.Effect<{ readonly bytesReceived: number; readonly bytesSent: number }>
  /** Shows the events of every socket to `tracer`, until `trace(undefined)` or the next `trace`: there is one tracer. */
  readonly trace: (tracer: ((event: TraceEvent) => void) | undefined) => Effect.Effect<void>
  /**
   * Shows the events of every socket to `listener` for as long as the scope lasts. Any number may observe, beside the one
   * of `trace`. What a listener throws, or an `async` one rejects with, is swallowed.
   */
  readonly observe: (listener: (event: TraceEvent) => void) => Effect.Effect<void, never, Scope.Scope>
  /**
   * Takes over a connection that the platform has already made: how `fromNodeSocket` works. `makeTransport` is called
   * once, and from then on the scope closes what it gave.
   */
  readonly adopt: (
    makeTransport: () => Transport,
    options?: CommonOptions
  ) => Effect.Effect<Socket, InvalidOption | UnsupportedOption, Scope.Scope>
}

/**
 * The network.
 *
 * @since 0.1.0
 * @category tags
 */
export class Net extends Context.Tag("@copas/core/Net")<Net, Service>() {}

/**
 * The network on a platform.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (platform: Platform): Service => {
  const hub = new Hub(platform)
  return {
    connect: (options) => Opening.connect(hub, options),
    listen: (options) => Opening.listen(hub, options),
    bindUdp: (options) => DatagramOpening.bind(hub, options),
    connectUdp: (options) => DatagramOpening.connect(hub, options),
    datagramSockets: Effect.sync(() => Array.from(hub.datagramSockets)),
    tls: platformOf(hub),
    sockets: Effect.sync(() => Array.from(hub.sockets)),
    bytes: Effect.sync(() => hub.bytes),
    trace: (tracer) =>
      Effect.sync(() => {
        hub.observers.set(tracer)
      }),
    observe: (listener) => observe(() => hub.observers, listener),
    adopt: (makeTransport, options) => Opening.adopt(hub, makeTransport, options ?? {})
  }
}

/**
 * Connects to a host and port, or to a Unix-domain socket; the scope closes the socket.
 *
 * A name that stands for several addresses has them raced: the next attempt starts when one fails or 250 ms after it
 * (Happy Eyeballs, RFC 8305, section 5). Leaving the scope after success flushes, half-closes and waits for the peer, all
 * within `linger`; after failure or interruption it cuts. *Interruption* while connecting leaves no descriptor.
 *
 * @since 0.1.0
 * @category accessors
 * @example
 * ```ts
 * import { Net } from "@copas/core"
 * import { NetMemory } from "@copas/core/testing"
 * import { Effect } from "effect"
 *
 * const greeting = Effect.scoped(Effect.gen(function*() {
 *   const socket = yield* Net.connect({ host: "mail.example", port: 25, timeouts: { connect: "5 seconds" } })
 *   return yield* socket.receiveLine()
 * })).pipe(
 *   Effect.catchTag("ConnectError", (error) => Effect.succeed(`nobody home: ${error.reason}`))
 * )
 *
 * Effect.runPromise(greeting.pipe(Effect.provide(NetMemory.layer))).then(console.log) // nobody home: HostNotFound
 * ```
 */
export const connect = (
  options: ConnectOptions
): Effect.Effect<Socket, ConnectError | TlsError | InvalidOption | UnsupportedOption, Net | Scope.Scope> =>
  Effect.flatMap(Net, (net) => net.connect(options))

/**
 * Listens on an address and port, or on a path; the scope closes the listener. What it accepted goes on.
 *
 * @since 0.1.0
 * @category accessors
 * @example
 * ```ts
 * import { Net, NetAddress } from "@copas/core"
 * import { NetMemory } from "@copas/core/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.scoped(Effect.gen(function*() {
 *   const listener = yield* Net.listen({ host: "127.0.0.1", port: 7 })
 *   return NetAddress.format(listener.address)
 * }))
 *
 * Effect.runPromise(program.pipe(Effect.provide(NetMemory.layer))).then(console.log) // 127.0.0.1:7
 * ```
 */
export const listen = (
  options: ListenOptions
): Effect.Effect<Listener, BindError | InvalidOption | UnsupportedOption, Net | Scope.Scope> =>
  Effect.flatMap(Net, (net) => net.listen(options))
