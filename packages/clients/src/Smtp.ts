/**
 * The SMTP client (RFC 5321, with RFC 1870, 2033, 2920, 3030, 3207, 3461, 4954, 6152, 6531, 8689 and 9422): sends mail.
 *
 * `send` sends one message, in a session of its own. `connect` gives a session for several messages, `pool` several
 * sessions at once; `layerPool` makes all sends go through one pool.
 *
 * It promises this: a message is never sent to somebody twice, or in part, without an error that says so; a password
 * never goes in clear unless that was asked for; and no text that a caller passes becomes a command. Errors are in
 * `SmtpError`.
 *
 * @since 0.2.0
 */
import { Net } from "@copas/core/Net"
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Reference } from "./internal/effect/references.js"
import { orFail } from "./internal/options.js"
import type * as Retrying from "./internal/retry.js"
import * as Keeping from "./internal/smtp/keeping.js"
import * as Observing from "./internal/smtp/observing.js"
import * as Retry from "./internal/smtp/retry.js"
import * as Service_ from "./internal/smtp/service.js"
import * as Message from "./Message.js"
import type * as SmtpPool from "./SmtpPool.js"
import type * as SmtpSession from "./SmtpSession.js"

/**
 * Options for every session that a service makes. The log-in and port of one `host` are not used for another host that a
 * URL names.
 *
 * @since 0.2.0
 * @category models
 */
export type Defaults = Partial<SmtpSession.Options>

/**
 * The errors of `send`, beside those of the message's contents.
 *
 * @since 0.2.0
 * @category errors
 */
export type Failure = SmtpSession.ConnectFailure | SmtpSession.SendFailure

/**
 * The service of the tag `Smtp`; the functions of the same names document its calls.
 *
 * @since 0.2.0
 * @category models
 */
export interface Service {
  readonly send: <E = never, R = never>(
    message: Message.Message<E, R> | Message.MessageOptions<E, R>,
    options?: SmtpSession.SendOptions
  ) => Effect.Effect<SmtpSession.Receipt, Failure | E, R>
  readonly connect: (
    options?: string | URL | Defaults
  ) => Effect.Effect<SmtpSession.Session, SmtpSession.ConnectFailure, Scope.Scope>
  /** A pool of sessions with the server of the defaults, or another. Its scope closes them. */
  readonly pool: (
    options?: Partial<SmtpPool.PoolOptions>
  ) => Effect.Effect<SmtpPool.Pool, SmtpSession.ConnectFailure, Scope.Scope>
  readonly verify: Effect.Effect<SmtpSession.Extensions, SmtpSession.ConnectFailure>
}

/**
 * The SMTP client.
 *
 * @since 0.2.0
 * @category tags
 */
export class Smtp extends Context.Tag("@copas/clients/Smtp")<Smtp, Service>() {}

/**
 * Makes a client with options for all its sessions.
 *
 * @since 0.2.0
 * @category constructors
 */
export const make = (defaults: Defaults = {}): Effect.Effect<Service, never, Net> =>
  Effect.map(Net, (net) => Service_.make(defaults, net))

/**
 * The client over the network of the context: each `send` has a session of its own.
 *
 * @since 0.2.0
 * @category layers
 */
export const layer = (defaults: Defaults = {}): Layer.Layer<Smtp, never, Net> => Layer.effect(Smtp, make(defaults))

/**
 * The client with options from the configuration; give secrets by `Config.redacted`.
 *
 * @since 0.2.0
 * @category layers
 */
export const layerConfig = (config: Config.Config.Wrap<Defaults>): Layer.Layer<Smtp, ConfigError, Net> =>
  Layer.effect(Smtp, Effect.flatMap(Config.unwrap(config), make))

/**
 * The client whose `send` goes through one pool. It checks the options now, connects when a message is to be sent, and
 * closes the pool's connections with the layer. `connect` still makes sessions of their own.
 *
 * @example
 * ```ts
 * import { Smtp } from "@copas/clients"
 * import { SmtpServer } from "@copas/clients/testing"
 * import { NetMemory } from "@copas/core/testing"
 * import { Effect, Layer } from "effect"
 *
 * const mail = Layer.unwrapScoped(Effect.map(SmtpServer.make(), ({ host, port }) =>
 *   Smtp.layerPool({ host, port, tls: "none", size: 8, rate: { messages: 30, per: "1 minute" } })))
 *
 * const program = Effect.forEach(["ada", "grace"], (name) =>
 *   Smtp.send({ from: "news@example.test", to: `${name}@example.test`, text: `Dear ${name}, …` }))
 *
 * const receipts = await Effect.runPromise(Effect.provide(program, Layer.provide(mail, NetMemory.layer)))
 * console.log(receipts.map(({ _tag }) => _tag).join()) // Complete,Complete
 * ```
 *
 * @since 0.2.0
 * @category layers
 */
export const layerPool = (
  options: SmtpPool.PoolOptions
): Layer.Layer<Smtp, SmtpSession.ConnectFailure, Net> =>
  Layer.scoped(Smtp, Effect.flatMap(Net, (net) => Service_.makePooled(options, net)))

/**
 * `layerPool` with options from the configuration; give secrets by `Config.redacted`.
 *
 * @since 0.2.0
 * @category layers
 */
export const layerPoolConfig = (
  config: Config.Config.Wrap<SmtpPool.PoolOptions>
): Layer.Layer<Smtp, ConfigError | SmtpSession.ConnectFailure, Net> =>
  Layer.unwrapEffect(Effect.map(Config.unwrap(config), layerPool))

/**
 * A message that `layerTest` kept: its envelope, its bytes, its Message-ID and the options of its sending.
 *
 * @since 0.2.0
 * @category testing
 */
export type Kept = Keeping.Kept

/**
 * A message that `layerTest` kept.
 *
 * @since 0.2.0
 * @category testing
 */
export class SmtpTest extends Context.Tag("@copas/clients/Smtp/SmtpTest")<SmtpTest, {
  /** The messages so far, in the order of sending. */
  readonly sent: Effect.Effect<ReadonlyArray<Kept>>
  /** Forgets them. */
  readonly clear: Effect.Effect<void>
}>() {}

/**
 * A client for tests of programs that send mail: it composes and signs each message, keeps it, and says that everyone got
 * it. It has no network. A test of refusals, TLS or retries takes `SmtpServer` of `@copas/clients/testing`.
 *
 * @since 0.2.0
 * @category testing
 * @example
 * ```ts
 * import { Smtp } from "@copas/clients"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   yield* Smtp.send({ from: "shop@example.test", to: "ada@example.test", subject: "Your order", text: "Thank you." })
 *   const test = yield* Smtp.SmtpTest
 *   const [kept] = yield* test.sent
 *   return kept?.envelope.to.map(({ address }) => address)
 * })
 *
 * Effect.runPromise(Effect.provide(program, Smtp.layerTest)).then(console.log) // [ 'ada@example.test' ]
 * ```
 */
export const layerTest: Layer.Layer<Smtp | SmtpTest> = Layer.effectContext(Effect.sync(() => {
  const keeper = new Keeping.Keeper()
  return Context.make(Smtp, keeper.service).pipe(Context.add(SmtpTest, {
    sent: Effect.sync(() => [...keeper.kept]),
    clear: Effect.sync(() => {
      keeper.kept.length = 0
    })
  }))
}))

/**
 * Sends a message to the recipients of its envelope. Lua's `smtp.send`.
 *
 * It succeeds if the server accepted the message for at least one recipient; the receipt names those that it refused. If
 * all are refused it fails with `RecipientsRejected`. *Interruption* before the end of the content delivers nothing; after
 * it, the call waits up to `timeouts.close` for the server's reply.
 *
 * @since 0.2.0
 * @category accessors
 * @example
 * ```ts
 * import { Smtp } from "@copas/clients"
 * import { SmtpServer } from "@copas/clients/testing"
 * import { NetMemory } from "@copas/core/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const server = yield* SmtpServer.make({ quirks: { recipients: { "nobody@example.test": "550 5.1.1 Who?" } } })
 *   const smtp = Smtp.layer({ host: server.host, port: server.port, tls: "none" })
 *   const receipt = yield* Smtp.send({
 *     from: "Ada <ada@example.test>",
 *     to: ["mary@example.test", "nobody@example.test"],
 *     subject: "Hello",
 *     text: "How are you?"
 *   }).pipe(Effect.provide(smtp))
 *   return receipt.rejected.map(({ message }) => message)
 * })
 *
 * Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(NetMemory.layer)))
 *   .then((lines) => console.log(lines.length)) // 1
 * ```
 */
export const send = <E = never, R = never>(
  message: Message.Message<E, R> | Message.MessageOptions<E, R>,
  options?: SmtpSession.SendOptions
): Effect.Effect<SmtpSession.Receipt, Failure | E, Smtp | R> =>
  Effect.flatMap(Smtp, (smtp) => smtp.send(message, options))

/**
 * Connects to a server, secures the connection and logs in. Leaving the scope sends QUIT and closes the session.
 * *Interruption* leaves nothing open.
 *
 * @since 0.2.0
 * @category accessors
 */
export const connect = (
  options?: string | URL | Defaults
): Effect.Effect<SmtpSession.Session, SmtpSession.ConnectFailure, Smtp | Scope.Scope> =>
  Effect.flatMap(Smtp, (smtp) => smtp.connect(options))

/**
 * A pool of sessions with a server, for as long as the scope.
 *
 * @since 0.2.0
 * @category accessors
 */
export const pool = (
  options?: Partial<SmtpPool.PoolOptions>
): Effect.Effect<SmtpPool.Pool, SmtpSession.ConnectFailure, Smtp | Scope.Scope> =>
  Effect.flatMap(Smtp, (smtp) => smtp.pool(options))

/**
 * Checks the options against the server: connects, secures the connection, logs in, and leaves. Gives what the server can
 * do.
 *
 * @since 0.2.0
 * @category accessors
 */
export const verify: Effect.Effect<SmtpSession.Extensions, SmtpSession.ConnectFailure, Smtp> = Effect.flatMap(
  Smtp,
  (smtp) => smtp.verify
)

/**
 * How `retrySchedule` waits.
 *
 * @since 0.2.0
 * @category models
 */
export type RetryOptions = Retrying.RetryOptions

/**
 * A schedule for sending again while `SmtpError.canRetry` holds: after 1, 5, 15, 30, then every 60 minutes, each spread by
 * a fifth either way, for four days in all.
 *
 * @since 0.2.0
 * @category retrying
 */
export const retrySchedule = (options?: RetryOptions): Schedule.Schedule<number, unknown> => Retry.schedule(options)

/**
 * Sends a message, and sends it again to those recipients whom the server deferred, and to all of them where it could not
 * be sent. All tries have the same Message-ID and Date. The receipt joins those of all tries; recipients who are still
 * deferred when the schedule ends stand in `rejected`.
 *
 * `DeliveryUnknown` is not tried again. *Interruption* ends it, in a pause too; what was sent stays sent.
 *
 * @since 0.2.0
 * @category retrying
 * @example
 * ```ts
 * import { Smtp } from "@copas/clients"
 * import { SmtpServer } from "@copas/clients/testing"
 * import { NetMemory } from "@copas/core/testing"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const server = yield* SmtpServer.make({ quirks: { greylist: "10 millis" } })
 *   const smtp = Smtp.layer({ host: server.host, port: server.port, tls: "none" })
 *   const receipt = yield* Smtp.sendWithRetry(
 *     { from: "ada@example.test", to: "mary@example.test", subject: "Hello", text: "How are you?" },
 *     { schedule: Smtp.retrySchedule({ delays: ["50 millis"] }) }
 *   ).pipe(Effect.provide(smtp))
 *   return receipt._tag
 * })
 *
 * Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(NetMemory.layer)))
 *   .then(console.log) // Complete
 * ```
 */
export const sendWithRetry = <E = never, R = never>(
  message: Message.Message<E, R> | Message.MessageOptions<E, R>,
  options: SmtpSession.SendOptions & { readonly schedule?: Schedule.Schedule<unknown, unknown> | undefined } = {}
): Effect.Effect<SmtpSession.Receipt, Failure | E, Smtp | R> =>
  Effect.flatMap(Smtp, (smtp) => {
    const { schedule = retrySchedule(), ...rest } = options
    const made = Message.isMessage(message)
      ? Either.right(message as Message.Message<E, R>)
      : Message.make(message as Message.MessageOptions<E, R>)
    return Effect.flatMap(
      orFail(made),
      (message) => Retry.send<E, R, Failure>(message, rest, schedule, (message, options) => smtp.send(message, options))
    )
  })

/**
 * Whether each command has a span of its own (`smtp.command`), in sessions that are opened with this setting. Default
 * false: a message has `smtp.send` and `smtp.transaction`.
 *
 * @since 0.2.0
 * @category references
 */
export const traced: Reference<boolean> = Observing.traced
