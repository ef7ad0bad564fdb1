/**
 * The contract between this library and a platform: how sockets are opened. See `Transport` for the sockets themselves.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { DatagramPlatform } from "./DatagramTransport.js"
import type { Family, NetAddress } from "./NetAddress.js"
import type { InvalidOption, UnsupportedOption } from "./SocketError.js"
import type { SocketOptions } from "./SocketOptions.js"
import type { TlsPlatform } from "./TlsTransport.js"
import type { Failure, ListenEvents, ListenTransport, Transport } from "./Transport.js"

/**
 * Where to connect to: one numeric address, or a path.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectTarget {
  readonly address: NetAddress
  readonly localAddress: string | undefined
  readonly localPort: number | undefined
  /** How many bytes one read may bring, if the platform lets that be chosen. */
  readonly readSize?: number | undefined
  readonly options: SocketOptions
}

/**
 * Where and how to listen: one numeric address, or a path. Every default has been filled in.
 *
 * @since 0.1.0
 * @category models
 */
export interface ListenTarget {
  readonly address: NetAddress
  readonly backlog: number
  readonly ipv6Only: boolean
  readonly reuseAddress: boolean
  readonly reusePort: boolean
  /** For a path: the permissions of its file. */
  readonly mode: number | undefined
  /** For a path: replace a socket file on which no process listens. */
  readonly takeOver: boolean
  /** For every socket that is accepted. */
  readonly options: SocketOptions
}

/**
 * One numeric address that a name stands for.
 *
 * @since 0.1.0
 * @category models
 */
export interface HostAddress {
  readonly host: string
  readonly family: Family
}

/**
 * A hash that is fed piece by piece.
 *
 * @since 0.2.0
 * @category models
 */
export interface IncrementalHash {
  /** Hashes the next bytes. */
  readonly update: (bytes: Uint8Array) => void
  /** The result. Nothing is called after it. */
  readonly digest: () => Uint8Array
}

/**
 * A platform's functions for protocols that hash, prove and sign: each where it has something better than every
 * runtime has.
 *
 * @since 0.2.0
 * @category models
 */
export interface CryptoPlatform {
  /** Hashes piece by piece, which WebCrypto cannot, faster than JavaScript does. */
  readonly hash?: ((algorithm: "sha1" | "sha256") => IncrementalHash) | undefined
  /** Random bytes, from a seed in a simulation. Default: the runtime's `crypto.getRandomValues`. */
  readonly randomBytes?: ((length: number) => Uint8Array) | undefined
  /**
   * True if nothing may be computed outside of the event loop: a simulation's clock takes the wait for another thread
   * for idleness, and moves on.
   */
  readonly isSynchronous?: boolean | undefined
}

/**
 * The functions that a platform implements: making transports, looking names up, and reporting when a turn of its event
 * loop ends.
 *
 * `connect` and `listen` start at once and return at once; an event reports how it went. So the caller always holds what
 * has to be released, and an interruption leaks nothing.
 *
 * @since 0.1.0
 * @category models
 */
export interface Platform {
  /** The name that `UnsupportedOption` shows. */
  readonly name: string
  /** Runs `task` when everything that is ready in this turn of the event loop has run. It joins the sends of a turn. */
  readonly endOfTurn: (task: () => void) => void
  /** Begins to connect; the events of the transport report how it went. */
  readonly connect: (target: ConnectTarget) => Transport
  /** Begins to listen; `events` reports how it went, and each connection. */
  readonly listen: (target: ListenTarget, events: ListenEvents) => ListenTransport
  /** Where the platform has TLS. */
  readonly tls?: TlsPlatform | undefined
  /** Where the platform has better cryptography than every runtime. */
  readonly crypto?: CryptoPlatform | undefined
  /** Datagram sockets, where the platform has them. */
  readonly datagrams?: DatagramPlatform | undefined
  /** The addresses of a name, in the order of preference. */
  readonly lookup: (host: string, family: Family | undefined) => Effect.Effect<ReadonlyArray<HostAddress>, Failure>
  /**
   * True if `lookup` asks about each family separately: connecting then asks about both at once, and begins with the
   * family that is known first (RFC 8305, section 3). Default false: one question for both, as getaddrinfo does it.
   */
  readonly asksByFamily?: boolean | undefined
  /**
   * Returns why the platform cannot do an option of a socket that is to be made, or `undefined` if it can. `path` is that
   * of a Unix-domain socket.
   */
  readonly unsupported: (
    options: SocketOptions,
    listen: ListenTarget | undefined,
    path: string | undefined
  ) => UnsupportedOption | InvalidOption | undefined
  /** The number of bytes of `text` in UTF-8. */
  readonly byteLength: (text: string) => number
  /** Decodes a part of a chunk; a platform may have a faster one than `TextDecoder`. Invalid bytes become U+FFFD. */
  readonly decode: (chunk: Uint8Array, start: number, end: number, encoding: "utf-8" | "latin1") => string
}
