/**
 * The calls of a session, each in its turn.
 */
import * as Effect from "effect/Effect"
import { InvalidArgument } from "../../../ReplyError.js"
import type { Failure, Reply as PublicReply, Session } from "../../../SmtpSession.js"
import * as Command from "../../replies/command.js"
import * as Showing from "../../showing.js"
import * as Answer from "../answer.js"
import { type Conversation, reset } from "./conversation.js"
import * as Sending from "./send.js"

/** What would change what the session knows of itself, and the call for it. */
const reserved: Readonly<Record<string, string>> = {
  EHLO: "connecting says it",
  HELO: "connecting says it",
  LHLO: "connecting says it",
  STARTTLS: "use the option `tls`",
  AUTH: "use the option `auth`",
  MAIL: "use `transaction`, or `send`",
  RCPT: "use `transaction`, or `send`",
  DATA: "use `transaction`, or `send`",
  BDAT: "use `transaction`, or `send`",
  RSET: "use `reset`",
  QUIT: "leave the session's scope",
  XCLIENT: "it begins another session"
}

const parse = (line: Parameters<Session["command"]>[0]): Command.Command => {
  if (typeof line !== "string") return Command.make(...line)
  const space = line.indexOf(" ")
  return space < 0 ? Command.make(line) : Command.make(line.slice(0, space), line.slice(space + 1))
}

const command = (
  conversation: Conversation,
  line: Parameters<Session["command"]>[0]
): Effect.Effect<PublicReply, Failure> => {
  const parsed = parse(line)
  const why = reserved[parsed.verb]
  return why === undefined
    ? Effect.map(conversation.turn(conversation.exec(parsed)), Answer.of)
    : Effect.fail(
      new InvalidArgument({
        protocol: conversation.protocol,
        what: "command",
        argument: Command.printable(parsed),
        reason: why
      })
    )
}

/** Kept apart from the sessions, so that none of a session's properties leads to its settings and to what it sends. */
const conversations = new WeakMap<Session, Conversation>()

export const conversationOf = (session: Session): Conversation => conversations.get(session)!

export const make = (conversation: Conversation): Session => {
  const { channel } = conversation
  const session: Session & Showing.Shown = {
    ...Showing.of(
      "@copas/clients/SmtpSession",
      () => ({ server: conversation.server, isEncrypted: conversation.isEncrypted })
    ),
    server: conversation.server,
    greeting: Answer.of(conversation.greeting),
    extensions: conversation.extensions,
    tls: channel.socket.tls,
    isUsable: Effect.sync(() => conversation.isUsable),
    send: (message, options) => Sending.send(conversation, message, options),
    transaction: (envelope) => Sending.transaction(conversation, envelope),
    verify: (name) =>
      Effect.map(conversation.turn(conversation.exec(Command.make("VRFY", name))), (reply) => ({
        isCertain: reply.code !== 252,
        reply: Answer.of(reply)
      })),
    expand: (list) =>
      Effect.map(
        conversation.turn(conversation.exec(Command.make("EXPN", list))),
        (reply) => Answer.of(reply).lines
      ),
    help: (topic) =>
      Effect.map(
        conversation.turn(conversation.exec(topic === undefined ? Command.make("HELP") : Command.make("HELP", topic))),
        Answer.of
      ),
    noop: conversation.turn(Effect.asVoid(conversation.exec(Command.make("NOOP")))),
    reset: conversation.turn(Effect.asVoid(conversation.exec(reset, "reset", conversation.onReset))),
    command: (line) => command(conversation, line)
  }
  conversations.set(session, conversation)
  return session
}
