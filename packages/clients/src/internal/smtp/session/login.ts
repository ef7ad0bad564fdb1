/**
 * From an address to a session: greeting, EHLO, TLS, log-in.
 */
import * as Net from "@copas/core/Net"
import type { Socket } from "@copas/core/Socket"
import { SocketTimeout } from "@copas/core/SocketError"
import * as Tls from "@copas/core/Tls"
import type { TlsError } from "@copas/core/TlsError"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { ProtocolViolation } from "../../../ReplyError.js"
import { PlaintextOnTlsPort, TlsRequired } from "../../../SmtpError.js"
import type { ConnectFailure, Failure, Options, Session } from "../../../SmtpSession.js"
import * as Primitives from "../../crypto/primitives.js"
import { wasInterrupted } from "../../effect/causes.js"
import { Channel } from "../../replies/channel.js"
import * as Command from "../../replies/command.js"
import { openControl } from "../../replies/open.js"
import * as Parser from "../../replies/parser.js"
import * as Reply from "../../replies/reply.js"
import { startTls } from "../../replies/startTls.js"
import * as Codec from "../../text/codec.js"
import * as Answer from "../answer.js"
import * as Extensions from "../extensions.js"
import { timed, traced } from "../observing.js"
import * as Settings from "../options.js"
import { authenticate } from "./auth.js"
import { Conversation } from "./conversation.js"
import * as SessionModule from "./session.js"

/** RFC 5321, section 4.1.3: how the client calls itself where it has no name that the server could look up. */
const literalOf = ({ localAddress }: Socket): string => {
  if (localAddress._tag !== "InetAddress") return "[127.0.0.1]"
  const host = localAddress.host.replace(/%.*$/, "")
  const mapped = /^::ffff:(\d+(?:\.\d+){3})$/i.exec(host)?.[1]
  if (mapped !== undefined) return `[${mapped}]`
  return host.includes(":") ? `[IPv6:${host}]` : `[${host}]`
}

const secure = (conversation: Conversation): Effect.Effect<void, ConnectFailure> => {
  const { connectMillis, serverName, tlsContext } = conversation.settings
  const { socket } = conversation.channel
  return Effect.zipRight(
    Tls.upgrade(socket, tlsContext!, { serverName, handshakeTimeout: connectMillis }),
    // RFC 3207, section 4.2: what was said in clear, anybody may have said.
    Effect.sync(() => {
      conversation.extensions = Extensions.unknown
    })
  )
}

/** Under TLS from the first byte. */
const secureAtOnce = (conversation: Conversation): Effect.Effect<void, ConnectFailure> =>
  Effect.catchIf(
    secure(conversation),
    (error): error is TlsError => error._tag === "TlsError" && error.reason === "PlaintextPeer",
    (cause) => Effect.fail(new PlaintextOnTlsPort({ ...conversation.channel.origin, cause }))
  )

const greet = ({ channel, settings }: Conversation): Effect.Effect<Reply.Reply, Failure> =>
  channel.greeting({ within: settings.greetingMillis }).pipe(
    Effect.mapError((error) =>
      error._tag === "SocketTimeout" && settings.tls !== "implicit"
        ? new SocketTimeout({
          ...error,
          socket: `${settings.server}: no greeting; if this port begins with TLS, as 465 does, use \`tls: "implicit"\``
        })
        : error
    )
  )

const hello = (conversation: Conversation): Effect.Effect<void, Failure> =>
  Effect.gen(function*() {
    const { channel, protocol, settings } = conversation
    const name = settings.name ?? literalOf(channel.socket)
    const command = Command.make(protocol === "lmtp" ? "LHLO" : "EHLO", name)
    const reply = yield* conversation.ask(command)
    if (Answer.isPositive(reply)) {
      if (reply.lines.length > settings.extensionLimit) {
        return yield* channel.loseWith(
          new ProtocolViolation({
            ...channel.origin,
            what: `the reply to ${command.verb} has more than ${settings.extensionLimit} lines`,
            received: Reply.show(reply)
          })
        )
      }
      conversation.extensions = Extensions.parse(reply)
      // RFC 5321, section 4.1.4.
      conversation.hasBegun = false
      return
    }
    // RFC 5321, section 3.2: a server that knows no EHLO may know HELO, and has no extensions.
    const isOld = protocol === "smtp" && [500, 502, 504, 550].includes(reply.code)
    if (!isOld) return yield* conversation.refusal(reply, command, "hello")
    if (settings.tls === "starttls" && !conversation.isEncrypted) {
      return yield* new TlsRequired({ ...channel.origin, lines: [] })
    }
    yield* conversation.exec(Command.make("HELO", name), "hello")
  })

const STARTTLS = Command.make("STARTTLS")

const upgrade = (conversation: Conversation): Effect.Effect<void, ConnectFailure> =>
  Effect.gen(function*() {
    const { channel, extensions, settings } = conversation
    const isRequired = settings.tls === "starttls"
    if (!extensions.startTls) {
      if (isRequired) return yield* new TlsRequired({ ...channel.origin, lines: [] })
      return
    }
    const say = Effect.flatMap(
      conversation.ask(STARTTLS, { accepts: (code) => code === 220 || code >= 400 }),
      (reply) =>
        reply.code === 220 ? Effect.void : Effect.fail(
          new TlsRequired({ ...channel.origin, code: reply.code, lines: Answer.of(reply).lines })
        )
    )
    const start = Effect.zipRight(startTls(channel, "STARTTLS", say, secure(conversation)), hello(conversation))
    yield* isRequired ? start : Effect.catchTag(start, "TlsRequired", () => Effect.void)
  })

const QUIT = Command.make("QUIT")

/** QUIT is said to a server that is still listening, and its reply is not waited for: the socket's end is. */
const quit = (conversation: Conversation, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { channel, settings } = conversation
    if (channel.lost !== undefined) return Effect.void
    const { closeMillis } = settings
    // The caller of an interrupted session has waited long enough.
    if (channel.owed > 0 && wasInterrupted(exit)) return Effect.void
    const owed = channel.until(() => channel.owed === 0 ? true : undefined, { within: closeMillis })
    const patience = Effect.orDie(channel.socket.setTimeouts({ send: closeMillis }))
    return Effect.ignore(
      Effect.zipRight(
        patience,
        channel.owed === 0 ? channel.submit(QUIT) : Effect.zipRight(owed, channel.submit(QUIT))
      )
    )
  })

export const connectWith = (
  settings: Settings.Settings
): Effect.Effect<Session, ConnectFailure, Net.Net | Scope.Scope> =>
  Effect.gen(function*() {
    const net = yield* Net.Net
    const { commandMillis, dataMillis, protocol, replyLimit, server } = settings
    const timeouts = { receive: commandMillis, send: dataMillis }
    const socket = yield* openControl(settings, timeouts)
    const channel = new Channel(socket, {
      server,
      wire: { protocol, codec: Codec.ascii },
      parser: Parser.make({ protocol, server, limit: replyLimit, inner: "code" }),
      replyMillis: commandMillis
    })
    const conversation = new Conversation(channel, settings, Primitives.make(net.crypto), yield* traced)
    yield* Effect.addFinalizer((exit) => Effect.zipRight(quit(conversation, exit), channel.end))
    if (settings.tls === "implicit") yield* secureAtOnce(conversation)
    conversation.greeting = yield* greet(conversation)
    if (!Answer.isPositive(conversation.greeting)) {
      return yield* conversation.refusal(conversation.greeting, Command.make("connect"), "greeting")
    }
    yield* hello(conversation)
    if (settings.tls === "starttls" || settings.tls === "opportunistic") yield* upgrade(conversation)
    yield* authenticate(conversation)
    return SessionModule.make(conversation)
  }).pipe((opened) => timed("connect", opened))

export const connect = (options: Options): Effect.Effect<Session, ConnectFailure, Net.Net | Scope.Scope> =>
  Effect.flatMap(Settings.make(options), connectWith)
