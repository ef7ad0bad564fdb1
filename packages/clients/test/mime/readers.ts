/**
 * What other libraries read of a message.
 */
import { Message } from "@copas/clients"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { simpleParser } from "mailparser"
import PostalMime from "postal-mime"

export interface Read {
  readonly subject: string
  readonly from: { readonly name: string; readonly address: string }
  readonly text: string
  readonly html: string
  readonly attachments: ReadonlyArray<
    { readonly filename: string; readonly type: string; readonly content: ReadonlyArray<number> }
  >
}

/** A message's bytes. */
export const bytes = <E, R>(message: Message.Message<E, R>) =>
  Effect.map(Stream.runCollect(Message.encode(message)), (chunks) => new Uint8Array(Buffer.concat([...chunks])))

/** Bytes with one character each. */
export const text = (whole: Uint8Array): string => Buffer.from(whole).toString("latin1")

/** The types of a message's parts, each indented by its depth. */
export const parts = (whole: string, depth = 0): ReadonlyArray<string> => {
  const end = whole.indexOf("\r\n\r\n")
  const header = whole.slice(0, end).replace(/\r\n[ \t]/g, " ")
  const type = /^content-type: ([^;\r\n]+)/im.exec(header)?.[1] ?? "none"
  const boundary = /boundary="([^"]+)"/.exec(header)?.[1]
  const inner = boundary === undefined
    ? []
    : `\r\n${whole.slice(end + 4)}`.split(`\r\n--${boundary}`).slice(1, -1).flatMap((part) =>
      parts(part.slice(2), depth + 1)
    )
  return [" ".repeat(depth) + type, ...inner]
}

const byPostal = (whole: Uint8Array): Effect.Effect<Read> =>
  Effect.map(Effect.promise(() => PostalMime.parse(whole)), (read) => ({
    subject: read.subject ?? "",
    from: { name: read.from?.name ?? "", address: read.from?.address ?? "" },
    text: read.text ?? "",
    html: read.html ?? "",
    attachments: read.attachments.map((attachment) => ({
      filename: attachment.filename ?? "",
      type: attachment.mimeType,
      content: [...new Uint8Array(attachment.content as ArrayBuffer)]
    }))
  }))

const byMailparser = (whole: Uint8Array): Effect.Effect<Read> =>
  Effect.map(
    Effect.promise(() =>
      simpleParser(Buffer.from(whole), { skipTextToHtml: true, skipHtmlToText: true, skipImageLinks: true })
    ),
    (read) => ({
      subject: read.subject ?? "",
      from: { name: read.from?.value[0]?.name ?? "", address: read.from?.value[0]?.address ?? "" },
      text: read.text ?? "",
      html: read.html === false ? "" : read.html ?? "",
      attachments: read.attachments.map((attachment) => ({
        filename: attachment.filename ?? "",
        type: attachment.contentType,
        content: [...attachment.content]
      }))
    })
  )

export const readBy = (whole: Uint8Array): Effect.Effect<ReadonlyArray<Read>> =>
  Effect.all([byPostal(whole), byMailparser(whole)])
