/** What a request for a file is answered: status, fields and the bytes to send. It opens and reads nothing. */
import { type Coding, suffix } from "./codings.js"
import { allowsRange, type Fields, judge, type Validators } from "./conditions.js"
import { contentRange, multipart, type Slice, slicesOf } from "./ranges.js"

/** A file that is open. */
export interface File {
  readonly size: number
  /** When it was changed last, in nanoseconds since 1970. */
  readonly modified: bigint
  readonly contentType: string
  /** What its bytes are coded with, if it is the compressed file beside another one. */
  readonly coding: Coding | undefined
  /** More fields of each answer that has content, and of 304. */
  readonly fields: Readonly<Record<string, string>>
}

export interface Request {
  readonly isHead: boolean
  readonly fields: Fields
  /** In milliseconds since 1970. */
  readonly now: number
  /** Asked for when there are several ranges: text that no file has. */
  readonly boundary: () => string
}

export interface Plan {
  readonly status: number
  readonly fields: Readonly<Record<string, string>>
  /** What is sent, in order; nothing for HEAD, whatever `length` says. */
  readonly parts: ReadonlyArray<Slice | string>
  /** `Content-Length`, if the answer has one. */
  readonly length: number | undefined
}

/** A file that has not changed for this long will not change again without another time of change. */
const settleMillis = 2000

/**
 * A tag of size and time of change, one a coding. It is strong if the file has not changed for two seconds: a later change
 * within the same tick of the file system's clock would give the same tag.
 */
export const validatorsOf = (
  { coding, modified, size }: Pick<File, "coding" | "modified" | "size">,
  now: number
): Validators => {
  const millis = Number(modified / 1_000_000n)
  const tag = `"${size.toString(16)}-${modified.toString(16)}${coding === undefined ? "" : suffix[coding]}"`
  return {
    etag: now - millis >= settleMillis ? tag : `W/${tag}`,
    // Never in the future (RFC 9110, 8.8.2.1).
    modified: Math.floor(Math.min(millis, now) / 1000)
  }
}

const lengthOf = (parts: ReadonlyArray<Slice | string>): number =>
  parts.reduce((sum, part) => sum + (typeof part === "string" ? Buffer.byteLength(part) : part.end - part.start), 0)

/** The whole file with a status of its own, whatever the request's conditions say: a page for what is not there. */
export const whole = (file: File, isHead: boolean, status: number, fields: Plan["fields"] = {}): Plan => ({
  status,
  fields: {
    ...fields,
    ...file.fields,
    ...file.coding === undefined ? {} : { "content-encoding": file.coding },
    "content-type": file.contentType
  },
  parts: isHead || file.size === 0 ? [] : [{ start: 0, end: file.size }],
  length: file.size
})

/** The answer to GET and HEAD. */
export const plan = (request: Request, file: File): Plan => {
  const now = Math.floor(request.now / 1000)
  const validators = validatorsOf(file, request.now)
  const fields = {
    etag: validators.etag,
    "last-modified": new Date(validators.modified * 1000).toUTCString(),
    // A range is one of the file as it is.
    ...file.coding === undefined ? { "accept-ranges": "bytes" } : {}
  }
  const judged = judge(request.fields, validators, now)
  if (judged === 412) return { status: 412, fields: {}, parts: [], length: 0 }
  if (judged === 304) return { status: 304, fields: { ...fields, ...file.fields }, parts: [], length: undefined }
  const { range } = request.fields
  const complete = whole(file, request.isHead, 200, fields)
  // Range is defined for GET alone (RFC 9110, 14.2).
  if (range === undefined || request.isHead || file.coding !== undefined) return complete
  if (!allowsRange(request.fields["if-range"], validators, now)) return complete
  const slices = slicesOf(range, file.size)
  if (slices === "whole") return complete
  if (slices === "none") {
    return {
      status: 416,
      fields: { "accept-ranges": "bytes", "content-range": `bytes */${file.size}` },
      parts: [],
      length: 0
    }
  }
  const [only, ...others] = slices
  if (others.length === 0) {
    return {
      status: 206,
      fields: { ...complete.fields, "content-range": contentRange(only!, file.size) },
      parts: slices,
      length: lengthOf(slices)
    }
  }
  const boundary = request.boundary()
  const parts = multipart(slices, file.size, file.contentType, boundary)
  return {
    status: 206,
    fields: { ...complete.fields, "content-type": `multipart/byteranges; boundary=${boundary}` },
    parts,
    length: lengthOf(parts)
  }
}
