/**
 * Sending a message: composed for this server, checked against its limits, in as many transactions as those ask for.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as Address from "../../../Address.js"
import * as Message from "../../../Message.js"
import { InvalidArgument, SessionClosed } from "../../../ReplyError.js"
import {
  DeliveryUnknown,
  ExtensionMissing,
  MessageTooLarge,
  RecipientRejected,
  RecipientsRejected
} from "../../../SmtpError.js"
import type { Failure, Receipt, SendFailure, SendOptions, Transaction } from "../../../SmtpSession.js"
import { draftOf } from "../../mime/build.js"
import * as Compose from "../../mime/compose.js"
import { composed, moment } from "../../mime/outgoing.js"
import { orFail } from "../../options.js"
import * as Envelope from "../envelope.js"
import * as Observing from "../observing.js"
import * as Receipts from "../receipt.js"
import type { Conversation } from "./conversation.js"
import * as Transactions from "./transaction.js"

type Mailbox = Address.Mailbox

/** A recipient that was not tried. */
const untried = (
  conversation: Conversation,
  recipient: string,
  why: {
    readonly code: number
    readonly enhancedCode?: string | undefined
    readonly lines: ReadonlyArray<string>
    readonly missing?: string
  }
): RecipientRejected =>
  new RecipientRejected({ ...conversation.channel.origin, phase: "recipient", command: "RCPT", recipient, ...why })

const tooLarge = (conversation: Conversation, size: number | undefined): MessageTooLarge | undefined => {
  const limit = conversation.extensions.sizeLimit
  return size === undefined || limit === undefined || size <= limit
    ? undefined
    : new MessageTooLarge({ ...conversation.channel.origin, size, limit, lines: [] })
}

/** RFC 9422, MAILMAX. */
const usedUp = (conversation: Conversation): string | undefined =>
  conversation.mails >= (conversation.extensions.limits.mailMax ?? Infinity)
    ? `the server takes ${conversation.mails} messages on one connection`
    : undefined

/** What the later ones of several transactions failed with, for recipients who did not get the message. */
const unsent = (
  conversation: Conversation,
  recipients: ReadonlyArray<string>,
  error: unknown
): ReadonlyArray<RecipientRejected> => {
  if (error instanceof RecipientsRejected) return error.rejected
  const known = error as { readonly code?: number; readonly enhancedCode?: string; readonly lines?: Array<string> }
  const why = typeof known.code === "number" && known.code >= 400
    ? { code: known.code, enhancedCode: known.enhancedCode, lines: known.lines ?? [] }
    : { code: 451, lines: [`not sent: ${error instanceof Error ? error.message : String(error)}`] }
  return recipients.map((recipient) => untried(conversation, recipient, why))
}

/** As many transactions as the server's limit of recipients asks for (RFC 9422, RCPTMAX), and one receipt. */
const inBatches = <E, R>(
  conversation: Conversation,
  addresses: ReadonlyArray<string>,
  transact: (batch: ReadonlyArray<string>) => Effect.Effect<Receipt, E, R>
): Effect.Effect<Receipt, E | Failure, R> => {
  const { rcptMax = Infinity } = conversation.extensions.limits
  if (addresses.length <= rcptMax) return transact(addresses)
  const rejected: Array<RecipientRejected> = []
  let receipt: Receipt | undefined
  const from = (start: number): Effect.Effect<Receipt, E | Failure, R> => {
    if (start >= addresses.length) {
      return receipt === undefined
        ? Effect.fail(new RecipientsRejected({ ...conversation.channel.origin, rejected, accepted: [] }))
        : Effect.succeed(Receipts.make(receipt, [...rejected, ...receipt.rejected]))
    }
    const batch = addresses.slice(start, start + rcptMax)
    const next = Effect.suspend((): Effect.Effect<Receipt, E | Failure, R> => {
      const why = usedUp(conversation)
      return why === undefined
        ? Effect.zipRight(conversation.fresh, transact(batch))
        : Effect.fail(new SessionClosed({ ...conversation.channel.origin, why }))
    })
    return Effect.matchEffect(next, {
      onSuccess: (later) => {
        receipt = receipt === undefined ? later : Receipts.join(receipt, later)
        return from(start + rcptMax)
      },
      onFailure: (error): Effect.Effect<Receipt, E | Failure, R> => {
        // The earlier recipients have it: what fails now is told of the others, and not of the whole.
        if (error instanceof DeliveryUnknown && receipt !== undefined) {
          const lastKnown = `${error.lastKnown}; ${receipt.accepted.length} others have it`
          return Effect.fail(new DeliveryUnknown({ ...error, lastKnown }))
        }
        if (receipt === undefined && !(error instanceof RecipientsRejected)) return Effect.fail(error)
        rejected.push(...unsent(conversation, batch, error))
        return from(start + rcptMax)
      }
    })
  }
  return Effect.suspend(() => from(0))
}

/** What is known of a sending before the message is composed. */
interface Plan {
  readonly from: Mailbox | "<>"
  readonly recipients: ReadonlyArray<Mailbox>
  /** Recipients that cannot be named to this server. */
  readonly unreachable: ReadonlyArray<RecipientRejected>
  readonly terms: Envelope.Terms
  readonly isUtf8: boolean
}

const planOf = (
  conversation: Conversation,
  message: Message.Message<unknown, unknown>,
  options: SendOptions
): Either.Either<Plan, SendFailure> => {
  const { channel, extensions } = conversation
  const isAllOrNone = options.partial === "none"
  const envelope = Envelope.envelopeOf(message, options)
  if (Either.isLeft(envelope)) return Either.left(envelope.left)
  const terms = Envelope.termsOf(options, conversation)
  if (Either.isLeft(terms)) return Either.left(terms.left)
  const why = usedUp(conversation)
  if (why !== undefined) return Either.left(new SessionClosed({ ...channel.origin, why }))
  const { from, to } = envelope.right
  const isOutOfReach = ({ needsUtf8 }: Mailbox): boolean => needsUtf8 && !extensions.smtpUtf8
  if (from !== "<>" && isOutOfReach(from)) {
    return Either.left(
      new ExtensionMissing({ ...channel.origin, extension: "SMTPUTF8", neededFor: "the sender's address" })
    )
  }
  const recipients = to.filter((mailbox) => !isOutOfReach(mailbox))
  const unreachable = recipients.length === to.length ?
    [] :
    to.filter(isOutOfReach).map(({ address }) =>
      untried(conversation, address, { code: 0, lines: [], missing: "SMTPUTF8" })
    )
  if (recipients.length === 0 || isAllOrNone && unreachable.length > 0) {
    return Either.left(new RecipientsRejected({ ...channel.origin, rejected: unreachable, accepted: [] }))
  }
  const { rcptMax = Infinity } = extensions.limits
  if (isAllOrNone && recipients.length > rcptMax) {
    return Either.left(
      new InvalidArgument({
        protocol: conversation.protocol,
        what: "partial",
        argument: "none",
        reason: `there are ${recipients.length} recipients, and the server takes ${rcptMax} at once`
      })
    )
  }
  const isUtf8 = from !== "<>" && from.needsUtf8 || recipients.some(({ needsUtf8 }) => needsUtf8)
  return Either.right({ from, recipients, unreachable, terms: terms.right, isUtf8 })
}

const sendComposed = <E, R>(
  conversation: Conversation,
  { from, isUtf8, recipients, terms, unreachable }: Plan,
  composition: Compose.Composition,
  options: SendOptions
): Effect.Effect<Receipt, SendFailure | E, R> => {
  const { channel, settings } = conversation
  const size = Compose.sizeOf(composition)
  const oversize = tooLarge(conversation, size)
  if (oversize !== undefined) return Effect.fail(oversize)
  const body = Envelope.bodyOf({ size, isUtf8, width: composition.width }, options, conversation)
  if (Either.isLeft(body)) return Effect.fail(body.left)
  const { isChunked, parameters, used } = body.right
  const cargo = { composition, size, isChunked, used }
  const transact = (batch: ReadonlyArray<string>) => {
    const transaction = new Transactions.Transaction(conversation, from, terms, parameters)
    const sent = transaction.send<E, R>(batch, cargo, options.partial === "none")
    return Observing.transaction(settings, channel.socket, sent, () => transaction.leave)
  }
  const sent = inBatches(conversation, recipients.map(({ address }) => address), transact)
  return unreachable.length === 0
    ? sent
    : Effect.map(sent, (receipt) => Receipts.make(receipt, [...unreachable, ...receipt.rejected]))
}

const sendNow = <E, R>(
  conversation: Conversation,
  message: Message.Message<E, R>,
  options: SendOptions
): Effect.Effect<Receipt, SendFailure | E, R> =>
  Effect.flatMap(moment, (now): Effect.Effect<Receipt, SendFailure | E, R> => {
    const plan = planOf(conversation, message, options)
    return Either.isLeft(plan)
      ? Effect.fail(plan.left)
      : Effect.flatMap(
        composed(message, now, plan.right.isUtf8, conversation.primitives),
        (composition) => sendComposed<E, R>(conversation, plan.right, composition, options)
      )
  })

export const send = <E, R>(
  conversation: Conversation,
  given: Message.Message<E, R> | Message.MessageOptions<E, R>,
  options: SendOptions = {}
): Effect.Effect<Receipt, SendFailure | E, R> =>
  Effect.suspend((): Effect.Effect<Receipt, SendFailure | E, R> => {
    const message = Message.isMessage(given)
      ? Either.right(given as Message.Message<E, R>)
      : Message.make(given as Message.MessageOptions<E, R>)
    return Either.isLeft(message)
      ? Effect.fail(message.left)
      : conversation.turn(sendNow(conversation, message.right, options))
  })

// ---- step by step

/** The content of a transaction that was begun: only now its bytes are known. */
const cargoOf = <E, R>(
  conversation: Conversation,
  content: Message.Content<E, R>,
  options: Envelope.TransactionOptions,
  body: { readonly isChunked: boolean; readonly used: ReadonlyArray<string> }
): Either.Either<Transactions.Cargo, SendFailure> =>
  Either.flatMap(
    Message.raw(content, {
      envelope: { from: options.from, to: [] },
      ...(options.size === undefined ? {} : { size: options.size }),
      ...(options.body === undefined ? {} : { body: options.body })
    }),
    (message): Either.Either<Transactions.Cargo, SendFailure> => {
      const composition = Compose.compose(draftOf(message), { now: 0, id: "" }, false)
      const is8Bit = composition.width === "8bit" && typeof content === "string" || content instanceof Uint8Array
      return is8Bit && composition.width !== "7bit" && !body.used.includes("8BITMIME") &&
          !body.used.includes("BINARYMIME")
        ? Either.left(
          new ExtensionMissing({
            ...conversation.channel.origin,
            extension: "8BITMIME",
            neededFor: "content of 8 bits"
          })
        )
        : Either.right({ composition, size: Compose.sizeOf(composition), ...body })
    }
  )

export const transaction = (
  conversation: Conversation,
  options: Envelope.TransactionOptions
): Effect.Effect<Transaction, Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const from = options.from === "<>" ? options.from : yield* orFail(Address.from(options.from, "from"))
    yield* conversation.turns.scoped
    yield* conversation.fresh
    const { channel, extensions } = conversation
    const why = usedUp(conversation)
    if (why !== undefined) return yield* new SessionClosed({ ...channel.origin, why })
    const oversize = tooLarge(conversation, options.size)
    if (oversize !== undefined) return yield* oversize
    const terms = yield* orFail(Envelope.termsOf(options, conversation))
    const width = options.body === undefined && extensions.eightBitMime ? "8bit" : "7bit"
    const isUtf8 = extensions.smtpUtf8 && (options.smtpUtf8 === true || from !== "<>" && from.needsUtf8)
    if (!isUtf8 && from !== "<>" && from.needsUtf8) {
      return yield* new ExtensionMissing({
        ...channel.origin,
        extension: "SMTPUTF8",
        neededFor: "the sender's address"
      })
    }
    const body = yield* orFail(Envelope.bodyOf({ size: options.size, isUtf8, width }, options, conversation))
    const begun = new Transactions.Transaction(conversation, from, terms, body.parameters)
    // Within the turn: the next one begins with nothing left of this.
    yield* Effect.addFinalizer(() => begun.leave)
    yield* begun.open
    return {
      recipient: (address, dsn) =>
        Effect.flatMap(orFail(Address.from(address, "recipient")), ({ address, needsUtf8 }) => {
          if (!needsUtf8 || isUtf8) return begun.recipient(address, dsn)
          const rejected = untried(conversation, address, { code: 0, lines: [], missing: "SMTPUTF8" })
          begun.rejected.push(rejected)
          return Effect.succeed(Either.left(rejected))
        }),
      data: <E, R>(content: Message.Content<E, R>) =>
        Effect.flatMap(
          orFail(cargoOf(conversation, content, options, body)),
          (cargo) =>
            Observing.transaction(conversation.settings, channel.socket, begun.data<E, R>(cargo), () => begun.leave)
        )
    }
  })
