/**
 * The options of stream sockets: for connecting, for listening, and for a socket that is open.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type { Family, NetAddress } from "./NetAddress.js"
import type { ClientContext, ConnectTlsOptions, ListenTlsOptions, ServerContext } from "./TlsContext.js"

/**
 * Options of the connection itself: for `connect`, for the sockets that a listener accepts, and for `socket.setOption`. An
 * option that the platform cannot set fails with `UnsupportedOption`; none is dropped silently.
 *
 * @since 0.1.0
 * @category models
 */
export interface SocketOptions {
  /** Send small packets at once (TCP_NODELAY). Default true: the library joins the sends of one turn itself. */
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
  /** Accept a connection when its first data has come, or after this time (TCP_DEFER_ACCEPT). */
  readonly deferAccept?: Duration.DurationInput | undefined
  /** Send only to what is on the same link (SO_DONTROUTE). */
  readonly dontRoute?: boolean | undefined
  /** Use this interface only (SO_BINDTODEVICE). */
  readonly bindToDevice?: string | undefined
}

/**
 * The options that `connect` and `listen` have in common.
 *
 * @since 0.1.0
 * @category models
 */
export interface CommonOptions extends SocketOptions {
  readonly timeouts?: Timeouts | undefined
  /**
   * How long leaving the scope may take: first from the last byte that moved, while what was sent is flushed (default 30
   * seconds), then once more for the peer to finish (default 2 seconds). After that the connection is cut.
   *
   * Zero does not wait: the socket hands what was sent to the system in one write of at most 128 KiB, unless another write
   * is under way, and closes the connection at once. What the system does not take is dropped, and unread bytes of the
   * peer turn the close into a reset. (LuaSocket's `linger` with a time-out of zero always resets.)
   */
  readonly linger?: Duration.DurationInput | undefined
  /** The socket stops reading from the system while this many bytes wait unread. Default 128 KiB. */
  readonly highWaterMark?: number | undefined
  /** `send` waits while more than this many bytes wait to go out. Default 256 KiB. */
  readonly sendHighWaterMark?: number | undefined
  readonly name?: string | undefined
}

interface ConnectCommonOptions extends CommonOptions {
  /**
   * Do a TLS handshake before `connect` returns the socket. `true` verifies the server by the platform's authorities and
   * the host's name.
   */
  readonly tls?: boolean | ClientContext | ConnectTlsOptions | undefined
  /**
   * The most bytes that one read of the system may bring, where the platform lets a program choose. Large reads make
   * bulk transfers cheaper, and cost a buffer of that size for as long as the connection lasts. The default is the
   * platform's (64 KiB on Node, without a buffer while nothing arrives). Do not set it on connections that use TLS.
   */
  readonly readSize?: number | undefined
  /**
   * Decides which addresses may be connected to: of a host name, a numeric address or a path. It is asked about each
   * address just before that one is tried, and only `true` permits it. So the address that was checked is the one that is
   * connected to: no second look-up lies between. If no permitted address is left, connecting fails with `ConnectError`,
   * reason `NotPermitted`.
   *
   * It runs for each address in a race, so it should be quick. If it throws, `connect` dies with what was thrown; a result
   * other than `true` or `false` (a promise) is `InvalidOption`. Default: every address.
   */
  readonly permit?: ((address: NetAddress) => boolean) | undefined
}

/**
 * Options for connecting to a host and port.
 *
 * @since 0.1.0
 * @category models
 */
export interface InetConnectOptions extends ConnectCommonOptions {
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

/**
 * Options for connecting to a Unix-domain socket.
 *
 * @since 0.1.0
 * @category models
 */
export interface UnixConnectOptions extends ConnectCommonOptions {
  /** A path, or, after a NUL, an abstract name of Linux. */
  readonly path: string
  readonly host?: undefined
  readonly port?: undefined
}

/**
 * Where to connect to, and how: by host and port, or by path.
 *
 * @since 0.1.0
 * @category models
 */
export type ConnectOptions = InetConnectOptions | UnixConnectOptions

interface ListenCommonOptions extends CommonOptions {
  /** How many connections may wait to be accepted: this many in the system, and as many again here. Default 511. */
  readonly backlog?: number | undefined
  /**
   * Do a TLS handshake with each peer that connects: only connections whose handshake is done are accepted. A failed
   * handshake is an `AcceptError`, reason `Handshake`.
   */
  readonly tls?: ServerContext | ListenTlsOptions | undefined
}

/**
 * Options for listening on an address and port.
 *
 * @since 0.1.0
 * @category models
 */
export interface InetListenOptions extends ListenCommonOptions {
  /** A name or a numeric address of this machine. Default `"127.0.0.1"`; `"0.0.0.0"` or `"::"` listen to all. */
  readonly host?: string | undefined
  /** 0 lets the system choose; `listener.port` is the port that it chose. */
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

/**
 * Options for listening on a Unix-domain socket.
 *
 * @since 0.1.0
 * @category models
 */
export interface UnixListenOptions extends ListenCommonOptions {
  /**
   * A file that is removed when the listener closes, or, after a NUL, an abstract name of Linux. A path has at most about
   * 107 bytes (`PathTooLong`).
   */
  readonly path: string
  /** The permissions of the file, which decide who may connect: `0o600` for example. At no moment does it have more. */
  readonly mode?: number | undefined
  /**
   * Replace a socket file that a process left behind and on which no process listens. Default true. A file that is not
   * a socket is never touched.
   */
  readonly takeOver?: boolean | undefined
  readonly host?: undefined
  readonly port?: undefined
}

/**
 * Where to listen, and how: on a host and port, or on a path.
 *
 * @since 0.1.0
 * @category models
 */
export type ListenOptions = InetListenOptions | UnixListenOptions

/**
 * The time-outs of a socket. `send` and `receive` count from the last byte that moved in their direction, so a slow
 * transfer that continues does not time out; `message` bounds it. Zero allows only what can be done at once. A time-out
 * that is not set never expires.
 *
 * @since 0.1.0
 * @category models
 */
export interface Timeouts {
  /** For making the connection, including the look-up of names and the TLS handshake. */
  readonly connect?: Duration.DurationInput | undefined
  readonly send?: Duration.DurationInput | undefined
  readonly receive?: Duration.DurationInput | undefined
  /**
   * For receiving a whole message: what one call of `receiveLine`, `receiveExactly`, `receiveUntil` or `receiveAll` waits
   * for, and each line of `forEachLine`. It counts from when the call finds the message's first byte until the message is
   * complete, and bounds a peer that sends a byte at a time, which `receive` does not. A call that was interrupted, or
   * that `receive` timed out, leaves it running for the next call. `receive()`, which takes whatever has arrived, has no
   * message.
   */
  readonly message?: Duration.DurationInput | undefined
}

/**
 * Options of `Socket.receive`.
 *
 * @since 0.2.0
 * @category models
 */
export interface ReceiveOptions {
  /** The most bytes. Default no bound. */
  readonly maxBytes?: number | undefined
  /** Take all that has arrived as one chunk, which is a copy if it came in several. Default false. */
  readonly joined?: boolean | undefined
  /**
   * Where `joined` copies to, so that each call can use the same memory: the chunk is the filled part of it, or bytes that
   * needed no copy, and no more than fit are taken.
   */
  readonly into?: Uint8Array | undefined
}

/**
 * The options of `receiveLine`, `forEachLine` and `lines`.
 *
 * @since 0.1.0
 * @category models
 */
export interface LineOptions {
  /** The most bytes before the line feed; `LineTooLong` past it. Default 65536. */
  readonly maxLength?: number | undefined
  /** Default `"utf-8"`, with U+FFFD for invalid bytes. `"latin1"` keeps each byte as one character. */
  readonly encoding?: "utf-8" | "latin1" | undefined
}

/**
 * The options of `stream`.
 *
 * @since 0.1.0
 * @category models
 */
export interface StreamOptions {
  /** Ends after this many bytes; what follows stays in the socket. An earlier end fails with `SocketClosed`. */
  readonly length?: number | undefined
}

/**
 * The options of `sink`.
 *
 * @since 0.1.0
 * @category models
 */
export interface SinkOptions {
  /** Half-close at the end of the stream. Default false: the socket stays open. */
  readonly endOnDone?: boolean | undefined
}
