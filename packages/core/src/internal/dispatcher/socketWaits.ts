/** What fibers wait for on sockets, for the status and for stalled simulations. */
import type { DatagramSocket } from "../../DatagramSocket.js"
import type { Socket } from "../../Socket.js"
import type { State } from "../../Status.js"
import { DatagramEndpoint } from "../datagram/endpoint.js"
import { type AnyFiber, hasEnded } from "../effect/fibers.js"
import { StreamSocket } from "../socket/streamSocket.js"

/** What a fiber waits for: a socket, or a time. */
export interface Wait {
  readonly state: State
  readonly for: string
  /** On the clock of the deadlines. */
  readonly since: number | undefined
}

export interface SocketWait {
  readonly fiber: AnyFiber
  readonly wait: Wait
}

/** Gathered from the sockets when it is asked for: fibers keep no state of their own for this. */
export const socketWaits = (
  sockets: ReadonlyArray<Socket>,
  datagramSockets: ReadonlyArray<DatagramSocket>
): ReadonlyArray<SocketWait> => {
  const waits: Array<SocketWait> = []
  const note = (fiber: AnyFiber | undefined, wait: Wait): void => {
    if (fiber !== undefined && !hasEnded(fiber)) waits.push({ fiber, wait })
  }
  for (const socket of sockets) {
    if (!(socket instanceof StreamSocket)) continue
    for (const { fiber, operation, since } of socket.outbound.waits) {
      note(fiber, { state: "writing", for: `${operation} on ${socket.name}`, since })
    }
    if (socket.inbound.waiting) {
      note(socket.inbound.reader, {
        state: "reading",
        for: `receive on ${socket.name}`,
        since: socket.inbound.waitingSince
      })
    }
  }
  for (const socket of datagramSockets) {
    if (!(socket instanceof DatagramEndpoint)) continue
    for (const fiber of socket.inbound.readers) {
      note(fiber, { state: "reading", for: `receive on ${socket.name}`, since: undefined })
    }
  }
  return waits
}
