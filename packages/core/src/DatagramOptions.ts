/**
 * The options of datagram sockets: what `Udp.bind` and `Udp.connect` take, and what can be set later.
 *
 * @since 0.2.0
 */
import type { Family, InetAddress } from "./NetAddress.js"
import type { Timeouts } from "./SocketOptions.js"

/**
 * The time-outs of a datagram socket: a datagram comes whole, so it has none for a message.
 *
 * @since 0.1.0
 * @category models
 */
export type DatagramTimeouts = Omit<Timeouts, "message">

/**
 * Options of the socket itself, for `bind`, `connect` and `socket.setOption`. An option that the platform cannot set fails
 * with `UnsupportedOption`; none is dropped silently.
 *
 * @since 0.1.0
 * @category models
 */
export interface DatagramOptions {
  /** Allow sending to broadcast addresses (SO_BROADCAST). Default false. */
  readonly broadcast?: boolean | undefined
  /** How many routers a datagram may pass, 1 to 255 (IP_TTL, IPV6_UNICAST_HOPS). */
  readonly ttl?: number | undefined
  /** The same for multicast, 0 to 255; 0 stays on this machine (IP_MULTICAST_TTL). Default 1. */
  readonly multicastTtl?: number | undefined
  /** Deliver this machine's own multicast on this machine, too (IP_MULTICAST_LOOP). Default true. */
  readonly multicastLoop?: boolean | undefined
  /** Send multicast from this interface: its IPv4 address, or for IPv6 `::%` and its name (IP_MULTICAST_IF). */
  readonly multicastInterface?: string | undefined
  /** The system's own buffers, in bytes (SO_SNDBUF, SO_RCVBUF). Linux shows twice the value that was set: socket(7). */
  readonly sendBufferSize?: number | undefined
  readonly receiveBufferSize?: number | undefined
  /** Send only to what is on the same link (SO_DONTROUTE). */
  readonly dontRoute?: boolean | undefined
  /** Use this interface only (SO_BINDTODEVICE). */
  readonly bindToDevice?: string | undefined
}

/**
 * The options that `bind` and `connect` have in common.
 *
 * @since 0.1.0
 * @category models
 */
export interface CommonOptions extends DatagramOptions {
  /** `receive` and `send` count from when the call began to wait; `connect` limits the look-up of the peer's name. */
  readonly timeouts?: DatagramTimeouts | undefined
  readonly name?: string | undefined
  /** How many datagrams may wait unread; further ones are dropped. Default 1024. */
  readonly maxQueued?: number | undefined
  /** How many bytes may wait unread; each datagram counts 64 more than its own. Default 1 MiB. */
  readonly maxQueuedBytes?: number | undefined
  /**
   * Decides which addresses may be sent to and connected to: of a name, a numeric address, or the sender of a datagram that
   * is replied to. It is asked each time, so it should be quick; only `true` permits an address. Of a name, the first
   * permitted one is used. If there is none, sending fails with `DatagramError`, connecting with `ConnectError`, reason
   * `NotPermitted`.
   *
   * If it throws, the call dies with what was thrown; a result other than `true` or `false` is `InvalidOption`. Default:
   * every address.
   *
   * @since 0.2.0
   */
  readonly permit?: ((address: InetAddress) => boolean) | undefined
}

/**
 * Where `Udp.bind` binds a socket, and who may share its address.
 *
 * @since 0.1.0
 * @category models
 */
export type BindOptions =
  & CommonOptions
  & (
    | {
      /**
       * A name or a numeric address of this machine, or the address of a multicast group. Default every address of it:
       * `"0.0.0.0"`, or `"::"` when `family` is IPv6.
       */
      readonly host?: string | undefined
      /** Default 0: the system chooses; `socket.port` is the port that it chose. */
      readonly port?: number | undefined
      readonly family?: Family | undefined
      /** Let other sockets bind the same address, as members of a multicast group need (SO_REUSEADDR). Default false. */
      readonly reuseAddress?: boolean | undefined
      /** Share the port with other processes; the system spreads the datagrams over them (SO_REUSEPORT). Default false. */
      readonly reusePort?: boolean | undefined
      /** On `::`, leave IPv4 alone (IPV6_V6ONLY). Default false. */
      readonly ipv6Only?: boolean | undefined
      readonly path?: undefined
    }
    | {
      /** A Unix-domain datagram socket. No platform has them so far: `UnsupportedOption`. */
      readonly path: string
      readonly host?: undefined
      readonly port?: undefined
    }
  )

/**
 * The peer of `Udp.connect`, and where its socket sends from.
 *
 * @since 0.1.0
 * @category models
 */
export type ConnectOptions = CommonOptions & {
  /** The peer: a name or a numeric address. Default `"localhost"`. */
  readonly host?: string | undefined
  readonly port: number
  readonly family?: Family | undefined
  /** Send from this address of this machine. */
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
}

/**
 * The options of `join`: how a socket is a member of a multicast group.
 *
 * @since 0.1.0
 * @category models
 */
export interface MembershipOptions {
  /** Where to listen: the IPv4 address of an interface, or for IPv6 `::%` and its name. Default: the system chooses. */
  readonly interface?: string | undefined
  /** Receive only what this host sends to the group (source-specific multicast, RFC 4607). IPv4 and IPv6. */
  readonly source?: string | undefined
}
