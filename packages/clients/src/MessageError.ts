/**
 * The errors of messages, however they are sent: wrong addresses, parts that cannot be composed, and contents that change
 * while they are sent. `SmtpError` exports these errors too.
 *
 * @since 0.2.0
 */
import * as Schema from "effect/Schema"
import * as Errors from "./internal/errors.js"

/**
 * A text is not an address, or not one that is accepted at that place. Nothing was sent.
 *
 * @since 0.2.0
 * @category errors
 */
export class InvalidAddress extends Errors.define<InvalidAddress>("MessageError")("InvalidAddress", {
  /** Where it is: `from`, `to`, the address itself. */
  where: Schema.String,
  /** The value that was given, made printable and cut to 80 characters. */
  address: Schema.String,
  /** How many characters stand before the fault. */
  offset: Schema.Number,
  expected: Schema.String
}) {
  override get message(): string {
    return `${this.where}: ${JSON.stringify(this.address)} is no address: expected ${this.expected} at character ` +
      `${this.offset}; give \`name@domain\` or \`Name <name@domain>\``
  }
}

/**
 * A message cannot be composed of what was given. Nothing was sent.
 *
 * @since 0.2.0
 * @category errors
 */
export class InvalidMessage extends Errors.define<InvalidMessage>("MessageError")("InvalidMessage", {
  /** The part at fault: `subject`, `headers: X-Id`, `attachments[2].filename`. */
  where: Schema.String,
  /** The fault. */
  problem: Schema.String,
  /** The remedy. */
  advice: Schema.String
}) {
  override get message(): string {
    return `${this.where}: ${this.problem}; ${this.advice}`
  }
}

/**
 * A content is not what was announced: a stream gave more or fewer bytes than its size said, or other bytes when it ran
 * for the second time. The connection was cut before the end of the message, so the server has delivered nothing.
 *
 * @since 0.2.0
 * @category errors
 */
export class MessageChanged extends Errors.define<MessageChanged>("MessageError")("MessageChanged", {
  /** The part at fault. */
  where: Schema.String,
  expected: Schema.String,
  actual: Schema.String
}) {
  override get message(): string {
    return `${this.where}: the content gave ${this.actual} where ${this.expected} were announced; nothing was ` +
      "delivered: give a content that is the same each time, or one without a size"
  }
}
