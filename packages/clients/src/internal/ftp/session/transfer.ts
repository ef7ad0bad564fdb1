/**
 * One transfer: the data connection, the command and its replies, and how it all ends.
 *
 * The order matters under TLS: connect, send the command, read the 150, and only then shake hands; some servers do not
 * begin the handshake before. A transfer went well when the data ended, the server said so, and the sizes agree.
 */
import type { Socket } from "@copas/core/Socket"
import * as Tls from "@copas/core/Tls"
import { within } from "@copas/core/Transport"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as FtpError from "../../../FtpError.js"
import type { Failure } from "../../../FtpSession.js"
import { millisOf, type RunningFiber } from "../../effect/fibers.js"
import type { ChannelError } from "../../replies/channel.js"
import type { Exchange } from "../../replies/ledger.js"
import * as Reply from "../../replies/reply.js"
import * as Spans from "../../replies/spans.js"
import * as Command from "../command.js"
import * as Beforehand from "./beforehand.js"
import type { Conversation } from "./conversation.js"
import * as DataConnection from "./dataConnection.js"
import type * as Presence from "./presence.js"
import * as Spelling from "./spelling.js"
import * as Wire from "./wire.js"

export class Transfer {
  readonly conversation: Conversation
  readonly request: Beforehand.Request
  readonly exchange: Exchange
  private readonly arranged: DataConnection.Arranged
  /** Its end has been read, or it was aborted. */
  isDone = false
  /** Bytes that moved now, as they went over the wire. */
  moved = 0
  dataTls: "none" | "fresh" | "resumed" = "none"
  private socket: Socket | undefined = undefined
  private over: Wire.Wire | undefined = undefined
  private monitor: RunningFiber<Reply.Reply, ChannelError> | undefined = undefined
  private keepAlive: RunningFiber<unknown, unknown> | undefined = undefined
  private finalDue = Infinity
  /** The way to a data connection that is under TLS, up to the end of its handshake. */
  private opening: RunningFiber<void, Failure> | undefined = undefined

  constructor(
    conversation: Conversation,
    request: Beforehand.Request,
    exchange: Exchange,
    arranged: DataConnection.Arranged
  ) {
    this.conversation = conversation
    this.request = request
    this.exchange = exchange
    this.arranged = arranged
  }

  get data(): Socket {
    return this.socket!
  }

  /** The bytes of the file, as they go over it. */
  get wire(): Wire.Wire {
    return this.over!
  }

  // ---- the beginning

  /** The 150, the data connection, and its handshake. */
  get opened(): Effect.Effect<void, Failure> {
    if (!this.conversation.settings.isProtected) return Effect.zipRight(this.connected, this.begin)
    // Some servers end when a handshake does not come to its end. So it is brought there by a fiber of its own, which an
    // interruption waits for.
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        Effect.forkDaemon(Effect.interruptible(Effect.zipRight(this.connected, Effect.suspend(() => this.secure)))),
        (fiber) => {
          this.opening = fiber
          return restore(Fiber.join(fiber))
        }
      )
    ).pipe(
      Effect.catchIf((error) => error._tag === "TlsError", (error) =>
        // A server that wants the session resumed may say so on the control connection, and only cut this one.
        Effect.flatMap(this.abort, () => {
          const { final } = this.exchange
          return Effect.fail(
            final !== undefined && final.code !== 426 && this.isRefused(final) ? this.refusal(final) : error
          )
        })),
      Effect.zipRight(this.begin)
    )
  }

  private get connected(): Effect.Effect<void, Failure> {
    const { conversation, exchange, request } = this
    const { control, settings } = conversation
    const first = Effect.mapError(
      control.awaitFirst(exchange),
      (error) => conversation.afterSending(request.command, error)
    ).pipe(Spans.command("ftp", settings, request.command))
    return Effect.flatMap(first, (reply) => {
      conversation.restPending = false
      if (Reply.kind(reply) !== "preliminary" && this.isRefused(reply)) {
        this.isDone = true
        return Beforehand.refused(request, reply, (found) => this.refusal(reply, found))
      }
      return Effect.flatMap(this.arranged.connect(this.refusedLater), (connected) => {
        if (Either.isRight(connected)) {
          this.socket = connected.right
          return Effect.void
        }
        const { reply, why } = connected.left
        return Effect.fail(reply.code === 425 || reply.code === 426 ? this.notConnected(why) : this.refusal(reply))
      })
    })
  }

  private notConnected(why: string): FtpError.DataConnectionFailed {
    return new FtpError.DataConnectionFailed({
      server: this.conversation.server,
      command: Command.printable(this.request.command),
      attempts: [{ mode: this.arranged.mode, why }]
    })
  }

  /** Reads the control connection for a refusal after the 150. Any other end of the transfer may overtake its data. */
  private get refusedLater(): Effect.Effect<Reply.Reply, Failure> {
    const { control, settings } = this.conversation
    return Effect.zipRight(control.patient(Infinity), control.until(() => this.exchange.final, { due: () => Infinity }))
      .pipe(
        Effect.flatMap((reply) => this.isRefused(reply) ? Effect.succeed(reply) : Effect.never),
        Effect.ensuring(control.patient(settings.controlMillis))
      )
  }

  /** The coding of MODE Z, and the watch over the control connection. */
  private get begin(): Effect.Effect<void, Failure> {
    return Effect.suspend(() => {
      const { dataMillis, firstMillis, isDirect, isProtected, keepAliveMillis: every, modeZ } =
        this.conversation.settings
      const { data, request } = this
      this.over = this.conversation.isCoded
        ? Wire.coded(data, request.direction, modeZ!.ratio)
        : Wire.plain(data, isProtected, request.reuses === true)
      // Our own connections have their time-outs from the beginning.
      const timed = isDirect
        ? Effect.void
        : Effect.orDie(this.data.setTimeouts({ receive: firstMillis, send: dataMillis }))
      if (every === undefined) return timed
      return timed.pipe(
        Effect.zipRight(this.startWatch),
        Effect.zipRight(Effect.uninterruptible(Effect.forkDaemon(Effect.interruptible(this.keepingAlive(every))))),
        Effect.map((fiber) => {
          this.keepAlive = fiber
        })
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
      return this.conversation.control.patient(Infinity).pipe(
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

  private get secure(): Effect.Effect<void, Failure> {
    const { conversation, data } = this
    const { connectMillis, serverName, tlsContext } = conversation.settings
    this.dataTls = "fresh"
    return Tls.upgrade(data, tlsContext!, {
      serverName,
      sessionKey: conversation.sessionKey,
      handshakeTimeout: connectMillis
    }).pipe(
      Effect.catchTags({ InvalidOption: Effect.die, UnsupportedOption: Effect.die }),
      Effect.map(() => {
        if (Option.exists(data.tls, (tls) => tls.isResumed)) this.dataTls = "resumed"
      })
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
    return Reply.kind(reply) !== "completion"
  }

  refusal(reply: Reply.Reply, found?: Presence.Found): Failure {
    const { command, path } = this.request
    return this.conversation.refusal(reply, command, {
      ...(found === undefined ? {} : { found }),
      dataTls: this.dataTls,
      ...(path === undefined ? {} : { path }),
      dataMode: this.arranged.mode
    })
  }

  /** `moved` counts what was in place before, too. */
  incomplete(expected: number, moved: number, cause: unknown, path = this.pathShown): FtpError.TransferIncomplete {
    return new FtpError.TransferIncomplete({
      server: this.conversation.server,
      direction: this.request.direction,
      path,
      expected,
      moved,
      ...(cause === undefined ? {} : { cause })
    })
  }

  unknown(lastKnown: string, cause: unknown, path = this.pathShown): FtpError.OutcomeUnknown {
    return new FtpError.OutcomeUnknown({
      server: this.conversation.server,
      command: Command.printable(this.request.command),
      path,
      lastKnown,
      moved: this.moved,
      ...(cause === undefined ? {} : { cause })
    })
  }

  /** The final reply, which from now on must come in time. */
  get final(): Effect.Effect<Reply.Reply, Failure> {
    const { control, settings } = this.conversation
    return Effect.clockWith((clock) => {
      this.finalDue = millisOf(clock) + settings.controlMillis
      const reply: Effect.Effect<Reply.Reply, ChannelError> = this.monitor === undefined
        ? control.await(this.exchange)
        : control.patient(settings.controlMillis).pipe(
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

  /** Replies to NOOP may come after the transfer's, or not at all from servers that swallow them. */
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
      const { opening } = this
      const stop = opening === undefined ? Effect.void : Effect.asVoid(Fiber.interrupt(opening))
      if (this.isDone) return stop
      this.isDone = true
      const cut = Effect.suspend(() =>
        this.socket === undefined ? this.arranged.cut : Effect.zipRight(this.socket.abort, this.arranged.cut)
      )
      return this.stopKeepAlive.pipe(
        Effect.zipRight(this.monitor === undefined ? Effect.void : Fiber.interrupt(this.monitor)),
        Effect.zipRight(control.abort(this.exchange, cut, (millis) => this.settleOpening(millis))),
        Effect.zipRight(stop),
        Effect.zipRight(control.patient(settings.controlMillis)),
        Effect.zipRight(this.settleKeepAlives)
      )
    }))
  }

  /**
   * Lets a handshake come to its end on both sides, within its time: cut between, several servers end the session. This side
   * has seen its end first, so a download waits for a byte, and an upload ends as if it were complete.
   */
  private settleOpening(millis: number): Effect.Effect<void> {
    const { opening } = this
    if (opening === undefined) return Effect.void
    const { control } = this.conversation
    const patient = <A>(effect: Effect.Effect<A, unknown>): Effect.Effect<void> =>
      Effect.ignore(within(Effect.asVoid(effect), millis / 2, () => undefined))
    const ended = Effect.suspend(() => {
      if (this.socket === undefined || this.exchange.final !== undefined) return Effect.void
      if (this.request.direction === "download") return this.moved > 0 ? Effect.void : patient(this.data.receive())
      const said = control.until(() => this.exchange.final, { due: () => Infinity })
      return patient(Effect.zipRight(this.data.shutdown("send"), said))
    })
    return patient(Fiber.await(opening)).pipe(
      Effect.zipRight(Effect.asVoid(Fiber.interrupt(opening))),
      Effect.zipRight(ended)
    )
  }

  get pathShown(): string {
    const { path } = this.request
    return path === undefined ? "" : this.conversation.text(path)
  }
}

const losses = new Set<Failure["_tag"]>([
  "ServiceUnavailable",
  "SessionClosed",
  "SocketBroken",
  "SocketClosed",
  "SocketTimeout"
])

/** The session ended, so the server's word did not come. */
export const isLoss = (error: Failure): boolean => losses.has(error._tag)

const mostKeepAlives = 8

/**
 * Opens a transfer: it is its turn as long as the scope lasts, and leaving the scope before the end aborts it.
 */
export const open = (
  conversation: Conversation,
  request: Beforehand.Request
): Effect.Effect<Transfer, Failure, Scope.Scope> =>
  Effect.gen(function*() {
    yield* Spelling.settle(conversation, request.command)
    yield* conversation.setType(request.type)
    yield* Beforehand.announce(conversation, request)
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
    // The data connection is the transfer's before its command goes out, so an interruption at any moment ends both.
    const transfer = yield* Effect.uninterruptible(Effect.gen(function*() {
      const exchange = yield* conversation.control.submitTransfer(request.command)
      const transfer = new Transfer(conversation, request, exchange, arranged)
      yield* Scope.addFinalizer(yield* Effect.scope, transfer.abort)
      return transfer
    }))
    yield* transfer.opened
    yield* Effect.addFinalizer(() => transfer.wire.release)
    return transfer
  })
