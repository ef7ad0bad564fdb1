/**
 * Reports to a message's sender: whether there is one (RFC 3461, section 5), and its parts (RFC 3464; RFC 6533 where the
 * message needed SMTPUTF8).
 */
import { date } from "../../../internal/mime/field.js"
import * as Bytes from "../../../internal/text/bytes.js"
import type { Message, Recipient, Report } from "../../SmtpServer.js"
import { fromXtext } from "./envelope.js"

interface Outcome {
  readonly recipient: Recipient
  readonly action: "delivered" | "delayed" | "failed"
  readonly status: string
  /** The reply that it is told by. */
  readonly reply: string
}

/** `reply` is what becomes of the message for this recipient. RFC 2852, section 4.1 for what was late. */
const outcomeOf = (recipient: Recipient, reply: string, by: string): Outcome => {
  const [, code = "2", enhanced] = /^([245])\d\d[ -](?:(\d\.\d{1,3}\.\d{1,3})\b)?/.exec(reply) ?? []
  const isTooLate = code === "4" && /;R/i.test(by)
  return {
    recipient,
    action: code === "2" ? "delivered" : code === "4" && !isTooLate ? "delayed" : "failed",
    status: isTooLate ? "5.4.7" : enhanced ?? `${code}.0.0`,
    reply: reply.split("\n")[0]!
  }
}

const wish = { delivered: "SUCCESS", delayed: "DELAY", failed: "FAILURE" }

/** Without NOTIFY, what goes wrong is told. */
const isWanted = (by: string) => ({ action, recipient }: Outcome): boolean => {
  const wishes = (recipient.parameters.NOTIFY ?? "FAILURE,DELAY").toUpperCase().split(",")
  return wishes.includes(wish[action]) || action === "delayed" && /;N/i.test(by) && !wishes.includes("NEVER")
}

/** Text of the client's as it may stand in a field, or as it came. */
const shown = (xtext: string): string => {
  const text = fromXtext(xtext)
  return /^[ -~]*$/.test(text) ? text : xtext
}

const utf8 = new TextEncoder()

/** Up to the empty line, with the line end before it. */
const headOf = (bytes: Uint8Array): Uint8Array => {
  const end = Bytes.toBinary(bytes).indexOf("\r\n\r\n")
  return end < 0 ? bytes : bytes.subarray(0, end + 2)
}

const boundaryFor = (message: Message): string => {
  const text = Bytes.toBinary(message.bytes)
  for (let number = 0;; number++) {
    const boundary = `=_report_${message.queueId}_${number}`
    if (!text.includes(boundary)) return boundary
  }
}

/**
 * The report on a message, if one of its recipients asked for it or something goes wrong. `replies` are what becomes of
 * the message, by recipient.
 */
export const make = (
  message: Message,
  replies: ReadonlyArray<string | undefined>,
  server: string,
  millis: number
): Report | undefined => {
  const { envelope: { parameters, recipients, sender }, queueId } = message
  const by = parameters.BY ?? ""
  const outcomes = recipients.map((recipient, index) =>
    outcomeOf(recipient, replies[index] ?? "250 2.0.0 Delivered", by)
  ).filter(isWanted(by))
  // A report on a report would continue for ever.
  if (sender === "" || outcomes.length === 0) return undefined
  const isUtf8 = parameters.SMTPUTF8 !== undefined
  const isFull = parameters.RET?.toUpperCase() === "FULL" && outcomes.some(({ action }) => action === "failed")
  const returned = isFull ? message.bytes : headOf(message.bytes)
  const kind = isFull
    ? `message/${isUtf8 ? "global" : "rfc822"}`
    : isUtf8
    ? "message/global-headers"
    : "text/rfc822-headers"
  const width = returned.some((byte) => byte > 127) ? "8bit" : "7bit"
  const boundary = boundaryFor(message)
  const addressType = isUtf8 ? "utf-8" : "rfc822"
  const now = date(millis)!
  const fieldsOf = ({ action, recipient, reply, status }: Outcome): ReadonlyArray<string> => {
    const [, type = "", original = ""] = /^([^;]+);(.*)$/s.exec(recipient.parameters.ORCPT ?? "") ?? []
    return [
      ...(type === "" ? [] : [`Original-Recipient: ${type}; ${shown(original)}`]),
      `Final-Recipient: ${addressType}; ${recipient.address}`,
      `Action: ${action}`,
      `Status: ${status}`,
      ...(action === "delivered" ? [] : [`Diagnostic-Code: smtp; ${reply}`]),
      ""
    ]
  }
  const head = [
    `From: Mail Delivery System <mailer-daemon@${server}>`,
    `To: <${sender}>`,
    "Subject: Delivery report",
    `Date: ${now}`,
    `Message-ID: <report.${queueId}@${server}>`,
    "Auto-Submitted: auto-replied",
    "MIME-Version: 1.0",
    `Content-Type: multipart/report; report-type=delivery-status; boundary="${boundary}"`,
    "",
    `--${boundary}`,
    "Content-Type: text/plain; charset=utf-8",
    `Content-Transfer-Encoding: ${isUtf8 ? "8bit" : "7bit"}`,
    "",
    "This is what became of your message:",
    ...outcomes.map(({ action, recipient }) => `${recipient.address}: ${action}`),
    "",
    `--${boundary}`,
    `Content-Type: message/${isUtf8 ? "global-" : ""}delivery-status`,
    ...(isUtf8 ? ["Content-Transfer-Encoding: 8bit"] : []),
    "",
    `Reporting-MTA: dns; ${server}`,
    ...(parameters.ENVID === undefined ? [] : [`Original-Envelope-Id: ${shown(parameters.ENVID)}`]),
    `Arrival-Date: ${now}`,
    "",
    ...outcomes.flatMap(fieldsOf),
    `--${boundary}`,
    `Content-Type: ${kind}`,
    `Content-Transfer-Encoding: ${width}`,
    "",
    ""
  ]
  const bytes = Bytes.concat([
    utf8.encode(head.join("\r\n")),
    returned,
    utf8.encode(`\r\n--${boundary}--\r\n`)
  ])
  return { to: sender, queueId, bytes }
}
