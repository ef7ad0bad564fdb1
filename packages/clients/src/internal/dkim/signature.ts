/**
 * The field DKIM-Signature (RFC 6376, section 3.5) of a composed message.
 */
import * as base64 from "../mime/base64.js"
import type { Field } from "../mime/field.js"
import * as field from "../mime/field.js"
import { runAll } from "../mime/transducer.js"
import { relaxedField } from "./canonical.js"

/**
 * Signed once more often than they occur, so that no one can add another. RFC 6376, section 8.15.
 */
const overSigned = [
  "from",
  "to",
  "cc",
  "subject",
  "date",
  "message-id",
  "reply-to",
  "sender",
  "in-reply-to",
  "references",
  "mime-version",
  "content-type",
  "content-transfer-encoding"
]
/** Signed as often as they are there: a mailing list adds its own. RFC 8058, section 4, asks for the first two. */
const signed = /^list-/

/** The names of `h=`, in the order of the fields. */
export const namesOf = (fields: ReadonlyArray<Field>): ReadonlyArray<string> => {
  const names = fields.map(({ name }) => name.toLowerCase())
  return [...names.filter((name) => overSigned.includes(name) || signed.test(name)), ...overSigned]
}

const text = new TextDecoder("latin1")
const inBase64 = (bytes: Uint8Array): string => text.decode(runAll(base64.encoder(0), bytes))
const pieces = (value: string): ReadonlyArray<string> => value.match(/.{1,70}/g) ?? []

export interface Terms {
  readonly algorithm: string
  readonly domain: string
  readonly selector: string
  readonly identity: string | undefined
  /** In seconds since 1970. */
  readonly time: number
  readonly expires: number | undefined
}

const write = (terms: Terms, names: ReadonlyArray<string>, bodyHash: Uint8Array, signature: ReadonlyArray<string>) =>
  field.fold("DKIM-Signature", [
    "v=1;",
    `a=${terms.algorithm};`,
    "c=relaxed/relaxed;",
    `d=${terms.domain};`,
    `s=${terms.selector};`,
    ...(terms.identity === undefined ? [] : [`i=${terms.identity};`]),
    `t=${terms.time};`,
    ...(terms.expires === undefined ? [] : [`x=${terms.expires};`]),
    ...names.map((name, index) => `${index === 0 ? "h=" : ""}${name}${index === names.length - 1 ? ";" : ":"}`),
    `bh=${inBase64(bodyHash)};`,
    ...(signature.length === 0 ? ["b="] : signature.map((piece, index) => index === 0 ? `b=${piece}` : piece))
  ])

/**
 * What is to be signed. Of several fields of a name the last is taken first (RFC 6376, section 5.4.2); the signature's
 * own field ends it, without its line end.
 */
export const dataOf = (
  fields: ReadonlyArray<Field>,
  terms: Terms,
  bodyHash: Uint8Array
): Uint8Array => {
  const names = namesOf(fields)
  const left = new Map<string, Array<Field>>()
  for (const one of fields) {
    const name = one.name.toLowerCase()
    left.set(name, [...left.get(name) ?? [], one])
  }
  let data = ""
  for (const name of names) {
    const last = left.get(name)?.pop()
    if (last !== undefined) data += relaxedField(last.text)
  }
  data += relaxedField(write(terms, names, bodyHash, []).text).slice(0, -2)
  return new TextEncoder().encode(data)
}

export const fieldOf = (
  fields: ReadonlyArray<Field>,
  terms: Terms,
  bodyHash: Uint8Array,
  signature: Uint8Array
): Field => write(terms, namesOf(fields), bodyHash, pieces(inBase64(signature)))
