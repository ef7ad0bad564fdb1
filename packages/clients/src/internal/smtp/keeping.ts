/**
 * A client that keeps what it is given to send, for tests of programs that send mail: without a network and a server.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Address from "../../Address.js"
import * as Message from "../../Message.js"
import type { Service } from "../../Smtp.js"
import type { Pool } from "../../SmtpPool.js"
import type { Receipt, SendFailure, SendOptions, Session } from "../../SmtpSession.js"
import { dated } from "../mime/build.js"
import { moment } from "../mime/outgoing.js"
import { orFail } from "../options.js"
import * as Bytes from "../text/bytes.js"
import type * as Answer from "./answer.js"
import * as Envelope from "./envelope.js"
import * as Extensions from "./extensions.js"
import * as Receipts from "./receipt.js"

export interface Kept {
  readonly envelope: Message.Envelope
  /** The message as it would have been sent, with its signatures. */
  readonly bytes: Uint8Array
  readonly messageId: string | undefined
  readonly options: SendOptions
}

const ok: Answer.Answer = { code: 250, enhancedCode: "2.0.0", lines: ["Kept"] }
const server = "test"

export class Keeper {
  readonly kept: Array<Kept> = []

  private keep(kept: Kept): Receipt {
    this.kept.push(kept)
    return Receipts.make({
      accepted: kept.envelope.to.map(({ address }) => ({ recipient: address, reply: ok })),
      reply: ok,
      messageId: kept.messageId,
      queueId: Option.none(),
      size: kept.bytes.length,
      extensions: [],
      leftOut: []
    }, [])
  }

  send<E, R>(
    given: Message.Message<E, R> | Message.MessageOptions<E, R>,
    options: SendOptions = {}
  ): Effect.Effect<Receipt, SendFailure | E, R> {
    return Effect.gen(this, function*() {
      const made: Either.Either<Message.Message<E, R>, SendFailure> = Message.isMessage(given)
        ? Either.right(given as Message.Message<E, R>)
        : Message.make(given as Message.MessageOptions<E, R>)
      const message = dated(yield* orFail(made), yield* moment)
      const envelope = yield* orFail(Envelope.envelopeOf(message, options))
      const chunks = yield* Stream.runCollect(Message.encode(message))
      const messageId = Option.getOrUndefined(message.messageId)
      return this.keep({ envelope, bytes: Bytes.concat([...chunks]), messageId, options })
    })
  }

  private get session(): Session {
    return {
      server,
      greeting: ok,
      extensions: Extensions.unknown,
      tls: Option.none(),
      isUsable: Effect.succeed(true),
      send: (message, options) => this.send(message, options),
      transaction: ({ from, ...options }) =>
        Effect.sync(() => {
          const to: Array<Address.Mailbox> = []
          return {
            recipient: (address) =>
              Effect.map(orFail(Address.from(address, "recipient")), (mailbox) => {
                to.push(mailbox)
                return Either.right({ recipient: mailbox.address, reply: ok })
              }),
            data: <E, R>(content: Message.Content<E, R>) =>
              Effect.flatMap(
                orFail(Message.raw(content, { envelope: { from, to } })),
                (message) => this.send(message, options)
              )
          }
        }),
      verify: () => Effect.succeed({ isCertain: false, reply: { ...ok, code: 252 } }),
      expand: () => Effect.succeed([]),
      help: () => Effect.succeed(ok),
      noop: Effect.void,
      reset: Effect.void,
      command: () => Effect.succeed(ok)
    }
  }

  private pool(size: number): Pool {
    const { session } = this
    return {
      server,
      size,
      send: (message, options) => this.send(message, options),
      sendAll: (messages, options) =>
        Stream.mapEffect(
          messages,
          (message) => Effect.map(Effect.either(this.send(message, options)), (result) => ({ message, result }))
        ),
      session: Effect.succeed(session),
      use: (f) => f(session),
      stats: Effect.succeed({ open: 0, idle: 0, waiting: 0, most: size }),
      drain: Effect.void
    }
  }

  get service(): Service {
    return {
      send: (message, options) => this.send(message, options),
      connect: () => Effect.sync(() => this.session),
      pool: (options = {}) => Effect.sync(() => this.pool(options.size ?? 4)),
      verify: Effect.succeed(Extensions.unknown)
    }
  }
}
