/**
 * The errors of SMTP sessions, transactions and messages. Calls also fail with the errors of their sockets and their TLS.
 *
 * There is one tag for each thing that a caller does differently. The error of a refused command has the command (without
 * its secrets), the code, the enhanced status code (RFC 3463) and the lines, and says whether trying again can help. All
 * are `Schema.TaggedError`s, so they cross RPC and cluster boundaries.
 *
 * The text of a reply never decides which error it is: the code, the command, and what the session knows do.
 *
 * @since 0.2.0
 */
import * as Schema from "effect/Schema"
import * as Errors from "./internal/errors.js"
import { answer, at, isTransient, later, show } from "./internal/smtp/errorText.js"
import type { InvalidAddress, InvalidMessage, MessageChanged } from "./MessageError.js"
import {
  type InvalidArgument,
  Protocol,
  type ProtocolViolation,
  type ReplyTooLong,
  type ServiceUnavailable,
  type SessionClosed,
  type Severity,
  severity
} from "./ReplyError.js"

/**
 * The errors of composing: before anything is sent, or because a content is not what was announced.
 *
 * @since 0.2.0
 */
export { InvalidAddress, InvalidMessage, MessageChanged } from "./MessageError.js"

/**
 * The errors that FTP has too, and what tells a refusal that may pass from one that will not.
 *
 * @since 0.2.0
 */
export {
  InvalidArgument,
  ProtocolViolation,
  ReplyTooLong,
  ServiceUnavailable,
  SessionClosed,
  type Severity,
  severity
} from "./ReplyError.js"

/**
 * Where a conversation was: connecting, awaiting the greeting, starting TLS, logging in, naming the sender, the
 * recipients, asking for the content to be taken (`data`), sending it (`content`), awaiting what the server says to it
 * (`final`), resetting, ending; or `command` for any other.
 *
 * @since 0.2.0
 * @category models
 */
export const Phase = Schema.Literal(
  "connect",
  "greeting",
  "hello",
  "starttls",
  "auth",
  "sender",
  "recipient",
  "data",
  "content",
  "final",
  "reset",
  "quit",
  "command"
)

/**
 * Where a conversation was when something failed.
 *
 * @since 0.2.0
 * @category models
 */
export type Phase = typeof Phase.Type

const replied = {
  protocol: Protocol,
  phase: Phase,
  ...Errors.replied,
  /** The enhanced status code of the reply's first line (RFC 3463), such as `5.1.1`. */
  enhancedCode: Schema.optional(Schema.String)
}

/**
 * The server refuses the sender: a refused MAIL, or refused recipients whose enhanced code says that it is the sender
 * (5.1.7, 5.1.8).
 *
 * @since 0.2.0
 * @category errors
 */
export class SenderRejected extends Errors.define<SenderRejected>("SmtpError")("SenderRejected", {
  ...replied,
  sender: Schema.String
}) {
  get severity(): Severity {
    return severity(this.code)
  }
  override get message(): string {
    return `${at(this)}: the sender ${show(this.sender)} was refused: ${answer(this)}; ${later(this.code)}`
  }
}

/**
 * One recipient is refused. It stands in a receipt's `rejected`, or in `RecipientsRejected`.
 *
 * `code` is 0 where the recipient was not tried, because the server lacks an extension that its address needs; `missing`
 * names it.
 *
 * @since 0.2.0
 * @category errors
 */
export class RecipientRejected extends Errors.define<RecipientRejected>("SmtpError")("RecipientRejected", {
  ...replied,
  recipient: Schema.String,
  missing: Schema.optional(Schema.String)
}) {
  get severity(): Severity {
    return severity(this.code)
  }
  /** Whether a later try may be accepted: 4yz. */
  get canRetry(): boolean {
    return this.severity === "transient"
  }
  override get message(): string {
    const start = `${at(this)}: the recipient ${show(this.recipient)} was refused`
    return this.missing === undefined
      ? `${start}: ${answer(this)}; ${later(this.code)}`
      : `${start}: the server has no ${this.missing}, which this address needs; use an address of ASCII letters`
  }
}

/**
 * No recipient is left: all were refused, or with `partial: "none"` at least one. The message was delivered to none.
 *
 * @since 0.2.0
 * @category errors
 */
export class RecipientsRejected extends Errors.define<RecipientsRejected>("SmtpError")("RecipientsRejected", {
  protocol: Protocol,
  server: Errors.server,
  rejected: Schema.Array(RecipientRejected),
  /** The recipients that the server had accepted, with `partial: "none"`. */
  accepted: Schema.Array(Schema.String)
}) {
  /** Transient if a later try may reach at least one of them. */
  get severity(): Severity {
    return this.rejected.some((recipient) => recipient.canRetry) ? "transient" : "permanent"
  }
  override get message(): string {
    const first = this.rejected[0]
    const more = this.rejected.length > 1 ? ` (and ${this.rejected.length - 1} more)` : ""
    return `${at(this)}: ${this.accepted.length === 0 ? "all recipients were refused" : "a recipient was refused"}, ` +
      `so nobody got the message: ${first === undefined ? "" : first.message}${more}`
  }
}

/**
 * The server refuses the message: at DATA, or after its content.
 *
 * @since 0.2.0
 * @category errors
 */
export class MessageRejected extends Errors.define<MessageRejected>("SmtpError")("MessageRejected", {
  ...replied,
  messageId: Schema.optional(Schema.String)
}) {
  get severity(): Severity {
    return severity(this.code)
  }
  override get message(): string {
    return `${at(this)}: the message was refused: ${answer(this)}; ${later(this.code)}`
  }
}

/**
 * The message is larger than the server accepts (RFC 1870): by the limit that it announced, and then nothing was sent, or
 * by its reply (552, 5.3.4).
 *
 * @since 0.2.0
 * @category errors
 */
export class MessageTooLarge extends Errors.define<MessageTooLarge>("SmtpError")("MessageTooLarge", {
  protocol: Protocol,
  server: Errors.server,
  /** The message's size in bytes, where it is known. */
  size: Schema.optional(Schema.Number),
  /** The server's limit in bytes, where it told one. */
  limit: Schema.optional(Schema.Number),
  code: Schema.optional(Schema.Number),
  lines: Schema.Array(Schema.String)
}) {
  override get message(): string {
    const size = this.size === undefined ? "the message" : `a message of ${this.size} bytes`
    const limit = this.limit === undefined ? "" : ` of ${this.limit} bytes`
    return `${at(this)}: ${size} is over the server's limit${limit}; send it in parts, or a link to it`
  }
}

/**
 * The server refuses the log-in. No weaker mechanism was tried with the same password.
 *
 * @since 0.2.0
 * @category errors
 */
export class AuthenticationFailed extends Errors.define<AuthenticationFailed>("SmtpError")("AuthenticationFailed", {
  ...replied,
  mechanism: Schema.String,
  /** The mechanism's own reason: the server's signature is wrong, the status and scope of a token. */
  detail: Schema.optional(Schema.String)
}) {
  get severity(): Severity {
    return severity(this.code)
  }
  override get message(): string {
    const detail = this.detail === undefined ? "" : ` (${this.detail})`
    return `${at(this)}: the log-in by ${this.mechanism} failed: ${answer(this)}${detail}; ` +
      (this.severity === "transient" ? "try again later" : "check user and password, or the token and its scope")
  }
}

/**
 * No mechanism fits: the server offers none that the credentials allow, or only mechanisms that would show the password to
 * anyone who reads the connection.
 *
 * @since 0.2.0
 * @category errors
 */
export class NoMechanism extends Errors.define<NoMechanism>("SmtpError")("NoMechanism", {
  protocol: Protocol,
  server: Errors.server,
  /** The mechanisms that the server offers. */
  offered: Schema.Array(Schema.String),
  /** The mechanisms that were allowed. */
  allowed: Schema.Array(Schema.String),
  isEncrypted: Schema.Boolean
}) {
  override get message(): string {
    const where = this.isEncrypted ? "" : " without TLS"
    const offered = this.offered.length === 0
      ? `the server offers none${where}`
      : `the server offers ${this.offered.join(", ")}`
    const allowed = this.allowed.length === 0
      ? `\`auth\` allows none${where}`
      : `\`auth\` allows ${this.allowed.join(", ")}${where}`
    return `${at(this)}: no way to log in: ${offered}, and ${allowed}; ` +
      (this.isEncrypted
        ? "check `auth`, or leave it out if the server wants no log-in"
        : "use TLS (`tls`), or on a network that you trust allow a password in clear (`allowInsecureAuth`)")
  }
}

/**
 * TLS is required, and the server cannot start it: STARTTLS is not offered, or refused. Nothing but EHLO and STARTTLS
 * was sent.
 *
 * @since 0.2.0
 * @category errors
 */
export class TlsRequired extends Errors.define<TlsRequired>("SmtpError")("TlsRequired", {
  protocol: Protocol,
  server: Errors.server,
  /** The refusal's code, where STARTTLS was offered. */
  code: Schema.optional(Schema.Number),
  lines: Schema.Array(Schema.String)
}) {
  override get message(): string {
    const what = this.code === undefined
      ? "does not offer STARTTLS"
      : `refuses STARTTLS: ${Errors.replyText({ code: this.code, lines: this.lines })}`
    return `${at(this)}: the server ${what}; use its TLS port (\`tls: "implicit"\`, often 465), or \`tls: "none"\` ` +
      "where the network is trusted"
  }
}

/**
 * TLS was begun on a port where the server speaks in clear: its greeting came in place of a handshake.
 *
 * @since 0.2.0
 * @category errors
 */
export class PlaintextOnTlsPort extends Errors.define<PlaintextOnTlsPort>("SmtpError")("PlaintextOnTlsPort", {
  protocol: Protocol,
  server: Errors.server,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    return `${at(this)}: the server speaks in clear on this port, where \`tls: "implicit"\` begins with TLS; ` +
      "use `tls: \"starttls\"` here, or the server's TLS port (often 465)"
  }
}

/**
 * The server lacks an extension that the call asks for. Nothing of the message was sent.
 *
 * @since 0.2.0
 * @category errors
 */
export class ExtensionMissing extends Errors.define<ExtensionMissing>("SmtpError")("ExtensionMissing", {
  protocol: Protocol,
  server: Errors.server,
  /** Its keyword: `SMTPUTF8`, `BINARYMIME`, `REQUIRETLS`. */
  extension: Schema.String,
  /** The option, or the content, that asks for it. */
  neededFor: Schema.String
}) {
  override get message(): string {
    return `${at(this)}: the server has no ${this.extension}, which ${this.neededFor} needs; leave that out, or use ` +
      "another server"
  }
}

/**
 * The server refused a command, for a reason that has no tag of its own.
 *
 * @since 0.2.0
 * @category errors
 */
export class SmtpReplyError extends Errors.define<SmtpReplyError>("SmtpError")("SmtpReplyError", replied) {
  get severity(): Severity {
    return severity(this.code)
  }
  override get message(): string {
    return `${at(this)}: \`${this.command}\` was refused: ${answer(this)}; ${later(this.code)}`
  }
}

/**
 * The whole message was sent, and no reply to it came: the connection was lost, or the time-out expired. The server may
 * have delivered it, so the library does not send it again. Look for it at the recipients, by its Message-ID, before
 * sending it again.
 *
 * @since 0.2.0
 * @category errors
 */
export class DeliveryUnknown extends Errors.define<DeliveryUnknown>("SmtpError")("DeliveryUnknown", {
  protocol: Protocol,
  server: Errors.server,
  messageId: Schema.optional(Schema.String),
  /** The recipients that may have received it. */
  recipients: Schema.Array(Schema.String),
  /** The last that was known of it, in words. */
  lastKnown: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    const id = this.messageId === undefined ? "the message" : `the message ${this.messageId}`
    return `${at(this)}: ${id} was sent whole, but ${this.lastKnown}; it may have been delivered: ` +
      "do not send it again before you know"
  }
}

/**
 * Every error of this module.
 *
 * @since 0.2.0
 * @category errors
 */
export type SmtpError =
  | InvalidAddress
  | InvalidMessage
  | MessageChanged
  | InvalidArgument
  | ProtocolViolation
  | ReplyTooLong
  | ServiceUnavailable
  | SessionClosed
  | SenderRejected
  | RecipientsRejected
  | MessageRejected
  | MessageTooLarge
  | AuthenticationFailed
  | NoMechanism
  | TlsRequired
  | PlaintextOnTlsPort
  | ExtensionMissing
  | SmtpReplyError
  | DeliveryUnknown

/**
 * Whether sending again later can help, and cannot make a duplicate: the server said so (4yz), or the connection could not
 * be made or was lost before the message had ended. Never after `DeliveryUnknown`.
 *
 * @since 0.2.0
 * @category guards
 */
export const canRetry = (error: unknown): boolean => isTransient(error)
