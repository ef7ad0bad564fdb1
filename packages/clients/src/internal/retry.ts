/**
 * Trying again, of every client: which failures to connect may pass, and how long to wait between the tries.
 */
import type { ConnectError } from "@copas/core/SocketError"
import type { TlsError } from "@copas/core/TlsError"
import type * as Duration from "effect/Duration"
import * as Schedule from "effect/Schedule"
import type { ProxyError } from "../Connector.js"

const passing: {
  readonly ConnectError: ReadonlySet<ConnectError["reason"]>
  readonly TlsError: ReadonlySet<TlsError["reason"]>
  readonly ProxyError: ReadonlySet<ProxyError["reason"]>
} = {
  ConnectError: new Set([
    "Refused",
    "TimedOut",
    "Unreachable",
    "LookupFailed",
    "Reset",
    "AddressInUse",
    "AddressNotAvailable",
    "BacklogFull",
    "TooManyOpenFiles",
    "OutOfMemory"
  ]),
  TlsError: new Set(["HandshakeTimeout", "ClosedInHandshake", "Overloaded"]),
  ProxyError: new Set(["TargetUnreachable", "Refused"])
}

/** Whether a connection could not be made for a reason that may pass. A name that is not there, a certificate and a log-in stay. */
export const isPassing = (error: unknown): boolean => {
  const { _tag, reason } = (error ?? {}) as { readonly _tag?: unknown; readonly reason?: unknown }
  return (_tag === "ConnectError" || _tag === "TlsError" || _tag === "ProxyError") &&
    (passing[_tag] as ReadonlySet<unknown>).has(reason)
}

/** How a schedule waits. */
export interface RetryOptions {
  /** The pauses, each spread by a fifth either way; the last one is repeated. */
  readonly delays?: readonly [Duration.DurationInput, ...Array<Duration.DurationInput>] | undefined
  /** When it gives up. */
  readonly within?: Duration.DurationInput | undefined
}

/** Waits while `canRetry` holds. */
export const schedule = <E>(
  canRetry: (error: E) => boolean,
  { delays, within }: { readonly [K in keyof RetryOptions]-?: NonNullable<RetryOptions[K]> }
): Schedule.Schedule<number, E> =>
  Schedule.forever.pipe(
    Schedule.addDelay((count) => delays[Math.min(count, delays.length - 1)]!),
    Schedule.jittered,
    Schedule.whileInput(canRetry),
    Schedule.upTo(within)
  )
