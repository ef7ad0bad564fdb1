/**
 * From an address to a session that is logged in: greeting, TLS, virtual host, log-in, features, encoding.
 */
import * as Net from "@copas/core/Net"
import * as NetAddress from "@copas/core/NetAddress"
import * as Tls from "@copas/core/Tls"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as FtpError from "../../../FtpError.js"
import type { ConnectFailure, Failure, Options, Session } from "../../../FtpSession.js"
import { openControl } from "../../replies/open.js"
import * as Reply from "../../replies/reply.js"
import { startTls } from "../../replies/startTls.js"
import * as Command from "../command.js"
import * as Features from "../features.js"
import { Control } from "./control.js"
import { Conversation } from "./conversation.js"
import * as SessionModule from "./session.js"
import * as Settings from "./settings.js"

const secure = (conversation: Conversation): Effect.Effect<void, ConnectFailure> => {
  const { connectMillis, serverName, tlsContext } = conversation.settings
  return Effect.zipRight(
    Tls.upgrade(conversation.control.socket, tlsContext!, {
      serverName,
      sessionKey: conversation.sessionKey,
      handshakeTimeout: connectMillis
    }),
    Effect.sync(() => {
      conversation.isSecure = true
    })
  )
}

/** RFC 4217, section 8, for explicit and implicit TLS alike: PROT decides, whatever PBSZ is answered. */
const protect = (conversation: Conversation): Effect.Effect<Reply.Reply, Failure> =>
  Effect.zipRight(
    conversation.send(Command.make("PBSZ", "0")),
    conversation.send(Command.make("PROT", conversation.settings.isProtected ? "P" : "C"))
  )

/** Logs in with PBSZ and PROT before, and after once more where the server did not take them before. */
const logInProtected = (conversation: Conversation): Effect.Effect<void, Failure> =>
  Effect.gen(function*() {
    const { isProtected, tls } = conversation.settings
    const check = (reply: Reply.Reply): Effect.Effect<void, Failure> => {
      if (Reply.kind(reply) === "completion") return Effect.void
      const refusal = conversation.refusal(reply, Command.make("PROT", isProtected ? "P" : "C"))
      // With implicit TLS some servers know neither, and protect the data all the same.
      return tls === "implicit" && isProtected && refusal._tag === "NotSupported" ? Effect.void : Effect.fail(refusal)
    }
    const before = yield* protect(conversation)
    const isTooEarly = before.code === 503 || before.code === 530
    if (!isTooEarly) yield* check(before)
    yield* logIn(conversation)
    if (isTooEarly) yield* check(yield* protect(conversation))
  })

/** A server may close the session instead of refusing a user in clear: the error says that TLS is what it wants. */
const say = (
  conversation: Conversation,
  verb: string,
  secret: string | Redacted.Redacted<string>,
  user = conversation.settings.user
): Effect.Effect<Reply.Reply, Failure> =>
  Effect.mapError(
    conversation.exec(Command.make(verb, secret), { intermediate: true, user }),
    (error) =>
      error._tag !== "ServiceUnavailable" || verb !== "USER" || conversation.isSecure ?
        error :
        new FtpError.LoginRefused({
          server: conversation.server,
          command: error.command,
          code: error.code,
          lines: error.lines,
          user,
          secure: false
        })
  )

/** Names the server to an FTP proxy, once that has let this side in. */
const throughProxy = (conversation: Conversation): Effect.Effect<Settings.Login, Failure> =>
  Effect.gen(function*() {
    const { host, loginProxy, password, port, user } = conversation.settings
    if (loginProxy === undefined) return { user, password }
    const { order = "user@host", password: proxyPassword = Redacted.make(""), user: proxyUser } = loginProxy
    const at = port === 21 ? host : NetAddress.formatHostPort(host, port)
    if (order === "combined") {
      return {
        user: proxyUser === undefined ? `${user}@${at}` : `${user}@${proxyUser}@${at}`,
        password: proxyUser === undefined
          ? password
          : Redacted.make(`${Redacted.value(password)}@${Redacted.value(proxyPassword)}`)
      }
    }
    if (proxyUser !== undefined) {
      const reply = yield* say(conversation, "USER", proxyUser, proxyUser)
      if (reply.code === 331) yield* say(conversation, "PASS", proxyPassword, proxyUser)
    }
    if (order === "user@host") return { user: `${user}@${at}`, password }
    yield* conversation.exec(Command.make(order, at), { intermediate: true })
    return { user, password }
  })

/** RFC 959, section 5.4: 230 at any step ends it; 331 asks for the password, 332 for the account. */
const logIn = (conversation: Conversation): Effect.Effect<void, Failure> =>
  Effect.gen(function*() {
    const { account } = conversation.settings
    const { password, user } = yield* throughProxy(conversation)
    let reply = yield* say(conversation, "USER", user)
    if (reply.code === 331) reply = yield* say(conversation, "PASS", password)
    if (reply.code === 332 && account !== undefined) reply = yield* say(conversation, "ACCT", account)
    if (Reply.kind(reply) !== "completion") {
      return yield* (conversation.refusal(reply, Command.make(reply.code === 332 ? "ACCT" : "USER")))
    }
  })

/** The facts of listings that are of use here, where the server leaves one out unless asked. */
const wanted = ["type", "size", "modify", "unix.mode", "unix.owner", "unix.group", "perm", "unique", "create"]

/** A refusal here does not matter: the session continues without it. */
const discover = (conversation: Conversation): Effect.Effect<void, Failure> =>
  Effect.gen(function*() {
    const { control } = conversation
    const tell = (verb: string, ...args: ReadonlyArray<string>) => conversation.send(Command.make(verb, ...args))
    const feat = yield* Effect.mapError(tell("FEAT"), (error) =>
      control.lost === undefined ? error : new FtpError.SessionClosed({
        ...control.origin,
        why: "the server ended it at FEAT; if it always does, connect with `askFeatures: false`",
        cause: error
      }))
    if (feat.code === 211) {
      conversation.features = Features.parse(feat)
    }
    const { features } = conversation
    // Some servers speak UTF-8 only to clients that named themselves before they ask for it.
    if (features.clnt) {
      yield* tell("CLNT", "Copas")
    }
    if (features.utf8 && conversation.settings.codec.name === "utf-8") {
      yield* tell("OPTS", "UTF8", "ON")
    }
    const off = features.facts.some(({ enabled, name }) =>
      !enabled && wanted.includes(name)
    )
    if (off) {
      const known = features.facts.filter(({ name }) => wanted.includes(name)).map(({ name }) => `${name};`)
      yield* tell("OPTS", "MLST", known.join(""))
    }
    const { modeZ } = conversation.settings
    if (features.modeZ && modeZ !== undefined) {
      conversation.isCoded = Reply.kind(yield* tell("MODE", "Z")) === "completion"
      if (conversation.isCoded && modeZ.level !== undefined) {
        yield* tell("OPTS", "MODE", "Z", "LEVEL", String(modeZ.level))
      }
    }
  })

const greet = (control: Control): Effect.Effect<Reply.Reply, Failure> =>
  Effect.filterOrFail(
    control.welcome,
    (reply) => Reply.kind(reply) === "completion",
    (reply) =>
      new FtpError.ProtocolViolation({
        ...control.origin,
        what: "the greeting is not one",
        received: Reply.show(reply)
      })
  )

/** QUIT is said to a server that is still listening, and its reply is not waited for: the socket's end is. */
const quit = (control: Control, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
  Exit.isSuccess(exit) && control.lost === undefined && control.owed === 0
    ? Effect.ignore(control.submit(Command.make("QUIT")))
    : Effect.void

export const connectWith = (
  settings: Settings.Settings
): Effect.Effect<Session, ConnectFailure, Net.Net | Scope.Scope> =>
  Effect.gen(function*() {
    const net = yield* Net.Net
    const timeouts = { receive: settings.controlMillis, send: settings.controlMillis }
    const socket = yield* openControl({ ...settings, ...settings.dial }, timeouts)
    const control = new Control(socket, settings)
    yield* Effect.addFinalizer((exit) => Effect.zipRight(quit(control, exit), control.end))
    const conversation = new Conversation(control, settings, net)
    if (settings.tls === "implicit") yield* secure(conversation)
    conversation.greeting = yield* greet(control)
    if (settings.tls === "explicit") {
      const say = conversation.exec(Command.make("AUTH", "TLS"), { intermediate: true })
      yield* startTls(control, "AUTH TLS", say, secure(conversation))
    }
    if (settings.virtualHost !== undefined) {
      const reply = yield* conversation.send(Command.make("HOST", settings.virtualHost))
      if (Reply.kind(reply) !== "completion") {
        return yield* conversation.refusal(reply, Command.make("HOST", settings.virtualHost))
      }
    }
    yield* settings.tls === "none" ? logIn(conversation) : logInProtected(conversation)
    if (settings.asksFeatures) yield* discover(conversation)
    return SessionModule.make(conversation)
  })

export const connect = (options: Options): Effect.Effect<Session, ConnectFailure, Net.Net | Scope.Scope> =>
  Effect.flatMap(Settings.make(options), connectWith)
