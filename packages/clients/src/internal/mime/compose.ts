/**
 * A message as it goes out: its fields apart, for a signature over them, and its body as segments.
 */
import type { Signer } from "../../Dkim.js"
import { encodedSizeOf, type Source } from "./content.js"
import type { Field } from "./field.js"
import * as field from "./field.js"
import * as part from "./part.js"
import { isAscii } from "./phrase.js"

export interface Draft {
  /**
   * The fields that do not hang on the content; undefined is a message that was composed elsewhere. A message in UTF-8
   * (RFC 6532) shows some addresses otherwise.
   */
  readonly fields: ((isUtf8: boolean) => ReadonlyArray<Field>) | undefined
  /** In milliseconds since 1970; undefined is the time of sending. */
  readonly date: number | undefined
  readonly messageId: string | undefined
  /** The domain of a Message-ID that is made here. */
  readonly domain: string
  readonly root: part.Node
  readonly signers: ReadonlyArray<Signer>
}

export interface Moment {
  /** In milliseconds since 1970. */
  readonly now: number
  /** 32 hexadecimal digits that no other message has. */
  readonly id: string
}

export interface Composition {
  readonly messageId: string | undefined
  readonly fields: ReadonlyArray<Field>
  /** The empty line after the fields, unless the body begins with fields of its own. */
  readonly separator: "\r\n" | ""
  readonly body: ReadonlyArray<part.Segment>
  /** The hash that signatures were made over, where a source is run again after it. */
  readonly bodyHash: Uint8Array | undefined
  /** What the body's bytes demand of the server. */
  readonly width: "7bit" | "8bit" | "binary"
  readonly needsStuffing: boolean
}

const mimeVersion = field.fold("MIME-Version", ["1.0"])

/**
 * The fields and the body of a ready-made part that is the whole content, or undefined where they cannot be told apart:
 * it is a stream, or its fields are not ASCII. Then it goes out as it is.
 */
const split = (
  raw: part.Segment
): { readonly fields: ReadonlyArray<Field>; readonly body: string | Uint8Array } | undefined => {
  if (isSource(raw)) return undefined
  const text = typeof raw === "string" ? raw : latin1.decode(raw)
  const end = text.startsWith("\r\n") ? 0 : text.indexOf("\r\n\r\n") + 2
  const head = text.slice(0, end)
  if (end === 1 || !isAscii(head)) return undefined
  const fields = head.split(/\r\n(?![ \t])/).filter((one) => one !== "")
    .map((one) => ({ name: one.slice(0, one.indexOf(":")), text: `${one}\r\n` }))
  return { fields, body: typeof raw === "string" ? raw.slice(end + 2) : raw.subarray(end + 2) }
}

export const isSource = (segment: part.Segment): segment is Source =>
  typeof segment !== "string" && !(segment instanceof Uint8Array)

export const compose = (draft: Draft, moment: Moment, isUtf8: boolean): Composition => {
  const { root } = draft
  const width = part.widthOf(root)
  const needsStuffing = part.needsStuffing(root)
  const body: Array<part.Segment> = []
  if (draft.fields === undefined) {
    part.write(root, "", body)
    return { messageId: draft.messageId, fields: [], separator: "", body, bodyHash: undefined, width, needsStuffing }
  }
  const messageId = draft.messageId ?? `<${moment.id}@${draft.domain}>`
  const id = part.boundaryId(root, moment.id)
  part.write(root, id, body)
  const isRaw = root._tag === "Leaf" && root.isRaw
  const parts = isRaw ? split(body[0]!) : undefined
  if (parts !== undefined) body[0] = parts.body
  return {
    messageId,
    fields: [
      field.fold("Date", [field.date(draft.date ?? moment.now)!]),
      field.fold("Message-ID", [messageId]),
      ...draft.fields(isUtf8),
      mimeVersion,
      ...(isRaw ? parts?.fields ?? [] : part.fieldsOf(root, part.outerBoundary(id)))
    ],
    separator: isRaw && parts === undefined ? "" : "\r\n",
    body,
    bodyHash: undefined,
    width,
    needsStuffing
  }
}

const latin1 = new TextDecoder("latin1")
const utf8 = new TextEncoder()
const lengthOf = (text: string): number => isAscii(text) ? text.length : utf8.encode(text).length

/** All of it in bytes, without dot-stuffing, or undefined where a stream's size is unknown. */
export const sizeOf = (composition: Composition): number | undefined => {
  let size = composition.separator.length
  for (const { text } of composition.fields) size += lengthOf(text)
  for (const segment of composition.body) {
    const length = typeof segment === "string" || segment instanceof Uint8Array
      ? segment.length
      : encodedSizeOf(segment)
    if (length === undefined) return undefined
    size += length
  }
  return size
}

/** The head of the message, as text. */
export const headOf = (composition: Composition): string =>
  composition.fields.map(({ text }) => text).join("") + composition.separator

/** What is at hand in as few pieces as there can be: one, where no source stands between. */
export const merge = (segments: ReadonlyArray<part.Segment>): ReadonlyArray<Uint8Array | Source> => {
  const pieces: Array<Uint8Array | Source> = []
  let run: Array<string | Uint8Array> = []
  const flush = (): void => {
    let length = 0
    for (const piece of run) length += typeof piece === "string" ? lengthOf(piece) : piece.length
    if (length === 0) return
    const bytes = new Uint8Array(length)
    let at = 0
    for (const piece of run) {
      if (typeof piece === "string") at += utf8.encodeInto(piece, bytes.subarray(at)).written
      else {
        bytes.set(piece, at)
        at += piece.length
      }
    }
    pieces.push(bytes)
    run = []
  }
  for (const segment of segments) {
    if (typeof segment === "string" || segment instanceof Uint8Array) run.push(segment)
    else {
      flush()
      pieces.push(segment)
    }
  }
  flush()
  return pieces
}
