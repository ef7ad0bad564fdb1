/**
 * Messages of the test server: DATA and BDAT, what is kept of them, and the replies after them.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { now } from "../../../internal/effect/fibers.js"
import * as Bytes from "../../../internal/text/bytes.js"
import type { Message, Parameters } from "../../SmtpServer.js"
import { type Client, type Content as Stored, type Conversation, limit, type Transaction } from "./client.js"
import { byAddress, readChunk, Refusal } from "./envelope.js"
import { defaultSize } from "./extensions.js"

/** Why no content may come now. */
const outOfSequence = ({ shared, transaction }: Client): string | undefined =>
  transaction === undefined
    ? "503 5.5.1 MAIL comes first"
    : transaction.recipients.length > 0
    ? undefined
    // RFC 2033, section 4.2.
    : shared.options.protocol === "lmtp"
    ? "503 5.5.1 No valid recipients"
    : "554 5.5.1 No valid recipients"

const begin = (transaction: Transaction): Stored =>
  transaction.content ??= { bytes: Bytes.empty, size: 0, refused: undefined }

const sizeLimit = ({ has, quirks, extensions }: Client): { readonly most: number; readonly reply: string } => {
  const told = Number(extensions.get("SIZE"))
  const { most, reply } = limit(quirks.maxSize, defaultSize, "552 5.3.4 The message is too large")
  return { most: has("SIZE") && told > 0 ? Math.min(most, told) : most, reply }
}

/** RFC 1870, section 6: refused by what MAIL says. */
export const refusedSize = (client: Client, size: string | undefined): string | undefined => {
  const { most, reply } = sizeLimit(client)
  return size !== undefined && Number(size) > most ? reply : undefined
}

const leastCapacity = 4096

/** Adds to a message's content. What cannot be kept is counted, and refused at its end. */
const add = (client: Client, content: Stored) => (piece: Uint8Array): Conversation =>
  Effect.zipRight(
    client.arrived(content.size, piece),
    Effect.sync(() => {
      const { shared } = client
      const { most, reply } = sizeLimit(client)
      const before = content.size
      content.size += piece.length
      content.refused ??= content.size > most
        ? reply
        : shared.hasRoom(content.size)
        ? undefined
        : "452 4.3.1 There is no room for the message"
      if (content.refused !== undefined || shared.options.keepsBytes === false) {
        content.bytes = Bytes.empty
        return
      }
      if (content.bytes.length < content.size) {
        const larger = new Uint8Array(Math.max(leastCapacity, 2 * content.bytes.length, content.size))
        larger.set(content.bytes.subarray(0, before))
        content.bytes = larger
      }
      content.bytes.set(piece, before)
    })
  )

/** RFC 5321, sections 2.3.8, 2.4 and 4.5.3.1.6; RFC 6152, section 3. */
const contentFault = (bytes: Uint8Array, { BODY = "7BIT", SMTPUTF8 }: Parameters): string | undefined => {
  const text = Bytes.toBinary(bytes)
  return BODY.toUpperCase() === "BINARYMIME"
    ? undefined
    : /\r(?!\n)|(?<!\r)\n|\0/.test(text)
    ? "550 5.6.0 The message has a CR or LF alone, or NUL"
    : /[^\r\n]{999}/.test(text)
    ? "550 5.6.0 The message has a line of more than 998 bytes"
    : BODY.toUpperCase() === "7BIT" && SMTPUTF8 === undefined && /[^\0-\x7f]/.test(text)
    ? "554 5.6.1 Bytes above 127 need BODY=8BITMIME"
    : undefined
}

const keep = (client: Client, message: Message): Effect.Effect<void> => {
  const { quirks, shared } = client
  const { recipients } = message.envelope
  const isLost = quirks.endings?.DOT !== undefined && quirks.keepsUnanswered === false
  if (recipients.length === 0 || isLost) return Effect.void
  return Effect.map(now, (millis) => {
    shared.report(message, recipients.map(({ address }) => byAddress(quirks.deliveries, address)), millis)
    shared.keep(message)
  })
}

/** The message is complete: judges it, keeps it, replies. */
const finish = (client: Client, { content, mail, recipients }: Transaction, via: "DATA" | "BDAT"): Conversation =>
  Effect.suspend(() => {
    client.phase = "DOT"
    client.transaction = undefined
    const { quirks, shared } = client
    const { bytes, refused, size } = content!
    const isLmtp = shared.options.protocol === "lmtp"
    const final = client.refusal ?? refused ??
      (quirks.strictContent === true ? contentFault(bytes.subarray(0, size), mail.parameters) : undefined)
    const reply = (replyTo: (address: string) => string): Conversation =>
      isLmtp
        ? Effect.forEach(recipients, ({ address }) => client.reply(replyTo(address)), { discard: true })
        : client.reply(replyTo(""))
    if (final !== undefined) return reply(() => final)
    const outcome = (address: string): string | undefined => isLmtp ? byAddress(quirks.deliveries, address) : undefined
    const queueId = shared.nextQueueId()
    const message: Message = {
      envelope: {
        sender: mail.address,
        parameters: mail.parameters,
        recipients: recipients.filter(({ address }) => !/^[45]/.test(outcome(address) ?? ""))
      },
      bytes: bytes.slice(0, size),
      size,
      via,
      clientName: client.name ?? "",
      tls: Option.map(client.socket.tls, ({ info }) => info),
      user: Option.fromNullable(client.user),
      queueId,
      connection: client.number
    }
    return Effect.zipRight(
      keep(client, message),
      reply((address) => outcome(address) ?? `250 2.0.0 Ok: queued as ${queueId}`)
    )
  })

/** RFC 5321, section 4.1.1.4. */
export const data = (client: Client, argument: string): Conversation =>
  Effect.gen(function*() {
    const { quirks, transaction } = client
    if (argument !== "") return yield* client.reply("501 5.5.4 DATA takes nothing")
    if (transaction?.content !== undefined) return yield* client.reply("503 5.5.1 BDAT has begun the message")
    if (transaction?.mail.parameters.BODY?.toUpperCase() === "BINARYMIME") {
      return yield* client.reply("503 5.5.1 Binary content needs BDAT")
    }
    const refused = outOfSequence(client)
    if (refused !== undefined && (transaction === undefined || quirks.goesAhead !== true)) {
      return yield* client.reply(refused)
    }
    yield* client.reply("354 Go ahead")
    const content = begin(transaction!)
    yield* client.reader.content(add(client, content))
    if (refused === undefined) return yield* finish(client, transaction!, "DATA")
    client.phase = "DOT"
    client.transaction = undefined
    yield* client.reply(refused)
  })

/** RFC 3030, section 2: whatever the reply is, the chunk's bytes are taken off. */
export const bdat = (client: Client, argument: string): Conversation =>
  Effect.gen(function*() {
    const chunk = readChunk(argument)
    // Where the chunk ends is not known, and what would be read from now on are no commands.
    if (chunk instanceof Refusal) {
      yield* client.reply(chunk.reply)
      return yield* client.end("close")
    }
    const { transaction } = client
    const content = transaction === undefined ? undefined : begin(transaction)
    const refused = client.refusal ?? outOfSequence(client) ??
      (content?.refused === undefined ? undefined : "503 5.5.1 A chunk was refused: RSET comes first")
    const take = refused === undefined ? add(client, content!) : (piece: Uint8Array) => client.arrived(0, piece)
    yield* client.reader.chunk(chunk.length, take)
    if (refused === undefined && chunk.isLast) return yield* finish(client, transaction!, "BDAT")
    if (content !== undefined) content.refused ??= refused
    yield* client.reply(refused ?? content!.refused ?? `250 2.0.0 ${chunk.length} bytes received`)
  })
