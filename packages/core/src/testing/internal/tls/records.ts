/**
 * How the stand-in for TLS looks on the wire: records as those of TLS (RFC 8446, section 5.1), with messages in them that
 * are JSON. Nothing is secret. What carries the application's bytes has a checksum, so that what somebody else put into
 * the stream breaks it as it would break TLS.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { TlsFailure } from "../../../TlsTransport.js"
import { violation } from "./alerts.js"
import { encode } from "./text.js"

export const alertType = 21
export const handshakeType = 22
export const dataType = 23

const headerLength = 5
const checksumLength = 4
/** The most bytes of the application in one record. */
export const largestFragment = 16 * 1024
const largestPayload = largestFragment + 256
/** The most bytes of one message: a chain of certificates is the longest. */
const largestMessage = 512 * 1024

// ---- records

export interface TlsRecord {
  readonly type: number
  /** No other code has it. */
  readonly payload: Uint8Array
}

export const record = (type: number, ...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const bytes = new Uint8Array(headerLength + length)
  bytes.set([type, 3, 3, length >> 8, length & 0xff])
  let at = headerLength
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

export const isFailure = (found: TlsRecord | TlsFailure): found is TlsFailure => "reason" in found

export const join = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  if (chunks.length === 1) return chunks[0]!
  const all = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
  let at = 0
  for (const chunk of chunks) {
    all.set(chunk, at)
    at += chunk.length
  }
  return all
}

/** Finds records in what comes, however it is cut. */
export class RecordReader {
  private chunks: Array<Uint8Array> = []
  private size = 0
  private needed = headerLength
  private isFirst = true

  push(chunk: Uint8Array): void {
    this.chunks.push(chunk)
    this.size += chunk.length
  }

  /** The next one, why there will be none, or `undefined` when more has to come. */
  next(): TlsRecord | TlsFailure | undefined {
    if (this.size < this.needed) return undefined
    const all = join(this.chunks)
    this.chunks = [all]
    if (this.needed === headerLength) {
      const [type = 0, major = 0, , high = 0, low = 0] = all
      if (major !== 3 || type < 20 || type > 24) {
        return this.isFirst
          ? { reason: "PlaintextPeer", code: "ERR_SSL_WRONG_VERSION_NUMBER" }
          : violation("WRONG_VERSION_NUMBER")
      }
      this.isFirst = false
      const length = high * 256 + low
      if (length > largestPayload) return violation("PACKET_LENGTH_TOO_LONG")
      this.needed += length
      // A record without contents is of no use, and many of them are work.
      if (length === 0) return violation("BAD_LENGTH")
      return this.next()
    }
    const payload = all.slice(headerLength, this.needed)
    this.chunks = all.length === this.needed ? [] : [all.subarray(this.needed)]
    this.size -= this.needed
    this.needed = headerLength
    return { type: all[0]!, payload }
  }
}

// ---- the application's bytes

/** A checksum over what one side sends (FNV-1a, seeded): it depends on the connection, the side and the place. */
export class Checksum {
  private readonly seed: number
  private sequence = 0

  constructor(key: Uint8Array) {
    this.seed = new DataView(key.buffer, key.byteOffset).getInt32(0)
  }

  next(bytes: Uint8Array, from: number, to: number): Uint8Array {
    let sum = this.seed ^ Math.imul(this.sequence, 0x01000193)
    this.sequence += 1
    for (let at = from; at < to; at += 1) sum = Math.imul(sum ^ bytes[at]!, 0x01000193)
    return Uint8Array.of(sum >> 24, sum >> 16, sum >> 8, sum)
  }
}

export const sealData = (bytes: Uint8Array, checksum: Checksum): Array<Uint8Array> => {
  const records: Array<Uint8Array> = []
  for (let from = 0; from < bytes.length; from += largestFragment) {
    const to = Math.min(from + largestFragment, bytes.length)
    records.push(record(dataType, bytes.subarray(from, to), checksum.next(bytes, from, to)))
  }
  return records
}

/** `undefined` when it was not the peer that sent it here. */
export const openData = (payload: Uint8Array, checksum: Checksum): Uint8Array | undefined => {
  const length = payload.length - checksumLength
  if (length < 0) return undefined
  const expected = checksum.next(payload, 0, length)
  return expected.every((byte, index) => payload[length + index] === byte) ? payload.subarray(0, length) : undefined
}

// ---- messages

const Bytes = Schema.Uint8ArrayFromBase64
export const VersionName = Schema.Literal("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")

export const ClientHello = Schema.TaggedStruct("ClientHello", {
  random: Bytes,
  versions: Schema.Array(VersionName),
  ciphers: Schema.Array(Schema.String),
  groups: Schema.Array(Schema.String),
  /** The kinds of keys whose signatures it knows. */
  kinds: Schema.Array(Schema.Literal("ec", "rsa", "ed")),
  serverName: Schema.optional(Schema.String),
  alpn: Schema.Array(Schema.String),
  ticket: Schema.optional(Bytes),
  psk: Schema.optional(Schema.Struct({ identity: Schema.String, binder: Bytes }))
})

export const ServerHello = Schema.TaggedStruct("ServerHello", {
  random: Bytes,
  version: VersionName,
  cipher: Schema.String,
  group: Schema.optional(Schema.String),
  isResumed: Schema.Boolean,
  /** The key that the client offered was taken. */
  isPsk: Schema.Boolean,
  pskHint: Schema.optional(Schema.String),
  alpn: Schema.optional(Schema.String),
  chain: Schema.Array(Bytes),
  asksCertificate: Schema.Boolean
})

export const ClientReply = Schema.TaggedStruct("ClientReply", {
  chain: Schema.Array(Bytes),
  pskIdentity: Schema.optional(Schema.String)
})

const Finished = Schema.TaggedStruct("Finished", { verify: Bytes })

export const NewTicket = Schema.TaggedStruct("NewTicket", { ticket: Bytes, secret: Bytes, lifetime: Schema.Number })

export const Message = Schema.Union(ClientHello, ServerHello, ClientReply, Finished, NewTicket)

export type Message = typeof Message.Type
export type ClientHello = typeof ClientHello.Type
export type ServerHello = typeof ServerHello.Type
export type ClientReply = typeof ClientReply.Type
export type NewTicket = typeof NewTicket.Type

const MessageJson = Schema.parseJson(Message)
const encodeJson = Schema.encodeSync(MessageJson)
const decodeJson = Schema.decodeUnknownOption(MessageJson)

/** RFC 8446, section 4. */
const messageTypes: Record<Message["_tag"], number> = {
  ClientHello: 1,
  ServerHello: 2,
  NewTicket: 4,
  ClientReply: 11,
  Finished: 20
}

/** With its header: the type and the length. */
export const encodeMessage = (message: Message): Uint8Array => {
  const body = encode(encodeJson(message))
  const bytes = new Uint8Array(4 + body.length)
  bytes.set([messageTypes[message._tag], body.length >> 16, (body.length >> 8) & 0xff, body.length & 0xff])
  bytes.set(body, 4)
  return bytes
}

export const handshakeRecords = (message: Uint8Array): Array<Uint8Array> => {
  const records: Array<Uint8Array> = []
  for (let from = 0; from < message.length; from += largestFragment) {
    records.push(record(handshakeType, message.subarray(from, from + largestFragment)))
  }
  return records
}

const decoder = new TextDecoder()

export interface Heard {
  readonly message: Message
  readonly bytes: Uint8Array
}

/** Finds messages in the records that carry them. */
export class MessageReader {
  private waiting: Uint8Array = new Uint8Array(0)

  push(payload: Uint8Array): void {
    this.waiting = this.waiting.length === 0 ? payload : join([this.waiting, payload])
  }

  next(): Heard | TlsFailure | undefined {
    const { waiting } = this
    if (waiting.length < 4) return undefined
    const [type = 0, high = 0, middle = 0, low = 0] = waiting
    const end = 4 + ((high << 16) | (middle << 8) | low)
    if (end > largestMessage) return violation("EXCESSIVE_MESSAGE_SIZE")
    if (waiting.length < end) return undefined
    this.waiting = waiting.subarray(end)
    const bytes = waiting.slice(0, end)
    const message = decodeJson(decoder.decode(bytes.subarray(4)))
    return Option.isSome(message) && messageTypes[message.value._tag] === type
      ? { message: message.value, bytes }
      : violation("LENGTH_MISMATCH")
  }

  get isEmpty(): boolean {
    return this.waiting.length === 0
  }
}
