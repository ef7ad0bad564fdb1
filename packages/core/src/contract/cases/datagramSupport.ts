/** Datagram sockets for the cases of the contract. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { BindOptions } from "../../DatagramOptions.js"
import type { DatagramSocket } from "../../DatagramSocket.js"
import type { Net } from "../../Net.js"
import type { BindError, ConnectError, InvalidOption, SocketClosed, UnsupportedOption } from "../../SocketError.js"
import * as Udp from "../../Udp.js"
import { until } from "./support.js"

/** A socket on the loopback, on a port that the system chooses. */
export const bound = (
  options: BindOptions = {}
): Effect.Effect<DatagramSocket, BindError | InvalidOption | UnsupportedOption, Net | Scope.Scope> =>
  Udp.bind({ host: "127.0.0.1", ...options } as BindOptions)

/** A socket whose peer is `peer`. */
export const connectedTo = (
  peer: DatagramSocket
): Effect.Effect<
  DatagramSocket,
  BindError | ConnectError | InvalidOption | SocketClosed | UnsupportedOption,
  Net | Scope.Scope
> => Udp.connect({ host: "127.0.0.1", port: peer.port })

/** Waits until this many datagrams have arrived, including those that were dropped. */
export const came = (socket: DatagramSocket, datagrams: number): Effect.Effect<void> =>
  until(Effect.map(socket.stats, (stats) => stats.datagramsReceived + stats.dropped >= datagrams))

/** A port on which no socket receives. */
export const deadPort: Effect.Effect<number, BindError | InvalidOption | UnsupportedOption, Net> = Effect.scoped(
  Effect.map(bound(), (socket) => socket.port)
)
