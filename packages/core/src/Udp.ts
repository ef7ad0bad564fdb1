/**
 * Opens datagram sockets.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { BindOptions, ConnectOptions } from "./DatagramOptions.js"
import type { DatagramSocket } from "./DatagramSocket.js"
import { maxIpv4 } from "./internal/datagram/outbound.js"
import { Net } from "./Net.js"
import type { BindError, ConnectError, InvalidOption, SocketClosed, UnsupportedOption } from "./SocketError.js"

/**
 * The most bytes that one datagram carries over IPv4 (RFC 768, RFC 791); over IPv6 it carries 20 more. A datagram larger
 * than the path's MTU, about 1400 bytes on the internet, travels in fragments, and is lost if any of them is.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxDatagramSize: number = maxIpv4

/**
 * Binds a datagram socket to an address and port of this machine; the scope closes it.
 *
 * *Interruption* while binding leaves no descriptor.
 *
 * @since 0.1.0
 * @category accessors
 */
export const bind = (
  options: BindOptions = {}
): Effect.Effect<DatagramSocket, BindError | InvalidOption | UnsupportedOption, Net | Scope.Scope> =>
  Effect.flatMap(Net, (net) => net.bindUdp(options))

/**
 * Binds a datagram socket to a port that the system chooses, with one peer: `send` goes there, and the socket receives
 * only what the peer sends. Connecting sends nothing, so an absent peer is noticed only when a datagram is sent
 * (`DatagramError`, `Refused`).
 *
 * *Interruption* while the peer's name is looked up leaves no descriptor.
 *
 * @since 0.1.0
 * @category accessors
 */
export const connect = (
  options: ConnectOptions
): Effect.Effect<
  DatagramSocket,
  BindError | ConnectError | InvalidOption | UnsupportedOption | SocketClosed,
  Net | Scope.Scope
> => Effect.flatMap(Net, (net) => net.connectUdp(options))
