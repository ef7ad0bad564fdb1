/**
 * Several sessions with one server, kept open between messages: the way to send many.
 *
 * At most `size` connections are open; a message that needs one more waits. The pool replaces connections that have ended,
 * that are old or have sent enough messages, and closes idle ones before the server does. If the server wants fewer
 * connections (421, 432, a refused connection), the pool continues with those that it has, and tries one more after a pause
 * that grows. A refused log-in is not repeated within `backOff`: a pool must not lock an account.
 *
 * A message goes out over another connection only if the first one had been used before and turned out dead before a byte
 * of the message's content was sent. So no message arrives twice because of the pool.
 *
 * @since 0.2.0
 */
import type { Net } from "@copas/core/Net"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import type * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as Gauges from "./internal/smtp/pool/gauges.js"
import * as Pool_ from "./internal/smtp/pool/pool.js"
import type { Message, MessageOptions } from "./Message.js"
import type { InvalidArgument } from "./ReplyError.js"
import type { ConnectFailure, Options, Receipt, SendFailure, SendOptions, Session } from "./SmtpSession.js"

/**
 * How many messages may begin within a time. It holds for every stretch of that length, not only for calendar minutes.
 *
 * @since 0.2.0
 * @category models
 */
export interface Rate {
  readonly messages: number
  readonly per: Duration.DurationInput
}

/**
 * Options of a pool, beside those of its sessions.
 *
 * @since 0.2.0
 * @category models
 */
export interface PoolOptions extends Options {
  /** The most connections that are open at once, those being opened and closed included. Default 4. */
  readonly size?: number | undefined
  /**
   * A connection is replaced after this many messages. Default no limit except the server's own (MAILMAX, RFC 9422), which always
   * holds.
   */
  readonly maxMessages?: number | undefined
  /** A connection is replaced after this time, once it is idle. Default 10 minutes. */
  readonly maxAge?: Duration.DurationInput | undefined
  /** An idle connection is closed after this time. Default 30 seconds. */
  readonly idle?: Duration.DurationInput | undefined
  /** The pool checks a connection that was idle for longer, by NOOP, before it uses it. Default 10 seconds. */
  readonly checkAfter?: Duration.DurationInput | undefined
  /** The most messages in a time. It counts those of `send` and `sendAll`. Default no limit. */
  readonly rate?: Rate | undefined
  /**
   * The longest pause before another connection is tried. After failures the pause grows from 1 second, or this if it is
   * less, up to this; a refused log-in is not tried again before this has passed. Default 1 minute.
   */
  readonly backOff?: Duration.DurationInput | undefined
}

/**
 * The state of a pool at the moment.
 *
 * @since 0.2.0
 * @category models
 */
export interface Stats {
  /** Connections that are open, logged in. */
  readonly open: number
  /** Those of them that no caller uses. */
  readonly idle: number
  /** Callers that wait for a connection, or for the rate. */
  readonly waiting: number
  /** How many connections may be open now: less than `size` for a time after the server has refused more. */
  readonly most: number
}

/**
 * The outcome of one message of `sendAll`.
 *
 * @since 0.2.0
 * @category models
 */
export interface Result<M, E = never> {
  /** The message: the same object that the stream gave. */
  readonly message: M
  readonly result: Either.Either<Receipt, ConnectFailure | SendFailure | E>
}

/**
 * A pool of sessions. Its scope closes them all.
 *
 * @since 0.2.0
 * @category models
 */
export interface Pool {
  /** Host and port, as in errors. */
  readonly server: string
  readonly size: number
  /**
   * Sends a message over a connection that is free, or waits for one. It fails as `SmtpSession.send` does; while no
   * connection can be opened, with the reason.
   *
   * *Interruption* while it waits sends nothing; after that it is as in a session, and the pool keeps the connection if it
   * is still good.
   */
  readonly send: <E = never, R = never>(
    message: Message<E, R> | MessageOptions<E, R>,
    options?: SendOptions
  ) => Effect.Effect<Receipt, ConnectFailure | SendFailure | E, R>
  /**
   * Sends every message of a stream, `size` at a time, and gives what became of each, in the order in which they end. A
   * failure of a message is its result and does not end the stream. It stops sending while the results are not taken: at
   * most `size` of them wait. If the stream of messages fails, those that are being sent end first, and their results are
   * given; then the stream of results fails.
   *
   * *Interruption* interrupts the messages that are being sent.
   *
   * @example
   * ```ts
   * import { SmtpPool } from "@copas/clients"
   * import { SmtpServer } from "@copas/clients/testing"
   * import { NetMemory } from "@copas/core/testing"
   * import { Effect, Either, Stream } from "effect"
   *
   * const letters = ["ada", "grace", "edsger"].map((name) => ({
   *   from: "news@example.test",
   *   to: `${name}@example.test`,
   *   subject: "News",
   *   text: `Dear ${name}, …`
   * }))
   *
   * const program = Effect.gen(function*() {
   *   const server = yield* SmtpServer.make()
   *   const pool = yield* SmtpPool.make({ host: server.host, port: server.port, tls: "none", size: 2 })
   *   const failed = yield* pool.sendAll(Stream.fromIterable(letters)).pipe(
   *     Stream.filter(({ result }) => Either.isLeft(result)),
   *     Stream.runCount
   *   )
   *   console.log(failed) // 0
   *   console.log((yield* server.messages).length) // 3
   * })
   *
   * await Effect.runPromise(Effect.provide(Effect.scoped(program), NetMemory.layer))
   * ```
   */
  readonly sendAll: <M, E2 = never, R2 = never, E = never, R = never>(
    messages: Stream.Stream<M & (Message<E2, R2> | MessageOptions<E2, R2>), E, R>,
    options?: SendOptions
  ) => Stream.Stream<Result<M, E2>, E, R | R2>
  /**
   * Lends a session for as long as the scope. What the borrower has begun is reset when it comes back. *Interruption*
   * while waiting takes none.
   */
  readonly session: Effect.Effect<Session, ConnectFailure, Scope.Scope>
  /** Runs `f` with a session that no other caller has meanwhile. */
  readonly use: <A, E, R>(f: (session: Session) => Effect.Effect<A, E, R>) => Effect.Effect<A, E | ConnectFailure, R>
  /** The state of this moment. */
  readonly stats: Effect.Effect<Stats>
  /**
   * Takes no more calls (they fail with `SessionClosed`), waits until those under way have ended, messages that wait
   * included, and closes all connections. It is refused with `InvalidArgument`, and changes nothing, in a fiber that has
   * a session of the pool (`use`, `session`): it would wait for itself. *Interruption* ends the wait; the pool stays closed
   * to new calls.
   */
  readonly drain: Effect.Effect<void, InvalidArgument>
}

/**
 * Connections of pools that are open now, by `server`. Pools of one server add up.
 *
 * @since 0.2.0
 * @category metrics
 */
export const connectionsOpen: Metric.Metric.Gauge<number> = Gauges.connectionsOpen

/**
 * Connections of pools that no caller uses now, by `server`.
 *
 * @since 0.2.0
 * @category metrics
 */
export const connectionsIdle: Metric.Metric.Gauge<number> = Gauges.connectionsIdle

/**
 * Callers that wait for a connection of a pool, or for its rate, by `server`.
 *
 * @since 0.2.0
 * @category metrics
 */
export const callersWaiting: Metric.Metric.Gauge<number> = Gauges.callersWaiting

/**
 * Makes a pool. It checks the options now, and connects when a session is needed.
 *
 * @since 0.2.0
 * @category constructors
 */
export const make = (options: PoolOptions): Effect.Effect<Pool, ConnectFailure, Net | Scope.Scope> =>
  Pool_.make(options)
