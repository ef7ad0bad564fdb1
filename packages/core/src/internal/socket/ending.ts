/** How a stream socket ends: flushing, half-closing, lingering, releasing; and which ends of a conversation are normal. */
import type * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import { type BrokenReason, isEndOfConversation, SocketBroken, SocketClosed } from "../../SocketError.js"
import type { Failure } from "../../Transport.js"
import * as Causes from "../effect/causes.js"
import { Deadline, type Deadlines } from "../time/deadlines.js"
import { isEndOf } from "./conversationEnd.js"
import type { Inbound } from "./inbound.js"
import type { Outbound } from "./outbound.js"

/** What an ending knows of its socket. */
interface Closing {
  readonly inbound: Pick<Inbound, "ended" | "discard">
  readonly outbound: Pick<Outbound, "ended" | "pending" | "flush" | "end">
  readonly deadlines: Deadlines
  readonly failure: Failure | undefined
  readonly isReleased: boolean
  /** Bytes that the system did not take yet; a lent socket has them beyond `outbound`. */
  readonly unsent: number
  readonly release: () => void
}

/** How long a closing socket waits, in milliseconds. */
export interface Lingering {
  readonly linger: number
  /** The same while what was sent is flushed: a slow peer's system takes it in bursts that are seconds apart. */
  readonly flushLinger: number
}

/** The end of a socket from when it begins to close until its descriptor is released. It is its own deadline. */
export class Ending extends Deadline {
  private readonly socket: Closing
  private readonly times: Lingering
  /** The descriptor is released by a reset. */
  resets = false
  private unsent = Infinity

  constructor(socket: Closing, times: Lingering) {
    super()
    this.socket = socket
    this.times = times
  }

  /**
   * Flushes and half-closes, then waits for the peer's end, so that what it has still in flight does not turn into a
   * reset that takes our last bytes with it (RFC 9112, section 9.6, describes the trap). All within the linger time.
   */
  finish(): void {
    const { socket } = this
    const { inbound, outbound } = socket
    if (socket.failure !== undefined) {
      socket.release()
      return
    }
    if (this.times.linger === 0) {
      // What was sent in this turn is only queued here: the system has to have it before it can do anything about it.
      outbound.flush()
      socket.release()
      return
    }
    inbound.discard()
    outbound.end()
    if (inbound.ended && outbound.ended && socket.unsent === 0) socket.release()
    if (!socket.isReleased) this.schedule()
  }

  /** The reset waits until the system has everything; a peer that takes nothing gets as long as for a flush. */
  flushAndReset(): void {
    const { socket } = this
    this.resets = true
    socket.inbound.discard()
    socket.outbound.flush()
    if (socket.failure !== undefined || this.times.linger === 0 || socket.outbound.pending === 0) socket.release()
    else this.schedule()
  }

  /** Hands what is queued to the system, and releases the descriptor. */
  cut(byReset: boolean): void {
    this.resets = byReset
    this.socket.outbound.flush()
    this.socket.release()
  }

  /** The system took more of what was sent: a slow peer may continue to be slow. */
  onProgress(): void {
    if (this.index === -1 || this.socket.isReleased) return
    if (this.resets && this.socket.outbound.pending === 0) this.socket.release()
    else this.schedule()
  }

  /** A lent socket does not report its progress. */
  expire(): void {
    const { unsent } = this.socket
    if (unsent > 0 && unsent < this.unsent && this.socket.outbound.ended) this.schedule()
    else this.socket.release()
    this.unsent = unsent
  }

  private schedule(): void {
    const { deadlines, outbound, unsent } = this.socket
    const { flushLinger, linger } = this.times
    deadlines.schedule(this, deadlines.now() + (outbound.ended && unsent === 0 ? linger : flushLinger))
  }
}

/**
 * A conversation that ran until the peer of this socket hung up between two messages has not failed, nor has one that ran
 * until the socket was closed here. Fibers that were interrupted because of that, as in an `Effect.all` of both
 * directions, do not make it a failure.
 */
export const isNormalEnd = (
  exit: Exit.Exit<unknown, unknown>,
  socket: { readonly id: number; readonly mark: number }
): boolean =>
  Exit.isFailure(exit) &&
  Causes.isMadeOf(exit.cause, (error) => isEndOfConversation(error, socket) || isClosedHere(error, socket))

/** The cause is only that the socket was closed here. */
export const isEndByClosing = (cause: Cause.Cause<unknown>, socket: object): boolean =>
  Causes.isMadeOf(cause, (error) => isClosedHere(error, socket))

const everyday: ReadonlySet<BrokenReason> = new Set(["Reset", "BrokenPipe", "TimedOut", "Unreachable", "Truncated"])

/** The cause is only that this socket's peer, or the network on the way, cut the connection. */
export const isBrokenByPeer = (cause: Cause.Cause<unknown>, socket: object): boolean =>
  Causes.isMadeOf(
    cause,
    (error) => error instanceof SocketBroken && everyday.has(error.reason) && isEndOf(error, socket)
  )

const isClosedHere = (error: unknown, socket: object): boolean =>
  error instanceof SocketClosed && error.by === "here" && isEndOf(error, socket)
