/**
 * The errors of sending and receiving datagrams. `SocketError` has them too, with all the others.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as ErrorSummary from "./ErrorSummary.js"
import * as Advice from "./internal/advice.js"
import { Operation } from "./internal/socket/operation.js"

/**
 * Why a datagram was not sent or did not arrive, as far as the system can tell.
 *
 * - `Refused`: nothing receives at the peer's port, as the peer's machine reported (ICMP); of a connected socket only
 * - `NotConnected`: `send` without a peer; `sendTo` says where
 * - `AlreadyConnected`: `sendTo` while there is a peer; `disconnect` first, or use `send`
 * - `MessageTooLong`: of `receive`, or of a later `send`: an earlier datagram was too large for the way to the peer
 * - `AccessDenied`: among others, a broadcast while the option `broadcast` is off
 * - `NotPermitted`: the option `permit` refused every address of the destination
 * - `ZoneMissing`: a link-local address (RFC 4007) without its interface, as in `fe80::1%eth0`
 * - `AddressInUse`, `AddressNotAvailable`: of `join`, the group was joined already, or there is no such interface
 * - `TooManyGroups`: of `join`, the system's bound (Linux: `net.ipv4.igmp_max_memberships`) is reached
 * - `TooManyOpenFiles`, `AddressInUse`: of `disconnect`, which on Linux may have to open the socket again
 *
 * @since 0.1.0
 * @category models
 */
export const DatagramReason = Schema.Literal(
  "Refused",
  "Unreachable",
  "HostNotFound",
  "LookupFailed",
  "NotConnected",
  "AlreadyConnected",
  "MessageTooLong",
  "AccessDenied",
  "NotPermitted",
  "ZoneMissing",
  "AddressInUse",
  "AddressNotAvailable",
  "TooManyGroups",
  "Unsupported",
  "TooManyOpenFiles",
  "OutOfMemory",
  "Unknown"
)

/**
 * The type of `DatagramReason`.
 *
 * @since 0.1.0
 * @category models
 */
export type DatagramReason = typeof DatagramReason.Type

/**
 * A datagram could not be sent, or the system reported that an earlier one did not arrive. The socket is as usable as
 * before: datagrams stand alone, so a refusal of one breaks nothing.
 *
 * @since 0.1.0
 * @category errors
 */
export class DatagramError
  extends Schema.TaggedError<DatagramError>("@copas/core/SocketError/DatagramError")("DatagramError", {
    reason: DatagramReason,
    operation: Operation,
    /** The socket's name. */
    socket: Schema.String,
    /** Where the datagram was to go, or the group that was to be joined. */
    target: Schema.String,
    cause: Schema.optional(Schema.Defect)
  })
{
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    const { cause, operation, reason, socket, target } = this
    const where = target === "" ? "" : ` (${target})`
    const why = reason === "Unknown"
      ? Advice.unknown(cause)
      : (operation === "join" ? Advice.join : Advice.datagram)[reason]
    return `${socket}: ${operation}${where} failed: ${reason}: ${why}`
  }
}
