/** Which reason a typed error shows for a platform's failure. */
import { AcceptReason, BindReason, BrokenReason, ConnectReason, DatagramReason } from "../../SocketError.js"
import type { Failure } from "../../Transport.js"

/** The failure's own reason where the error has it, else its next of kin. */
const narrow = <R extends string>(
  { literals }: { readonly literals: ReadonlyArray<R> },
  kin: { readonly [K in Failure["reason"]]?: R } = {}
): (reason: Failure["reason"] | R) => R | "Unknown" => {
  const known: ReadonlySet<string> = new Set(literals)
  return (reason) => known.has(reason) ? reason as R : kin[reason as Failure["reason"]] ?? "Unknown"
}

export const connectReason = narrow(ConnectReason, { Aborted: "Reset", BrokenPipe: "Reset" })

export const bindReason = narrow(BindReason, { TimedOut: "LookupFailed", Unreachable: "AddressNotAvailable" })

export const acceptReason = narrow(AcceptReason)

export const brokenReason = narrow(BrokenReason, {
  Aborted: "Reset",
  // Of a connection that was taken over before it stood.
  Refused: "Reset",
  AccessDenied: "Unreachable",
  AddressNotAvailable: "Unreachable",
  ZoneMissing: "Unreachable"
})

export const datagramReason = narrow(DatagramReason)
