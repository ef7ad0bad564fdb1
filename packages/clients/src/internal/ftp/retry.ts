/**
 * Trying again: which failures may pass, and how long to wait between the tries.
 */
import type {
  ConnectError,
  InvalidOption,
  MessageTooLong,
  SocketBroken,
  SocketClosed,
  SocketTimeout,
  UnsupportedOption
} from "@copas/core/SocketError"
import type { TlsError } from "@copas/core/TlsError"
import type { PlatformError } from "@effect/platform/Error"
import type * as Duration from "effect/Duration"
import * as Schedule from "effect/Schedule"
import type { ProxyError } from "../../Connector.js"
import type { FtpError } from "../../FtpError.js"

/** What calls fail with beside the errors of FTP. */
export type Other =
  | SocketClosed
  | SocketTimeout
  | SocketBroken
  | TlsError
  | ConnectError
  | ProxyError
  | InvalidOption
  | UnsupportedOption
  | MessageTooLong
  | PlatformError

const passing: {
  readonly connect: ReadonlySet<ConnectError["reason"]>
  readonly tls: ReadonlySet<TlsError["reason"]>
  readonly proxy: ReadonlySet<ProxyError["reason"]>
} = {
  connect: new Set([
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
  tls: new Set(["HandshakeTimeout", "ClosedInHandshake", "Overloaded"]),
  proxy: new Set(["TargetUnreachable", "Refused"])
}

export const canRetry = (error: FtpError | Other): boolean => {
  switch (error._tag) {
    case "ServiceUnavailable":
    case "SessionClosed":
    case "DataConnectionFailed":
    case "TransferIncomplete":
    // A command that may have done something is `OutcomeUnknown` instead.
    case "SocketTimeout":
    case "SocketBroken":
      return true
    case "SocketClosed":
      return error.by === "peer"
    case "FtpReplyError":
    case "LoginRefused":
    case "StorageExceeded":
      return error.severity === "transient"
    case "ConnectError":
      return passing.connect.has(error.reason)
    case "TlsError":
      return passing.tls.has(error.reason)
    case "ProxyError":
      return passing.proxy.has(error.reason)
    default:
      return false
  }
}

export interface RetryOptions {
  /** The pauses, each spread by a fifth either way; the last one is repeated. Default 1, 2, 5, 15 and 30 seconds. */
  readonly delays?: readonly [Duration.DurationInput, ...Array<Duration.DurationInput>] | undefined
  /** When it gives up. Default 5 minutes. */
  readonly within?: Duration.DurationInput | undefined
}

const usual = ["1 seconds", "2 seconds", "5 seconds", "15 seconds", "30 seconds"] as const

export const schedule = (options: RetryOptions = {}): Schedule.Schedule<number, FtpError | Other> => {
  const delays = options.delays ?? usual
  return Schedule.forever.pipe(
    Schedule.addDelay((count) => delays[Math.min(count, delays.length - 1)]!),
    Schedule.jittered,
    Schedule.whileInput(canRetry),
    Schedule.upTo(options.within ?? "5 minutes")
  )
}
