/**
 * What the parts of a session share: the channel, what is known of the server, and what was begun.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type Phase, SmtpReplyError } from "../../../SmtpError.js"
import type { Failure } from "../../../SmtpSession.js"
import type { Primitives } from "../../crypto/primitives.js"
import type { Channel } from "../../replies/channel.js"
import * as Command from "../../replies/command.js"
import type { Expectation } from "../../replies/ledger.js"
import type * as Reply from "../../replies/reply.js"
import * as Spans from "../../replies/spans.js"
import { Turns } from "../../replies/turns.js"
import * as Answer from "../answer.js"
import type * as Envelope from "../envelope.js"
import * as Extensions from "../extensions.js"
import type { Settings } from "../options.js"

export class Conversation implements Envelope.Place {
  readonly channel: Channel
  readonly settings: Settings
  readonly primitives: Primitives
  readonly turns: Turns
  readonly isTraced: boolean
  extensions: Extensions.Extensions = Extensions.unknown
  greeting: Reply.Reply = { code: 0, lines: [], rawLines: [] }
  /** The server has a transaction that was begun, or may have one. */
  hasBegun = false
  /** How many transactions were begun on this connection. */
  mails = 0
  /** How many messages had their content begun. Before its content, a message cannot have reached anyone. */
  contents = 0

  constructor(channel: Channel, settings: Settings, primitives: Primitives, isTraced: boolean) {
    this.channel = channel
    this.settings = settings
    this.primitives = primitives
    this.isTraced = isTraced
    this.turns = new Turns(channel, "a transaction")
  }

  get server(): string {
    return this.settings.server
  }

  get protocol(): "smtp" | "lmtp" {
    return this.settings.protocol
  }

  get isEncrypted(): boolean {
    return Option.isSome(this.channel.socket.tls)
  }

  /** It can take one more transaction: RFC 9422, MAILMAX. */
  get isUsable(): boolean {
    return this.channel.lost === undefined && this.mails < (this.extensions.limits.mailMax ?? Infinity)
  }

  // ---- commands

  /** The last reply, whatever it is. */
  ask(command: Command.Command, expectation: Expectation = Answer.plain): Effect.Effect<Reply.Reply, Failure> {
    const asked = Effect.flatMap(
      this.channel.submit(command, expectation),
      (exchange) => this.channel.await(exchange)
    )
    return this.isTraced ? Spans.command(this.protocol, this.settings, command)(asked) : asked
  }

  /** A reply of 2yz; anything else is an error. */
  exec(
    command: Command.Command,
    phase: Phase = "command",
    expectation: Expectation = Answer.plain
  ): Effect.Effect<Reply.Reply, Failure> {
    return Effect.flatMap(
      this.ask(command, expectation),
      (reply) => Answer.isPositive(reply) ? Effect.succeed(reply) : Effect.fail(this.refusal(reply, command, phase))
    )
  }

  /** The fields of the error of a refused command. */
  refused(reply: Reply.Reply, command: Command.Command, phase: Phase) {
    return {
      protocol: this.protocol,
      server: this.server,
      phase,
      command: Command.printable(command),
      ...Answer.fieldsOf(reply)
    }
  }

  refusal(reply: Reply.Reply, command: Command.Command, phase: Phase): SmtpReplyError {
    return new SmtpReplyError(this.refused(reply, command, phase))
  }

  // ---- turns

  /** Runs `use` when it is its turn, with nothing left of what was begun before. */
  turn<A, E, R>(use: Effect.Effect<A, E, R>): Effect.Effect<A, E | Failure, R> {
    return this.turns.turn(
      // Asked when its turn has come: a transaction before it may have left something.
      Effect.suspend((): Effect.Effect<A, E | Failure, R> => this.hasBegun ? Effect.zipRight(this.fresh, use) : use)
    )
  }

  /** Resets what was begun. A server that does not, costs the session. */
  get fresh(): Effect.Effect<void, Failure> {
    return Effect.suspend(() => {
      if (!this.hasBegun) return Effect.void
      return Effect.flatMap(
        this.ask(reset, this.onReset),
        (reply) =>
          this.hasBegun
            ? Effect.zipRight(
              this.channel.lose("the server does not reset a transaction", this.refusal(reply, reset, "reset")),
              this.channel.whenLost
            )
            : Effect.void
      )
    })
  }

  /**
   * Tells the server that what was begun will not be finished, and does not wait: the next turn reads the reply. Where
   * replies are still owed, the next turn sends it.
   */
  get abandon(): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.hasBegun && this.channel.lost === undefined && this.channel.owed === 0
        ? Effect.ignore(this.channel.submit(reset, this.onReset))
        : Effect.void
    )
  }

  readonly onReset: Expectation = {
    ...Answer.plain,
    onFinal: (reply) => {
      if (Answer.isPositive(reply)) this.hasBegun = false
    }
  }

  /** MAIL: from here on there may be a transaction, unless it is refused. */
  get onMail(): Expectation {
    this.hasBegun = true
    this.mails += 1
    return {
      ...Answer.plain,
      onFinal: (reply) => {
        if (!Answer.isPositive(reply)) this.hasBegun = false
      }
    }
  }

  /** After the content there is no transaction any more, whatever the server says to it: RFC 5321, section 4.1.1.4. */
  readonly onContent: Expectation = {
    ...Answer.plain,
    onFinal: () => {
      this.hasBegun = false
    }
  }
}

export const reset = Command.make("RSET")
