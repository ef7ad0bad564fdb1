/**
 * What the classes of errors in `ReplyError`, `FtpError` and `SmtpError` have in common.
 */
import * as ErrorSummary from "@copas/core/ErrorSummary"
import * as Schema from "effect/Schema"

/**
 * A `Schema.TaggedError` that shows its summary. `module` is the public module that exports it, and part of its
 * identifier.
 */
export const define = <Self>(module: string) =>
<Tag extends string, Fields extends Schema.Struct.Fields>(
  tag: Tag,
  fields: Fields
): Schema.TaggedErrorClass<Self, Tag, { readonly _tag: Schema.tag<Tag> } & Fields> => {
  type Class = Schema.TaggedErrorClass<Self, Tag, { readonly _tag: Schema.tag<Tag> } & Fields>
  // Without `Self` it would be a message of the type checker's.
  const base = Schema.TaggedError<Self>(`@copas/clients/${module}/${tag}`)(tag, fields) as Class
  ErrorSummary.summarize(base as unknown as { readonly prototype: Error })
  return base
}

/** The server's host and port. */
export const server = Schema.optional(Schema.String)

/** The fields of an error that comes of a reply. */
export const replied = {
  /** The server's host and port. */
  server,
  /** The command that was refused, without its secrets. */
  command: Schema.String,
  code: Schema.Number,
  /** The reply's lines, without the code. */
  lines: Schema.Array(Schema.String)
}

const shown = 300

/** The reply in an error's message, of bounded length. */
export const replyText = (reply: { readonly code: number; readonly lines: ReadonlyArray<string> }): string => {
  const text = `${reply.code} ${reply.lines.join(" / ")}`.trim()
  return text.length > shown ? `${text.slice(0, shown)}…` : text
}

/** Where a message begins: the protocol and the server. */
export const at = (protocol: string, host: string | undefined): string =>
  host === undefined ? protocol.toUpperCase() : `${protocol.toUpperCase()} ${host}`
