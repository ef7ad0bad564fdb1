/**
 * What a listing is made of.
 */
import * as Option from "effect/Option"
import * as Bytes from "../../text/bytes.js"
import type * as Codec from "../../text/codec.js"
import type * as Time from "../time.js"

export type EntryType = "file" | "directory" | "link" | "other" | "unknown"

export type Format =
  | "mlsx"
  | "unix"
  | "netware"
  | "dos"
  | "eplf"
  | "names"
  | "as400"
  | "zos"
  | "zvm"
  | "vms"
  | "os2"
  | "nonstop"
  | "nortel"
  | "vxworks"
  | "numeric"
  | "enterprise"
  | "custom"

export interface Entry {
  readonly _tag: "Entry"
  /** The name in the session's encoding. It is the server's word: see `SafeName` before using it as a local one. */
  readonly name: string
  /** The name as it came. It may be given back wherever a path is asked for. */
  readonly rawName: Uint8Array
  /** `other` is a device, a socket, a pipe; `unknown` is not told, or not understood. */
  readonly type: EntryType
  /** The listed directory itself and its parent stand in many listings. */
  readonly role: "child" | "self" | "parent"
  readonly size?: number
  readonly modifiedAt?: Time.Timestamp
  readonly createdAt?: Time.Timestamp
  /** The twelve bits of a Unix mode. */
  readonly permissions?: number
  readonly owner?: string
  readonly group?: string
  readonly linkTarget?: string
  readonly rawLinkTarget?: Uint8Array
  /** Two entries with the same value are the same file (RFC 3659, section 7.5.2). */
  readonly unique?: string
  /** Every fact as it came, names in small letters. For listings without facts, what has no field of its own. */
  readonly facts: ReadonlyMap<string, string>
  readonly format: Format
  /** The whole line. */
  readonly raw: Uint8Array
}

/** A line that is not an entry in the listing's format, or is one that cannot be taken at its word. */
export interface Unparsed {
  readonly _tag: "Unparsed"
  readonly reason: "Unrecognised" | "NoName" | "SizeTooLarge"
  readonly text: string
  readonly raw: Uint8Array
}

export type Line = Entry | Unparsed

export interface Context {
  readonly codec: Codec.Codec
  /** When the listing was asked for, in milliseconds. Times without a year are placed before it. */
  readonly now: number
  /** How far the server's clock is ahead of UTC, for formats in local time. */
  readonly utcOffsetMinutes: number
}

/** The line as one character a byte. */
export interface Source {
  readonly raw: Uint8Array
  readonly binary: string
}

/** A parser of one format gives undefined for a line that is not of it. */
export type LineParser = (source: Source, context: Context) => Line | undefined

export const decode = (binary: string, codec: Codec.Codec): string => codec.decode(Bytes.fromBinary(binary))

export const unparsed = (source: Source, reason: Unparsed["reason"], context: Context): Unparsed => ({
  _tag: "Unparsed",
  reason,
  text: context.codec.decode(source.raw),
  raw: source.raw
})

const noFacts: ReadonlyMap<string, string> = new Map()

const roleOf = (binaryName: string): Entry["role"] =>
  binaryName === "." ? "self" : binaryName === ".." ? "parent" : "child"

type Mutable = { -readonly [K in keyof Entry]: Entry[K] }

/** What a format may know of an entry beside its name and type. */
export interface Known {
  readonly role?: Entry["role"] | undefined
  readonly size?: number | undefined
  readonly modifiedAt?: Time.Timestamp | undefined
  readonly createdAt?: Time.Timestamp | undefined
  readonly permissions?: number | undefined
  readonly owner?: string | undefined
  readonly group?: string | undefined
  readonly binaryLinkTarget?: string | undefined
  readonly unique?: string | undefined
  readonly facts?: ReadonlyMap<string, string> | undefined
}

/** An entry has no field for what is not known. */
export const make = (
  source: Source,
  context: Context,
  format: Format,
  binaryName: string,
  type: EntryType,
  known: Known
): Line => {
  if (binaryName === "") return unparsed(source, "NoName", context)
  const rawName = Bytes.fromBinary(binaryName)
  const entry: Mutable = {
    _tag: "Entry",
    name: context.codec.decode(rawName),
    rawName,
    type,
    role: known.role ?? roleOf(binaryName),
    facts: known.facts ?? noFacts,
    format,
    raw: source.raw
  }
  // One by one: this runs for every line, and a loop over the keys takes several times as long.
  if (known.size !== undefined) entry.size = known.size
  if (known.modifiedAt !== undefined) entry.modifiedAt = known.modifiedAt
  if (known.createdAt !== undefined) entry.createdAt = known.createdAt
  if (known.permissions !== undefined) entry.permissions = known.permissions
  if (known.owner !== undefined) entry.owner = known.owner
  if (known.group !== undefined) entry.group = known.group
  if (known.unique !== undefined) entry.unique = known.unique
  if (known.binaryLinkTarget !== undefined) {
    entry.rawLinkTarget = Bytes.fromBinary(known.binaryLinkTarget)
    entry.linkTarget = context.codec.decode(entry.rawLinkTarget)
  }
  return entry
}

/** What a parser of the caller's own makes of a line: a name, which it decodes itself or gives as bytes, and what it knows. */
export interface CustomEntry {
  readonly name: string | Uint8Array
  readonly type: EntryType
  readonly size?: number | undefined
  readonly modifiedAt?: Time.Timestamp | undefined
  readonly permissions?: number | undefined
  readonly owner?: string | undefined
  readonly group?: string | undefined
  readonly facts?: ReadonlyMap<string, string> | undefined
}

export const custom = (source: Source, context: Context, { name, type, ...known }: CustomEntry): Line => {
  const raw = typeof name === "string" ? Option.getOrElse(context.codec.encode(name), () => Bytes.empty) : name
  return make(source, context, "custom", Bytes.toBinary(raw), type, known)
}
