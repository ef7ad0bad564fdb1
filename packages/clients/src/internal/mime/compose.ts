/**
 * A message as it goes out: its fields apart, for a signature over them, and its body as segments.
 */
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
  /** What follows the fields, with the empty line before it. */
  readonly segments: ReadonlyArray<part.Segment>
  /** What the body's bytes demand of the server. */
  readonly width: "7bit" | "8bit" | "binary"
  readonly needsStuffing: boolean
}

const mimeVersion = field.fold("MIME-Version", ["1.0"])

export const compose = (draft: Draft, moment: Moment, isUtf8: boolean): Composition => {
  const rest = { width: part.widthOf(draft.root), needsStuffing: part.needsStuffing(draft.root) }
  const segments: Array<part.Segment> = []
  if (draft.fields === undefined) {
    part.write(draft.root, "", segments)
    return { messageId: draft.messageId, fields: [], segments, ...rest }
  }
  const messageId = draft.messageId ?? `<${moment.id}@${draft.domain}>`
  const id = part.boundaryId(draft.root, moment.id)
  // A ready-made part as the whole content has its own fields, and the empty line after them.
  if (draft.root._tag === "Multipart" || !draft.root.isRaw) segments.push("\r\n")
  part.write(draft.root, id, segments)
  return {
    messageId,
    fields: [
      field.fold("Date", [field.date(draft.date ?? moment.now)!]),
      field.fold("Message-ID", [messageId]),
      ...draft.fields(isUtf8),
      mimeVersion,
      ...part.fieldsOf(draft.root, part.outerBoundary(id))
    ],
    segments,
    ...rest
  }
}

const utf8 = new TextEncoder()
const lengthOf = (text: string): number => isAscii(text) ? text.length : utf8.encode(text).length

/** All of it in bytes, without dot-stuffing, or undefined where a stream's size is unknown. */
export const sizeOf = (composition: Composition): number | undefined => {
  let size = 0
  for (const { text } of composition.fields) size += lengthOf(text)
  for (const segment of composition.segments) {
    const length = typeof segment === "string" || segment instanceof Uint8Array
      ? segment.length
      : encodedSizeOf(segment)
    if (length === undefined) return undefined
    size += length
  }
  return size
}

/** The fields and what is at hand in as few pieces as there can be: one, where no source stands between. */
export const merged = (composition: Composition): ReadonlyArray<Uint8Array | Source> => {
  const pieces: Array<Uint8Array | Source> = []
  let run: Array<string | Uint8Array> = [composition.fields.map(({ text }) => text).join("")]
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
  for (const segment of composition.segments) {
    if (typeof segment === "string" || segment instanceof Uint8Array) run.push(segment)
    else {
      flush()
      pieces.push(segment)
    }
  }
  flush()
  return pieces
}
