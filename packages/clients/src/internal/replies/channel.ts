/**
 * A connection of commands and replies: one socket, with its parser and its ledger.
 *
 * A command whose sender was interrupted is still owed its reply, which is read before the next command is sent. So an
 * interruption costs nobody anything. Where it is no longer known whose a reply is, the session is given up: its
 * connection is cut, and later calls fail with `SessionClosed`.
 */
import type { Socket } from "@copas/core/Socket"
import type { ReceiveError, SendError } from "@copas/core/SocketError"
import { SocketTimeout } from "@copas/core/SocketError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ReplyError from "../../ReplyError.js"
import { millisOf } from "../effect/fibers.js"
import * as Bytes from "../text/bytes.js"
import * as Command from "./command.js"
import * as Ledger from "./ledger.js"
import type { Parser, Pushed } from "./parser.js"
import type { Reply } from "./reply.js"

export type ChannelError =
  | ReceiveError
  | SendError
  | ReplyError.ProtocolViolation
  | ReplyError.ReplyTooLong
  | ReplyError.ServiceUnavailable
  | ReplyError.SessionClosed

export interface Options {
  readonly server: string
  readonly wire: Command.Wire
  readonly parser: Parser
  /** How long a reply may take, also from a server that sends a byte now and then. */
  readonly replyMillis: number
  /** Whether a reply that no command is owed is dropped. By default it ends the session. */
  readonly isStray?: ((reply: Reply) => boolean) | undefined
}

/** How replies are read until something is there. */
export interface Reading {
  /** In place of `replyMillis`. */
  readonly within?: number | undefined
  /** Until when, asked again before each read. */
  readonly due?: (() => number) | undefined
  /** What is done with each reply, in place of entering it in the ledger. What it gives ends the session. */
  readonly enter?: ((reply: Reply) => ChannelError | undefined) | undefined
}

export class Channel {
  readonly socket: Socket
  /** The protocol and the server, for errors. */
  readonly origin: Ledger.Origin
  protected readonly ledger: Ledger.Ledger
  private readonly options: Options
  private parseError: Pushed["error"] = undefined
  /** The socket's time-out for reads is that of an earlier read with a time of its own. */
  private isPatienceLent = false
  /** Why the session has ended. */
  lost: { readonly why: string; readonly cause: unknown } | undefined = undefined

  constructor(socket: Socket, options: Options) {
    this.socket = socket
    this.options = options
    this.origin = { protocol: options.wire.protocol, server: options.server }
    this.ledger = new Ledger.Ledger(this.origin, options.isStray)
  }

  /** Nothing is owed, and nothing has come that nobody asked for, not even a part of a reply. */
  get isQuiet(): boolean {
    return this.ledger.isQuiet && this.options.parser.pending() === 0
  }

  /** How many commands have not had their last reply. */
  get owed(): number {
    return this.ledger.owed
  }

  // ---- the end

  /** Gives the session up: its connection is cut, later calls fail with `SessionClosed`. */
  lose(why: string, cause: unknown): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.lost !== undefined) return Effect.void
      this.lost = { why, cause }
      this.ledger.clear()
      return this.socket.abort
    })
  }

  /** The scope has ended: nothing more is sent. The socket's own scope closes it. */
  get end(): Effect.Effect<void> {
    return Effect.sync(() => {
      this.lost ??= { why: "its scope has ended", cause: undefined }
    })
  }

  /** Gives the session up, and fails with the error that it is given up for. */
  loseWith<E extends { readonly message: string }>(error: E): Effect.Effect<never, E> {
    return Effect.zipRight(this.lose(error.message, error), Effect.fail(error))
  }

  get whenLost(): Effect.Effect<never, ReplyError.SessionClosed> {
    return Effect.suspend(() =>
      Effect.fail(
        new ReplyError.SessionClosed({
          ...this.origin,
          why: this.lost?.why ?? "its scope has ended",
          ...(this.lost?.cause === undefined ? {} : { cause: this.lost.cause })
        })
      )
    )
  }

  // ---- sending

  /**
   * Sends bytes in one write and enters what they ask for: both or neither, also when interrupted. The bytes are those of
   * commands, or what ends what a command began (the last dot of a message).
   */
  submitBytes(
    bytes: Uint8Array,
    exchanges: ReadonlyArray<Ledger.Exchange>
  ): Effect.Effect<void, ChannelError> {
    return Effect.uninterruptible(Effect.suspend((): Effect.Effect<void, ChannelError> => {
      if (this.lost !== undefined) return this.whenLost
      return exchanges.length === 0 || this.ledger.owed > 0
        ? this.enterAndSend(bytes, exchanges)
        : Effect.flatMap(
          this.socket.stats,
          ({ receiveBuffered }) =>
            receiveBuffered === 0 && this.isQuiet && this.parseError === undefined
              ? this.enterAndSend(bytes, exchanges)
              : Effect.zipRight(this.nothingCame, Effect.suspend(() => this.enterAndSend(bytes, exchanges)))
        )
    }))
  }

  private enterAndSend(
    bytes: Uint8Array,
    exchanges: ReadonlyArray<Ledger.Exchange>
  ): Effect.Effect<void, ChannelError> {
    const problem = this.ledger.submit(exchanges)
    if (problem !== undefined) return this.loseWith(problem)
    // A server that takes no commands any more holds this up: the socket's time-out ends it.
    return Effect.catchAll(this.socket.send(bytes), (error) => this.loseWith(error))
  }

  /** Sends a command and enters it, both or neither. */
  submit(
    command: Command.Command,
    expectation?: Ledger.Expectation
  ): Effect.Effect<Ledger.Exchange, ChannelError | ReplyError.InvalidArgument> {
    // Not `flatMap` over the bytes: they would stand in the sender's stack, which an inspection of its fiber shows.
    return Effect.suspend((): Effect.Effect<Ledger.Exchange, ChannelError | ReplyError.InvalidArgument> => {
      const encoded = Command.encode(command, this.options.wire)
      if (Either.isLeft(encoded)) return Effect.fail(encoded.left)
      const exchange = Ledger.exchange(command, expectation)
      return Effect.as(this.submitBytes(encoded.right, [exchange]), exchange)
    })
  }

  /**
   * Sends a group of commands in one write (RFC 2920) and enters each. If one of them cannot be sent, none is.
   */
  submitAll(
    commands: ReadonlyArray<readonly [command: Command.Command, expectation?: Ledger.Expectation]>
  ): Effect.Effect<ReadonlyArray<Ledger.Exchange>, ChannelError | ReplyError.InvalidArgument> {
    return Effect.suspend((): Effect.Effect<
      ReadonlyArray<Ledger.Exchange>,
      ChannelError | ReplyError.InvalidArgument
    > => {
      const parts: Array<Uint8Array> = []
      for (const [command] of commands) {
        const encoded = Command.encode(command, this.options.wire)
        if (Either.isLeft(encoded)) return Effect.fail(encoded.left)
        parts.push(encoded.right)
      }
      const exchanges = commands.map(([command, expectation]) => Ledger.exchange(command, expectation))
      return Effect.as(this.submitBytes(Bytes.concat(parts), exchanges), exchanges)
    })
  }

  // ---- receiving

  /** Awaits the greeting, which answers no command. */
  greeting(reading?: Reading, expectation?: Ledger.Expectation): Effect.Effect<Reply, ChannelError> {
    return this.unasked(Command.make("connect"), reading, expectation)
  }

  /**
   * Awaits a reply that no command asks for: the greeting, or the refusal of a content that is still on its way. `command`
   * names it in errors, and is not sent.
   */
  unasked(
    command: Command.Command,
    reading?: Reading,
    expectation?: Ledger.Expectation
  ): Effect.Effect<Reply, ChannelError> {
    return Effect.suspend(() => {
      const exchange = Ledger.exchange(command, expectation)
      const problem = this.ledger.submit([exchange])
      return problem === undefined ? this.await(exchange, reading) : this.loseWith(problem)
    })
  }

  /** The last reply to a command. */
  await(exchange: Ledger.Exchange, reading?: Reading): Effect.Effect<Reply, ChannelError> {
    return this.until(() => exchange.final, reading)
  }

  /** The first reply to a command: a preliminary one, or the last. */
  awaitFirst(exchange: Ledger.Exchange): Effect.Effect<Reply, ChannelError> {
    return this.until(() => exchange.preliminary ?? exchange.final)
  }

  /**
   * Reads the replies that are still owed for commands whose senders were interrupted. Whether anything else has come, an
   * earlier 421 or a reply that would be taken for the next command's, is seen when that is submitted.
   */
  get settle(): Effect.Effect<void, ChannelError> {
    return Effect.suspend(() => {
      if (this.lost !== undefined) return this.whenLost
      return this.ledger.owed === 0
        ? Effect.void
        : this.until(() => this.ledger.owed === 0 ? true : undefined)
    })
  }

  /** Nothing is owed, so what has come by now is nobody's, and the rest of a reply that has begun will be nobody's. */
  private get nothingCame(): Effect.Effect<void, ChannelError> {
    return Effect.suspend(() => {
      const problem = this.ledger.enterAll() ?? this.parseError
      if (problem !== undefined) return this.loseWith(problem)
      return Effect.flatMap(this.socket.stats, ({ receiveBuffered }): Effect.Effect<void, ChannelError> => {
        if (receiveBuffered > 0) return Effect.zipRight(this.read, this.nothingCame)
        if (!this.options.parser.hasBegun()) return Effect.void
        const what = "a reply begins that nobody asked for"
        return this.loseWith(new ReplyError.ProtocolViolation({ ...this.origin, what, received: "a part of a reply" }))
      })
    })
  }

  /**
   * Reads replies into the ledger until `done` gives something; not past its time, however slowly the server talks.
   */
  until<A>(done: () => A | undefined, reading: Reading = {}): Effect.Effect<A, ChannelError> {
    const { due, enter = (reply: Reply) => this.ledger.enter(reply), within } = reading
    const patience = within ?? this.options.replyMillis
    return Effect.clockWith((clock) => {
      const otherwise = millisOf(clock) + patience
      // Reads have a time-out of their own: an interruption is not to be waited for by yet another fiber.
      let isPatient = within === undefined && !this.isPatienceLent
      const loop: Effect.Effect<A, ChannelError> = Effect.suspend(() => {
        for (;;) {
          const value = done()
          if (value !== undefined) return Effect.succeed(value)
          if (this.lost !== undefined) return this.whenLost
          const reply = this.ledger.take()
          if (reply === undefined) break
          const problem = enter(reply)
          if (problem !== undefined) return this.loseWith(problem)
        }
        if (this.parseError !== undefined) return this.loseWith(this.parseError)
        if (millisOf(clock) > (due?.() ?? otherwise)) return this.loseWith(this.timedOut(patience))
        if (isPatient) return Effect.zipRight(this.read, loop)
        isPatient = true
        return Effect.zipRight(
          this.patient(Math.max(1, patience), within !== undefined),
          Effect.zipRight(this.read, loop)
        )
      })
      return loop
    })
  }

  /** How long a read may wait. If `isLent`, the next reading without a time of its own takes it back. */
  patient(millis: number, isLent = false): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.isPatienceLent = isLent
      return Effect.orDie(this.socket.setTimeouts({ receive: millis }))
    })
  }

  private timedOut(patience: number): SocketTimeout {
    return new SocketTimeout({
      operation: "receive",
      timeout: "receive",
      socket: this.options.server,
      afterMillis: patience,
      partial: Bytes.empty,
      bytesSent: 0
    })
  }

  private masked(error: NonNullable<Pushed["error"]>): NonNullable<Pushed["error"]> {
    return error._tag === "ProtocolViolation"
      ? new ReplyError.ProtocolViolation({
        ...this.origin,
        what: error.what,
        received: this.ledger.mask(error.received)
      })
      : error
  }

  private get read(): Effect.Effect<void, ChannelError> {
    return Effect.matchEffect(this.socket.receive(), {
      onFailure: (error): Effect.Effect<never, ChannelError> =>
        this.lost === undefined ? this.loseWith(error) : this.whenLost,
      onSuccess: (chunk) => {
        const pushed = this.options.parser.push(chunk)
        if (pushed.error !== undefined) this.parseError = this.masked(pushed.error)
        const problem = this.ledger.arrive(pushed.replies)
        return problem === undefined ? Effect.void : this.loseWith(problem)
      }
    })
  }
}
