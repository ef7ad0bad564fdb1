/**
 * One session with an SMTP or LMTP server (RFC 5321, RFC 2033): a connection that is secured and logged in, and one
 * transaction after the other.
 *
 * Calls on one session queue; a pool does several at once. A session is never used in an unknown state: after an
 * interruption it first reads the replies that are owed, and resets what was begun. If it cannot, the session ends, and
 * every later call fails with `SessionClosed`. A message that was begun and not finished is never ended: its connection is
 * cut.
 *
 * The mechanisms of the log-in (SASL, RFC 4422; AUTH, RFC 4954) are state machines that send nothing themselves.
 *
 * @since 0.2.0
 */
import type { Net } from "@copas/core/Net"
import type {
  ConnectError,
  InvalidOption,
  SocketBroken,
  SocketClosed,
  SocketTimeout,
  UnsupportedOption
} from "@copas/core/SocketError"
import type { TlsConnection } from "@copas/core/TlsConnection"
import type { ClientContext, ClientOptions } from "@copas/core/TlsContext"
import type { TlsError } from "@copas/core/TlsError"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type * as Address from "./Address.js"
import type { Connector, ProxyError } from "./Connector.js"
import type { DkimError } from "./Dkim.js"
import type { Answer } from "./internal/smtp/answer.js"
import type * as Envelopes from "./internal/smtp/envelope.js"
import type * as Extensions_ from "./internal/smtp/extensions.js"
import type * as Receipts from "./internal/smtp/receipt.js"
import type * as Mechanisms from "./internal/smtp/sasl/mechanism.js"
import * as Login from "./internal/smtp/session/login.js"
import type { Content, Message, MessageOptions } from "./Message.js"
import type { RecipientRejected, SmtpError } from "./SmtpError.js"

// ---- mechanisms

/**
 * Why a mechanism cannot continue. The session cancels the exchange (`*`) and fails with `AuthenticationFailed` and this
 * `detail`; before the first line it fails with `InvalidArgument`, and nothing was sent.
 *
 * @since 0.2.0
 * @category errors
 */
export { MechanismFailure } from "./internal/smtp/sasl/mechanism.js"

/**
 * A way to log in: a name, what it needs, and its first state. It sends and receives nothing itself.
 *
 * A mechanism of your own stands in the option `mechanisms`, among the names of the built-in ones.
 *
 * @example
 * ```ts
 * import type { SmtpSession } from "@copas/clients"
 * import { Effect, Redacted } from "effect"
 *
 * // EXTERNAL (RFC 4422, appendix A): the server takes the user from the client's certificate.
 * const done: SmtpSession.MechanismState = {
 *   response: Redacted.make(new Uint8Array()),
 *   missing: undefined,
 *   step: () => Effect.succeed(done)
 * }
 * const external: SmtpSession.Mechanism = {
 *   name: "EXTERNAL",
 *   credential: "none",
 *   isClearText: false,
 *   needsChannelBinding: false,
 *   start: () => Effect.succeed(done)
 * }
 * console.log(external.name) // EXTERNAL
 * ```
 *
 * @since 0.2.0
 * @category models
 */
export type Mechanism = Mechanisms.Mechanism

/**
 * Where an exchange stands. A state is a value: `step` changes nothing, so the same state can be asked twice.
 *
 * @since 0.2.0
 * @category models
 */
export type MechanismState = Mechanisms.MechanismState

/**
 * The facts that a mechanism has about the log-in.
 *
 * @since 0.2.0
 * @category models
 */
export type MechanismContext = Mechanisms.MechanismContext

/**
 * The data that ties a log-in to its TLS connection (RFC 5056).
 *
 * @since 0.2.0
 * @category models
 */
export type ChannelBinding = Mechanisms.ChannelBinding

/**
 * The functions that a mechanism computes with, so that it behaves the same each time in a simulation.
 *
 * @since 0.2.0
 * @category models
 */
export type MechanismCrypto = Mechanisms.MechanismCrypto

/**
 * The names of the built-in mechanisms, strongest first: for a password SCRAM (RFC 5802, 7677; `-PLUS` is bound to the
 * TLS connection, RFC 9266), CRAM-MD5 (RFC 2195), PLAIN (RFC 4616) and LOGIN; for a token OAUTHBEARER (RFC 7628) and
 * XOAUTH2.
 *
 * @since 0.2.0
 * @category models
 */
export type MechanismName = Mechanisms.MechanismName

// ---- the session

/**
 * The errors of every call: refusals of the server, and failures of the connection.
 *
 * @since 0.2.0
 * @category errors
 */
export type Failure = SmtpError | SocketClosed | SocketTimeout | SocketBroken | TlsError

/**
 * The errors of sending a message.
 *
 * @since 0.2.0
 * @category errors
 */
export type SendFailure = Failure | DkimError

/**
 * The errors of connecting.
 *
 * @since 0.2.0
 * @category errors
 */
export type ConnectFailure = Failure | ConnectError | ProxyError | InvalidOption | UnsupportedOption

/**
 * The extensions that the server announces, in its reply to EHLO on this connection, under TLS if it has TLS.
 *
 * @since 0.2.0
 * @category models
 */
export type Extensions = Extensions_.Extensions

/**
 * A reply of the server.
 *
 * @since 0.2.0
 * @category models
 */
export type Reply = Answer

/**
 * A recipient for whom the server accepted the message, with the reply that said so.
 *
 * @since 0.2.0
 * @category models
 */
export type Accepted = Receipts.Accepted

/**
 * The outcome of a message. `Partial` names the recipients that the server refused: a program that matches on `_tag`
 * cannot overlook them.
 *
 * @since 0.2.0
 * @category models
 */
export type Receipt = Receipts.Receipt

/**
 * Reports on the delivery (RFC 3461).
 *
 * @since 0.2.0
 * @category models
 */
export type Dsn = Envelopes.Dsn

/**
 * How a message is sent.
 *
 * @since 0.2.0
 * @category models
 */
export type SendOptions = Envelopes.SendOptions

/**
 * How long a session waits, for each of its steps.
 *
 * @since 0.2.0
 * @category models
 */
export interface Timeouts {
  /** For the connection, and again for its TLS handshake. Default 30 seconds. */
  readonly connect?: Duration.DurationInput | undefined
  /** For the greeting. RFC 5321 says 5 minutes, in which a wrong port would be a riddle. Default 30 seconds. */
  readonly greeting?: Duration.DurationInput | undefined
  /** For the reply to a command (RFC 5321, section 4.5.3.2). Default 5 minutes. */
  readonly command?: Duration.DurationInput | undefined
  /** How long the content may stand still while it is sent. Default 3 minutes. */
  readonly data?: Duration.DurationInput | undefined
  /** For the reply to the content. A shorter time makes duplicates. Default 10 minutes. */
  readonly final?: Duration.DurationInput | undefined
  /** For QUIT, and for the reply to the content when the sender is interrupted. Default 5 seconds. */
  readonly close?: Duration.DurationInput | undefined
}

/**
 * The credentials of a log-in: a user with a password, a user with a token, or mechanisms with credentials of their own.
 *
 * @since 0.2.0
 * @category models
 */
export interface Auth {
  readonly user?: string | undefined
  readonly password?: Redacted.Redacted<string> | undefined
  /** An access token (RFC 6750), or how to get one: it runs for each log-in, and once more if the server refuses it. */
  readonly token?: Redacted.Redacted<string> | Effect.Effect<Redacted.Redacted<string>, unknown> | undefined
  /** The mechanisms that may be used, in the order of trying. Default: all that are built in, strongest first. */
  readonly mechanisms?: ReadonlyArray<MechanismName | Mechanism> | undefined
  /** How many rounds SCRAM allows the server to ask for. Default 4,096 to 600,000. */
  readonly rounds?: { readonly least?: number | undefined; readonly most?: number | undefined } | undefined
}

/**
 * Where and how to connect. Secrets are `Redacted`, and appear in no error, log or span.
 *
 * @since 0.2.0
 * @category models
 */
export interface Options {
  readonly host: string
  /** Default 587; 465 with implicit TLS, 24 for LMTP. */
  readonly port?: number | undefined
  /** LMTP (RFC 2033) delivers to local mailboxes, with a reply for each recipient. Default `"smtp"`. */
  readonly protocol?: "smtp" | "lmtp" | undefined
  /**
   * `"implicit"` begins with TLS; `"starttls"` asks for it (RFC 3207) and fails without; `"opportunistic"` continues in
   * clear where the server lacks STARTTLS; `"none"` stays in clear. Default `"implicit"` on port 465, else `"starttls"`.
   */
  readonly tls?: "implicit" | "starttls" | "opportunistic" | "none" | undefined
  /** A context of `Tls.client`, or the options for one. Default the platform's authorities and full verification. */
  readonly tlsContext?: ClientContext | ClientOptions | undefined
  /** The name that the certificate must have. Default `host`. */
  readonly serverName?: string | undefined
  readonly auth?: Auth | undefined
  /** Allow mechanisms that show the password on a connection in clear. Default false. */
  readonly allowInsecureAuth?: boolean | undefined
  /**
   * The name that the client gives itself in EHLO: a domain, or an address literal. Default the literal of the local
   * address.
   */
  readonly name?: string | undefined
  readonly timeouts?: Timeouts | undefined
  /** The most bytes of one reply. Default 64 KiB. */
  readonly replyLimit?: number | undefined
  /** The most lines of the reply to EHLO. Default 1,000. */
  readonly extensionLimit?: number | undefined
  readonly connector?: Connector | undefined
}

/**
 * The answer to VRFY (RFC 5321, section 3.5). Not certain is 252: the server does not say whether the mailbox exists.
 *
 * @since 0.2.0
 * @category models
 */
export interface Verification {
  readonly isCertain: boolean
  readonly reply: Reply
}

/**
 * A transaction under way. Its scope resets what is not finished.
 *
 * @since 0.2.0
 * @category models
 */
export interface Transaction {
  /** Names one recipient (RCPT). A refusal is a value: the others may be accepted. */
  readonly recipient: (
    address: Address.Input,
    dsn?: Pick<Dsn, "notify" | "originalRecipient">
  ) => Effect.Effect<Either.Either<Accepted, RecipientRejected>, Failure>
  /**
   * Sends the content, which is a whole message as bytes; line ends become CR LF, and dots are stuffed. *Interruption*
   * before the end of the content cuts the connection, and nothing is delivered.
   */
  readonly data: <E = never, R = never>(content: Content<E, R>) => Effect.Effect<Receipt, SendFailure | E, R>
}

/**
 * A session. Leaving its scope sends QUIT and closes it.
 *
 * *Interruption*: an interrupted command is not taken back; the session reads its reply before it sends the next command.
 * An interrupted message whose content has begun is not ended: the connection is cut, and nothing is delivered. After the
 * end of the content an interruption waits up to `timeouts.close` for the reply.
 *
 * @since 0.2.0
 * @category models
 */
export interface Session {
  /** Host and port, as in errors. */
  readonly server: string
  readonly greeting: Reply
  readonly extensions: Extensions
  readonly tls: Option.Option<TlsConnection>
  /** False once the session has ended. */
  readonly isUsable: Effect.Effect<boolean>
  /** Sends a message to the recipients of its envelope. */
  readonly send: <E = never, R = never>(
    message: Message<E, R> | MessageOptions<E, R>,
    options?: SendOptions
  ) => Effect.Effect<Receipt, SendFailure | E, R>
  /** Begins a transaction (MAIL), for as long as the scope. */
  readonly transaction: (
    envelope: Envelopes.TransactionOptions
  ) => Effect.Effect<Transaction, Failure, Scope.Scope>
  /** Asks whether a mailbox exists (VRFY). */
  readonly verify: (name: string) => Effect.Effect<Verification, Failure>
  /** Asks for the members of a list (EXPN). */
  readonly expand: (list: string) => Effect.Effect<ReadonlyArray<string>, Failure>
  /** Asks for help (HELP), on `topic` if there is one. */
  readonly help: (topic?: string) => Effect.Effect<Reply, Failure>
  /** Sends NOOP: the server answers, and does nothing. */
  readonly noop: Effect.Effect<void, Failure>
  /** Ends whatever was begun (RSET). */
  readonly reset: Effect.Effect<void, Failure>
  /**
   * Sends any other command. A refusal (4yz, 5yz) is an error. Commands that would change what the session knows of itself
   * are `InvalidArgument`.
   */
  readonly command: (
    line: string | readonly [verb: string, ...args: ReadonlyArray<string | Redacted.Redacted<string>>]
  ) => Effect.Effect<Reply, Failure>
}

/**
 * Connects, secures the connection, and logs in if `auth` is given. Leaving the scope sends QUIT and closes the
 * connection. *Interruption* leaves nothing open.
 *
 * @since 0.2.0
 * @category constructors
 */
export const connect = (options: Options): Effect.Effect<Session, ConnectFailure, Net | Scope.Scope> =>
  Login.connect(options)
