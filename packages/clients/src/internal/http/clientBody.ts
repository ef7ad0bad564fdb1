/** The bodies of Effect's client requests, as bodies of ours. */
import type { HttpBody } from "@effect/platform/HttpBody"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import * as Body from "../../Body.js"

/** What the program's own stream failed with. */
export class StreamFailed {
  readonly _tag = "StreamFailed"
  readonly cause: unknown
  constructor(cause: unknown) {
    this.cause = cause
  }
}

type Converted = Body.Body<StreamFailed>

const isReadable = Predicate.hasProperty("getReader")
const isAsync = (body: unknown): body is AsyncIterable<Uint8Array> => Predicate.hasProperty(body, Symbol.asyncIterator)
// Both are told by what they do: programs may bring classes of their own.
const isBlob = (body: unknown): body is Blob =>
  Predicate.hasProperty(body, "arrayBuffer") && Predicate.hasProperty(body, "size")
const isForm = (body: unknown): body is FormData =>
  Predicate.hasProperty(body, Symbol.iterator) && Predicate.hasProperty(body, "append") &&
  !(body instanceof URLSearchParams)

const utf8 = new TextEncoder()
const asBytes = (chunk: unknown): Uint8Array => typeof chunk === "string" ? utf8.encode(chunk) : chunk as Uint8Array

/** What `fetch` takes as a body; undefined for anything else. */
const raw = (body: unknown, options: Body.StreamOptions): Converted | undefined => {
  const typed = options.type === undefined ? {} : { type: options.type }
  if (typeof body === "string") return Body.text(body, typed)
  if (body instanceof Uint8Array) return Body.bytes(body, typed)
  if (body instanceof ArrayBuffer) return Body.bytes(new Uint8Array(body), typed)
  if (ArrayBuffer.isView(body)) return Body.bytes(new Uint8Array(body.buffer, body.byteOffset, body.byteLength), typed)
  if (body instanceof URLSearchParams) return Body.form(body)
  if (isForm(body)) return Body.formData(body)
  if (isBlob(body)) return Body.blob(body, typed)
  const failed = (cause: unknown) => new StreamFailed(cause)
  if (isReadable(body)) {
    return Body.stream(
      Stream.map(Stream.fromReadableStream(() => body as unknown as ReadableStream, failed), asBytes),
      options
    )
  }
  return isAsync(body) ? Body.stream(Stream.map(Stream.fromAsyncIterable(body, failed), asBytes), options) : undefined
}

/** Undefined: there is none. Null: it is of a kind that cannot be sent. */
export const convert = (body: HttpBody): Converted | undefined | null => {
  switch (body._tag) {
    case "Empty":
      return undefined
    case "Uint8Array":
      // Its type stands among the fields of the request.
      return body.body
    case "FormData":
      return Body.formData(body.formData)
    case "Stream":
      return Body.stream(Stream.mapError(body.stream, (cause) => new StreamFailed(cause)), {
        type: body.contentType,
        length: body.contentLength
      })
    case "Raw":
      return body.body === undefined || body.body === null
        ? undefined
        : raw(body.body, { type: body.contentType, length: body.contentLength }) ?? null
  }
}
