/**
 * Every error that a socket, a listener or a name look-up can give.
 *
 * There is one tag for each thing a caller does differently about. Each error says what was tried, on which address,
 * and what to do. All of them are `Schema.TaggedError`s, so they cross RPC and cluster boundaries; the platform's own
 * error is kept as `cause`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type { DatagramError } from "./DatagramError.js"
import type { DnsError } from "./DnsError.js"
import * as ErrorSummary from "./ErrorSummary.js"
import * as Advice from "./internal/advice.js"
import { isEndOf } from "./internal/socket/conversationEnd.js"
import { Operation } from "./internal/socket/operation.js"
import { counted } from "./internal/text.js"
import type { AcceptError, BindError, ConnectError, ListenerClosed } from "./OpeningError.js"
import type { TlsError } from "./TlsError.js"

export {
  /**
   * A handshake failed, or TLS could not be set up.
   *
   * @since 0.1.0
   * @category errors
   */
  TlsError
} from "./TlsError.js"

/**
 * The operation of a socket that failed.
 *
 * @since 0.1.0
 * @category models
 */
export { Operation }

export {
  AcceptError,
  AcceptReason,
  BindError,
  BindReason,
  ConnectError,
  ConnectReason,
  ListenerClosed,
  TransportKind
} from "./OpeningError.js"

/**
 * No byte moved for as long as the socket's time-out for the operation allows, or a message was not complete in its time
 * (`timeout: "message"`). The socket is still open.
 *
 * After a `receive` what had arrived is in `partial`, and is still in the socket for the next read. After a `send` the
 * rest of the call's bytes stays queued, so a protocol is rarely in a known state: most callers close the socket.
 *
 * @since 0.1.0
 * @category errors
 */
export class SocketTimeout
  extends Schema.TaggedError<SocketTimeout>("@copas/core/SocketError/SocketTimeout")("SocketTimeout", {
    operation: Operation,
    /** The socket's name. */
    socket: Schema.String,
    /** Which of the socket's time-outs ran out: what `SocketOptions.Timeouts` calls it. */
    timeout: Schema.Literal("connect", "send", "receive", "message"),
    /** How long it was, in milliseconds. */
    afterMillis: Schema.Number,
    /** The bytes that had arrived of those that were asked for. They are still there for the next read. */
    partial: Schema.Uint8ArrayFromBase64,
    /** How many bytes of this `send` the system had taken. */
    bytesSent: Schema.Number
  })
{
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    const progress = this.operation === "send"
      ? `${counted(this.bytesSent, "byte")} of it had been sent`
      : `${counted(this.partial.length, "byte")} had come, and can still be read`
    const millis = Math.round(this.afterMillis)
    const reason = this.timeout === "message"
      ? `the message was not complete ${millis} ms after its first byte`
      : `no byte moved for ${millis} ms`
    return `${this.socket}: ${this.operation} timed out: ${reason}; ${progress}; raise \`timeouts.${this.timeout}\` if ` +
      "the peer is only slow"
  }
}

/**
 * The connection is at its end: the peer finished sending (`by: "peer"`), or the socket was closed on this side
 * (`by: "here"`). A socket that was lent (`NodeSocket.lend` of `@copas/node`) is read and written by its borrower alone:
 * receiving and sending fail with `by: "lent"`.
 *
 * With an empty `partial` and `by: "peer"` it is the normal end of a conversation. What had arrived of an unfinished
 * line or record is in `partial`, and can still be read with `receive`.
 *
 * @since 0.1.0
 * @category errors
 */
export class SocketClosed
  extends Schema.TaggedError<SocketClosed>("@copas/core/SocketError/SocketClosed")("SocketClosed", {
    operation: Operation,
    /** The socket's name. */
    socket: Schema.String,
    by: Schema.Literal("peer", "here", "lent"),
    /** The bytes that had arrived of those that were asked for. */
    partial: Schema.Uint8ArrayFromBase64,
    /** How many bytes of this `send` the system had taken. */
    bytesSent: Schema.Number
  })
{
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    if (this.by === "lent") {
      return `${this.socket}: ${this.operation} on a socket that is lent; use the stream that \`lend\` gave`
    }
    if (this.by === "here") {
      const isSending = this.operation === "send" || this.operation === "shutdown"
      return `${this.socket}: ${this.operation} on a socket that was closed here${
        isSending ? ", or shut down for sending" : ""
      }; ${
        this.operation === "close" || this.operation === "shutdown" ? "once is enough" : "open a new one to continue"
      }`
    }
    return this.partial.length === 0
      ? `${this.socket}: the peer closed the connection`
      : `${this.socket}: the peer closed the connection after ${
        counted(this.partial.length, "byte")
      } of an unfinished message`
  }
}

/**
 * Why a connection broke.
 *
 * @since 0.1.0
 * @category models
 */
export const BrokenReason = Schema.Literal(
  "Reset",
  "BrokenPipe",
  "TimedOut",
  "Unreachable",
  "OutOfMemory",
  "Truncated",
  "Tls",
  "Unknown"
)

/**
 * The type of `BrokenReason`.
 *
 * @since 0.1.0
 * @category models
 */
export type BrokenReason = typeof BrokenReason.Type

/**
 * The connection broke: the peer reset it, or the network or the system gave it up. What had been sent may not have
 * arrived.
 *
 * @since 0.1.0
 * @category errors
 */
export class SocketBroken
  extends Schema.TaggedError<SocketBroken>("@copas/core/SocketError/SocketBroken")("SocketBroken", {
    operation: Operation,
    /** The socket's name. */
    socket: Schema.String,
    reason: BrokenReason,
    /** The bytes that had arrived of those that were asked for. */
    partial: Schema.Uint8ArrayFromBase64,
    /** How many bytes of this `send` the system had taken. */
    bytesSent: Schema.Number,
    cause: Schema.optional(Schema.Defect)
  })
{
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    const { cause, operation, reason, socket } = this
    const why = reason === "Unknown"
      ? Advice.unknown(cause)
      : reason === "Tls" && cause instanceof Error
      ? cause.message
      : Advice.broken[reason]
    return `${socket}: the connection broke during ${operation}: ${reason}: ${why}; what was under way on it is lost, ` +
      `and a client may connect again`
  }
}

/**
 * A line, or a record read with `receiveUntil`, was longer than its bound. Its bytes are still in the socket.
 *
 * @since 0.1.0
 * @category errors
 */
export class LineTooLong extends Schema.TaggedError<LineTooLong>("@copas/core/SocketError/LineTooLong")("LineTooLong", {
  /** The socket's name. */
  socket: Schema.String,
  /** The bound, in bytes, without the delimiter. */
  limit: Schema.Number
}) {
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    return `${this.socket}: the line or record does not end within ${
      counted(this.limit, "byte")
    }; raise \`maxLength\`, or close the connection`
  }
}

/**
 * There was more than the call allows: `receiveAll` met its bound, or a datagram is larger than can be sent. What had
 * arrived is still in the socket.
 *
 * @since 0.1.0
 * @category errors
 */
export class MessageTooLong
  extends Schema.TaggedError<MessageTooLong>("@copas/core/SocketError/MessageTooLong")("MessageTooLong", {
    operation: Operation,
    /** The socket's name. */
    socket: Schema.String,
    /** The bound, in bytes. */
    limit: Schema.Number
  })
{
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    return this.operation === "send"
      ? `${this.socket}: a datagram of more than ${
        counted(this.limit, "byte")
      } cannot be sent here; send less at a time`
      : `${this.socket}: more than ${counted(this.limit, "byte")} came before the peer finished; raise \`maxBytes\`, ` +
        `or read it in pieces with \`receive\``
  }
}

export { DatagramError, DatagramReason } from "./DatagramError.js"
export { DnsError, DnsReason } from "./DnsError.js"

/**
 * The platform cannot set or read a socket option. It is never silently dropped.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnsupportedOption
  extends Schema.TaggedError<UnsupportedOption>("@copas/core/SocketError/UnsupportedOption")("UnsupportedOption", {
    option: Schema.String,
    platform: Schema.String,
    why: Schema.String
  })
{
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    return `${this.platform} cannot do the option \`${this.option}\`: ${this.why}`
  }
}

/**
 * An option has a value that makes no sense: a port out of range, a negative time-out, a bound of zero.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidOption
  extends Schema.TaggedError<InvalidOption>("@copas/core/SocketError/InvalidOption")("InvalidOption", {
    option: Schema.String,
    /** The value that was given, as text. */
    value: Schema.String,
    /** The values that are right. */
    expected: Schema.String
  })
{
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    return `\`${this.option}\` is ${this.value}, but must be ${this.expected}`
  }
}

/**
 * The errors of reading.
 *
 * @since 0.1.0
 * @category errors
 */
export type ReceiveError = SocketClosed | SocketTimeout | SocketBroken

/**
 * The errors of sending.
 *
 * @since 0.1.0
 * @category errors
 */
export type SendError = SocketClosed | SocketTimeout | SocketBroken

/**
 * The errors of offering data to a stream socket. There is no time-out: `offer` does not wait.
 *
 * @since 0.1.0
 * @category errors
 */
export type OfferError = SocketClosed | SocketBroken

/**
 * The errors of receiving a datagram.
 *
 * @since 0.1.0
 * @category errors
 */
export type DatagramReceiveError = SocketClosed | SocketTimeout | DatagramError

/**
 * The errors of sending a datagram.
 *
 * @since 0.1.0
 * @category errors
 */
export type DatagramSendError = SocketClosed | SocketTimeout | DatagramError | MessageTooLong | InvalidOption

/**
 * The errors of offering a datagram.
 *
 * @since 0.1.0
 * @category errors
 */
export type DatagramOfferError = Exclude<DatagramSendError, SocketTimeout>

/**
 * Every error of this module.
 *
 * @since 0.1.0
 * @category errors
 */
export type SocketError =
  | ConnectError
  | BindError
  | AcceptError
  | ListenerClosed
  | SocketTimeout
  | SocketClosed
  | SocketBroken
  | LineTooLong
  | MessageTooLong
  | DatagramError
  | DnsError
  | UnsupportedOption
  | InvalidOption
  | TlsError

/**
 * True for the end of a conversation that is nobody's fault: the peer finished, and no message was cut. With `socket`,
 * only for the end of that one's: a proxy has to tell its client's end from its backend's. An error that was decoded, or
 * made by hand, is no socket's.
 *
 * @since 0.1.0
 * @category guards
 * @example
 * ```ts
 * import { SocketError } from "@copas/core"
 *
 * const end = new SocketError.SocketClosed({
 *   operation: "receive",
 *   socket: "echo:client_1",
 *   by: "peer",
 *   partial: new Uint8Array(0),
 *   bytesSent: 0
 * })
 * console.log(SocketError.isEndOfConversation(end)) // true
 * ```
 */
export const isEndOfConversation = (error: unknown, socket?: { readonly id: number }): boolean =>
  error instanceof SocketClosed && error.by === "peer" && error.operation === "receive" && error.partial.length === 0 &&
  (socket === undefined || isEndOf(error, socket))
