/**
 * What is said of a message before its content: MAIL and RCPT with their parameters, checked against what the server can
 * do.
 */
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import type * as Address from "../../Address.js"
import * as Message from "../../Message.js"
import { type InvalidAddress, InvalidMessage } from "../../MessageError.js"
import { InvalidArgument, type Protocol } from "../../ReplyError.js"
import { ExtensionMissing } from "../../SmtpError.js"
import * as Command from "../replies/command.js"
import * as Bytes from "../text/bytes.js"
import type { Extensions } from "./extensions.js"

/** Reports on the delivery: RFC 3461. */
export interface Dsn {
  /** How much of the message comes back with a report. */
  readonly return?: "full" | "headers" | undefined
  /** Comes back with each report: 1 to 100 printable ASCII characters. */
  readonly envelopeId?: string | undefined
  /** What to report to the sender. */
  readonly notify?: "never" | ReadonlyArray<"success" | "failure" | "delay"> | undefined
  /** The recipient as reports name it. Default: the recipient itself. */
  readonly originalRecipient?: string | undefined
}

/** The message is to be delivered within a time: RFC 2852. */
export interface DeliverBy {
  /** In whole seconds. */
  readonly within: Duration.DurationInput
  /** What happens to a message that is late: it comes back, or the sender is notified and it is delivered all the same. */
  readonly otherwise: "return" | "notify"
  /** Report each relay. */
  readonly trace?: boolean | undefined
}

interface Demands {
  readonly dsn?: Dsn | undefined
  readonly deliverBy?: DeliverBy | undefined
  /** From -9, the least, to 9 (MT-PRIORITY, RFC 6710). */
  readonly priority?: number | undefined
  /** Fail where a relay on the way has no verified TLS (RFC 8689). */
  readonly requireTls?: boolean | undefined
  /** What the content demands of the server. Default: what the message's bytes are. */
  readonly body?: "7bit" | "8bitmime" | "binarymime" | undefined
  /** Send the content by BDAT (RFC 3030) where the server has it. Default `"never"`: some servers stall on it. */
  readonly chunking?: "never" | "prefer" | undefined
}

/** How a message is sent. */
export interface SendOptions extends Demands {
  /**
   * What a refused recipient means for the others: `"accept"` (the default) sends the message to the others, `"none"`
   * sends it to nobody.
   */
  readonly partial?: "accept" | "none" | undefined
  /** Another envelope than the message's own. */
  readonly envelope?: Message.RawOptions["envelope"] | undefined
}

/** The beginning of a transaction. */
export interface TransactionOptions extends Demands {
  /** The sender; no server answers `"<>"`. */
  readonly from: Address.Input | "<>"
  /** The size of the content in bytes, where it is known. */
  readonly size?: number | undefined
  /** Say SMTPUTF8 (RFC 6531), where a recipient's local part is not ASCII. Default: where the sender's is not. */
  readonly smtpUtf8?: boolean | undefined
}

/** Whose envelope it is, and what the server can do. */
export interface Place {
  readonly protocol: Protocol
  readonly server: string
  readonly extensions: Extensions
  readonly isEncrypted: boolean
}

/** The parameters of MAIL and RCPT that the options ask for, once for all recipients. */
export interface Terms {
  readonly mail: ReadonlyArray<string>
  readonly notify: string | undefined
  readonly hasDsn: boolean
  readonly used: ReadonlyArray<string>
  readonly leftOut: ReadonlyArray<string>
}

const encoder = new TextEncoder()
const hex = (byte: number): string => `+${byte.toString(16).toUpperCase().padStart(2, "0")}`

/** RFC 3461, section 4: printable ASCII, with `+`, `=` and blanks as `+` and two digits. */
export const xtext = (text: string): string => text.replace(/[^!-*,-<>-~]/g, (one) => hex(one.charCodeAt(0)))

/** RFC 6533, section 3: each character past ASCII as its code point. */
const unitext = (text: string): string =>
  text.replace(/[^!-*,-<>-[\]-~]/gu, (one) => `\\x{${one.codePointAt(0)!.toString(16).toUpperCase()}}`)

const original = (address: string): string =>
  /[^\0-\x7f]/.test(address) ? `ORCPT=utf-8;${unitext(address)}` : `ORCPT=rfc822;${xtext(address)}`

const printable = /^[ -~]{1,100}$/
// eslint-disable-next-line no-control-regex
const control = /[\0-\x1f\x7f]|\p{Cs}/u

const notifyOf = (notify: Dsn["notify"]): string | undefined =>
  notify === undefined || notify.length === 0
    ? undefined
    : `NOTIFY=${typeof notify === "string" ? "NEVER" : [...new Set(notify)].join(",").toUpperCase()}`

export const termsOf = (
  options: Demands,
  { extensions, isEncrypted, protocol, server }: Place
): Either.Either<Terms, InvalidArgument | ExtensionMissing> => {
  const refuse = (what: string, argument: unknown, reason: string) =>
    Either.left(new InvalidArgument({ protocol, what, argument: Bytes.show(String(argument)), reason }))
  const missing = (extension: string, neededFor: string) =>
    Either.left(new ExtensionMissing({ protocol, server, extension, neededFor }))
  const { deliverBy, dsn, priority } = options
  const mail: Array<string> = []
  const used: Array<string> = []
  const leftOut: Array<string> = []
  const wish = (extension: string, isThere: boolean, parameters: ReadonlyArray<string>): void => {
    if (isThere) mail.push(...parameters)
    ;(isThere ? used : leftOut).push(extension)
  }
  if (options.requireTls === true) {
    if (!extensions.requireTls || !isEncrypted) return missing("REQUIRETLS", "`requireTls`")
    wish("REQUIRETLS", true, ["REQUIRETLS"])
  }
  if (deliverBy !== undefined) {
    const seconds = Math.floor(Duration.toSeconds(deliverBy.within))
    const least = deliverBy.otherwise === "return" ? 1 : 0
    if (!(seconds >= least && seconds < 1e9)) {
      return refuse("deliverBy.within", Duration.format(deliverBy.within), "it is a second to 31 years")
    }
    if (!extensions.deliverBy) return missing("DELIVERBY", "`deliverBy`")
    const { deliverByLeast = 0 } = extensions
    if (deliverBy.otherwise === "return" && seconds < deliverByLeast) {
      const why = `${server} returns no message before ${deliverByLeast} seconds; give it those, or be notified`
      return refuse("deliverBy.within", Duration.format(deliverBy.within), why)
    }
    const mode = `${deliverBy.otherwise === "return" ? "R" : "N"}${deliverBy.trace === true ? "T" : ""}`
    wish("DELIVERBY", true, [`BY=${seconds};${mode}`])
  }
  if (priority !== undefined) {
    if (!Number.isInteger(priority) || Math.abs(priority) > 9) {
      return refuse("priority", priority, "it is a whole number from -9 to 9")
    }
    wish("MT-PRIORITY", extensions.priority, [`MT-PRIORITY=${priority}`])
  }
  if (dsn !== undefined) {
    const { envelopeId } = dsn
    if (envelopeId !== undefined && !printable.test(envelopeId)) {
      return refuse("dsn.envelopeId", envelopeId, "it is 1 to 100 printable ASCII characters")
    }
    if (dsn.originalRecipient !== undefined && control.test(dsn.originalRecipient)) {
      return refuse("dsn.originalRecipient", dsn.originalRecipient, "it has a control character in it")
    }
    wish("DSN", extensions.dsn, [
      ...(dsn.return === undefined ? [] : [`RET=${dsn.return === "full" ? "FULL" : "HDRS"}`]),
      ...(envelopeId === undefined ? [] : [`ENVID=${xtext(envelopeId)}`])
    ])
  }
  return Either.right({
    mail,
    notify: notifyOf(dsn?.notify),
    hasDsn: dsn !== undefined && extensions.dsn,
    used,
    leftOut
  })
}

/** What the content is, for the parameters of MAIL. */
export interface ContentTerms {
  readonly size: number | undefined
  readonly width: "7bit" | "8bit" | "binary"
  readonly isUtf8: boolean
}

/** The content's parameters of MAIL, and whether it needs BDAT. */
export const bodyOf = (
  { isUtf8, size, width }: ContentTerms,
  options: Demands,
  { extensions, protocol, server }: Place
): Either.Either<
  { readonly parameters: ReadonlyArray<string>; readonly used: ReadonlyArray<string>; readonly isChunked: boolean },
  ExtensionMissing
> => {
  const missing = (extension: string, neededFor: string) =>
    Either.left(new ExtensionMissing({ protocol, server, extension, neededFor }))
  const parameters: Array<string> = []
  const used: Array<string> = []
  const isBinary = width === "binary" || options.body === "binarymime"
  // RFC 6531, section 3.1: a server that has SMTPUTF8 has 8BITMIME.
  const is8Bit = width === "8bit" || options.body === "8bitmime" || isUtf8
  if (isBinary) {
    if (!extensions.chunking) return missing("CHUNKING", "binary content")
    if (!extensions.binaryMime) return missing("BINARYMIME", "binary content")
    parameters.push("BODY=BINARYMIME")
    used.push("BINARYMIME")
  } else if (is8Bit) {
    if (!extensions.eightBitMime) return missing("8BITMIME", "content of 8 bits")
    parameters.push("BODY=8BITMIME")
    used.push("8BITMIME")
  }
  if (size !== undefined && extensions.size) {
    parameters.push(`SIZE=${size}`)
    used.push("SIZE")
  }
  if (isUtf8) {
    parameters.push("SMTPUTF8")
    used.push("SMTPUTF8")
  }
  const isChunked = isBinary || options.chunking === "prefer" && extensions.chunking
  if (isChunked) used.push("CHUNKING")
  return Either.right({ parameters, used, isChunked })
}

/** A path of the envelope. Bytes where it is not ASCII: the session's codec writes no others. */
const path = (label: string, address: string): Command.Argument => {
  const text = `${label}:<${address}>`
  return /[^\0-\x7f]/.test(text) ? encoder.encode(text) : text
}

export const mail = (
  from: Address.Mailbox | "<>",
  parameters: ReadonlyArray<string>
): Command.Command => Command.make("MAIL", path("FROM", from === "<>" ? "" : from.address), ...parameters)

export const rcpt = (address: string, terms: Terms, own: Dsn = {}): Command.Command => {
  if (!terms.hasDsn) return Command.make("RCPT", path("TO", address))
  const notify = own.notify === undefined ? terms.notify : notifyOf(own.notify)
  return Command.make(
    "RCPT",
    path("TO", address),
    ...(notify === undefined ? [] : [notify]),
    original(own.originalRecipient ?? address)
  )
}

/** Whose message it is, as the server is told. */
export const envelopeOf = (
  message: Message.Message<unknown, unknown>,
  options: SendOptions
): Either.Either<Message.Envelope, InvalidMessage | InvalidAddress> => {
  const made = options.envelope === undefined
    ? Either.right(message.envelope)
    : Either.map(Message.raw("", { envelope: options.envelope }), ({ envelope }) => envelope)
  return Either.filterOrLeft(
    made,
    ({ to }) => to.length > 0,
    () => new InvalidMessage({ where: "to", problem: "no recipients", advice: "give at least one in to, cc or bcc" })
  )
}
