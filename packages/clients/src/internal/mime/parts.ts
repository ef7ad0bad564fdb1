/**
 * From a sender's texts and attachments to the tree of parts.
 */
import type * as Message from "../../Message.js"
import * as Text from "../text/bytes.js"
import * as content from "./content.js"
import type { Faults } from "./faults.js"
import type { Field } from "./field.js"
import * as field from "./field.js"
import { ofName } from "./mediaType.js"
import * as parameters from "./parameters.js"
import * as part from "./part.js"

type AnyContent = Message.Content<unknown, unknown>

const show = (text: string): string => JSON.stringify(Text.show(text, 60))

interface MediaType {
  readonly type: string
  readonly parameters: ReadonlyArray<ReadonlyArray<string>>
}

const binary: MediaType = { type: "application/octet-stream", parameters: [] }

/** A type such as `text/plain; format=flowed`, with its parameters written again. */
const mediaType = (given: string, where: string, faults: Faults): MediaType => {
  const parsed = parameters.decode(given, false)
  const [type = "", subtype = "", more] = "offset" in parsed ? [] : parsed.value.split("/")
  if (
    parameters.controlIn(given) !== -1 || "offset" in parsed || more !== undefined || !parameters.isToken(type) ||
    !parameters.isToken(subtype)
  ) {
    faults.add(where, `${show(given)} is no media type`, "give one such as application/pdf")
    return binary
  }
  if (type.toLowerCase() === "multipart") {
    faults.add(where, `${show(given)} has parts`, "use Message.multipart, or Message.rawPart for a ready-made one")
    return binary
  }
  const words: Array<ReadonlyArray<string>> = []
  for (const [name, value] of parsed.parameters) {
    if (parameters.controlIn(value) !== -1) faults.add(where, `a control character in ${name}`, "remove it")
    words.push(...field.parameter(name, value))
  }
  return { type: parsed.value.toLowerCase(), parameters: words }
}

/** A text for people as a leaf. */
export const text = (type: string, given: AnyContent, where: string, faults: Faults): part.Leaf => {
  const media = mediaType(type, where, faults)
  const hasCharset = media.parameters.some(([first]) => first!.toLowerCase().startsWith("charset"))
  if (hasCharset && typeof given === "string" && !/charset="?utf-8"?/i.test(media.parameters.flat().join(" "))) {
    faults.add(where, `${show(type)} names a charset`, "leave it out: a string is sent as UTF-8; or give bytes")
  }
  const words = hasCharset ? media.parameters : [...media.parameters, ["charset=utf-8"]]
  const body = typeof given === "string"
    ? content.text(given)
    : given instanceof Uint8Array
    ? content.atHand(given)
    : content.streamed(given, undefined, where)
  return { _tag: "Leaf", fields: [field.parametrised("Content-Type", media.type, words)], body, isRaw: false }
}

const contentId = (given: string, where: string, faults: Faults): Field => {
  const inner = /^<?([!-;=?-~]{1,200})>?$/.exec(given)?.[1]
  if (inner === undefined) {
    faults.add(where, `${show(given)} is no content id`, "use ASCII without white space and angle brackets")
  }
  return field.fold("Content-ID", [`<${inner ?? ""}>`])
}

/** A message within a message is never encoded (RFC 2046, section 5.2.1). */
const embedded = (given: AnyContent, size: number | undefined, where: string, faults: Faults): content.Body => {
  if (typeof given !== "string" && !(given instanceof Uint8Array)) return content.identity(given, "8bit", size, where)
  const width = content.widthOf(given)
  if (width === "binary") {
    faults.add(
      where,
      "a message with lines past 998 bytes or NUL, which cannot be sent as message/rfc822",
      "attach it as application/octet-stream"
    )
  }
  return content.identity(given, width, undefined, where)
}

interface LeafOptions {
  readonly content: AnyContent
  readonly type?: string | undefined
  readonly filename?: string | undefined
  readonly size?: number | undefined
  readonly contentId?: string | undefined
  readonly description?: string | undefined
}

const checkSize = (size: number | undefined, where: string, faults: Faults): void => {
  if (size !== undefined && !(Number.isSafeInteger(size) && size >= 0)) {
    faults.add(`${where}.size`, `${size} is no size`, "give a whole number of bytes, or leave it out")
  }
}

/** A leaf with a name and a disposition (RFC 2183). */
export const leaf = (
  options: LeafOptions,
  disposition: "inline" | "attachment" | undefined,
  isText: boolean,
  where: string,
  faults: Faults
): part.Leaf => {
  checkSize(options.size, where, faults)
  const { filename } = options
  if (filename !== undefined && parameters.controlIn(filename) !== -1) {
    faults.add(`${where}.filename`, `a control character in ${show(filename)}`, "remove it")
  }
  const type = options.type ?? ofName(filename)
  const media = mediaType(type, `${where}.type`, faults)
  const fields: Array<Field> = []
  let body: content.Body
  if (isText && media.type.startsWith("text/")) {
    const made = text(type, options.content, where, faults)
    fields.push(...made.fields)
    body = made.body
  } else {
    const names = filename === undefined || media.parameters.some(([word]) => word!.startsWith("name"))
      ? media.parameters
      : [...media.parameters, field.nameParameter(filename)]
    fields.push(field.parametrised("Content-Type", media.type, names))
    body = media.type === "message/rfc822" || media.type === "message/global"
      ? embedded(options.content, options.size, where, faults)
      : typeof options.content === "string" || options.content instanceof Uint8Array
      ? content.atHand(options.content)
      : content.streamed(options.content, options.size, where)
  }
  if (disposition !== undefined) {
    fields.push(
      field.parametrised(
        "Content-Disposition",
        disposition,
        filename === undefined ? [] : field.parameter("filename", filename)
      )
    )
  }
  if (options.contentId !== undefined) fields.push(contentId(options.contentId, `${where}.contentId`, faults))
  if (options.description !== undefined) {
    if (parameters.controlIn(options.description) !== -1) {
      faults.add(`${where}.description`, `a control character in ${show(options.description)}`, "remove it")
    }
    fields.push(field.unstructured("Content-Description", options.description))
  }
  return { _tag: "Leaf", fields, body, isRaw: false }
}

const calendar = (options: Message.CalendarOptions, faults: Faults): part.Leaf => {
  const said = /^METHOD(?:;[^:\r\n]*)?:[ \t]*([A-Za-z0-9-]+)[ \t]*\r?$/im.exec(options.content)?.[1]?.toUpperCase()
  const method = options.method?.toUpperCase() ?? said
  if (method !== undefined && !/^[A-Z0-9-]+$/.test(method)) {
    faults.add("calendar.method", `${show(method)} is no method`, "give one such as REQUEST")
  }
  if (said !== undefined && method !== said) {
    faults.add("calendar.method", `${show(method!)}, and the content says ${said}`, "leave the option out")
  }
  return text(
    method === undefined ? "text/calendar" : `text/calendar; method=${method}`,
    options.content,
    "calendar",
    faults
  )
}

/** The whole tree. `nodeOf` gives the node of a ready-made part, or undefined for options of an attachment. */
export const tree = (
  options: Message.MessageOptions<unknown, unknown>,
  nodeOf: (given: unknown) => part.Node | undefined,
  faults: Faults
): part.Node => {
  const { attachments = [], inline = [] } = options
  if (options.content !== undefined) {
    const beside = (["text", "html", "calendar", "alternatives", "inline", "attachments"] as const)
      .find((name) => options[name] !== undefined)
    if (beside !== undefined) {
      faults.add(beside, "stands beside `content`", "put it into the tree, or leave `content` out")
    }
    return nodeOf(options.content)!
  }
  const related = inline.map((item, index) => {
    const where = `inline[${index}]`
    if (item.contentId === undefined) {
      faults.add(`${where}.contentId`, "missing", "give the id that html refers to as cid:…")
    }
    return leaf(item, "inline", false, where, faults)
  })
  const forms: Array<part.Node> = []
  if (options.text !== undefined || options.html === undefined && related.length + attachments.length === 0) {
    forms.push(text("text/plain", options.text ?? "", "text", faults))
  }
  options.alternatives?.forEach((item, index) =>
    forms.push(leaf(item, undefined, true, `alternatives[${index}]`, faults))
  )
  if (options.html !== undefined) {
    const html = text("text/html", options.html, "html", faults)
    forms.push(related.length === 0 ? html : part.multipart("related", [html, ...related]))
  }
  if (options.calendar !== undefined) forms.push(calendar(options.calendar, faults))
  const others: Array<part.Node> = options.html === undefined ? [...related] : []
  attachments.forEach((item, index) => {
    others.push(
      nodeOf(item) ??
        leaf(item as Message.AttachmentOptions<unknown, unknown>, "attachment", false, `attachments[${index}]`, faults)
    )
  })
  if (options.calendar?.filename !== undefined) {
    const { content: invitation, filename } = options.calendar
    others.push(leaf({ content: invitation, filename, type: "text/calendar" }, "attachment", false, "calendar", faults))
  }
  return part.multipart("mixed", forms.length === 0 ? others : [part.multipart("alternative", forms), ...others])
}
