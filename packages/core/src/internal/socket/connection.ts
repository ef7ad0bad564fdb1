/** What the halves of a socket know of the whole. */
import type { Platform } from "../../NetPlatform.js"
import type { TraceEvent } from "../../Socket.js"
import type { Failure, Transport } from "../../Transport.js"
import type { Flushable } from "../netState.js"
import type { Deadlines } from "../time/deadlines.js"
import type { Millis } from "../time/timeouts.js"
import type { Marked } from "./conversationEnd.js"

/** What the halves of stream and datagram sockets alike know. */
export interface Whole extends Marked {
  readonly id: number
  /** What errors call the socket. */
  readonly name: string
  readonly deadlines: Deadlines
  readonly timeouts: Millis
  readonly isClosing: boolean
  readonly traced: (event: TraceEvent["event"], bytes?: number) => void
}

/** What the halves of a stream socket know. `StreamSocket` implements it, and the unit tests have one of their own. */
export interface Connection extends Whole {
  readonly netState: {
    readonly platform: Pick<Platform, "byteLength" | "decode">
    readonly flushSoon: (outbound: Flushable) => void
  }
  /** Another one once a TLS handshake begins: it stands over the first. */
  readonly transport: Pick<Transport, "write" | "end" | "pause" | "resume">
  /** Reading pauses when this many bytes wait to be received. */
  readonly highWaterMark: number
  /** A send waits while more bytes than this wait to be sent. */
  readonly sendHighWaterMark: number
  /** Why the connection broke. */
  readonly failure: Failure | undefined
  /** The descriptor is being closed: nothing can be written any more. */
  readonly isReleased: boolean
  /** Another library reads and writes. */
  readonly isLent: boolean
  /** The system took the write that was under way. */
  readonly onProgress: () => void
  /** FIN went out. */
  readonly onSendEnd: () => void
}
