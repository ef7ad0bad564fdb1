/**
 * The errors that mean the same in every protocol of commands and replies, FTP and SMTP: one class each, so that one
 * handler serves both. The field `protocol` says which protocol it was.
 *
 * `FtpError` exports them too.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Errors from "./internal/errors.js"

/**
 * The protocol that a session speaks.
 *
 * @since 0.1.0
 * @category models
 */
export const Protocol = Schema.Literal("ftp", "smtp", "lmtp")

/**
 * The type of `Protocol`.
 *
 * @since 0.1.0
 * @category models
 */
export type Protocol = typeof Protocol.Type

/**
 * RFC 959, section 4.2.1, and RFC 5321, section 4.2.1: a transient refusal (4yz) invites another try, a permanent one
 * (5yz) does not.
 *
 * @since 0.1.0
 * @category models
 */
export type Severity = "transient" | "permanent"

/**
 * Whether a refusal's code is transient or permanent.
 *
 * @since 0.1.0
 * @category models
 */
export const severity = (code: number): Severity => code >= 400 && code < 500 ? "transient" : "permanent"

/**
 * The server is closing the connection (421): too many connections, a shutdown, an idle session. The session has ended;
 * a new one may work later.
 *
 * @since 0.1.0
 * @category errors
 */
export class ServiceUnavailable extends Errors.define<ServiceUnavailable>("ReplyError")("ServiceUnavailable", {
  protocol: Protocol,
  ...Errors.replied
}) {
  override get message(): string {
    return `${Errors.at(this.protocol, this.server)} closed the session at \`${this.command}\`: ${
      Errors.replyText(this)
    }; ` +
      "connect again later, or with fewer connections"
  }
}

/**
 * The argument cannot be sent: it would become another command, or is not what the call requires. Nothing was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidArgument extends Errors.define<InvalidArgument>("ReplyError")("InvalidArgument", {
  protocol: Protocol,
  /** Its purpose: a command's verb, `URL`, `encoding`. */
  what: Schema.String,
  /** The argument, made printable, without secrets. */
  argument: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    // It is printable already: as JSON its backslashes would be doubled.
    return `${Errors.at(this.protocol, undefined)}: ${this.what} cannot take "${this.argument}": ${this.reason}`
  }
}

/**
 * The server sent something that is not the protocol, or not an answer to the command. The session ends, unless only one
 * answer makes no sense, such as a SIZE without a number.
 *
 * @since 0.1.0
 * @category errors
 */
export class ProtocolViolation extends Errors.define<ProtocolViolation>("ReplyError")("ProtocolViolation", {
  protocol: Protocol,
  server: Errors.server,
  /** The fault. */
  what: Schema.String,
  /** The beginning of what the server sent, made printable. */
  received: Schema.String
}) {
  override get message(): string {
    const name = this.protocol.toUpperCase()
    return `${Errors.at(this.protocol, this.server)}: ${this.what}: ${JSON.stringify(this.received)}; ` +
      `is it an ${name} server, and is TLS set as it wants?`
  }
}

/**
 * A reply does not end within its bound. The session ends.
 *
 * @since 0.1.0
 * @category errors
 */
export class ReplyTooLong extends Errors.define<ReplyTooLong>("ReplyError")("ReplyTooLong", {
  protocol: Protocol,
  server: Errors.server,
  /** The bound, in bytes. */
  limit: Schema.Number
}) {
  override get message(): string {
    return `${Errors.at(this.protocol, this.server)}: a reply does not end within ${this.limit} bytes; ` +
      "the session is given up"
  }
}

/**
 * The session ended before this call: its connection was lost, or replies can no longer be matched to commands. The call
 * that ended it failed with the error itself; this call sent nothing.
 *
 * @since 0.1.0
 * @category errors
 */
export class SessionClosed extends Errors.define<SessionClosed>("ReplyError")("SessionClosed", {
  protocol: Protocol,
  server: Errors.server,
  /** Why it ended. */
  why: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    return `${Errors.at(this.protocol, this.server)}: the session was given up: ${this.why}; connect again`
  }
}
