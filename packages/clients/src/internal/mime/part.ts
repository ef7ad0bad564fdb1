/**
 * The tree of a message's parts, and how it becomes bytes (RFC 2046, section 5.1).
 */
import type { Body, Source } from "./content.js"
import type { Field } from "./field.js"
import * as field from "./field.js"

export interface Leaf {
  readonly _tag: "Leaf"
  /** All of the part's fields but Content-Transfer-Encoding. */
  readonly fields: ReadonlyArray<Field>
  readonly body: Body
  /** The fields stand in the body: a ready-made part. */
  readonly isRaw: boolean
}

export interface Multipart {
  readonly _tag: "Multipart"
  readonly subtype: string
  readonly parameters: ReadonlyArray<ReadonlyArray<string>>
  readonly fields: ReadonlyArray<Field>
  readonly parts: ReadonlyArray<Node>
}

export type Node = Leaf | Multipart

export const mostParts = 10_000
export const deepest = 64

/** How many parts the tree has, and how deep it is. */
export const measure = (node: Node): { readonly parts: number; readonly depth: number } => {
  if (node._tag === "Leaf") return { parts: 1, depth: 1 }
  let parts = 1
  let depth = 0
  for (const part of node.parts) {
    const below = measure(part)
    parts += below.parts
    depth = Math.max(depth, below.depth)
  }
  return { parts, depth: depth + 1 }
}

/** A multipart of one part is that part, unless it has parameters or fields of its own. */
export const multipart = (
  subtype: string,
  parts: ReadonlyArray<Node>,
  parameters: ReadonlyArray<ReadonlyArray<string>> = []
): Node =>
  parts.length === 1 && parameters.length === 0
    ? parts[0]!
    : { _tag: "Multipart", subtype, parameters, fields: [], parts }

/** What a message becomes: text and bytes at hand, and what is still to be made. */
export type Segment = string | Uint8Array | Source

/** The widest transfer encoding below. */
export const widthOf = (node: Node): "7bit" | "8bit" | "binary" => {
  if (node._tag === "Leaf") {
    const encoding = node.body.transferEncoding
    return encoding === "8bit" || encoding === "binary" ? encoding : "7bit"
  }
  let widest: "7bit" | "8bit" | "binary" = "7bit"
  for (const part of node.parts) {
    const width = widthOf(part)
    if (width === "binary" || width === "8bit" && widest === "7bit") widest = width
  }
  return widest
}

export const needsStuffing = (node: Node): boolean =>
  node._tag === "Leaf" ? node.body.needsStuffing : node.parts.some(needsStuffing)

/** The fields of a part, in the order in which they are written. */
export const fieldsOf = (node: Node, boundary: string): ReadonlyArray<Field> => {
  if (node._tag === "Multipart") {
    const type = field.parametrised("Content-Type", `multipart/${node.subtype}`, [
      ...node.parameters,
      [`boundary="${boundary}"`]
    ])
    const width = widthOf(node)
    return width === "7bit"
      ? [type, ...node.fields]
      : [type, field.fold("Content-Transfer-Encoding", [width]), ...node.fields]
  }
  return node.isRaw
    ? []
    : [...node.fields, field.fold("Content-Transfer-Encoding", [node.body.transferEncoding])]
}

/** Bytes at hand that hold a boundary would end their part. Encoded ones cannot: "=_" is in no encoding. */
const holds = (node: Node, id: string): boolean => {
  if (node._tag === "Multipart") return node.parts.some((part) => holds(part, id))
  const { data, encode, transferEncoding } = node.body
  if (encode !== undefined || transferEncoding === "base64" || transferEncoding === "quoted-printable") return false
  if (typeof data === "string") return data.includes(id)
  return data instanceof Uint8Array && new TextDecoder("latin1").decode(data).includes(id)
}

/** An id for boundaries that no part at hand has in it. */
export const boundaryId = (node: Node, id: string): string => {
  let free = id
  for (let attempt = 0; holds(node, free); attempt++) free = `${id}${attempt}`
  return free
}

/**
 * The part's body as segments. Boundaries are "=_", the id and a number: all of one length whatever the id is, so that
 * the size is known before.
 */
export const write = (node: Node, id: string, segments: Array<Segment>): void => {
  let count = 0
  const boundaryOf = (): string => `=_${id}_${String(count++).padStart(4, "0")}`
  const body = (part: Node, boundary: string): void => {
    if (part._tag === "Leaf") {
      const { data, encode } = part.body
      segments.push(encode !== undefined && data instanceof Uint8Array ? encode(data) : data)
      return
    }
    for (const child of part.parts) {
      const inner = child._tag === "Multipart" ? boundaryOf() : ""
      let head = `--${boundary}\r\n`
      for (const { text } of fieldsOf(child, inner)) head += text
      segments.push(child._tag === "Leaf" && child.isRaw ? head : `${head}\r\n`)
      body(child, inner)
      segments.push("\r\n")
    }
    segments.push(`--${boundary}--\r\n`)
  }
  const outer = boundaryOf()
  body(node, outer)
}

export const outerBoundary = (id: string): string => `=_${id}_0000`
