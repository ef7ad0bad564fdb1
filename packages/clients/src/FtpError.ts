/**
 * The errors of FTP sessions, transfers and listings. Calls also fail with the errors of their sockets.
 *
 * There is one tag for each thing that a caller does differently. The error of a refused command has the command (without
 * its secrets), the code and the lines, and says whether trying again can help. All are `Schema.TaggedError`s, so they
 * cross RPC and cluster boundaries.
 *
 * The text of a reply never decides which error it is: the code, the command, and what the session knows do. Where FTP
 * itself leaves that open, the documentation of the tag says so.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Errors from "./internal/errors.js"
import type {
  DataNotDecoded,
  ListingNotUnderstood,
  ListingTooLong,
  UnsafeFileName
} from "./internal/ftp/listingErrors.js"
import * as Retry from "./internal/ftp/retry.js"
import type {
  InvalidArgument,
  ProtocolViolation,
  ReplyTooLong,
  ServiceUnavailable,
  SessionClosed,
  Severity
} from "./ReplyError.js"
import { severity } from "./ReplyError.js"

export {
  /**
   * An argument cannot be sent, or is not what the call requires. Nothing was sent.
   *
   * @since 0.1.0
   * @category errors
   */
  InvalidArgument,
  /**
   * The server sent something that is not FTP, or not an answer to the command.
   *
   * @since 0.1.0
   * @category errors
   */
  ProtocolViolation,
  /**
   * A reply does not end within its bound. The session ends.
   *
   * @since 0.1.0
   * @category errors
   */
  ReplyTooLong,
  /**
   * The server closed the session (421). A new one may work later.
   *
   * @since 0.1.0
   * @category errors
   */
  ServiceUnavailable,
  /**
   * The session ended before this call, which sent nothing.
   *
   * @since 0.1.0
   * @category errors
   */
  SessionClosed,
  /**
   * Whether a refusal is transient (4yz) or permanent (5yz).
   *
   * @since 0.1.0
   * @category models
   */
  type Severity,
  /**
   * Whether a refusal's code is transient or permanent.
   *
   * @since 0.1.0
   * @category models
   */
  severity
} from "./ReplyError.js"

export {
  /**
   * The data of a transfer in MODE Z is not a zlib stream, or becomes too many times what came.
   *
   * @since 0.2.0
   * @category errors
   */
  DataNotDecoded,
  /**
   * No line of a listing was understood.
   *
   * @since 0.2.0
   * @category errors
   */
  ListingNotUnderstood,
  /**
   * A listing, or one line of it, is longer than its bound, or its entries take more memory.
   *
   * @since 0.1.0
   * @category errors
   */
  ListingTooLong,
  /**
   * The server sent a file name that must not be joined to a local path. Nothing was written.
   *
   * @since 0.1.0
   * @category errors
   */
  UnsafeFileName,
  /**
   * Why a server's file name cannot be a local one.
   *
   * @since 0.1.0
   * @category models
   */
  type UnsafeReason
} from "./internal/ftp/listingErrors.js"

const at = (host: string | undefined): string => Errors.at("ftp", host)

/**
 * The server refused a command, for a reason that has no tag of its own.
 *
 * `severity` and `code` say what to do: a transient refusal (450 a busy file, 451 a local fault) may pass; a permanent
 * one (501 a bad argument, 550 or 553 no permission) will not without a change.
 *
 * @since 0.1.0
 * @category errors
 */
export class FtpReplyError extends Errors.define<FtpReplyError>("FtpError")("FtpReplyError", Errors.replied) {
  get severity(): Severity {
    return severity(this.code)
  }
  override get message(): string {
    const advice = this.severity === "transient" ? "trying again later may help" : "the same command will fail again"
    return `${at(this.server)}: \`${this.command}\` was refused: ${Errors.replyText(this)}; ${advice}`
  }
}

/**
 * The server requires a log-in, another one, or one over TLS: it refused the user, password or account (430, 530, 532), or
 * a command on a session that is not logged in, or closed the session at a user in clear (421).
 *
 * @since 0.1.0
 * @category errors
 */
export class LoginRefused extends Errors.define<LoginRefused>("FtpError")("LoginRefused", {
  ...Errors.replied,
  /** The user that tried to log in. */
  user: Schema.optional(Schema.String),
  /** Whether the control connection used TLS. Many servers refuse every log-in without it, with the same 530. */
  secure: Schema.Boolean
}) {
  get severity(): Severity {
    // 421 closed the session at a log-in in clear: the next one in clear will fare no better.
    return this.code === 421 ? "permanent" : severity(this.code)
  }
  override get message(): string {
    const who = this.user === undefined ? "the log-in" : `the log-in of ${JSON.stringify(this.user)}`
    const advice = this.code === 332 || this.code === 532
      ? "give an account (ACCT)"
      : this.secure
      ? "check user and password"
      : this.code === 421
      ? "the session is not under TLS, which this server seems to insist on: set `tls`, since trying again cannot help"
      : "check user and password; the session is not under TLS, which many servers insist on"
    return `${at(this.server)}: ${who} was refused: ${Errors.replyText(this)}; ${advice}`
  }
}

/**
 * There is no such file or directory, or this login may not see it.
 *
 * FTP answers both with one code (550), so a client cannot distinguish them. Commands that only look (RETR, SIZE, MDTM,
 * MLST, CWD, listings, RNFR) fail with this tag; others do once a look has shown that nothing is there: a refused DELE,
 * STOR or MKD alone is an `FtpReplyError`. Some servers answer 550 to SIZE and RETR of a directory, too.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotFound extends Errors.define<NotFound>("FtpError")("NotFound", {
  ...Errors.replied,
  /** The path as the caller gave it. */
  path: Schema.String
}) {
  override get message(): string {
    return `${at(this.server)}: ${
      JSON.stringify(this.path)
    } does not exist, or this login may not see it: \`${this.command}\` gave ${
      Errors.replyText(this)
    }; check the path and the working directory`
  }
}

/**
 * The file or directory exists already: 521 to MKD, or a refusal after which a look has found it.
 *
 * @since 0.1.0
 * @category errors
 */
export class AlreadyExists extends Errors.define<AlreadyExists>("FtpError")("AlreadyExists", {
  ...Errors.replied,
  path: Schema.String
}) {
  override get message(): string {
    return `${at(this.server)}: ${JSON.stringify(this.path)} exists already: \`${this.command}\` gave ${
      Errors.replyText(this)
    }`
  }
}

/**
 * The server does not know the command, or not with this parameter (500, 502, 504; 522 to EPSV and EPRT). Another command
 * may work: PASV after EPSV, LIST after MLSD.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotSupported extends Errors.define<NotSupported>("FtpError")("NotSupported", Errors.replied) {
  override get message(): string {
    const advice = this.command.startsWith("AUTH")
      ? "; it has no TLS on this port: ask for `tls: \"implicit\"` (port 990), or, where a password may go in clear, for \"none\""
      : ""
    return `${at(this.server)} does not support \`${this.command}\`: ${Errors.replyText(this)}${advice}`
  }
}

/**
 * The server has no room: 452 (now), 552 (this login's quota).
 *
 * @since 0.1.0
 * @category errors
 */
export class StorageExceeded extends Errors.define<StorageExceeded>("FtpError")("StorageExceeded", {
  ...Errors.replied,
  path: Schema.optional(Schema.String)
}) {
  get severity(): Severity {
    return severity(this.code)
  }
  override get message(): string {
    return `${at(this.server)}: no room for \`${this.command}\`: ${
      Errors.replyText(this)
    }; delete files or ask for a larger quota`
  }
}

/**
 * The schema of `DataMode`.
 *
 * @since 0.1.0
 * @category models
 */
export const DataMode = Schema.Literal("EPSV", "PASV", "EPRT", "PORT")

/**
 * How a data connection is made.
 *
 * @since 0.1.0
 * @category models
 */
export type DataMode = typeof DataMode.Type

/**
 * No data connection could be made: every mode that was tried was refused or failed. No byte of the file has moved.
 *
 * @since 0.1.0
 * @category errors
 */
export class DataConnectionFailed extends Errors.define<DataConnectionFailed>("FtpError")("DataConnectionFailed", {
  server: Errors.server,
  /** The command that needed the connection, without its secrets. */
  command: Schema.String,
  /** The modes that were tried, in order, and why each failed. */
  attempts: Schema.Array(Schema.Struct({ mode: DataMode, why: Schema.String })),
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    const tried = this.attempts.map((attempt) => `${attempt.mode}: ${attempt.why}`).join("; ")
    return `${at(this.server)}: no data connection for \`${this.command}\` (${tried}); check the firewalls between, ` +
      "and the server's passive ports, or use the other of passive and active mode"
  }
}

/**
 * The server requires data connections to resume the control connection's TLS session, and this one did not (522 of
 * vsftpd's `require_ssl_reuse`, 425 of ProFTPD).
 *
 * @since 0.1.0
 * @category errors
 */
export class TlsResumptionRequired
  extends Errors.define<TlsResumptionRequired>("FtpError")("TlsResumptionRequired", Errors.replied)
{
  override get message(): string {
    return `${at(this.server)}: the data connection for \`${this.command}\` did not resume the control connection's ` +
      `TLS session, and the server insists on it: ${
        Errors.replyText(this)
      }; connect again, or have the server not require it`
  }
}

/**
 * A transfer ended short: fewer bytes moved than the file has. The bytes that moved are right, so it can be resumed.
 *
 * @since 0.1.0
 * @category errors
 */
export class TransferIncomplete extends Errors.define<TransferIncomplete>("FtpError")("TransferIncomplete", {
  server: Errors.server,
  direction: Schema.Literal("download", "upload"),
  path: Schema.String,
  /** The size of the file in bytes. */
  expected: Schema.Number,
  /** The bytes that are in place, including those of an earlier part. */
  moved: Schema.Number,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    return `${at(this.server)}: the ${this.direction} of ${
      JSON.stringify(this.path)
    } ended after ${this.moved} of ${this.expected} bytes; resume it from there`
  }
}

/**
 * The server may or may not have carried out the command: after it was sent, the connection was lost, or no answer came.
 * Look (SIZE, MLST, a listing) before trying again.
 *
 * @since 0.1.0
 * @category errors
 */
export class OutcomeUnknown extends Errors.define<OutcomeUnknown>("FtpError")("OutcomeUnknown", {
  server: Errors.server,
  /** The command, without its secrets. */
  command: Schema.String,
  path: Schema.optional(Schema.String),
  /** The last that is known of it, in words. */
  lastKnown: Schema.String,
  /** How many bytes had moved. */
  moved: Schema.optional(Schema.Number),
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    const moved = this.moved === undefined ? "" : `, ${this.moved} bytes moved`
    return `${at(this.server)}: whether \`${this.command}\` was carried out is not known (last known: ` +
      `${this.lastKnown}${moved}); look before trying again`
  }
}

/**
 * Every error of this module.
 *
 * @since 0.1.0
 * @category errors
 */
export type FtpError =
  | FtpReplyError
  | LoginRefused
  | NotFound
  | AlreadyExists
  | NotSupported
  | StorageExceeded
  | ServiceUnavailable
  | DataConnectionFailed
  | TlsResumptionRequired
  | TransferIncomplete
  | OutcomeUnknown
  | UnsafeFileName
  | InvalidArgument
  | ProtocolViolation
  | ReplyTooLong
  | ListingTooLong
  | ListingNotUnderstood
  | DataNotDecoded
  | SessionClosed

/**
 * Whether the same call can succeed when it is tried again, without a change and without a look. It takes every error that a
 * call can fail with, of connecting and of trees, too. After `OutcomeUnknown` it must not be tried again: the server may have
 * carried it out. `Ftp.retrySchedule` tries while this holds.
 *
 * @since 0.1.0
 * @category guards
 * @example
 * ```ts
 * import { FtpError } from "@copas/clients"
 *
 * const busy = new FtpError.FtpReplyError({ command: "RETR a", code: 450, lines: ["Busy"] })
 * console.log(FtpError.canRetry(busy)) // true
 * ```
 */
export const canRetry = (error: FtpError | Retry.Other): boolean => Retry.canRetry(error)
