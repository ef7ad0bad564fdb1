/**
 * A server of the dispatcher: its options, its figures, and the handle that `Copas.addServer` returns.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { DatagramTimeouts } from "./DatagramOptions.js"
import type { DatagramSocket, Stats as DatagramStats } from "./DatagramSocket.js"
import type * as Listener from "./Listener.js"
import type { InvalidOption, ListenerClosed, SocketClosed } from "./SocketError.js"
import type { Timeouts } from "./SocketOptions.js"
import type { ErrorHandler } from "./Thread.js"

/**
 * The options of `Copas.addServer` for a listener.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerOptions<out RE = never> {
  /** Names the server; its sockets are `name:client_N`, its threads `name:handler_N`. Default the listener's address. */
  readonly name?: string | undefined
  /** Time-outs of the accepted sockets; those that are not named are the listener's. */
  readonly timeouts?: Timeouts | undefined
  /** How many connections may be open at once; more wait in the listener's backlog. Default: no limit of its own. */
  readonly maxConnections?: number | undefined
  /** Default true: the socket is closed when its handler ends. With false it is the caller's to close. */
  readonly autoClose?: boolean | undefined
  /**
   * How a connection ends after its handler, or a finalizer of it, failed. With `autoClose: false` it stays open.
   *
   * - `"close"` (default), as in Copas: what was sent is flushed, the connection is half-closed, and the peer gets the
   *   `linger` time to end its side. The peer cannot tell this from the end after a success, unless the protocol says
   *   where a message ends.
   * - `"reset"`: what was sent is flushed to the system, then the connection is reset (RST; RFC 9293, section 3.5.2), which
   *   the peer sees as a failure. The reset may discard what this system has not transmitted yet, and what the peer's
   *   system has not delivered. A Unix-domain connection has no reset and is closed.
   *
   * A handler that is interrupted has no time to wait: what it sent is handed to the system, then the connection is closed
   * or reset at once.
   */
  readonly afterFailure?: "close" | "reset" | undefined
  /** Gets the failures of this server's handlers in place of the dispatcher's handler. */
  readonly onError?: ErrorHandler<RE> | undefined
}

/**
 * The counts of a server since `addServer`, in addition to those of its listener.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerStats extends Listener.ListenerStats {
  /** Connections that the handler was ever given. */
  readonly connections: number
  /** Connections that are open now, including those that still flush. */
  readonly active: number
  readonly handlerFailures: number
}

/**
 * A server that the dispatcher runs. Its listener is the one that was given to `Copas.addServer`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Server<out L extends Listener.Listener = Listener.Listener> {
  readonly name: string
  readonly listener: L
  /** The counts of this moment. */
  readonly stats: Effect.Effect<ServerStats>
}

/**
 * The options of `Copas.addServer` for a datagram socket.
 *
 * @since 0.1.0
 * @category models
 */
export interface DatagramServerOptions<out RE = never> {
  /** Names the server; its thread is `name:handler`. Default the socket's name. */
  readonly name?: string | undefined
  /** Time-outs to set on the socket; those that are not named stay as they are. */
  readonly timeouts?: DatagramTimeouts | undefined
  /** Default false: when the handler ends, the socket stays open until its scope ends. */
  readonly autoClose?: boolean | undefined
  /** Gets the handler's failure in place of the dispatcher's handler. */
  readonly onError?: ErrorHandler<RE> | undefined
}

/**
 * A handler on a datagram socket that the dispatcher runs. It ends with its handler.
 *
 * @since 0.1.0
 * @category models
 */
export interface DatagramServer {
  readonly name: string
  readonly socket: DatagramSocket
  /** The counts of its socket. */
  readonly stats: Effect.Effect<DatagramStats>
}

/**
 * The options of `Copas.removeServer`.
 *
 * @since 0.1.0
 * @category models
 */
export interface RemoveOptions {
  /** Default false: the listener, or the datagram socket, is closed. With true it stays, and can be added again. */
  readonly keepOpen?: boolean | undefined
  /**
   * Default false: handlers that run continue. With true they are interrupted, their connections are closed, and
   * `removeServer` waits for both. A handler that calls it is not interrupted itself.
   */
  readonly interrupt?: boolean | undefined
}

/**
 * The type of `addServer`. The handler gets what the listener accepts: an `InetSocket` from an `InetListener`.
 *
 * @since 0.1.0
 * @category models
 */
export interface AddServer<out S> {
  <L extends Listener.Listener, E, R, RE = never>(
    listener: L,
    handler: (socket: Listener.Accepted<L>) => Effect.Effect<unknown, E, R>,
    options?: ServerOptions<RE>
  ): Effect.Effect<Server<L>, InvalidOption | ListenerClosed, Exclude<R | RE, Scope.Scope> | S>
  <E, R, RE = never>(
    socket: DatagramSocket,
    handler: (socket: DatagramSocket) => Effect.Effect<unknown, E, R>,
    options?: DatagramServerOptions<RE>
  ): Effect.Effect<DatagramServer, InvalidOption | SocketClosed, Exclude<R | RE, Scope.Scope> | S>
}
