/**
 * Takes over sockets of `node:net` as sockets of this library.
 *
 * @since 0.1.0
 */
import { Net } from "@copas/core/Net"
import type * as CopasSocket from "@copas/core/Socket"
import type { InvalidOption, UnsupportedOption } from "@copas/core/SocketError"
import type { CommonOptions } from "@copas/core/SocketOptions"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as NodeNet from "node:net"
import { NodeTransport } from "./internal/net/transport.js"

/** A connected socket that has no address is a Unix-domain one. */
const isUnix = (socket: NodeNet.Socket): boolean =>
  !socket.connecting && !socket.destroyed && !("port" in socket.address())

/**
 * Takes over a connected socket of `node:net`: from now on the library reads and writes it, and the scope closes it.
 *
 * Make the socket with `allowHalfOpen: true`: without it Node ends the sending side as soon as the peer finishes, so
 * replies to a peer that half-closes can be lost. Bytes that Node had buffered are delivered first. The program must not
 * read from or write to the Node socket afterwards.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromNodeSocket = (
  socket: NodeNet.Socket,
  options?: CommonOptions
): Effect.Effect<CopasSocket.Socket, InvalidOption | UnsupportedOption, Net | Scope.Scope> =>
  Effect.flatMap(Net, (net) =>
    net.adopt(() => {
      socket.removeAllListeners("data")
      socket.removeAllListeners("end")
      socket.allowHalfOpen = true
      return new NodeTransport(socket, isUnix(socket) ? "" : undefined, options ?? {})
    }, options))
