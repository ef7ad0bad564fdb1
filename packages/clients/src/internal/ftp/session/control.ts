/**
 * The control connection: a channel of commands and replies, with what is FTP's alone: transfers, which have a reply
 * before the last one and may be aborted, and TELNET.
 */
import type { Socket } from "@copas/core/Socket"
import * as Effect from "effect/Effect"
import type * as FtpError from "../../../FtpError.js"
import { now } from "../../effect/fibers.js"
import { orFail } from "../../options.js"
import { Channel, type ChannelError } from "../../replies/channel.js"
import type { Exchange, Expectation } from "../../replies/ledger.js"
import type { Reply } from "../../replies/reply.js"
import * as Command from "../command.js"
import * as Telnet from "../telnet.js"
import type { Settings } from "./settings.js"

// What servers answer to a NOOP amid a transfer, and never to the transfer itself.
const noopCodes = new Set([200, 500, 501, 502, 503])
// These speak of a transfer. As the answer to anything else they are stragglers of a transfer that was aborted.
const transferCodes = new Set([225, 226, 426])
/** How many replies may come between ABOR and the marker. */
const mostStragglers = 16

const plain: Expectation = { accepts: (code) => !transferCodes.has(code) }

const transfer: Expectation = {
  yields: (reply, later, self) =>
    self.preliminary !== undefined && noopCodes.has(reply.code) && later.command.verb === "NOOP"
}

export class Control extends Channel {
  readonly settings: Settings

  constructor(socket: Socket, settings: Settings) {
    const { codec, controlMillis, replyLimit, server } = settings
    super(socket, {
      server,
      wire: Command.wire(codec),
      parser: Telnet.parser({ codec, limit: replyLimit, server }),
      replyMillis: controlMillis
    })
    this.settings = settings
  }

  get welcome(): Effect.Effect<Reply, ChannelError> {
    return this.greeting({}, plain)
  }

  override submit(
    command: Command.Command,
    expectation?: Expectation
  ): Effect.Effect<Exchange, ChannelError | FtpError.InvalidArgument> {
    return super.submit(command, { ...plain, ...expectation })
  }

  /** Sends the command of a transfer. Other commands may go out before its last reply has come. */
  submitTransfer(command: Command.Command): Effect.Effect<Exchange, ChannelError | FtpError.InvalidArgument> {
    return super.submit(command, transfer)
  }

  /** Sends a command whose replies the ledger does not know. */
  private say(command: Command.Command): Effect.Effect<void, ChannelError | FtpError.InvalidArgument> {
    return Effect.flatMap(
      orFail(Command.encode(command, this.settings.codec)),
      (bytes) => this.submitBytes(bytes, [])
    )
  }

  /**
   * Ends a transfer that is under way, and reads its replies: 426 and 226, one of them alone, or in another order. How
   * many come depends on the server, so PWD is sent behind them: its 257 is like no other of them, and ends them.
   * Past the deadline the session is given up.
   */
  abort(exchange: Exchange, cutData: Effect.Effect<void>): Effect.Effect<void> {
    const { abortMillis } = this.settings
    const drain = Effect.gen(this, function*() {
      const end = (yield* now) + abortMillis
      const open = exchange.final === undefined
      if (open) yield* this.say(Command.make("ABOR"))
      yield* cutData
      if (!open) return
      yield* this.until(() => exchange.final, { within: end - (yield* now) })
      // From here on nobody knows whose a reply is: only the marker counts.
      this.ledger.clear()
      yield* this.say(Command.make("PWD"))
      yield* this.awaitMarker(end - (yield* now))
    })
    return drain.pipe(
      Effect.catchAll((error) => this.lose("an interrupted transfer did not come to its end", error)),
      Effect.ensuring(cutData)
    )
  }

  private awaitMarker(within: number): Effect.Effect<void, ChannelError> {
    let stragglers = 0
    let isThere = false
    const enter = (reply: Reply): ChannelError | undefined => {
      if (reply.code === 257) isThere = true
      else if (reply.code === 421 || ++stragglers > mostStragglers) {
        return this.ledger.violation("the replies to ABOR do not end", reply)
      }
      return undefined
    }
    return this.until(() => isThere ? true : undefined, { within, enter })
  }
}
