/**
 * The contract between this library and a platform's datagrams; `Transport` has the one for streams.
 *
 * As there: everything is synchronous and called from the platform's event loop; queues, time-outs and typed errors are
 * written once, above it.
 *
 * @since 0.1.0
 */
import type { DatagramOptions, MembershipOptions } from "./DatagramSocket.js"
import type { InetAddress } from "./NetAddress.js"
import type { InvalidOption, UnsupportedOption } from "./SocketError.js"
import type { Failure } from "./Transport.js"

/**
 * What a datagram transport tells the socket above it. Nothing comes after `closed`.
 *
 * @since 0.1.0
 * @category models
 */
export interface DatagramEvents {
  readonly bound: () => void
  /** A datagram came. The bytes belong to the receiver from now on. */
  readonly deliver: (data: Uint8Array, host: string, port: number) => void
  /** Before `bound`: binding failed. After it: the system reported one (of an earlier send, say); the socket goes on. */
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
  /** Known once `bound` was said. */
  readonly localAddress: InetAddress
  /** The peer, while connected, written as `deliver` writes it. */
  readonly remoteAddress: InetAddress | undefined
  /** Binds; events go to `events`, and may come before this returns. Called once, before anything else. */
  readonly open: (events: DatagramEvents) => void
  /**
   * Sends one datagram, to the peer when there is no `to`, which is numeric and of the socket's family. `done` is called
   * exactly once, not before this returns: when the system took it, or why it did not. Closing calls it too.
   */
  readonly send: (
    data: Uint8Array | string,
    to: InetAddress | undefined,
    done: (failure: Failure | undefined) => void
  ) => void
  /** Sets the peer of a socket that has none. `done` as with `send`. */
  readonly connect: (to: InetAddress, done: (failure: Failure | undefined) => void) => void
  readonly disconnect: () => Failure | undefined
  readonly join: (group: string, options: MembershipOptions) => Failure | UnsupportedOption | undefined
  /** Undoes `join`; harmless on a closed socket. */
  readonly leave: (group: string, options: MembershipOptions) => void
  /** Releases the descriptor; `closed` follows. Harmless when called again. */
  readonly close: () => void
  readonly setOption: <K extends keyof DatagramOptions>(
    name: K,
    value: NonNullable<DatagramOptions[K]>
  ) => UnsupportedOption | InvalidOption | undefined
  readonly getOption: <K extends keyof DatagramOptions>(name: K) => DatagramOptions[K] | UnsupportedOption
}

/**
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
 * What a platform that has datagrams brings.
 *
 * @since 0.1.0
 * @category models
 */
export interface DatagramPlatform {
  /** Makes a socket that is not bound yet: `open` does that. */
  readonly bind: (target: DatagramTarget) => DatagramTransport
  /** Says why the platform cannot do an option of a socket yet to be made. */
  readonly unsupported: (options: DatagramOptions, target: DatagramTarget | undefined) => UnsupportedOption | undefined
}
