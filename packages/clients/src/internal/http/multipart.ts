/**
 * Forms with files: `multipart/form-data` (RFC 7578), with names escaped as browsers do (WHATWG HTML, "multipart/form-data
 * encoding algorithm").
 */
import type { Pull } from "@copas/core/HttpTransport"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Body } from "../../Body.js"
import * as Scopes from "../effect/scopes.js"
import * as Bytes from "../text/bytes.js"
import { Content, exactly, isTagged, measure, type Measured, ofBlob, type Opening } from "./body.js"

/** One part of a form. */
export interface Entry<E, R> {
  readonly name: string
  readonly content: Body<E, R>
  readonly filename: string | undefined
  /** Undefined for the fields of a form, which are text in UTF-8. */
  readonly type: string | undefined
}

const utf8 = new TextEncoder()

/** Names as browsers escape them. */
const escaped = (name: string): string => name.replace(/"/g, "%22").replace(/\r/g, "%0D").replace(/\n/g, "%0A")

/** What `Content-Type` of a part may be made of: a line end would begin a field of its own. */
const isFieldValue = (value: string): boolean => /^[\t\x20-\x7e\x80-\xff]*$/.test(value)

const headOf = (boundary: string, entry: Entry<unknown, unknown>, type: string | undefined): Uint8Array => {
  const file = entry.filename === undefined ? "" : `; filename="${escaped(entry.filename)}"`
  const field = type === undefined ? "" : `Content-Type: ${type}\r\n`
  return utf8.encode(
    `--${boundary}\r\nContent-Disposition: form-data; name="${escaped(entry.name)}"${file}\r\n${field}\r\n`
  )
}

/** Forms of at most this many bytes, all of them at hand, are one piece of bytes: that spares the transport a fiber. */
const mostAtHand = 256 * 1024

const crlf = utf8.encode("\r\n")

/** A piece of the form: bytes, or a part that is opened when its turn comes. */
type Piece<E, R> = Uint8Array | Effect.Effect<Pull<E>, E, R | Scope.Scope>

export const make = <E, R>(entries: ReadonlyArray<Entry<E, R>>): Content<E, R> => {
  const isOneShot = entries.some(({ content }) => isTagged(content) && content._tag === "OneShot")
  const measured = <F>(opening: Opening<F>) =>
    Effect.gen(function*() {
      // 128 random bits: no content can hold them, except one that has seen them.
      const boundary = `copas-${Bytes.hex(opening.randomBytes(16))}`
      const pieces: Array<Piece<E | F, R>> = []
      let length: number | undefined = 0
      for (const entry of entries) {
        const part: Measured<E | F, R> = yield* measure(entry.content, opening)
        const type = entry.type ?? (typeof entry.content === "string" ? undefined : part.type)
        if (type !== undefined && !isFieldValue(type)) {
          return yield* Effect.fail(
            opening.invalid(`the type of its part ${JSON.stringify(entry.name)} is no field value`)
          )
        }
        const head = headOf(boundary, entry, type)
        pieces.push(head, partOf(entry.name, part, opening), crlf)
        length = length === undefined || part.data.length === undefined
          ? undefined
          : length + head.length + part.data.length + crlf.length
      }
      const end = utf8.encode(`--${boundary}--\r\n`)
      pieces.push(end)
      if (length !== undefined) length += end.length
      const type = `multipart/form-data; boundary=${boundary}`
      const atHand = pieces.filter((piece) => piece instanceof Uint8Array)
      const data: Measured<E | F, R>["data"] =
        atHand.length === pieces.length && length !== undefined && length <= mostAtHand
          ? Bytes.concat(atHand)
          : { length, start: startAll(pieces) }
      return { type, data }
    })
  return new Content(isOneShot ? "OneShot" : "Replayable", measured)
}

const partOf = <E, R, F>(name: string, { data }: Measured<E, R>, opening: Opening<F>): Piece<E | F, R> => {
  if (data instanceof Uint8Array) return data
  const { length, start } = data
  if (length === undefined) return start
  const wrong = (given: string) =>
    opening.invalid(`its part ${JSON.stringify(name)} gave ${given} bytes in place of the ${length} announced`)
  return Effect.map(start, (pull) => exactly(pull, length, wrong))
}

/** Pulls one piece after the other; a part is closed at its end, so that a form of many files has one open. */
const startAll = <E, R>(
  pieces: ReadonlyArray<Piece<E, R>>
): Effect.Effect<Pull<E>, never, R | Scope.Scope> =>
  Effect.flatMap(Effect.context<R | Scope.Scope>(), (context) =>
    Effect.map(Effect.scope, (outer) => {
      let index = 0
      let part: { readonly pull: Pull<E>; readonly scope: Scope.CloseableScope } | undefined
      const enter = (start: Effect.Effect<Pull<E>, E, R | Scope.Scope>): Effect.Effect<void, E> =>
        Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(Scopes.forkSequential(outer), (scope) =>
            Effect.map(restore(Effect.provide(Scope.extend(start, scope), context)), (pull) => {
              part = { pull, scope }
            }))
        )
      const pull: Pull<E> = Effect.suspend((): Pull<E> => {
        if (part !== undefined) {
          const { scope } = part
          return Effect.flatMap(part.pull, (chunk) => {
            if (chunk !== undefined) {
              return Effect.succeed(chunk)
            }
            part = undefined
            return Effect.zipRight(Scope.close(scope, Exit.void), pull)
          })
        }
        const piece = pieces[index++]
        if (piece === undefined) {
          return Effect.succeed(undefined)
        }
        if (!(piece instanceof Uint8Array)) {
          return Effect.zipRight(enter(piece), pull)
        }
        return piece.length === 0 ? pull : Effect.succeed(piece)
      })
      return pull
    }))

/** The parts of a `FormData`, whose text has CR LF for line ends. */
export const entriesOf = (form: FormData): ReadonlyArray<Entry<never, never>> =>
  Array.from(form, ([name, value]) =>
    typeof value === "string"
      ? { name: lines(name), content: lines(value), filename: undefined, type: undefined }
      : {
        name: lines(name),
        content: ofBlob(value, undefined) as unknown as Body,
        filename: value.name,
        type: value.type === "" ? "application/octet-stream" : value.type
      })

const lines = (text: string): string => text.replace(/\r\n|\r|\n/g, "\r\n")
