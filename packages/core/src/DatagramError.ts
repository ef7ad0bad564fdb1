/**
 * What sending and receiving datagrams can fail with. `SocketError` has it too, with all the others.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as ErrorSummary from "./ErrorSummary.js"
import { Operation } from "./internal/socket/operation.js"

/**
 * Why a datagram was not sent or did not arrive, as far as the system can tell.
 *
 * - `Refused`: nobody receives at the peer's port, as the peer's machine reported (ICMP); of a connected socket only
 * - `NotConnected`: `send` without a peer; `sendTo` says where
 * - `AlreadyConnected`: `sendTo` while there is a peer; `disconnect` first, or use `send`
 * - `AccessDenied`: among others, a broadcast while the option `broadcast` is off
 * - `AddressInUse`, `AddressNotAvailable`: of `join`, the group was joined already, or there is no such interface
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
  "AccessDenied",
  "AddressInUse",
  "AddressNotAvailable",
  "OutOfMemory",
  "Unknown"
)

/**
 * @since 0.1.0
 * @category models
 */
export type DatagramReason = typeof DatagramReason.Type

const datagramAdvice: Record<DatagramReason, string> = {
  Refused: "nobody receives there; check the port, or start the peer",
  Unreachable: "there is no route to it from here; check the network, the address family and the socket's own address",
  HostNotFound: "no such name; check the spelling or the name server",
  LookupFailed: "the name server did not answer usefully; try again later",
  NotConnected: "the socket has no peer; use `sendTo`, or `connect` first",
  AlreadyConnected: "the socket has a peer; use `send`, or `disconnect` first",
  AccessDenied: "the system forbids it; a broadcast wants the option `broadcast`, else check the firewall rules",
  AddressInUse: "the socket is a member of the group already",
  AddressNotAvailable: "there is no such address or interface on this machine",
  OutOfMemory: "the system has no room for it; send slower, or try again later",
  Unknown: "see the cause"
}

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
    const where = this.target === "" ? "" : ` (${this.target})`
    return `${this.socket}: ${this.operation}${where} failed: ${this.reason}: ${datagramAdvice[this.reason]}`
  }
}
