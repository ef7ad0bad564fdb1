/** What the receiving and the sending half of a stream socket know of the whole. */
import type { Platform } from "../../NetPlatform.js"
import type { TraceEvent } from "../../Socket.js"
import type { Failure, Transport } from "../../Transport.js"
import type { Flushable } from "../netState.js"
import type { Deadlines } from "../time/deadlines.js"
import type { Millis } from "../time/timeouts.js"
import type { Marked } from "./conversationEnd.js"

/** `StreamSocket` implements it; the unit tests of the halves have one of their own. */
export interface Connection extends Marked {
  readonly id: number
  /** What errors call the socket. */
  readonly name: string
  readonly netState: {
    readonly platform: Pick<Platform, "byteLength" | "decode">
    readonly flushSoon: (outbound: Flushable) => void
  }
  readonly deadlines: Deadlines
  /** Another one once a TLS handshake begins: it stands over the first. */
  readonly transport: Pick<Transport, "write" | "end" | "pause" | "resume">
  readonly timeouts: Millis
  /** Reading pauses when this many bytes wait to be received. */
  readonly highWaterMark: number
  /** A send waits while more bytes than this wait to be sent. */
  readonly sendHighWaterMark: number
  /** Why the connection broke. */
  readonly failure: Failure | undefined
  readonly isClosing: boolean
  /** The descriptor is being closed: nothing can be written any more. */
  readonly isReleased: boolean
  readonly traced: (event: TraceEvent["event"], bytes?: number) => void
  /** The system took the write that was under way. */
  readonly onProgress: () => void
  /** FIN went out. */
  readonly onSendEnd: () => void
}
