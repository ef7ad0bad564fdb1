/**
 * A listening socket: what `Net.listen` gives.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ListenerTypeId } from "./internal/typeIds.js"
import type { NetAddress } from "./NetAddress.js"
import type { Socket } from "./Socket.js"
import type { AcceptError, ListenerClosed } from "./SocketError.js"

/**
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
  readonly stats: Effect.Effect<ListenerStats>
}
