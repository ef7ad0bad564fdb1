/**
 * From the go-ahead to the last reply: the content goes out by DATA, or by BDAT (RFC 3030).
 *
 * A content that was begun is ended only when all of it was sent. A caller that leaves earlier cuts the connection, so that
 * no recipient gets a part of a message.
 */
import { SocketTimeout } from "@copas/core/SocketError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { MessageChanged } from "../../../MessageError.js"
import { ProtocolViolation } from "../../../ReplyError.js"
import { DeliveryUnknown, MessageRejected, MessageTooLarge } from "../../../SmtpError.js"
import type { Failure } from "../../../SmtpSession.js"
import { interruptedWith, wasInterrupted } from "../../effect/causes.js"
import type { Composition } from "../../mime/compose.js"
import { LF } from "../../mime/transducer.js"
import type { ChannelError } from "../../replies/channel.js"
import * as Command from "../../replies/command.js"
import * as Ledger from "../../replies/ledger.js"
import * as Reply from "../../replies/reply.js"
import * as Bytes from "../../text/bytes.js"
import * as Answer from "../answer.js"
import * as Content from "./content.js"
import type { Conversation } from "./conversation.js"

/** How many chunks of BDAT may be without their reply where the server has PIPELINING. */
const mostUnanswered = 2

const dot = Bytes.fromBinary(".\r\n")
const lineAndDot = Bytes.fromBinary("\r\n.\r\n")

/** The end of the content as errors show it. */
export const end: Command.Command = { ...Command.make("DATA"), verb: "." }

/** The end of an empty content: RFC 2920, section 3.1. */
export const emptyContent = dot

/** A refusal of the message itself. */
export const rejected = (
  conversation: Conversation,
  reply: Reply.Reply,
  command: Command.Command,
  facts: { readonly messageId: string | undefined; readonly size: number | undefined }
): MessageRejected | MessageTooLarge => {
  const refused = conversation.refused(reply, command, command === end ? "final" : "data")
  const { enhancedCode } = refused
  // 552 alone is about the size. With an enhanced code it may be about anything: a full mailbox, a virus.
  const isSize = enhancedCode === undefined ? reply.code === 552 : /^5\.(?:3\.4|2\.3)$/.test(enhancedCode)
  if (isSize) {
    const { code, lines, protocol, server } = refused
    const limit = conversation.extensions.sizeLimit
    return new MessageTooLarge({
      protocol,
      server,
      code,
      lines,
      ...(facts.size === undefined ? {} : { size: facts.size }),
      ...(limit === undefined ? {} : { limit })
    })
  }
  return new MessageRejected({
    ...refused,
    ...(facts.messageId === undefined ? {} : { messageId: facts.messageId })
  })
}

export interface Delivered {
  /** One reply, or over LMTP one for each recipient. */
  readonly replies: ReadonlyArray<Reply.Reply>
  readonly size: number
}

export class Delivery {
  private readonly conversation: Conversation
  private readonly composition: Composition
  private readonly recipients: ReadonlyArray<string>
  private readonly size: number | undefined
  private readonly finals: ReadonlyArray<Ledger.Exchange>
  private readonly chunks: Array<Ledger.Exchange> = []
  private readonly isChunked: boolean
  private lastByte = LF
  private sent = 0
  /** The server awaits more of the content: a caller that leaves now cuts the connection. */
  isOpen: boolean

  constructor(
    conversation: Conversation,
    composition: Composition,
    recipients: ReadonlyArray<string>,
    options: { readonly isChunked: boolean; readonly size: number | undefined }
  ) {
    this.conversation = conversation
    this.composition = composition
    this.recipients = recipients
    this.size = options.size
    this.isChunked = options.isChunked
    this.isOpen = !options.isChunked
    const last = options.isChunked ? Command.make("BDAT", "LAST") : end
    const expectation = options.isChunked ? conversation.onReset : conversation.onContent
    const count = conversation.protocol === "lmtp" ? recipients.length : 1
    this.finals = Array.from({ length: count }, () => Ledger.exchange(last, expectation))
  }

  /** Sends all of it, and awaits what the server says. */
  deliver<E, R>(): Effect.Effect<Delivered, E | Failure | MessageChanged, R> {
    const { composition, conversation } = this
    return Effect.flatMap(
      Content.send<Failure, E, R>(composition, conversation.primitives, {
        isStuffed: !this.isChunked,
        send: (bytes) => this.isChunked ? this.sendChunk(bytes) : this.sendData(bytes),
        drainTo: (bytes) => this.drainTo(bytes)
      }),
      ({ bytes, size }) =>
        Effect.map(
          Effect.zipRight(this.isChunked ? this.answered(0) : Effect.void, this.conclude(bytes)),
          () => ({ replies: this.finals.map(({ final }) => final!), size })
        )
    )
  }

  // ---- on the way

  private sendData(bytes: Uint8Array): Effect.Effect<void, Failure> {
    return Effect.suspend(() => {
      this.lastByte = bytes[bytes.length - 1]!
      this.sent += bytes.length
      return Effect.catchAll(this.conversation.channel.socket.send(bytes), (error) => this.cutShort(error))
    })
  }

  private drainTo(bytes: number): Effect.Effect<void, Failure> {
    const { channel } = this.conversation
    const { socket } = channel
    return Effect.flatMap(socket.stats, ({ receiveBuffered, sendBuffered }): Effect.Effect<void, Failure> => {
      if (!this.isChunked && (receiveBuffered > 0 || !channel.isQuiet)) return this.refusedEarly
      return sendBuffered <= bytes ? Effect.void : Effect.catchAll(socket.flush, (error) => this.cutShort(error))
    })
  }

  /** The server said something before the end of the content: a refusal, or nothing that can be understood. */
  private get refusedEarly(): Effect.Effect<never, Failure> {
    const { channel, settings } = this.conversation
    return Effect.flatMap(
      channel.unasked(end, { within: settings.closeMillis }),
      (reply) =>
        channel.loseWith<Failure>(
          reply.code >= 400 ? this.rejected(reply) : new ProtocolViolation({
            ...channel.origin,
            what: "the server answers a content that has not ended",
            received: Reply.show(reply)
          })
        )
    )
  }

  /** The connection broke within the content: the server may have said why. */
  private cutShort(error: ChannelError): Effect.Effect<never, Failure> {
    const { channel, server } = this.conversation
    const told = error._tag === "SocketTimeout"
      ? new SocketTimeout({ ...error, socket: `${server}: the content`, bytesSent: this.sent })
      : error
    const isHopeless = error._tag === "SocketTimeout" || this.isChunked || channel.lost !== undefined
    return isHopeless ? channel.loseWith(told) : Effect.catchTags(this.refusedEarly, {
      SocketBroken: () => Effect.fail(told),
      SocketClosed: () => Effect.fail(told),
      SocketTimeout: () => Effect.fail(told)
    })
  }

  private sendChunk(bytes: Uint8Array): Effect.Effect<void, Failure> {
    const { channel, extensions } = this.conversation
    return Effect.zipRight(
      this.answered(extensions.pipelining ? mostUnanswered - 1 : 0),
      Effect.suspend(() => {
        const command = Command.make("BDAT", String(bytes.length))
        this.isOpen = true
        this.sent += bytes.length
        return Effect.flatMap(channel.submit(command, Answer.plain), (exchange) => {
          this.chunks.push(exchange)
          return Effect.catchAll(channel.socket.send(bytes), (error) => this.cutShort(error))
        })
      })
    )
  }

  /** Awaits replies to chunks until `left` of them are owed, and fails with the first refusal. */
  private answered(left: number): Effect.Effect<void, Failure> {
    return Effect.suspend((): Effect.Effect<void, Failure> => {
      if (this.chunks.length <= left) return Effect.void
      const chunk = this.chunks.shift()!
      return Effect.flatMap(this.conversation.channel.await(chunk), (reply): Effect.Effect<void, Failure> => {
        if (Answer.isPositive(reply)) return this.answered(left)
        // Each chunk is whole, so that the session works on after RSET (RFC 3030, section 4.2).
        const others = Effect.forEach(this.chunks, (other) => this.conversation.channel.await(other), { discard: true })
        return Effect.zipRight(
          others,
          Effect.suspend(() => {
            this.isOpen = false
            return Effect.fail(this.rejected(reply, chunk.command))
          })
        )
      })
    })
  }

  private rejected(reply: Reply.Reply, command = this.finals[0]!.command): MessageRejected | MessageTooLarge {
    return rejected(this.conversation, reply, command, { messageId: this.composition.messageId, size: this.size })
  }

  // ---- the end

  private ending(bytes: Uint8Array): Uint8Array {
    if (this.isChunked) return Bytes.concat([Bytes.fromBinary(`BDAT ${bytes.length} LAST\r\n`), bytes])
    const last = bytes.length === 0 ? this.lastByte : bytes[bytes.length - 1]
    return Bytes.concat([bytes, last === LF ? dot : lineAndDot])
  }

  private unknown(lastKnown: string, cause: unknown): DeliveryUnknown {
    const { messageId } = this.composition
    return new DeliveryUnknown({
      ...this.conversation.channel.origin,
      recipients: this.recipients,
      lastKnown,
      ...(messageId === undefined ? {} : { messageId }),
      ...(cause === undefined ? {} : { cause })
    })
  }

  /**
   * Sends the end, and awaits the replies to it. From here on the message may be delivered, whatever comes: an interruption
   * waits for the reply as long as `timeouts.close` allows.
   */
  private conclude(bytes: Uint8Array): Effect.Effect<void, Failure> {
    const { channel, settings } = this.conversation
    const last = this.finals[this.finals.length - 1]!
    const replied = (within: number) => channel.await(last, { within })
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        Effect.suspend(() => {
          this.isOpen = false
          return Effect.catchAll(channel.submitBytes(this.ending(bytes), this.finals), (error) => this.notEnded(error))
        }),
        () =>
          Effect.flatMap(Effect.exit(restore(replied(settings.finalMillis))), (exit): Effect.Effect<void, Failure> => {
            if (Exit.isSuccess(exit)) return Effect.void
            return wasInterrupted(exit)
              ? Effect.flatMap(Effect.exit(replied(settings.closeMillis)), (later) => this.interrupted(exit, later))
              : Effect.mapError(exit, (error) => this.lost(error))
          })
      )
    )
  }

  /** A problem with the replies was found before the end was sent; a broken connection may have taken it. */
  private notEnded(error: ChannelError): Effect.Effect<never, Failure> {
    return error._tag === "SocketBroken" || error._tag === "SocketClosed" || error._tag === "SocketTimeout"
      ? Effect.fail(this.unknown("the connection broke while its end was sent", error))
      : Effect.fail(error)
  }

  /** Only the server's 421 says that it has not taken the message. */
  private lost(error: ChannelError): Failure {
    return error._tag === "ServiceUnavailable" ? error : this.unknown("no reply to it came", error)
  }

  private interrupted(
    exit: Exit.Failure<unknown, ChannelError>,
    later: Exit.Exit<Reply.Reply, ChannelError>
  ): Effect.Effect<never, Failure> {
    const { channel, server } = this.conversation
    if (Exit.isSuccess(later)) {
      return Effect.zipRight(
        Effect.logInfo(
          `${server}: the sender of ${this.composition.messageId ?? "a message"} was interrupted after its end; ` +
            `the server said: ${Reply.show(later.value)}`
        ),
        Effect.failCause(exit.cause)
      )
    }
    return Effect.zipRight(
      channel.lose("a message's sender was interrupted, and no reply to it came", undefined),
      Effect.failCause(
        interruptedWith<Failure>(exit.cause, this.unknown("its sender was interrupted, and no reply came", undefined))
      )
    )
  }
}
