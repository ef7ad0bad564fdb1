/**
 * A listening socket: what `Net.listen` gives.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ListenerTypeId } from "./internal/typeIds.js"
import type { InetAddress, NetAddress, UnixAddress } from "./NetAddress.js"
import type { InetSocket, Socket, UnixSocket } from "./Socket.js"
import type { AcceptError, ListenerClosed } from "./SocketError.js"

/**
 * The counts of a listener since it was made: accepted, refused and lost; and how many connections wait now.
 *
 * @since 0.1.0
 * @category models
 */
export interface ListenerStats {
  readonly accepted: number
  /** Connections that were cut at once because `backlog` connections already waited. */
  readonly refused: number
  /** Connections that the system could not hand over, because descriptors ran out for example. */
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
   * Waits for the next connection and gives it to the scope. `AcceptError` means that one connection was lost, and not the
   * listener: accept again. *Interruption* loses no connection.
   */
  readonly accept: Effect.Effect<Socket, AcceptError | ListenerClosed, Scope.Scope>
  /** Stops listening before the scope does; accepted connections continue. A second call fails with `ListenerClosed`. */
  readonly close: Effect.Effect<void, ListenerClosed>
  /** The counts of this moment. */
  readonly stats: Effect.Effect<ListenerStats>
}

/**
 * A listener on an address and port.
 *
 * @since 0.1.0
 * @category models
 */
export interface InetListener extends Listener {
  readonly address: InetAddress
  /** That of `address`: the port that the system chose, where it was asked for 0. */
  readonly port: number
  /** See `Listener.accept`; the connection has ports. */
  readonly accept: Effect.Effect<InetSocket, AcceptError | ListenerClosed, Scope.Scope>
}

/**
 * A listener on a Unix-domain socket.
 *
 * @since 0.1.0
 * @category models
 */
export interface UnixListener extends Listener {
  readonly address: UnixAddress
  /** That of `address`. An abstract name of Linux begins with NUL. */
  readonly path: string
  /** See `Listener.accept`; the connection has paths. */
  readonly accept: Effect.Effect<UnixSocket, AcceptError | ListenerClosed, Scope.Scope>
}

/**
 * The type of socket that a listener accepts: an `InetSocket` from an `InetListener`, a `Socket` where the kind is not
 * known.
 *
 * @since 0.1.0
 * @category models
 */
export type Accepted<L extends Listener> = Effect.Effect.Success<L["accept"]>
