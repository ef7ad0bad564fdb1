/**
 * One transfer: the data connection, the command and its replies, and how it all ends.
 *
 * The order matters under TLS: connect, send the command, read the 150, and only then shake hands; some servers do not
 * begin the handshake before. A transfer went well when the data ended, the server said so, and the sizes agree.
 */
import type { Socket } from "@copas/core/Socket"
import * as Tls from "@copas/core/Tls"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type * as FtpError from "../../../FtpError.js"
import type { Failure } from "../../../FtpSession.js"
import { millisOf, type RunningFiber } from "../../effect/fibers.js"
import type { ChannelError } from "../../replies/channel.js"
import type { Exchange } from "../../replies/ledger.js"
import * as Reply from "../../replies/reply.js"
import * as Spans from "../../replies/spans.js"
import * as Command from "../command.js"
import * as Refusal from "../refusal.js"
import type { Conversation } from "./conversation.js"
import * as DataConnection from "./dataConnection.js"
import type * as Presence from "./presence.js"

export interface Request {
  readonly direction: "download" | "upload"
  readonly command: Command.Command
  readonly path: Command.Path | undefined
  readonly type: "A" | "I"
  readonly offset: number
  /** Little comes: the data connection needs no large reads. */
  readonly isSmall?: boolean
  /** What is known of the path, or finds it out, should the command be refused. */
  readonly look?: Effect.Effect<Presence.Found, Failure>
}

export class Transfer {
  readonly conversation: Conversation
  readonly request: Request
  readonly exchange: Exchange
  /** Its end has been read, or it was aborted. */
  isDone = false
  /** Bytes that moved now, as they went over the wire. */
  moved = 0
  mode: FtpError.DataMode | undefined = undefined
  dataTls: "none" | "fresh" | "resumed" = "none"
  private socket: Socket | undefined = undefined
  private monitor: RunningFiber<Reply.Reply, ChannelError> | undefined = undefined
  private keepAlive: RunningFiber<unknown, unknown> | undefined = undefined
  private finalDue = Infinity

  constructor(conversation: Conversation, request: Request, exchange: Exchange) {
    this.conversation = conversation
    this.request = request
    this.exchange = exchange
  }

  get data(): Socket {
    return this.socket!
  }

  // ---- the beginning

  /** The handshake and the watch over the control connection, behind the 150. */
  begin(socket: Socket): Effect.Effect<void, Failure> {
    const { conversation } = this
    const { dataMillis, firstMillis } = conversation.settings
    return Effect.gen(this, function*() {
      this.socket = socket
      if (conversation.settings.isProtected) yield* this.secure(socket)
      // Our own connections have their time-outs from the beginning.
      if (!conversation.settings.isDirect) {
        yield* Effect.orDie(socket.setTimeouts({ receive: firstMillis, send: dataMillis }))
      }
      const every = conversation.settings.keepAliveMillis
      if (every === undefined) return
      yield* this.startWatch
      this.keepAlive = yield* Effect.uninterruptible(
        Effect.forkDaemon(Effect.interruptible(this.keepingAlive(every)))
      )
    })
  }

  /**
   * Watches the control connection from now on. A transfer that ends in a moment needs no watch: its last reply is read when
   * it is wanted.
   */
  get startWatch(): Effect.Effect<void> {
    return Effect.uninterruptible(Effect.suspend(() => {
      if (this.isWatched || this.isDone) return Effect.void
      // The final reply has no time limit until the data has ended.
      return Effect.orDie(this.conversation.control.socket.setTimeouts({ receive: null })).pipe(
        Effect.zipRight(Effect.orDie(this.data.setTimeouts({ receive: this.conversation.settings.dataMillis }))),
        Effect.zipRight(Effect.forkDaemon(Effect.interruptible(this.watch))),
        Effect.map((fiber) => {
          this.monitor = fiber
        })
      )
    }))
  }

  get isWatched(): boolean {
    return this.monitor !== undefined
  }

  private secure(socket: Socket): Effect.Effect<void, Failure> {
    const { conversation } = this
    const { connectMillis, serverName, tlsContext } = conversation.settings
    this.dataTls = "fresh"
    return Tls.upgrade(socket, tlsContext!, {
      serverName,
      sessionKey: conversation.sessionKey,
      handshakeTimeout: connectMillis
    }).pipe(
      Effect.catchTags({ InvalidOption: Effect.die, UnsupportedOption: Effect.die }),
      Effect.tap(() =>
        Effect.sync(() => {
          if (Option.exists(socket.tls, (tls) => tls.isResumed)) this.dataTls = "resumed"
        })
      ),
      // A server that wants the session resumed may say so on the control connection, and only cut this one.
      Effect.catchAll((error) =>
        Effect.flatMap(this.abort, () => {
          const { final } = this.exchange
          return final !== undefined && final.code !== 426 && this.isRefused(final)
            ? Effect.fail(this.refusal(final))
            : Effect.fail(error)
        })
      )
    )
  }

  /** Reads the control connection while the data moves. */
  private get watch(): Effect.Effect<Reply.Reply, ChannelError> {
    const { control, settings } = this.conversation
    // What has come is still there to be read, but nothing more need be waited for; and nothing more is wanted.
    const stop = Effect.suspend(() =>
      this.request.direction === "upload"
        ? this.data.abort
        : Effect.orDie(this.data.setTimeouts({ receive: settings.firstMillis }))
    )
    return control.until(() => this.exchange.final, { due: () => this.finalDue }).pipe(
      Effect.tap((reply) => this.isRefused(reply) ? stop : Effect.void),
      // Without a control connection the data is never known to be all of it.
      Effect.tapError(() => stop)
    )
  }

  private keepingAlive(every: number): Effect.Effect<void, unknown> {
    const { control } = this.conversation
    const once = Effect.suspend(() =>
      this.exchange.final === undefined && control.owed < mostKeepAlives
        ? control.submit(Command.make("NOOP"))
        : Effect.void
    )
    return Effect.forever(Effect.zipRight(Effect.sleep(every), once))
  }

  // ---- the end

  isRefused(reply: Reply.Reply): boolean {
    const kind = Reply.kind(reply)
    return kind !== "completion"
  }

  /** The error of a transfer that was refused before it began. */
  refused(reply: Reply.Reply): Effect.Effect<never, Failure> {
    const { look } = this.request
    if (look === undefined || !Refusal.isAmbiguous(reply.code)) return Effect.fail(this.refusal(reply))
    this.isDone = true
    return Effect.flatMap(look, (found) => Effect.fail(this.refusal(reply, found)))
  }

  refusal(reply: Reply.Reply, found?: Presence.Found): Failure {
    const { command, path } = this.request
    return this.conversation.refusal(reply, command, {
      ...(found === undefined ? {} : { found }),
      dataTls: this.dataTls,
      ...(path === undefined ? {} : { path }),
      ...(this.mode === undefined ? {} : { dataMode: this.mode })
    })
  }

  /** The final reply, which from now on must come in time. */
  get final(): Effect.Effect<Reply.Reply, Failure> {
    const { control, settings } = this.conversation
    return Effect.clockWith((clock) => {
      this.finalDue = millisOf(clock) + settings.controlMillis
      const reply: Effect.Effect<Reply.Reply, ChannelError> = this.monitor === undefined
        ? control.await(this.exchange)
        : Effect.orDie(control.socket.setTimeouts({ receive: settings.controlMillis })).pipe(
          Effect.zipRight(this.stopKeepAlive),
          Effect.zipRight(Fiber.join(this.monitor))
        )
      return reply.pipe(
        Effect.zipLeft(Effect.suspend(() => {
          this.isDone = true
          return this.settleKeepAlives
        }))
      )
    })
  }

  /** Replies to NOOP may come behind the transfer's, or not at all from servers that swallow them. */
  private get settleKeepAlives(): Effect.Effect<void> {
    const { control, settings } = this.conversation
    if (settings.keepAliveMillis === undefined || control.owed === 0) return Effect.void
    return Effect.ignore(control.until(() => control.owed === 0 ? true : undefined, { within: settings.abortMillis }))
  }

  private get stopKeepAlive(): Effect.Effect<void> {
    return Effect.suspend(() => this.keepAlive === undefined ? Effect.void : Fiber.interrupt(this.keepAlive))
  }

  /** Ends it before its end: ABOR, and its replies, unless its last one is there already. */
  get abort(): Effect.Effect<void> {
    return Effect.uninterruptible(Effect.suspend(() => {
      const { control, settings } = this.conversation
      const cut = this.socket === undefined ? Effect.void : this.socket.abort
      if (this.isDone) return Effect.void
      this.isDone = true
      return this.stopKeepAlive.pipe(
        Effect.zipRight(this.monitor === undefined ? Effect.void : Fiber.interrupt(this.monitor)),
        Effect.zipRight(control.abort(this.exchange, cut)),
        Effect.zipRight(Effect.orDie(control.socket.setTimeouts({ receive: settings.controlMillis }))),
        Effect.zipRight(this.settleKeepAlives)
      )
    }))
  }

  get pathShown(): string {
    const { path } = this.request
    return path === undefined ? "" : typeof path === "string" ? path : this.conversation.settings.codec.decode(path)
  }
}

const mostKeepAlives = 8

/**
 * Opens a transfer: it is its turn as long as the scope lasts, and leaving the scope before the end aborts it.
 */
export const open = (
  conversation: Conversation,
  request: Request
): Effect.Effect<Transfer, Failure, Scope.Scope> =>
  Effect.gen(function*() {
    yield* conversation.setType(request.type)
    const arranged = yield* DataConnection.arrange(
      conversation,
      request.command,
      request.direction === "download" && request.isSmall !== true
    )
    if (request.offset > 0 || conversation.restPending) {
      yield* conversation.exec(Command.make("REST", String(request.offset)), {
        intermediate: true,
        // Set with the reply, even if no fiber waits for it: an interrupted caller leaves the offset to the next transfer.
        onFinal: (reply) => {
          conversation.restPending = Reply.kind(reply) === "intermediate" || Reply.kind(reply) === "completion"
        }
      })
    }
    const transfer = yield* Effect.uninterruptible(Effect.gen(function*() {
      const exchange = yield* conversation.control.submitTransfer(request.command)
      const transfer = new Transfer(conversation, request, exchange)
      transfer.mode = arranged.mode
      yield* Scope.addFinalizer(yield* Effect.scope, transfer.abort)
      return transfer
    }))
    const first = yield* Effect.mapError(
      conversation.control.awaitFirst(transfer.exchange),
      (error) => conversation.afterSending(request.command, error)
    ).pipe(Spans.command("ftp", conversation.settings, request.command))
    conversation.restPending = false
    if (Reply.kind(first) !== "preliminary" && transfer.isRefused(first)) return yield* transfer.refused(first)
    yield* transfer.begin(yield* arranged.connect)
    return transfer
  })
