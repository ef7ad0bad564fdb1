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
import * as Reply from "../../replies/reply.js"
import * as Command from "../command.js"
import * as Telnet from "../telnet.js"
import type { Settings } from "./settings.js"

// What servers answer to a NOOP amid a transfer, and never to the transfer itself.
const noopCodes = new Set([200, 500, 501, 502, 503])
// These speak of a transfer. As the answer to anything else they are stragglers of a transfer that was aborted.
const transferCodes = new Set([225, 226, 426])
/** How many replies may come between ABOR and the marker, and how many more of transfers than there were transfers. */
const mostStragglers = 16

const plain: Expectation = { accepts: (code) => !transferCodes.has(code) }

const transfer: Expectation = {
  yields: (reply, later, self) =>
    self.preliminary !== undefined && noopCodes.has(reply.code) && later.command.verb === "NOOP"
}

export class Control extends Channel {
  readonly settings: Settings
  private transfers = 0
  /** Whether a byte of 255 goes out twice, and whether that is known to be right. */
  doubling: { readonly doubles: boolean; readonly isKnown: boolean }
  /** The server was asked for it, and did not tell. */
  wasAsked255 = false
  /** What a command without a transfer is answered with. */
  readonly plain = plain
  private readonly parser: Telnet.Parser
  /** How many times 226 came that no transfer was owed. */
  private dropped = 0

  constructor(socket: Socket, settings: Settings) {
    const { codec, controlMillis, replyLimit, server } = settings
    const parser = Telnet.parser({ codec, limit: replyLimit, server })
    super(socket, {
      server,
      wire: Command.wire(codec, () => this.doubling.doubles),
      parser,
      replyMillis: controlMillis,
      // A second 226 (ProFTPD) is no other command's. A late 426 says that something else went wrong.
      isStray: ({ code }) => code === 226 && this.transfers > 0 && ++this.dropped <= this.transfers + mostStragglers
    })
    this.settings = settings
    this.parser = parser
    this.doubling = { doubles: settings.doubleIac ?? true, isKnown: settings.doubleIac !== undefined }
  }

  /** How many bytes of 255 have come, as they came. */
  get bytes255(): number {
    return this.parser.bytes255()
  }

  get welcome(): Effect.Effect<Reply.Reply, ChannelError> {
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
    this.transfers += 1
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
   * many come depends on the server, so a marker is sent after them, whose reply ends them. `settle` is given half of the
   * time before. Past the deadline the session is given up.
   */
  abort(
    exchange: Exchange,
    cutData: Effect.Effect<void>,
    settle: (millis: number) => Effect.Effect<void>
  ): Effect.Effect<void> {
    const { abortMillis } = this.settings
    const drain = Effect.gen(this, function*() {
      const end = (yield* now) + abortMillis
      if (exchange.final === undefined) yield* settle(abortMillis / 2)
      const open = exchange.final === undefined
      if (open) yield* this.say(Command.make("ABOR"))
      yield* cutData
      if (!open) return
      yield* this.until(() => exchange.final, { within: end - (yield* now) })
      // From here on nobody knows whose a reply is: only the marker counts.
      const { owed, waiting } = this.ledger
      this.ledger.clear()
      yield* this.awaitMarker(end, owed > 0, waiting > 0)
    })
    return drain.pipe(
      Effect.catchAll((error) => this.lose("an interrupted transfer did not come to its end", error)),
      Effect.ensuring(cutData)
    )
  }

  /**
   * Sends PWD, and reads until its reply: 257, which is like no other, or whatever a server without PWD answers. A refusal
   * that comes before any reply to ABOR may be ABOR's own: then only the reply to NOOP, sent after it, is the last.
   */
  private awaitMarker(
    end: number,
    owesKeepAlives: boolean,
    hasHeard: boolean
  ): Effect.Effect<void, ChannelError | FtpError.InvalidArgument> {
    let stragglers = 0
    let marker: "PWD" | "NOOP" = "PWD"
    let found: "marker" | "unclear" | undefined
    const read = (reply: Reply.Reply): typeof found => {
      if (reply.code === 257) return marker === "PWD" ? "marker" : undefined
      // With keep-alives under way any other reply may be one of theirs.
      if (owesKeepAlives || transferCodes.has(reply.code)) return undefined
      if (Reply.kind(reply) === "completion") return "marker"
      if (marker === "NOOP" || reply.code < 400 || reply.code > 599) return undefined
      return hasHeard ? "marker" : "unclear"
    }
    const enter = (reply: Reply.Reply): ChannelError | undefined => {
      found = read(reply)
      hasHeard = true
      return reply.code === 421 || ++stragglers > mostStragglers
        ? this.ledger.violation("the replies to ABOR do not end", reply)
        : undefined
    }
    const next = Effect.flatMap(now, (at) => this.until(() => found, { within: end - at, enter }))
    return Effect.gen(this, function*() {
      yield* this.say(Command.make("PWD"))
      if ((yield* next) === "marker") return
      marker = "NOOP"
      found = undefined
      yield* this.say(Command.make("NOOP"))
      yield* next
    })
  }
}
