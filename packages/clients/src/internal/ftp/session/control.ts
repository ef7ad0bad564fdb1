/**
 * The control connection and its ledger: every command that went out has its replies, in order, or the session is over.
 *
 * A command whose sender was interrupted stays in the ledger; its reply is read before the next command is sent. So an
 * interruption costs nobody anything, and no reply is ever taken for another command's.
 */
import type { Socket } from "@copas/core/Socket"
import type { ReceiveError, SendError } from "@copas/core/SocketError"
import { SocketTimeout } from "@copas/core/SocketError"
import * as Effect from "effect/Effect"
import * as FtpError from "../../../FtpError.js"
import { millisOf, now } from "../../effect/fibers.js"
import { orFail } from "../../options.js"
import type * as Parser from "../../replies/parser.js"
import * as Reply from "../../replies/reply.js"
import * as Bytes from "../../text/bytes.js"
import * as Command from "../command.js"
import * as Refusal from "../refusal.js"
import * as Telnet from "../telnet.js"
import type { Settings } from "./settings.js"

/** A command that went out, and what came of it. */
export interface Exchange {
  readonly command: Command.Command
  /** Only a transfer has a reply before the last one, and may have other commands go out before it is over. */
  readonly isTransfer: boolean
  preliminary: Reply.Reply | undefined
  preliminaries: number
  final: Reply.Reply | undefined
  readonly onFinal: ((reply: Reply.Reply) => void) | undefined
}

export type ControlError =
  | ReceiveError
  | SendError
  | FtpError.ProtocolViolation
  | FtpError.ReplyTooLong
  | FtpError.ServiceUnavailable
  | FtpError.SessionClosed

// What servers answer to a NOOP amid a transfer, and never to the transfer itself.
const noopCodes = new Set([200, 500, 501, 502, 503])
// These speak of a transfer. One that answers anything else is a straggler of a transfer that was aborted.
const transferCodes = new Set([225, 226, 426])
const mostPreliminaries = 16
/** The most replies that may wait behind each other. More come only from a peer that talks to itself. */
const mostArrived = 1000

export class Control {
  readonly socket: Socket
  readonly settings: Settings
  private readonly parser: Parser.Parser
  private ledger: Array<Exchange> = []
  private arrived: Array<Reply.Reply> = []
  private parseError: Parser.Pushed["error"] = undefined
  /** Why the session is over. */
  lost: { readonly why: string; readonly cause: unknown } | undefined = undefined

  constructor(socket: Socket, settings: Settings) {
    this.socket = socket
    this.settings = settings
    this.parser = Telnet.parser({ codec: settings.codec, limit: settings.replyLimit, server: settings.server })
  }

  /** Nothing is owed and nothing has come that nobody asked for. */
  get isQuiet(): boolean {
    return this.ledger.length === 0 && this.arrived.length === 0 && this.parser.pending() === 0
  }

  /** How many commands have not had their last reply. */
  get owed(): number {
    return this.ledger.length
  }

  // ---- the end

  /** Gives the session up: its connection is cut, later calls fail with `SessionClosed`. */
  lose(why: string, cause: unknown): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.lost !== undefined) return Effect.void
      this.lost = { why, cause }
      this.ledger = []
      this.arrived = []
      return this.socket.abort
    })
  }

  /** The scope has ended: nothing more is sent. The socket's own scope closes it. */
  get end(): Effect.Effect<void> {
    return Effect.sync(() => {
      this.lost ??= { why: "its scope has ended", cause: undefined }
    })
  }

  private loseWith<E extends ControlError>(error: E): Effect.Effect<never, E> {
    return Effect.zipRight(this.lose(error.message, error), Effect.fail(error))
  }

  get whenLost(): Effect.Effect<never, FtpError.SessionClosed> {
    return Effect.suspend(() =>
      Effect.fail(
        new FtpError.SessionClosed({
          protocol: "ftp",
          server: this.settings.server,
          why: this.lost?.why ?? "its scope has ended",
          ...(this.lost?.cause === undefined ? {} : { cause: this.lost.cause })
        })
      )
    )
  }

  // ---- sending

  /** Sends a command and enters it in the ledger, both or neither. */
  submit(
    command: Command.Command,
    options?: { readonly isTransfer?: boolean; readonly onFinal?: (reply: Reply.Reply) => void }
  ): Effect.Effect<Exchange, ControlError | FtpError.InvalidArgument> {
    return Effect.flatMap(
      orFail(Command.encode(command, this.settings.codec)),
      (bytes) =>
        Effect.uninterruptible(Effect.suspend((): Effect.Effect<Exchange, ControlError> => {
          if (this.lost !== undefined) return this.whenLost
          const exchange: Exchange = {
            command,
            isTransfer: options?.isTransfer ?? false,
            preliminary: undefined,
            preliminaries: 0,
            final: undefined,
            onFinal: options?.onFinal
          }
          this.ledger.push(exchange)
          // A server that takes no commands any more holds this up: the socket's time-out ends it.
          return Effect.as(Effect.catchAll(this.socket.send(bytes), (error) => this.loseWith(error)), exchange)
        }))
    )
  }

  // ---- receiving

  /** Awaits the greeting, which answers no command. */
  get greeting(): Effect.Effect<Exchange, ControlError> {
    return Effect.suspend(() => {
      const exchange: Exchange = {
        command: Command.make("connect"),
        isTransfer: false,
        preliminary: undefined,
        preliminaries: 0,
        final: undefined,
        onFinal: undefined
      }
      this.ledger.push(exchange)
      return Effect.as(this.await(exchange), exchange)
    })
  }

  /** The last reply to a command. */
  await(exchange: Exchange): Effect.Effect<Reply.Reply, ControlError> {
    return this.until(() => exchange.final)
  }

  /** The first reply to a transfer: 150, or its refusal. */
  awaitFirst(exchange: Exchange): Effect.Effect<Reply.Reply, ControlError> {
    return this.until(() => exchange.preliminary ?? exchange.final)
  }

  /**
   * Reads the replies that are still owed for commands whose senders were interrupted, and checks that nothing else has
   * come: an earlier server's 421, or a reply that would be taken for the next command's.
   */
  get settle(): Effect.Effect<void, ControlError> {
    return Effect.suspend(() => {
      if (this.lost !== undefined) return this.whenLost
      const owed = this.ledger.length > 0
        ? this.until(() => this.ledger.length === 0 ? true : undefined)
        : Effect.void
      return Effect.zipRight(
        owed,
        Effect.flatMap(this.socket.stats, (stats) => stats.receiveBuffered > 0 ? this.takeBuffered : this.checkArrived)
      )
    })
  }

  private get takeBuffered(): Effect.Effect<void, ControlError> {
    return Effect.zipRight(this.read, this.checkArrived)
  }

  private get checkArrived(): Effect.Effect<void, ControlError> {
    return Effect.suspend(() => {
      const reply = this.arrived.shift()
      return reply === undefined ? Effect.void : Effect.zipRight(this.assign(reply), this.checkArrived)
    })
  }

  /**
   * Reads replies into the ledger until `done` gives something; not past the time that `due` tells, however slowly the
   * server talks.
   */
  until<A>(done: () => A | undefined, due?: () => number): Effect.Effect<A, ControlError> {
    return Effect.clockWith((clock) => {
      const otherwise = millisOf(clock) + this.settings.controlMillis
      const loop: Effect.Effect<A, ControlError> = Effect.suspend(() => {
        const value = done()
        if (value !== undefined) return Effect.succeed(value)
        if (this.lost !== undefined) return this.whenLost
        const reply = this.arrived.shift()
        if (reply !== undefined) return Effect.zipRight(this.assign(reply), loop)
        if (this.parseError !== undefined) return this.loseWith(this.parseError)
        if (millisOf(clock) > (due?.() ?? otherwise)) {
          return this.loseWith(this.timedOut(this.settings.controlMillis))
        }
        return Effect.zipRight(this.read, loop)
      })
      return loop
    })
  }

  private timedOut(patience: number): SocketTimeout {
    return new SocketTimeout({
      operation: "receive",
      socket: this.settings.server,
      afterMillis: patience,
      partial: Bytes.empty,
      bytesSent: 0
    })
  }

  private get read(): Effect.Effect<void, ControlError> {
    return Effect.matchEffect(this.socket.receive(), {
      onFailure: (error): Effect.Effect<never, ControlError> =>
        this.lost === undefined ? this.loseWith(error) : this.whenLost,
      onSuccess: (chunk) => {
        const pushed = this.parser.push(chunk)
        for (const reply of pushed.replies) this.arrived.push(reply)
        if (pushed.error !== undefined) this.parseError = pushed.error
        return this.arrived.length > mostArrived
          ? this.loseWith(this.violation("replies come that nobody asked for", this.arrived[0]!))
          : Effect.void
      }
    })
  }

  private violation(what: string, reply: Reply.Reply): FtpError.ProtocolViolation {
    return new FtpError.ProtocolViolation({
      protocol: "ftp",
      server: this.settings.server,
      what,
      received: Reply.show(reply)
    })
  }

  /** Enters a reply in the ledger. */
  private assign(reply: Reply.Reply): Effect.Effect<void, ControlError> {
    const first = this.ledger[0]
    // 421 closes the session, whatever it was that it answers.
    if (reply.code === 421) {
      const refusal = Refusal.fromReply(reply, {
        server: this.settings.server,
        command: first?.command ?? Command.make("wait")
      })
      return this.loseWith(refusal as FtpError.ServiceUnavailable)
    }
    if (first === undefined) return this.loseWith(this.violation("a reply came that nobody asked for", reply))
    if (transferCodes.has(reply.code) && !first.isTransfer && first.command.verb !== "ABOR") {
      return this.loseWith(this.violation(`the reply to ${first.command.verb} is another command's`, reply))
    }
    if (Reply.kind(reply) === "preliminary") {
      first.preliminary ??= reply
      first.preliminaries += 1
      return first.preliminaries > mostPreliminaries
        ? this.loseWith(this.violation("preliminary replies do not end", reply))
        : Effect.void
    }
    const index = first.isTransfer && first.preliminary !== undefined && noopCodes.has(reply.code)
      ? Math.max(0, this.ledger.findIndex(({ command }) => command.verb === "NOOP"))
      : 0
    const exchange = this.ledger[index]!
    this.ledger.splice(index, 1)
    exchange.final = reply
    exchange.onFinal?.(reply)
    return Effect.void
  }

  // ---- aborting

  /**
   * Ends a transfer that is under way, and reads its replies: 426 and 226, one of them alone, or in another order. How
   * many come depends on the server, so PWD is sent behind them: its 257 is like no other of them, and ends them.
   * Past the deadline the session is given up.
   */
  abort(exchange: Exchange, cutData: Effect.Effect<void>): Effect.Effect<void> {
    const { abortMillis } = this.settings
    const marker = Command.make("PWD")
    const drain = Effect.gen(this, function*() {
      const start = yield* now
      const open = exchange.final === undefined
      if (open) yield* this.submit(Command.make("ABOR"))
      yield* cutData
      if (!open) return
      // Reads have a time-out of their own: an interruption is not to be waited for by yet another fiber.
      yield* Effect.orDie(this.socket.setTimeouts({ receive: abortMillis }))
      yield* this.until(() => exchange.final, () => start + abortMillis)
      // From here on nobody knows whose a reply is: only the marker counts.
      this.ledger = []
      const left = Math.max(1, start + abortMillis - (yield* now))
      yield* Effect.orDie(this.socket.setTimeouts({ receive: left }))
      yield* this.submit(marker)
      yield* this.awaitMarker(start + abortMillis)
      this.ledger = []
      yield* Effect.orDie(this.socket.setTimeouts({ receive: this.settings.controlMillis }))
    })
    return drain.pipe(
      Effect.catchAll((error) => this.lose("an interrupted transfer did not come to its end", error)),
      Effect.ensuring(cutData)
    )
  }

  private awaitMarker(until: number): Effect.Effect<void, ControlError> {
    return Effect.clockWith((clock) => {
      const loop = (seen: number): Effect.Effect<void, ControlError> =>
        Effect.suspend(() => {
          const reply = this.arrived.shift()
          if (reply?.code === 257) return Effect.void
          if (reply !== undefined) {
            return reply.code === 421 || seen > mostPreliminaries
              ? this.loseWith(this.violation("the replies to ABOR do not end", reply))
              : loop(seen + 1)
          }
          if (this.parseError !== undefined) return this.loseWith(this.parseError)
          if (millisOf(clock) > until) return this.loseWith(this.timedOut(this.settings.abortMillis))
          return Effect.zipRight(this.read, loop(seen))
        })
      return loop(0)
    })
  }
}
