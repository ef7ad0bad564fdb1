/**
 * The contract between this library and a platform's datagram sockets; `Transport` has the one for streams.
 *
 * As there, everything is synchronous and called from the platform's event loop. Queues, time-outs and typed errors exist
 * once, above it.
 *
 * @since 0.1.0
 */
import type { DatagramOptions, MembershipOptions } from "./DatagramOptions.js"
import type { InetAddress } from "./NetAddress.js"
import type { InvalidOption, UnsupportedOption } from "./SocketError.js"
import type { Failure } from "./Transport.js"

/**
 * The events that a datagram transport reports to the socket above it. Nothing comes after `closed`.
 *
 * @since 0.1.0
 * @category models
 */
export interface DatagramEvents {
  /** The socket has its address. Comes first, and once. */
  readonly bound: () => void
  /** A datagram has arrived. The bytes belong to the receiver from now on. */
  readonly deliver: (data: Uint8Array, host: string, port: number) => void
  /** Before `bound`: binding failed. After it: the system reported a failure, such as a refusal; the socket continues. */
  readonly failed: (failure: Failure) => void
  /** The descriptor is released. */
  readonly closed: () => void
}

/**
 * One datagram socket.
 *
 * @since 0.1.0
 * @category models
 */
export interface DatagramTransport {
  /** Known once `bound` was reported. */
  readonly localAddress: InetAddress
  /** The peer, while connected, written as `deliver` writes it. */
  readonly remoteAddress: InetAddress | undefined
  /** Binds; events go to `events`, and may come before this returns. Called once, before anything else. */
  readonly open: (events: DatagramEvents) => void
  /**
   * Sends one datagram to `to`, which is numeric and of the socket's family, or without `to` to the peer. It calls `done`
   * exactly once, after it has returned: when the system has accepted the datagram, or with why it has not. Closing calls
   * it, too.
   */
  readonly send: (
    data: Uint8Array | string,
    to: InetAddress | undefined,
    done: (failure: Failure | undefined) => void
  ) => void
  /** Sets the peer of a socket that has none. `done` as with `send`. */
  readonly connect: (to: InetAddress, done: (failure: Failure | undefined) => void) => void
  /** Removes the peer. Returns why the system refused, if it did. */
  readonly disconnect: () => Failure | undefined
  /** Joins a group, at once. Returns why the system refused, if it did. */
  readonly join: (group: string, options: MembershipOptions) => Failure | UnsupportedOption | undefined
  /** Undoes `join`; harmless on a closed socket. */
  readonly leave: (group: string, options: MembershipOptions) => void
  /** Releases the descriptor; `closed` follows. Harmless when called again. */
  readonly close: () => void
  /** Sets an option, at once. Returns why that is not possible, if it is not. */
  readonly setOption: <K extends keyof DatagramOptions>(
    name: K,
    value: NonNullable<DatagramOptions[K]>
  ) => UnsupportedOption | InvalidOption | undefined
  /** The value as the platform knows it. */
  readonly getOption: <K extends keyof DatagramOptions>(name: K) => DatagramOptions[K] | UnsupportedOption
}

/**
 * Where to bind: one numeric address. Every default has been filled in.
 *
 * @since 0.1.0
 * @category models
 */
export interface DatagramTarget {
  readonly address: InetAddress
  readonly ipv6Only: boolean
  readonly reuseAddress: boolean
  readonly reusePort: boolean
}

/**
 * The functions that a platform with datagrams implements.
 *
 * @since 0.1.0
 * @category models
 */
export interface DatagramPlatform {
  /** Makes a socket, which `open` then binds. */
  readonly bind: (target: DatagramTarget) => DatagramTransport
  /** Returns why the platform cannot do an option of a socket that is to be made. */
  readonly unsupported: (options: DatagramOptions, target: DatagramTarget | undefined) => UnsupportedOption | undefined
}
