/**
 * Which failures of FTP's calls may pass.
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
import type * as Schedule from "effect/Schedule"
import type { ProxyError } from "../../Connector.js"
import type { FtpError } from "../../FtpError.js"
import { isPassing, type RetryOptions, schedule as scheduled } from "../retry.js"

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
    default:
      return isPassing(error)
  }
}

export const schedule = (options: RetryOptions = {}): Schedule.Schedule<number, FtpError | Other> =>
  scheduled(canRetry, {
    delays: options.delays ?? ["1 seconds", "2 seconds", "5 seconds", "15 seconds", "30 seconds"],
    within: options.within ?? "5 minutes"
  })
