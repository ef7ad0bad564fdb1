/**
 * What became of a message: for whom the server accepted it, and for whom not.
 */
import * as Option from "effect/Option"
import type { RecipientRejected } from "../../SmtpError.js"
import type * as Answer from "./answer.js"

/** A recipient for whom the server accepted the message. */
export interface Accepted {
  /** As it went over the wire. */
  readonly recipient: string
  /** The reply to its RCPT; over LMTP the one after the content. */
  readonly reply: Answer.Answer
}

interface Common {
  readonly accepted: ReadonlyArray<Accepted>
  /** The reply to the content: the last one, where there were several. */
  readonly reply: Answer.Answer
  readonly messageId: string | undefined
  /** The server's own name for the message, where its reply has one. */
  readonly queueId: Option.Option<string>
  /** The message's bytes, without dot-stuffing. */
  readonly size: number
  /** The extensions that were used. */
  readonly extensions: ReadonlyArray<string>
  /** The extensions that were asked for, but that the server lacks and the message can do without. */
  readonly leftOut: ReadonlyArray<string>
}

/** The server accepted the message for every recipient. */
export interface Complete extends Common {
  readonly _tag: "Complete"
  readonly rejected: readonly []
}

/** The server accepted the message for some recipients, and refused others. */
export interface Partial extends Common {
  readonly _tag: "Partial"
  readonly rejected: readonly [RecipientRejected, ...Array<RecipientRejected>]
}

export type Receipt = Complete | Partial

/** A receipt of what is common to both kinds; another receipt will do. */
export const make = (common: Common, rejected: ReadonlyArray<RecipientRejected>): Receipt => {
  const [first, ...others] = rejected
  return first === undefined
    ? { ...common, _tag: "Complete", rejected: [] }
    : { ...common, _tag: "Partial", rejected: [first, ...others] }
}

/** One receipt for a message that went out in several transactions. */
export const join = (earlier: Receipt, later: Receipt): Receipt => {
  const both = (name: "extensions" | "leftOut") => [...new Set([...earlier[name], ...later[name]])]
  return make(
    {
      ...later,
      accepted: [...earlier.accepted, ...later.accepted],
      extensions: both("extensions"),
      leftOut: both("leftOut")
    },
    [...earlier.rejected, ...later.rejected]
  )
}

// Postfix, OpenSMTPD and smtp-server; Exim; sendmail.
const ids = [
  /\bqueued(?: mail)?(?: for delivery)? as <?([\w.@-]+)/i,
  /\bid=([\w.-]+)/i,
  /^([\w.]+) Message accepted/i
]

/** The queue id in a reply. It is what people search the server's log for; nothing is decided by it. */
export const queueId = ({ lines }: Answer.Answer): Option.Option<string> => {
  const text = lines.join(" ")
  const found = ids.map((pattern) => pattern.exec(text)?.[1]).find((id) => id !== undefined)
  return Option.fromNullable(found)
}
