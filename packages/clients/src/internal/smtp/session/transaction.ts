/**
 * One transaction: the sender, the recipients, the content (RFC 5321, section 3.3), in groups where the server has
 * PIPELINING (RFC 2920).
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Address from "../../../Address.js"
import type { MessageChanged } from "../../../MessageError.js"
import { InvalidArgument } from "../../../ReplyError.js"
import {
  type MessageRejected,
  type MessageTooLarge,
  RecipientRejected,
  RecipientsRejected,
  SenderRejected
} from "../../../SmtpError.js"
import type { Accepted, Failure, Receipt } from "../../../SmtpSession.js"
import type { Composition } from "../../mime/compose.js"
import * as Command from "../../replies/command.js"
import type { Exchange, Expectation } from "../../replies/ledger.js"
import * as Ledger from "../../replies/ledger.js"
import type * as Reply from "../../replies/reply.js"
import * as Spans from "../../replies/spans.js"
import * as Answer from "../answer.js"
import * as Envelope from "../envelope.js"
import * as Receipts from "../receipt.js"
import type { Conversation } from "./conversation.js"
import * as Deliveries from "./delivery.js"

/**
 * How many commands go out in one write. At most two windows wait for replies: with more, a client whose buffer is full
 * could wait for a server whose buffer is full.
 */
const windowSize = 100

const DATA = Command.make("DATA")

type Step = readonly [command: Command.Command, expectation: Expectation]

/** What goes out. */
export interface Cargo {
  readonly composition: Composition
  readonly size: number | undefined
  readonly isChunked: boolean
  readonly used: ReadonlyArray<string>
}

export class Transaction {
  private readonly conversation: Conversation
  private readonly sender: string
  private readonly mail: Command.Command
  private readonly terms: Envelope.Terms
  readonly accepted: Array<Accepted> = []
  readonly rejected: Array<RecipientRejected> = []
  /** DATA was sent and not refused: a caller that leaves now cuts the connection. */
  private isDataOut = false
  private delivery: Deliveries.Delivery | undefined
  /** Of the message, for errors. */
  private messageId: string | undefined
  private size: number | undefined

  constructor(
    conversation: Conversation,
    from: Address.Mailbox | "<>",
    terms: Envelope.Terms,
    parameters: ReadonlyArray<string>
  ) {
    this.conversation = conversation
    this.sender = from === "<>" ? from : from.address
    this.terms = terms
    this.mail = Envelope.mail(from, [...parameters, ...terms.mail])
  }

  // ---- the envelope

  /** MAIL alone. */
  get open(): Effect.Effect<void, Failure> {
    return Effect.suspend(() =>
      Effect.flatMap(
        this.conversation.ask(this.mail, this.conversation.onMail),
        (reply) => Answer.isPositive(reply) ? Effect.void : Effect.fail(this.senderRejected(reply, this.mail))
      )
    )
  }

  /** RCPT alone. */
  recipient(address: string, own?: Envelope.Dsn): Effect.Effect<Either.Either<Accepted, RecipientRejected>, Failure> {
    const command = Envelope.rcpt(address, this.terms, own)
    return Effect.zipRight(
      this.notEnded,
      Effect.map(this.conversation.ask(command), (reply) => this.judge(address, command, reply))
    )
  }

  /** The content ends a transaction: a later command would belong to another one. */
  private get notEnded(): Effect.Effect<void, InvalidArgument> {
    return Effect.suspend(() =>
      this.delivery === undefined ? Effect.void : Effect.fail(
        new InvalidArgument({
          protocol: this.conversation.protocol,
          what: "a transaction",
          argument: this.sender,
          reason: "its content was sent; begin another one"
        })
      )
    )
  }

  private judge(
    recipient: string,
    command: Command.Command,
    reply: Reply.Reply
  ): Either.Either<Accepted, RecipientRejected> {
    if (Answer.isPositive(reply)) {
      const accepted = { recipient, reply: Answer.of(reply) }
      this.accepted.push(accepted)
      return Either.right(accepted)
    }
    const rejected = new RecipientRejected({ ...this.conversation.refused(reply, command, "recipient"), recipient })
    this.rejected.push(rejected)
    return Either.left(rejected)
  }

  /**
   * MAIL, RCPT for each recipient, and DATA if it may go along, in windows of one write each. Ends early where the sender
   * is refused.
   */
  private say(steps: ReadonlyArray<Step>): Effect.Effect<ReadonlyArray<Exchange>, Failure> {
    const { channel, extensions } = this.conversation
    const [size, ahead] = extensions.pipelining ? [windowSize, windowSize] : [1, 0]
    const exchanges: Array<Exchange> = []
    const window = (from: number): Effect.Effect<void, Failure> => {
      const send = Effect.suspend((): Effect.Effect<void, Failure> => {
        const mail = exchanges[0]?.final
        if (mail !== undefined && !Answer.isPositive(mail)) return this.settled(exchanges)
        const group = steps.slice(from, from + size)
        if (group[group.length - 1]![0] === DATA) this.isDataOut = true
        return Effect.flatMap(channel.submitAll(group), (more) => {
          exchanges.push(...more)
          const next = from + size
          return next < steps.length ? window(next) : this.settled(exchanges)
        })
      })
      const earlier = exchanges[from - ahead - 1]
      return earlier === undefined ? send : Effect.zipRight(channel.await(earlier), send)
    }
    return Effect.map(window(0), () => exchanges)
  }

  private settled(exchanges: ReadonlyArray<Exchange>): Effect.Effect<void, Failure> {
    const { channel, isTraced, protocol, settings } = this.conversation
    if (!isTraced) return Effect.asVoid(channel.await(exchanges[exchanges.length - 1]!))
    // The commands of a group go out together: the span of each begins with the reply to the one before.
    return Effect.forEach(
      exchanges,
      (exchange) => Spans.command(protocol, settings, exchange.command)(channel.await(exchange)),
      { discard: true }
    )
  }

  /** The whole envelope, and the server's go-ahead for the content. Fails if no recipient is left. */
  private envelope(
    recipients: ReadonlyArray<string>,
    options: { readonly isAllOrNone: boolean; readonly isChunked: boolean }
  ): Effect.Effect<void, Failure> {
    return Effect.suspend(() => {
      const { conversation } = this
      const commands = recipients.map((address) => Envelope.rcpt(address, this.terms))
      const isGrouped = conversation.extensions.pipelining && !options.isAllOrNone && !options.isChunked
      const steps: Array<Step> = [
        [this.mail, conversation.onMail],
        ...commands.map((command): Step => [command, Answer.plain]),
        ...(isGrouped ? [[DATA, Answer.goAhead] satisfies Step] : [])
      ]
      return Effect.flatMap(this.say(steps), (exchanges): Effect.Effect<void, Failure> => {
        const mail = exchanges[0]!.final!
        const isOpen = Answer.isPositive(mail)
        for (const [index, address] of recipients.entries()) {
          const reply = exchanges[index + 1]?.final
          if (reply !== undefined) this.judge(address, commands[index]!, reply)
        }
        const data = isGrouped ? exchanges[steps.length - 1]?.final : undefined
        if (data !== undefined && data.code !== 354) this.isDataOut = false
        const isNobody = this.accepted.length === 0 || options.isAllOrNone && this.rejected.length > 0
        if (!isOpen || isNobody) {
          const error = isOpen ? this.nobody() : this.senderRejected(mail, this.mail)
          return Effect.zipRight(data?.code === 354 ? this.takeBack : Effect.void, Effect.fail(error))
        }
        return data === undefined ? options.isChunked ? Effect.void : this.askToSend : this.goesAhead(data)
      })
    })
  }

  /**
   * The server awaits the content although there is no recipient to send it to. If the server accepted none, an empty
   * content ends the transaction and is not delivered (RFC 2920, section 3.1). If it accepted some, the connection is cut.
   */
  private get takeBack(): Effect.Effect<void, Failure> {
    const { channel, protocol } = this.conversation
    if (this.accepted.length > 0 || protocol === "lmtp") {
      return channel.lose("the server awaits a message that is not sent", undefined)
    }
    const exchange = Ledger.exchange(Deliveries.end, Answer.plain)
    return channel.submitBytes(Deliveries.emptyContent, [exchange]).pipe(
      Effect.zipRight(channel.await(exchange)),
      Effect.map(() => {
        this.isDataOut = false
      })
    )
  }

  private get askToSend(): Effect.Effect<void, Failure> {
    return Effect.suspend(() => {
      this.isDataOut = true
      return Effect.flatMap(this.conversation.ask(DATA, Answer.goAhead), (reply) => this.goesAhead(reply))
    })
  }

  private goesAhead(reply: Reply.Reply): Effect.Effect<void, MessageRejected | MessageTooLarge> {
    if (reply.code === 354) return Effect.void
    this.isDataOut = false
    return Effect.fail(
      Deliveries.rejected(this.conversation, reply, DATA, { messageId: this.messageId, size: this.size })
    )
  }

  private senderRejected(reply: Reply.Reply, command: Command.Command): SenderRejected | MessageTooLarge {
    const error = Deliveries.rejected(this.conversation, reply, command, {
      messageId: this.messageId,
      size: this.size
    })
    return error._tag === "MessageTooLarge" ? error : new SenderRejected({
      ...this.conversation.refused(reply, command, "sender"),
      sender: this.sender
    })
  }

  /** Postfix accepts any sender, and refuses every recipient because of it. */
  private nobody(): SenderRejected | RecipientsRejected {
    const bySender = this.rejected.find(({ enhancedCode }) => enhancedCode === "5.1.7" || enhancedCode === "5.1.8")
    if (bySender !== undefined && this.accepted.length === 0) {
      const { code, command, enhancedCode, lines, protocol, server } = bySender
      return new SenderRejected({
        protocol,
        server,
        phase: "sender",
        command,
        code,
        lines,
        sender: this.sender,
        ...(enhancedCode === undefined ? {} : { enhancedCode })
      })
    }
    return this.recipientsRejected()
  }

  private recipientsRejected(): RecipientsRejected {
    return new RecipientsRejected({
      ...this.conversation.channel.origin,
      rejected: this.rejected,
      accepted: this.accepted.map(({ recipient }) => recipient)
    })
  }

  // ---- the content

  /** Sends the content to the accepted recipients. */
  private content<E, R>(cargo: Cargo): Effect.Effect<Receipt, E | Failure | MessageChanged, R> {
    return Effect.suspend(() => {
      const { conversation } = this
      const delivery = new Deliveries.Delivery(
        conversation,
        cargo.composition,
        this.accepted.map(({ recipient }) => recipient),
        cargo
      )
      this.delivery = delivery
      conversation.contents += 1
      this.isDataOut = false
      return Effect.flatMap(delivery.deliver<E, R>(), ({ replies, size }): Effect.Effect<Receipt, Failure> => {
        const last = replies[replies.length - 1]!
        const accepted = conversation.protocol === "lmtp" ? this.judgeEach(replies) : this.accepted
        if (accepted.length === 0) return Effect.fail(this.recipientsRejected())
        if (conversation.protocol === "smtp" && !Answer.isPositive(last)) {
          return Effect.fail(
            Deliveries.rejected(conversation, last, Deliveries.end, {
              messageId: cargo.composition.messageId,
              size
            })
          )
        }
        const reply = conversation.protocol === "lmtp" ? accepted[accepted.length - 1]!.reply : Answer.of(last)
        return Effect.succeed(
          Receipts.make({
            accepted,
            reply,
            messageId: cargo.composition.messageId,
            queueId: Receipts.queueId(reply),
            size,
            extensions: [
              ...(conversation.extensions.pipelining ? ["PIPELINING"] : []),
              ...cargo.used,
              ...this.terms.used
            ],
            leftOut: this.terms.leftOut
          }, this.rejected)
        )
      })
    })
  }

  /** Over LMTP each accepted recipient has a reply of its own: RFC 2033, section 4.2. */
  private judgeEach(replies: ReadonlyArray<Reply.Reply>): ReadonlyArray<Accepted> {
    const recipients = this.accepted.splice(0)
    for (const [index, { recipient }] of recipients.entries()) {
      this.judge(recipient, Deliveries.end, replies[index]!)
    }
    return this.accepted
  }

  // ---- whole

  /** DATA, or the first BDAT, after recipients were named one by one. */
  data<E, R>(cargo: Cargo): Effect.Effect<Receipt, E | Failure | MessageChanged, R> {
    this.messageId = cargo.composition.messageId
    this.size = cargo.size
    const ready = Effect.suspend((): Effect.Effect<void, Failure> => {
      if (this.accepted.length === 0) return Effect.fail(this.nobody())
      return cargo.isChunked ? Effect.void : this.askToSend
    })
    return Effect.zipRight(this.notEnded, Effect.zipRight(ready, this.content<E, R>(cargo)))
  }

  /** From MAIL to the receipt. */
  send<E, R>(
    recipients: ReadonlyArray<string>,
    cargo: Cargo,
    isAllOrNone: boolean
  ): Effect.Effect<Receipt, E | Failure | MessageChanged, R> {
    this.messageId = cargo.composition.messageId
    this.size = cargo.size
    const { isChunked } = cargo
    return Effect.zipRight(this.envelope(recipients, { isAllOrNone, isChunked }), this.content<E, R>(cargo))
  }

  /** Leaves the server without a transaction, or without this client. The caller runs it when either of these failed. */
  get leave(): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.isDataOut || this.delivery?.isOpen === true
        ? this.conversation.channel.lose("a message was begun and not finished", undefined)
        : this.conversation.abandon
    )
  }
}
