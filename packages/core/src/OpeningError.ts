/**
 * The errors of connecting, listening and accepting. `SocketError` has them too, with all the others.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as ErrorSummary from "./ErrorSummary.js"
import * as Advice from "./internal/advice.js"
import { counted } from "./internal/text.js"

/**
 * The kind of an address: a host and port of TCP or UDP, or a Unix-domain path. The advice of an error depends on it.
 *
 * @since 0.1.0
 * @category models
 */
export const TransportKind = Schema.Literal("tcp", "udp", "unix")

/**
 * The type of `TransportKind`.
 *
 * @since 0.1.0
 * @category models
 */
export type TransportKind = typeof TransportKind.Type

/**
 * Why a connection could not be made.
 *
 * `AddressNotAvailable`, `AddressInUse` and `AccessDenied` are about the local end, the others about the remote end.
 *
 * - `ZoneMissing`: a link-local address (RFC 4007) without its interface, or with one that this machine does not have
 * - `NotPermitted`: the option `permit` refused every address, so none was tried
 *
 * Of a path:
 *
 * - `Refused`: a socket is there, and nothing listens on it
 * - `PathNotFound`: nothing is there
 * - `NotASocket`: a file or a folder is there
 * - `WrongSocketType`: the socket there is not for streams
 * - `BacklogFull`: as many connections wait to be accepted as the listener allows; some systems say `Refused` instead
 * - `BadPath`: a part of the path is not a folder, or its symbolic links form a loop
 * - `PathTooLong`: it does not fit into an address of the system (unix(7))
 * - `FileSystemFailed`, `Unsupported`: the file system failed, or has no sockets
 *
 * @since 0.1.0
 * @category models
 */
export const ConnectReason = Schema.Literal(
  "Refused",
  "TimedOut",
  "Unreachable",
  "HostNotFound",
  "LookupFailed",
  "Reset",
  "AddressInUse",
  "AddressNotAvailable",
  "AccessDenied",
  "ZoneMissing",
  "NotPermitted",
  "PathNotFound",
  "PathTooLong",
  "BadPath",
  "NotASocket",
  "WrongSocketType",
  "BacklogFull",
  "FileSystemFailed",
  "Unsupported",
  "TooManyOpenFiles",
  "OutOfMemory",
  "Unknown"
)

/**
 * The type of `ConnectReason`.
 *
 * @since 0.1.0
 * @category models
 */
export type ConnectReason = typeof ConnectReason.Type

/**
 * A connection could not be made: `Net.connect` failed before there was a socket.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConnectError extends Schema.TaggedError<ConnectError>("@copas/core/SocketError/ConnectError")(
  "ConnectError",
  {
    reason: ConnectReason,
    /** The host and port, or the path, as the caller gave it. */
    target: Schema.String,
    /** The kind of address that `target` is. */
    transport: Schema.optionalWith(TransportKind, { default: () => "tcp" }),
    /** Every address that was tried, or that `permit` refused, in order, with the reason of each. */
    attempts: Schema.Array(Schema.Struct({ address: Schema.String, reason: ConnectReason })),
    cause: Schema.optional(Schema.Defect)
  }
) {
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    const { attempts, cause, reason, target, transport } = this
    const why = reason === "Unknown" ? Advice.unknown(cause) : Advice.adviceFor(Advice.connect[reason], transport)
    const tried = attempts.length > 1
      ? ` (tried ${attempts.map((attempt) => `${attempt.address}: ${attempt.reason}`).join(", ")})`
      : ""
    return `Could not connect to ${target}: ${reason}: ${why}${tried}`
  }
}

/**
 * Why an address could not be listened on or bound.
 *
 * - `ZoneMissing`: a link-local address (RFC 4007) without its interface, or with one that this machine does not have
 *
 * Of a path:
 *
 * - `AddressInUse`: a socket is there already
 * - `NotASocket`: a file, a folder or a link that leads to no socket is in the way; it was left alone
 * - `PathNotFound`: its folder is not there
 * - `BadPath`, `PathTooLong`, `FileSystemFailed`, `Unsupported`: as in `ConnectReason`
 *
 * @since 0.1.0
 * @category models
 */
export const BindReason = Schema.Literal(
  "AddressInUse",
  "AccessDenied",
  "AddressNotAvailable",
  "HostNotFound",
  "LookupFailed",
  "ZoneMissing",
  "PathNotFound",
  "PathTooLong",
  "BadPath",
  "NotASocket",
  "FileSystemFailed",
  "Unsupported",
  "TooManyOpenFiles",
  "OutOfMemory",
  "Unknown"
)

/**
 * The type of `BindReason`.
 *
 * @since 0.1.0
 * @category models
 */
export type BindReason = typeof BindReason.Type

/**
 * An address could not be bound.
 *
 * @since 0.1.0
 * @category errors
 */
export class BindError extends Schema.TaggedError<BindError>("@copas/core/SocketError/BindError")("BindError", {
  reason: BindReason,
  /** The host and port, or the path, as the caller gave it. */
  target: Schema.String,
  /** The kind of address that `target` is. */
  transport: Schema.optionalWith(TransportKind, { default: () => "tcp" }),
  cause: Schema.optional(Schema.Defect)
}) {
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    const { cause, reason, target, transport } = this
    const why = reason === "Unknown" ? Advice.unknown(cause) : Advice.adviceFor(Advice.bind[reason], transport)
    return `Could not ${transport === "udp" ? "bind" : "listen on"} ${target}: ${reason}: ${why}`
  }
}

/**
 * Why a listener could not take over a connection. `Handshake`: TLS failed with that peer.
 *
 * @since 0.1.0
 * @category models
 */
export const AcceptReason = Schema.Literal(
  "TooManyOpenFiles",
  "OutOfMemory",
  "AccessDenied",
  "Aborted",
  "Handshake",
  "Unknown"
)

/**
 * The type of `AcceptReason`.
 *
 * @since 0.1.0
 * @category models
 */
export type AcceptReason = typeof AcceptReason.Type

/**
 * A listener could not take over a connection that had come in. The listener continues: accepting again is right.
 *
 * @since 0.1.0
 * @category errors
 */
export class AcceptError extends Schema.TaggedError<AcceptError>("@copas/core/SocketError/AcceptError")("AcceptError", {
  /** For `Handshake` the cause is the `TlsError` of the last one. */
  reason: AcceptReason,
  /** The listener's address. */
  address: Schema.String,
  /** How many connections failed in this way since the error before. */
  count: Schema.Number,
  cause: Schema.optional(Schema.Defect)
}) {
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    const { address, cause, count, reason } = this
    const why = reason === "Handshake"
      ? `TLS could not be agreed on${cause instanceof Error ? `; ${cause.message}` : ""}`
      : reason === "Unknown"
      ? Advice.unknown(cause)
      : Advice.accept[reason]
    return `Could not accept ${counted(count, "connection")} on ${address}: ${reason}: ${why}`
  }
}

/**
 * The listener was closed, so nothing more can be accepted on it.
 *
 * @since 0.1.0
 * @category errors
 */
export class ListenerClosed
  extends Schema.TaggedError<ListenerClosed>("@copas/core/SocketError/ListenerClosed")("ListenerClosed", {
    /** The listener's address. */
    address: Schema.String
  })
{
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    return `The listener on ${this.address} is closed; bind a new one with Net.listen`
  }
}
