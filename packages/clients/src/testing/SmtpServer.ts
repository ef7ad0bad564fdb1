/**
 * An SMTP and LMTP server for tests, which keeps what it is sent in memory, over the network of the context: `NetMemory`
 * or the machine's.
 *
 * It is strict: commands, paths and parameters are checked as their RFCs say, and only CR LF ends a line. A test can
 * switch extensions off, and switch on each difference of real servers, also while it runs.
 *
 * @since 0.2.0
 */
import type * as Net from "@copas/core/Net"
import type { BindError, InvalidOption, UnsupportedOption } from "@copas/core/SocketError"
import type { TlsInfo } from "@copas/core/TlsConnection"
import type { ServerContext } from "@copas/core/TlsContext"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Serving from "./internal/smtp/serving.js"

/**
 * How a connection ends: in order, by a reset, in order after a 421, or not at all: the server then reads everything and
 * answers nothing.
 *
 * @since 0.2.0
 * @category models
 */
export type Ending = "close" | "reset" | "421" | "silence"

/**
 * A moment of a conversation: a verb (`"RCPT"`) stands for the reply to that command. Further ones are `"CONNECT"`, the
 * greeting; `"TLS"`, the handshake after the reply to STARTTLS; `"CHALLENGE"`, a 334 of AUTH; `"CONTENT"`, while a message arrives; `"DOT"`, the reply to
 * a complete message, also to the last BDAT chunk.
 *
 * @since 0.2.0
 * @category models
 */
export type Phase = string

/**
 * The most of something, and the reply to what is past it, if it is not the usual one.
 *
 * @since 0.2.0
 * @category models
 */
export type Limit = number | { readonly most: number; readonly reply: string }

/**
 * How this server differs from a good one.
 *
 * Replies are without their last line end: `"550 5.1.1 Who?"`; `"\n"` separates the lines of one. Addresses are as on the
 * wire, without the angle brackets; the key `"@example.test"` stands for all addresses of that domain, `"*"` for all.
 * Where ENHANCEDSTATUSCODES is not offered, replies have none, except those of `replies`, which are sent as they are.
 *
 * @since 0.2.0
 * @category models
 */
export interface Quirks {
  /**
   * Its reply at a phase in place of the right one. A 4yz or 5yz one comes without the command's effect; another one takes
   * the place of the reply to what succeeds. After a scripted reply to EHLO, `extensions` still decide what it does.
   */
  readonly replies?: { readonly [phase: Phase]: string } | undefined
  /** Verbs that it does not know: it answers 500, and EHLO does not list the extensions of that name. */
  readonly unknown?: ReadonlyArray<string> | undefined
  /** Its replies to MAIL, by sender. */
  readonly senders?: { readonly [address: string]: string } | undefined
  /** Its replies to RCPT, by recipient. */
  readonly recipients?: { readonly [address: string]: string } | undefined
  /** The fate of an accepted message, by recipient. LMTP tells it after the message; otherwise `reports` do. */
  readonly deliveries?: { readonly [address: string]: string } | undefined
  /** For this long it defers (451) a triplet of client, sender and recipient that it has not seen before. */
  readonly greylist?: Duration.DurationInput | undefined
  /** Recipients of a message. Default 1000; 452 past it. */
  readonly maxRecipients?: Limit | undefined
  /** Bytes of a message. Default 64 MiB; 552 past it. */
  readonly maxSize?: Limit | undefined
  /** Messages of a connection; 421 past it. */
  readonly maxMessages?: Limit | undefined
  /** Connections at a time; 421 past it. */
  readonly maxConnections?: Limit | undefined
  /** Refused commands of a connection; 421 past it. */
  readonly maxErrors?: Limit | undefined
  /** The time that each reply takes. */
  readonly delay?: Duration.DurationInput | undefined
  /** The further time that the reply at a phase takes. */
  readonly delays?: { readonly [phase: Phase]: Duration.DurationInput } | undefined
  /** The further time that each reply takes for every refusal so far on its connection. */
  readonly tarpit?: Duration.DurationInput | undefined
  /** After this time without a command it sends 421 and closes. */
  readonly idle?: Duration.DurationInput | undefined
  /** How the connection ends at a phase, instead of the reply. */
  readonly endings?: { readonly [phase: Phase]: Ending } | undefined
  /** How many bytes of a message arrive before the ending at `"CONTENT"`. Default 1. */
  readonly endContentAfter?: number | undefined
  /** False: a message whose reply is an ending is lost. Default true: it is kept, and its client cannot know. */
  readonly keepsUnanswered?: boolean | undefined
  /**
   * The text that it sends directly after the reply at a phase, as it is; after the reply to STARTTLS it is in clear. A
   * connection ends after a 421, also after one that stands here.
   */
  readonly after?: { readonly [phase: Phase]: string } | undefined
  /** Each reply has several lines; the inner ones look like other replies. */
  readonly multiline?: boolean | undefined
  /** Replies are codes without text. EHLO's has its lines. */
  readonly bare?: boolean | undefined
  /** It sends this many bytes of a reply at a time. */
  readonly split?: number | undefined
  /**
   * It refuses (550, 554) what a message may not have without BINARYMIME: a CR or LF alone, NUL, lines of more than 998
   * bytes, and bytes above 127 without `BODY=8BITMIME` or SMTPUTF8. Not with `keepsBytes: false`.
   */
  readonly strictContent?: boolean | undefined
  /** It answers DATA without any recipients by 354, and refuses what follows (RFC 2920, section 3.1). */
  readonly goesAhead?: boolean | undefined
  /** After this many bytes of a message it reads nothing more until the quirk is changed. */
  readonly stallAfter?: number | undefined
}

/**
 * Where the server listens, who may log in, what it offers, and how it differs from a good one.
 *
 * @since 0.2.0
 * @category models
 */
export interface Options {
  /** Default `127.0.0.1`. */
  readonly host?: string | undefined
  /** Default a free port. */
  readonly port?: number | undefined
  /** Its own name, in the greeting and in reports. Default `mail.test`. */
  readonly name?: string | undefined
  /** Default `"smtp"`. With `"lmtp"`, LHLO instead of EHLO, and a reply for each recipient after a message (RFC 2033). */
  readonly protocol?: "smtp" | "lmtp" | undefined
  /** It offers STARTTLS with this. */
  readonly tls?: ServerContext | undefined
  /** TLS from the first byte. Default false: STARTTLS. */
  readonly implicit?: boolean | undefined
  /** In clear it refuses MAIL and AUTH (530). Default false. */
  readonly requireTls?: boolean | undefined
  /** The password of each user, for all mechanisms that take one. Default: no log-in with a password. */
  readonly users?: { readonly [user: string]: string } | undefined
  /** The access token of each user, for OAUTHBEARER and XOAUTH2. Default: no log-in with a token. */
  readonly tokens?: { readonly [user: string]: string } | undefined
  /** Without a log-in it refuses MAIL (530). Default false. */
  readonly requireAuth?: boolean | undefined
  /** In clear, too, it offers the mechanisms that show the secret: PLAIN, LOGIN, and those with a token. Default false. */
  readonly allowInsecureAuth?: boolean | undefined
  /** The rounds of SCRAM. Default 4096. */
  readonly rounds?: number | undefined
  /**
   * The extensions that EHLO lists, a line each, and that the server has: `["PIPELINING", "SIZE 1000", "AUTH PLAIN",
   * "X-OTHER a=b"]`. Lines without what belongs to them are completed: SIZE by `maxSize`, LIMITS by `maxRecipients` and
   * `maxMessages`, AUTH by what can be used. STARTTLS is left out under TLS, REQUIRETLS in clear; a function is taken at
   * its word. Default: all of PIPELINING, SIZE, 8BITMIME, SMTPUTF8, DSN, CHUNKING, BINARYMIME, ENHANCEDSTATUSCODES,
   * DELIVERBY, MT-PRIORITY, LIMITS, REQUIRETLS, STARTTLS (with `tls`), AUTH (with `users` or `tokens`).
   */
  readonly extensions?: ReadonlyArray<string> | ((isSecure: boolean) => ReadonlyArray<string>) | undefined
  /** The mailboxes there are, beside `postmaster`: other recipients are refused (550), and VRFY finds them. Default: every one. */
  readonly mailboxes?: ReadonlyArray<string> | undefined
  /** The members of lists, for EXPN. */
  readonly lists?: { readonly [list: string]: ReadonlyArray<string> } | undefined
  /**
   * How many bytes the messages that it keeps and the commands may have, each: past it messages are deferred (452), and the
   * older half of the commands is forgotten. Beside them each connection holds one message. Default 256 MiB.
   */
  readonly memory?: number | undefined
  /** False: messages are kept without their bytes. Default true. */
  readonly keepsBytes?: boolean | undefined
  readonly quirks?: Quirks | undefined
}

/**
 * A recipient that the server accepted.
 *
 * @since 0.2.0
 * @category models
 */
export interface Recipient {
  /** As on the wire, without the angle brackets. */
  readonly address: string
  /** The parameters of RCPT; keywords in capitals. */
  readonly parameters: Parameters
}

/**
 * Parameters by their keywords, in capitals; `""` for one without a value.
 *
 * @since 0.2.0
 * @category models
 */
export interface Parameters {
  readonly [keyword: string]: string
}

/**
 * A message that it has accepted.
 *
 * @since 0.2.0
 * @category models
 */
export interface Message {
  readonly envelope: {
    /** `""` is the null sender. */
    readonly sender: string
    /** The parameters of MAIL. */
    readonly parameters: Parameters
    /** The accepted ones; of LMTP, those that the message was delivered to. */
    readonly recipients: ReadonlyArray<Recipient>
  }
  /** Exactly what came, without the dots that were stuffed in. */
  readonly bytes: Uint8Array
  readonly size: number
  readonly via: "DATA" | "BDAT"
  /** The name in the client's EHLO or HELO. */
  readonly clientName: string
  /** The parameters of its TLS connection. */
  readonly tls: Option.Option<TlsInfo>
  /** The user that was logged in. */
  readonly user: Option.Option<string>
  /** As told to the client: `250 2.0.0 Ok: queued as 1`. */
  readonly queueId: string
  /** Its connection's number, from 1. */
  readonly connection: number
}

/**
 * A report to a message's sender (RFC 3461, 3464) that a server would send.
 *
 * @since 0.2.0
 * @category models
 */
export interface Report {
  /** The sender of the message. */
  readonly to: string
  /** Of the message. */
  readonly queueId: string
  /** A message of the type `multipart/report`. */
  readonly bytes: Uint8Array
}

/**
 * A running server, and what a test can see and change of it.
 *
 * @since 0.2.0
 * @category models
 */
export interface SmtpServer {
  readonly host: string
  readonly port: number
  /** `smtp://host:port`, or `smtps:` with implicit TLS, or `lmtp:`. */
  readonly url: string
  /** All messages so far. */
  readonly messages: Effect.Effect<ReadonlyArray<Message>>
  /** Waits until there are this many messages, and returns all. *Interruption* ends the wait. */
  readonly awaitMessages: (count: number) => Effect.Effect<ReadonlyArray<Message>>
  /** The reports that it would send so far: of what senders asked for, and of `deliveries` that fail or wait. */
  readonly reports: Effect.Effect<ReadonlyArray<Report>>
  /** All commands so far, as they came; what AUTH carries is hidden: `AUTH PLAIN ****`. */
  readonly commands: Effect.Effect<ReadonlyArray<string>>
  /** How many connections are open, how many there were in all, and how many at the most at a time. */
  readonly connections: Effect.Effect<{ readonly open: number; readonly total: number; readonly most: number }>
  /** Changes the quirks that are named; `undefined` removes one. */
  readonly setQuirks: (quirks: Quirks) => Effect.Effect<void>
}

/**
 * Starts a server; the scope ends it, with all its connections.
 *
 * Fails with `BindError` if it cannot listen there. *Interruption* leaves nothing open.
 *
 * @since 0.2.0
 * @category constructors
 * @example
 * ```ts
 * import { Smtp } from "@copas/clients"
 * import { SmtpServer } from "@copas/clients/testing"
 * import { NetMemory } from "@copas/core/testing"
 * import { Effect } from "effect"
 *
 * // A server that takes one of two recipients
 * const program = Effect.gen(function*() {
 *   const server = yield* SmtpServer.make({ quirks: { recipients: { "c@x.test": "550 5.1.1 Who?" } } })
 *   const send = Smtp.send({ from: "a@x.test", to: ["b@x.test", "c@x.test"], text: "Hello" })
 *   yield* Effect.provide(send, Smtp.layer({ host: server.host, port: server.port, tls: "none" }))
 *   const [message] = yield* server.awaitMessages(1)
 *   return message?.envelope.recipients.map(({ address }) => address)
 * })
 *
 * Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(NetMemory.layer)))
 *   .then(console.log) // [ 'b@x.test' ]
 * ```
 */
export const make = (
  options: Options = {}
): Effect.Effect<SmtpServer, BindError | InvalidOption | UnsupportedOption, Net.Net | Scope.Scope> =>
  Serving.make(options)
