/**
 * A message's own fields (RFC 5322, section 3.6), and its envelope.
 */
import * as DateTime from "effect/DateTime"
import * as Address from "../../Address.js"
import type * as Message from "../../Message.js"
import * as Text from "../text/bytes.js"
import type { Faults } from "./faults.js"
import type { Field } from "./field.js"
import * as field from "./field.js"
import { controlIn } from "./parameters.js"

/** The names that an option stands for, and MIME's own: in lower case, with what to use in their place. */
const typed: Readonly<Record<string, string>> = {
  "from": "from",
  "sender": "sender",
  "to": "to",
  "cc": "cc",
  "reply-to": "replyTo",
  "subject": "subject",
  "date": "date",
  "message-id": "messageId",
  "in-reply-to": "inReplyTo",
  "references": "references",
  "auto-submitted": "autoSubmitted",
  "mime-version": "content",
  "content-type": "content",
  "content-transfer-encoding": "content",
  "content-disposition": "attachments",
  "content-id": "inline",
  "content-description": "attachments",
  "list-id": "list.id",
  "list-unsubscribe": "list.unsubscribe",
  "list-unsubscribe-post": "list.oneClick",
  "list-subscribe": "list.subscribe",
  "list-post": "list.post",
  "list-help": "list.help",
  "list-owner": "list.owner",
  "list-archive": "list.archive",
  "dkim-signature": "dkim"
}

/** Fields whose grammar has no place for encoded words. */
const structuredNames =
  /^(?:list-|resent-|received|return-path|content-|arc-|authentication-results|original-|autocrypt|x-ms-exchange-|feedback-id|precedence|importance|x-priority|priority|sensitivity)/i

const none: Address.Mailbox = Object.freeze(
  {
    [Address.TypeId]: Address.TypeId,
    _tag: "Mailbox",
    name: undefined,
    localPart: "",
    domain: "",
    address: "",
    needsUtf8: false
  } as const
)

/** A list of addresses from whatever may stand for one. */
export const recipients = (
  given: Message.Recipients | undefined,
  where: string,
  faults: Faults
): ReadonlyArray<Address.Address> => {
  if (given === undefined) return []
  if (typeof given === "string") return faults.take(Address.parseList(given, where), [])
  if (!Array.isArray(given)) return [one(given as Address.Input | Address.Group, where, faults)]
  return (given as ReadonlyArray<Address.Input | Address.Group>).map((item, index) =>
    one(item, `${where}[${index}]`, faults)
  )
}

const one = (given: Address.Input | Address.Group, where: string, faults: Faults): Address.Address =>
  Address.isAddress(given) ? given : faults.take(Address.from(given, where), none)

/** Each mailbox once, by its address. */
export const distinct = (list: ReadonlyArray<Address.Mailbox>): ReadonlyArray<Address.Mailbox> => {
  const seen = new Set<string>()
  return list.filter((mailbox) => !seen.has(mailbox.address) && seen.add(mailbox.address) !== undefined)
}

const listOf = <A>(given: A | ReadonlyArray<A> | undefined): ReadonlyArray<A> =>
  given === undefined ? [] : Array.isArray(given) ? given : [given as A]

export const millisOf = (
  date: Message.MessageOptions["date"],
  faults: Faults
): number | undefined => {
  if (date === undefined) return undefined
  const millis = typeof date === "number"
    ? date
    : DateTime.isDateTime(date)
    ? DateTime.toEpochMillis(date)
    : date.getTime()
  if (field.date(millis) === undefined) {
    faults.add("date", `${String(millis)} is no time of the years 1900 to 9999`, "give a valid Date")
  }
  return millis
}

export const idOf = (text: string | undefined, where: string, faults: Faults): string | undefined => {
  if (text === undefined) return undefined
  const id = field.messageId(text)
  if (id === undefined) {
    faults.add(where, `${show(text)} is no message id`, "give one as <left@right>, of ASCII without white space")
  }
  return id
}

const show = (text: string): string => JSON.stringify(Text.show(text, 60))

const text = (name: string, value: string, where: string, faults: Faults): Field => {
  const at = controlIn(value)
  if (at !== -1) {
    faults.add(where, `a control character at offset ${at} of ${show(value)}`, "remove it: a field is one line of text")
  }
  return field.unstructured(name, value)
}

const ids = (
  given: string | ReadonlyArray<string> | undefined,
  name: string,
  where: string,
  faults: Faults
): Array<Field> => {
  const list = listOf(given).flatMap((value) => value.split(/[ \t]+/)).filter((value) => value !== "")
  return list.length === 0 ? [] : [field.fold(name, list.map((id) => idOf(id, where, faults) ?? ""))]
}

const listFields = (list: Message.ListOptions, faults: Faults): Array<Field> => {
  const fields: Array<Field> = []
  if (list.id !== undefined) {
    const inner = /^<?([!-;=?-~]+)>?$/.exec(list.id)?.[1]
    if (inner === undefined) {
      faults.add("list.id", `${show(list.id)} is no list id`, "give one such as news.example.test")
    } else fields.push(field.fold("List-Id", [`<${inner}>`]))
  }
  const urls = (name: string, option: keyof Message.ListOptions): void => {
    const given = listOf(list[option] as string | ReadonlyArray<string> | undefined)
    if (given.length === 0) return
    const words = given.map((url) => {
      if (!/^[A-Za-z][A-Za-z0-9+.-]*:[!-;=?-~]+$/.test(url)) {
        faults.add(`list.${option}`, `${show(url)} is no URL`, "give it as mailto:… or https:…, percent-encoded")
      }
      return `<${url}>`
    })
    fields.push(field.fold(name, words.map((word, index) => index === words.length - 1 ? word : `${word},`)))
  }
  urls("List-Unsubscribe", "unsubscribe")
  if (list.oneClick === true) {
    if (!listOf(list.unsubscribe).some((url) => url.startsWith("https:"))) {
      faults.add("list.oneClick", "no https: URL in list.unsubscribe", "give the URL that takes the POST (RFC 8058)")
    }
    fields.push(field.fold("List-Unsubscribe-Post", ["List-Unsubscribe=One-Click"]))
  }
  urls("List-Subscribe", "subscribe")
  urls("List-Post", "post")
  urls("List-Help", "help")
  urls("List-Owner", "owner")
  urls("List-Archive", "archive")
  return fields
}

const priorities = {
  high: [["X-Priority", "1"], ["Importance", "high"]],
  normal: [],
  low: [["X-Priority", "5"], ["Importance", "low"]]
} as const

const custom = (
  given: NonNullable<Message.MessageOptions["headers"]>,
  faults: Faults
): { readonly fields: Array<Field>; readonly bcc: ReadonlyArray<Address.Address> } => {
  const fields: Array<Field> = []
  const bcc: Array<Address.Address> = []
  for (const [name, values] of Object.entries(given)) {
    const where = `headers: ${Text.show(name, 60)}`
    const lower = name.toLowerCase()
    if (!field.isName(name)) {
      faults.add(where, "no name of a field", "use letters, digits and hyphens")
      continue
    }
    const option = Object.hasOwn(typed, lower) ? typed[lower] : undefined
    if (option !== undefined) {
      faults.add(where, "a field that has an option of its own", `use \`${option}\``)
      continue
    }
    for (const value of listOf(values)) {
      if (lower === "bcc") {
        bcc.push(...recipients(value, where, faults))
        continue
      }
      const made = text(name, value, where, faults)
      if (!structuredNames.test(name)) fields.push(made)
      else {
        const plain = field.structured(name, value)
        if (plain === undefined) {
          faults.add(
            where,
            "a value that its grammar has no encoding for",
            "use ASCII, in words of 900 characters at most"
          )
        }
        fields.push(plain ?? made)
      }
    }
  }
  return { fields, bcc }
}

export interface Headers {
  readonly fields: (isUtf8: boolean) => ReadonlyArray<Field>
  readonly from: ReadonlyArray<Address.Mailbox>
  /** Whom the server is told as the sender. */
  readonly sender: Address.Mailbox
  readonly recipients: ReadonlyArray<Address.Mailbox>
}

export const make = (options: Message.MessageOptions<unknown, unknown>, faults: Faults): Headers => {
  const from = recipients(options.from, "from", faults)
  const authors = Address.mailboxes(from)
  if (authors.length === 0) faults.add("from", "no address", "name who wrote the message")
  if (from.some((address) => address._tag === "Group")) faults.add("from", "a group", "give mailboxes")
  const sender = options.sender === undefined ? undefined : faults.take(Address.from(options.sender, "sender"), none)
  if (authors.length > 1 && sender === undefined) {
    faults.add(
      "sender",
      `${authors.length} authors and no sender`,
      "name the one who sends it (RFC 5322, section 3.6.2)"
    )
  }
  const to = recipients(options.to, "to", faults)
  const cc = recipients(options.cc, "cc", faults)
  const replyTo = recipients(options.replyTo, "replyTo", faults)
  const given = options.headers === undefined ? { fields: [], bcc: [] } : custom(options.headers, faults)
  const bcc = [...recipients(options.bcc, "bcc", faults), ...given.bcc]

  const rest: Array<Field> = []
  if (options.subject !== undefined) rest.push(text("Subject", options.subject, "subject", faults))
  rest.push(
    ...ids(options.inReplyTo, "In-Reply-To", "inReplyTo", faults),
    ...ids(options.references, "References", "references", faults)
  )
  if (options.autoSubmitted !== undefined) rest.push(field.fold("Auto-Submitted", [options.autoSubmitted]))
  for (const [name, value] of priorities[options.priority ?? "normal"]) rest.push(field.fold(name, [value]))
  if (options.list !== undefined) rest.push(...listFields(options.list, faults))
  rest.push(...given.fields)

  const lists: ReadonlyArray<readonly [string, ReadonlyArray<Address.Address>]> = [
    ["From", from],
    ["Sender", sender === undefined ? [] : [sender]],
    ["Reply-To", replyTo],
    ["To", to],
    ["Cc", cc]
  ]
  const build = (isUtf8: boolean): ReadonlyArray<Field> => {
    const fields: Array<Field> = []
    for (const [name, list] of lists) if (list.length > 0) fields.push(field.addresses(name, list, isUtf8))
    return [...fields, ...rest]
  }
  const plain = build(false)
  const hasUtf8 = lists.some(([, list]) => Address.mailboxes(list).some((mailbox) => mailbox.needsUtf8))
  return {
    fields: hasUtf8 ? (isUtf8) => isUtf8 ? build(true) : plain : () => plain,
    from: authors,
    sender: sender ?? authors[0] ?? none,
    recipients: distinct(Address.mailboxes([...to, ...cc, ...bcc]))
  }
}
