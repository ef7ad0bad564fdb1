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
