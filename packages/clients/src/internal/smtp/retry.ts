/**
 * Sending again: to the recipients that the server deferred, and to none of them twice.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Envelope, Message } from "../../Message.js"
import { DeliveryUnknown, type RecipientRejected, RecipientsRejected, type SmtpError } from "../../SmtpError.js"
import type { Receipt, SendOptions } from "../../SmtpSession.js"
import { dated } from "../mime/build.js"
import { moment } from "../mime/outgoing.js"
import { orFail } from "../options.js"
import { type RetryOptions, schedule as scheduled } from "../retry.js"
import { envelopeOf } from "./envelope.js"
import { isTransient } from "./errorText.js"
import * as Receipts from "./receipt.js"

export const schedule = (options: RetryOptions = {}): Schedule.Schedule<number, unknown> =>
  scheduled(isTransient, {
    delays: options.delays ?? ["1 minutes", "5 minutes", "15 minutes", "30 minutes", "60 minutes"],
    // RFC 5321, section 4.5.4.1.
    within: options.within ?? "4 days"
  })

type Send<E, R, E2> = (message: Message<E, R>, options: SendOptions) => Effect.Effect<Receipt, E | E2, R>

/** What is known after some tries. */
interface State {
  /** For the recipients that have it. */
  readonly receipt: Receipt | undefined
  /** The recipients that will not get it. */
  readonly refused: ReadonlyArray<RecipientRejected>
  /** The recipients that may get it later. */
  readonly deferred: ReadonlyArray<RecipientRejected>
}

const withoutRejected = (receipt: Receipt): Receipt => Receipts.make(receipt, [])

const after = (state: State, receipt: Receipt): State => ({
  receipt: state.receipt === undefined
    ? withoutRejected(receipt)
    : Receipts.join(state.receipt, withoutRejected(receipt)),
  refused: [...state.refused, ...receipt.rejected.filter(({ canRetry }) => !canRetry)],
  deferred: receipt.rejected.filter(({ canRetry }) => canRetry)
})

/** The result of all tries: one receipt, or the error if no recipient has the message. */
const result = <E>({ deferred, receipt, refused }: State, error: E): Effect.Effect<Receipt, E | RecipientsRejected> => {
  const rejected = [...refused, ...deferred]
  if (receipt !== undefined) return Effect.succeed(Receipts.make(receipt, rejected))
  return error instanceof RecipientsRejected && rejected.length > 0
    ? Effect.fail(new RecipientsRejected({ ...error, rejected }))
    : Effect.fail(error)
}

/** The recipients that are left, for a message that some have. */
const rest = (
  { from, to }: Envelope,
  deferred: ReadonlyArray<RecipientRejected>
): { readonly envelope: NonNullable<SendOptions["envelope"]> } => {
  const left = new Set(deferred.map(({ recipient }) => recipient))
  return { envelope: { from, to: to.filter(({ address }) => left.has(address)) } }
}

export const send = <E, R, E2>(
  given: Message<E, R>,
  options: SendOptions,
  schedule: Schedule.Schedule<unknown, unknown>,
  once: Send<E, R, E2>
): Effect.Effect<Receipt, E | E2 | SmtpError, R> =>
  Effect.gen(function*() {
    const envelope = yield* orFail(envelopeOf(given, options))
    const message = dated(given, yield* moment)
    const driver = yield* Schedule.driver(schedule)
    /** Waits for the next try, or says that there is none. */
    const isNext = (error: unknown): Effect.Effect<boolean> =>
      isTransient(error)
        ? Effect.match(driver.next(error), { onFailure: () => false, onSuccess: () => true })
        : Effect.succeed(false)
    const isAllOrNone = options.partial === "none"
    let state: State = { receipt: undefined, refused: [], deferred: [] }
    for (;;) {
      const some = state.deferred.length > 0 ? rest(envelope, state.deferred) : {}
      const sent = yield* Effect.either(once(message, { ...options, ...some }))
      if (sent._tag === "Right") {
        state = after(state, sent.right)
        const [first] = state.deferred
        if (first !== undefined && (yield* isNext(first))) continue
        return Receipts.make(state.receipt ?? sent.right, [...state.refused, ...state.deferred])
      }
      const error = sent.left
      if (error instanceof DeliveryUnknown && state.receipt !== undefined) {
        const lastKnown = `${error.lastKnown}; ${state.receipt.accepted.length} others have it`
        return yield* new DeliveryUnknown({ ...error, lastKnown })
      }
      if (error instanceof RecipientsRejected && !isAllOrNone) {
        state = {
          ...state,
          refused: [...state.refused, ...error.rejected.filter(({ canRetry }) => !canRetry)],
          deferred: error.rejected.filter(({ canRetry }) => canRetry)
        }
      }
      const isHopeless = isAllOrNone && error instanceof RecipientsRejected &&
        error.rejected.some(({ canRetry }) => !canRetry)
      if (isHopeless || !(yield* isNext(error))) return yield* result(state, error)
    }
  })
