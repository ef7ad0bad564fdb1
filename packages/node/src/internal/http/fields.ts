/** Fields of messages as undici takes and gives them. Their characters are bytes (Latin-1). */
import type { Field, WireBody } from "@copas/core/HttpTransport"

/** Names and values one after the other; the length of a pulled body is among them, bytes have one of their own. */
export const toUndici = (fields: ReadonlyArray<Field>, body: WireBody<unknown> | undefined): Array<string> => {
  const flat: Array<string> = []
  for (const [name, value] of fields) flat.push(name, value)
  if (body !== undefined && !(body instanceof Uint8Array) && body.length !== undefined) {
    flat.push("content-length", String(body.length))
  }
  return flat
}

export const ofUndici = (raw: ReadonlyArray<Buffer | string>): ReadonlyArray<Field> => {
  const fields: Array<Field> = []
  for (let index = 0; index + 1 < raw.length; index += 2) fields.push([text(raw[index]!), text(raw[index + 1]!)])
  return fields
}

/** HTTP/2 gives them as an object. */
export const ofTrailers = (raw: unknown): ReadonlyArray<Field> => {
  if (Array.isArray(raw)) return raw.length === 0 ? none : ofUndici(raw as ReadonlyArray<Buffer | string>)
  if (raw === null || typeof raw !== "object") return none
  return Object.entries(raw).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((one): Field => [name, String(one)])
  )
}

const none: ReadonlyArray<Field> = []

/** Node's own way, a fifth of `toString`'s cost for short texts. */
interface Latin1 extends Buffer {
  readonly latin1Slice: () => string
}

const text = (bytes: Buffer | string): string => typeof bytes === "string" ? bytes : (bytes as Latin1).latin1Slice()

/** The values of all fields of a name, which is in lower case: no other field is made a text for it. */
export const valuesOf = (raw: ReadonlyArray<Buffer | string>, name: string): ReadonlyArray<string> => {
  let found: Array<string> | undefined
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const given = raw[index]!
    if (given.length !== name.length || text(given).toLowerCase() !== name) continue
    if (found === undefined) found = [text(raw[index + 1]!)]
    else found.push(text(raw[index + 1]!))
  }
  return found ?? noValues
}

const noValues: ReadonlyArray<string> = []
