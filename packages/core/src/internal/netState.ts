/** What the sockets of one network share. */
import type { DatagramSocket } from "../DatagramSocket.js"
import type { Platform } from "../NetPlatform.js"
import type { Socket, TraceEvent } from "../Socket.js"
import type { ClientContext } from "../TlsContext.js"
import { Observers } from "./observers.js"
import { atEndOfTurn } from "./time/eventLoop.js"
import { throwLater } from "./time/outOfBand.js"

/** What the network knows of a stream socket that is open. */
export interface OpenSocket extends Socket {
  /** Brings the two numbers up to date. */
  readonly count: () => void
  readonly inbound: { readonly bytes: number }
  readonly outbound: { readonly moved: number }
}

/** What has bytes queued that the network writes at the end of the turn. */
export interface Flushable {
  readonly flush: () => void
}

/**
 * What the sockets of one network share: the platform below, the registry of what is open, the sends of this turn.
 */
export class NetState {
  readonly platform: Platform
  readonly sockets = new Set<OpenSocket>()
  readonly datagramSockets = new Set<DatagramSocket>()
  /** Of every socket; a socket has its own on top. */
  readonly observers = new Observers<TraceEvent>()
  /** The context of `tls: true`, once a connection asked for it. */
  defaultClient: ClientContext | undefined = undefined
  /** Bytes of the stream sockets that are closed. */
  private closedBytes = { received: 0, sent: 0 }
  private dirty: Array<Flushable> = []

  constructor(platform: Platform) {
    this.platform = platform
  }

  /** Has `outbound` write what it queued when this turn of the event loop ends, joined with what comes until then. */
  flushSoon(outbound: Flushable): void {
    if (this.dirty.push(outbound) === 1) atEndOfTurn(this.flushDirty, this.platform.endOfTurn)
  }

  /** A socket is closed: what is left of it are its numbers. */
  forget(socket: OpenSocket): void {
    this.sockets.delete(socket)
    this.closedBytes.received += socket.inbound.bytes
    this.closedBytes.sent += socket.outbound.moved
  }

  /** Of every stream socket there ever was. */
  get bytes(): { readonly bytesReceived: number; readonly bytesSent: number } {
    let { received, sent } = this.closedBytes
    for (const socket of this.sockets) {
      socket.count()
      received += socket.inbound.bytes
      sent += socket.outbound.moved
    }
    return { bytesReceived: received, bytesSent: sent }
  }

  private readonly flushDirty = (): void => {
    const dirty = this.dirty
    this.dirty = []
    for (const outbound of dirty) {
      try {
        outbound.flush()
      } catch (error) {
        throwLater(error)
      }
    }
  }
}
