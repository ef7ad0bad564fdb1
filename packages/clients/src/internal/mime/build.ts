/**
 * Messages and parts, made of a sender's options.
 *
 * Every address, field and name is checked here, once; what is wrong is said with its place, and the first fault counts.
 */
import type * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Address from "../../Address.js"
import type * as Message from "../../Message.js"
import { type InvalidAddress, type InvalidMessage } from "../../MessageError.js"
import type * as compose from "./compose.js"
import * as content from "./content.js"
import { Faults } from "./faults.js"
import * as field from "./field.js"
import * as headers from "./headers.js"
import * as parameters from "./parameters.js"
import * as part from "./part.js"
import * as parts from "./parts.js"

const MessageTypeId: unique symbol = Symbol.for("@copas/clients/Message")
const PartTypeId: unique symbol = Symbol.for("@copas/clients/Message/Part")

const variance = { _E: (never: never) => never, _R: (never: never) => never }

class MadePart {
  readonly [PartTypeId] = variance
  readonly #node: part.Node
  constructor(node: part.Node) {
    this.#node = node
  }
  static nodeOf(given: unknown): part.Node | undefined {
    return given instanceof MadePart ? given.#node : undefined
  }
  toJSON(): unknown {
    return { _id: "Part", ...part.measure(this.#node) }
  }
}

class MadeMessage {
  readonly [MessageTypeId] = variance
  readonly envelope: Message.Envelope
  readonly messageId: Option.Option<string>
  readonly #draft: compose.Draft
  constructor(envelope: Message.Envelope, draft: compose.Draft) {
    this.envelope = envelope
    this.messageId = Option.fromNullable(draft.messageId)
    this.#draft = draft
  }
  static draftOf(message: Message.Message<unknown, unknown>): compose.Draft {
    return (message as unknown as MadeMessage).#draft
  }
  toJSON(): unknown {
    return { _id: "Message", messageId: this.messageId.toJSON(), recipients: this.envelope.to.length }
  }
}

export const draftOf = MadeMessage.draftOf

/** The same message with a Date and a Message-ID, which each of its sendings then has. */
export const dated = <E, R>(message: Message.Message<E, R>, { id, now }: compose.Moment): Message.Message<E, R> => {
  const draft = draftOf(message)
  if (draft.fields === undefined) return message
  const { date = now, messageId = `<${id}@${draft.domain}>` } = draft
  return new MadeMessage(message.envelope, { ...draft, date, messageId }) as unknown as Message.Message<E, R>
}

export const make = <E, R>(
  options: Message.MessageOptions<E, R>
): Either.Either<Message.Message<E, R>, InvalidMessage | InvalidAddress> => {
  const faults = new Faults()
  const { fields, recipients, sender } = headers.make(options, faults)
  const draft: compose.Draft = {
    fields,
    date: headers.millisOf(options.date, faults),
    messageId: headers.idOf(options.messageId, "messageId", faults),
    domain: sender.address.slice(sender.address.lastIndexOf("@") + 1),
    root: parts.tree(options, MadePart.nodeOf, faults),
    signers: options.dkim === undefined ? [] : Array.isArray(options.dkim) ? options.dkim : [options.dkim]
  }
  checkTree(draft.root, "content", faults)
  if (faults.first === undefined && headerSize(draft) > largestHeader) {
    faults.add("headers", `a header section of more than ${largestHeader} bytes`, "name fewer recipients in To and Cc")
  }
  return faults.result(new MadeMessage({ from: sender, to: recipients }, draft) as unknown as Message.Message<E, R>)
}

const largestHeader = 1 << 20

const headerSize = (draft: compose.Draft): number =>
  draft.fields?.(false).reduce((size, { text }) => size + text.length, 0) ?? 0

const checkTree = (node: part.Node, where: string, faults: Faults): void => {
  const size = part.measure(node)
  if (size.depth > part.deepest) faults.add(where, `parts ${size.depth} deep`, `nest them at most ${part.deepest} deep`)
  if (size.parts > part.mostParts) faults.add(where, `${size.parts} parts`, `give at most ${part.mostParts}`)
}

const made = <E, R>(node: part.Node): Message.Part<E, R> => new MadePart(node) as unknown as Message.Part<E, R>

export const makePart = <E, R>(
  options: Message.PartOptions<E, R>
): Either.Either<Message.Part<E, R>, InvalidMessage> => {
  const faults = new Faults()
  const node = parts.leaf(options, options.disposition, options.disposition !== "attachment", "part", faults)
  return faults.result(made<E, R>(node)) as Either.Either<Message.Part<E, R>, InvalidMessage>
}

export const rawPart = <E, R>(
  given: Message.Content<E, R>,
  options?: { readonly size?: number | undefined }
): Message.Part<E, R> => {
  const width = typeof given === "string" || given instanceof Uint8Array ? content.widthOf(given) : "8bit"
  return made({ _tag: "Leaf", fields: [], body: content.identity(given, width, options?.size, "part"), isRaw: true })
}

export const multipart = <E, R>(
  subtype: string,
  given: ReadonlyArray<Message.Part<E, R>>,
  options?: { readonly parameters?: Readonly<Record<string, string>> | undefined }
): Either.Either<Message.Part<E, R>, InvalidMessage> => {
  const faults = new Faults()
  if (!parameters.isToken(subtype)) {
    faults.add("multipart", `${JSON.stringify(subtype)} is no subtype`, "give one such as mixed")
  }
  if (given.length === 0) faults.add("multipart", "no parts", "give at least one")
  const words: Array<ReadonlyArray<string>> = []
  for (const [name, value] of Object.entries(options?.parameters ?? {})) {
    if (!parameters.isToken(name) || parameters.controlIn(value) !== -1 || name.toLowerCase() === "boundary") {
      faults.add(
        "multipart.parameters",
        `${JSON.stringify(name)} cannot be set so`,
        "use a token, and a value without control characters"
      )
    }
    words.push(...field.parameter(name, value))
  }
  const node: part.Node = {
    _tag: "Multipart",
    subtype: subtype.toLowerCase(),
    parameters: words,
    fields: [],
    parts: given.map((item) => MadePart.nodeOf(item)!)
  }
  checkTree(node, "multipart", faults)
  return faults.result(made<E, R>(node)) as Either.Either<Message.Part<E, R>, InvalidMessage>
}

const widths = { "7bit": "7bit", "8bitmime": "8bit", "binarymime": "binary" } as const

export const raw = <E, R>(
  given: Message.Content<E, R>,
  options: Message.RawOptions
): Either.Either<Message.Message<E, R>, InvalidMessage | InvalidAddress> => {
  const faults = new Faults()
  const isAtHand = typeof given === "string" || given instanceof Uint8Array
  const found = isAtHand ? content.widthOf(given) : "8bit"
  const width = options.body === undefined ? found : widths[options.body]
  if (isAtHand && (width === "7bit" && found !== "7bit" || width === "8bit" && found === "binary")) {
    faults.add("body", `\`${options.body}\`, and the content is ${found}`, "leave the option out")
  }
  if (options.size !== undefined && !(Number.isSafeInteger(options.size) && options.size >= 0)) {
    faults.add("size", `${options.size} is no size`, "give a whole number of bytes, or leave it out")
  }
  const { from } = options.envelope
  const to = headers.distinct(Address.mailboxes(headers.recipients(options.envelope.to, "envelope.to", faults)))
  const sender = from === "<>" ? from : faults.take(Address.from(from, "envelope.from"), undefined as never)
  const root: part.Leaf = {
    _tag: "Leaf",
    fields: [],
    body: content.identity(given, width, options.size, "content"),
    isRaw: true
  }
  const draft: compose.Draft = {
    fields: undefined,
    date: undefined,
    messageId: idOfRaw(given),
    domain: "",
    root,
    signers: []
  }
  return faults.result(new MadeMessage({ from: sender, to }, draft) as unknown as Message.Message<E, R>)
}

/** The Message-ID of a message at hand, for its receipt. Only the header is looked at, and 64 KiB of it. */
const idOfRaw = (given: Message.Content<unknown, unknown>): string | undefined => {
  if (typeof given !== "string" && !(given instanceof Uint8Array)) return undefined
  const start = typeof given === "string"
    ? given.slice(0, 65536)
    : new TextDecoder("latin1").decode(given.subarray(0, 65536))
  const header = start.split(/(?:\r\n|\r|\n)(?:\r\n|\r|\n)/, 1)[0]!
  const id = /^message-id:[ \t]*(?:(?:\r\n|\r|\n)[ \t]+)?(<[!-;=?-~]+>)/im.exec(header)?.[1]
  return id === undefined ? undefined : field.messageId(id)
}
