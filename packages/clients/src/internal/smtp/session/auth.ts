/**
 * The log-in: AUTH (RFC 4954) by the mechanisms that fit, strongest first.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { InvalidArgument, ProtocolViolation } from "../../../ReplyError.js"
import { AuthenticationFailed } from "../../../SmtpError.js"
import type { Auth, Failure, Mechanism, MechanismFailure } from "../../../SmtpSession.js"
import { orFail } from "../../options.js"
import * as Command from "../../replies/command.js"
import * as Reply from "../../replies/reply.js"
import * as Bytes from "../../text/bytes.js"
import * as Answer from "../answer.js"
import * as Lines from "../sasl/auth.js"
import * as Mechanisms from "../sasl/mechanisms.js"
import type { Conversation } from "./conversation.js"

const expectation = { accepts: (code: number): boolean => code === 334 || code === 235 || code >= 400 }

/** More challenges than any mechanism has. */
const mostChallenges = 16

const failed = (
  conversation: Conversation,
  mechanism: string,
  reply: Reply.Reply,
  detail: string | undefined
): AuthenticationFailed =>
  new AuthenticationFailed({
    ...conversation.refused(reply, Command.make("AUTH", mechanism), "auth"),
    mechanism,
    ...(detail === undefined ? {} : { detail })
  })

/** This side ends it. The server says 501, which is no refusal of ours. */
const giveUp = (
  conversation: Conversation,
  mechanism: string,
  failure: MechanismFailure
): Effect.Effect<never, Failure> =>
  Effect.flatMap(
    conversation.ask(Lines.cancel, expectation),
    (reply) => Effect.fail(failed(conversation, mechanism, reply, failure.detail))
  )

interface Outcome {
  readonly reply: Reply.Reply
  readonly detail: string | undefined
}

/** One log-in by one mechanism: the last reply, and what the mechanism has learnt. */
const attempt = (
  conversation: Conversation,
  mechanism: Mechanism,
  token: Redacted.Redacted<string> | undefined
): Effect.Effect<Outcome, Failure> =>
  Effect.gen(function*() {
    const { channel, extensions, primitives, settings } = conversation
    const name = mechanism.name.toUpperCase()
    const state = yield* Effect.mapError(
      mechanism.start({
        host: settings.host,
        port: settings.port,
        user: settings.auth?.user ?? "",
        password: settings.auth?.password,
        token,
        offered: extensions.auth,
        channelBinding: Mechanisms.bindingOf(channel.socket.tls),
        crypto: Mechanisms.cryptoOf(primitives)
      }),
      ({ detail }) =>
        new InvalidArgument({ protocol: conversation.protocol, what: "auth", argument: name, reason: detail })
    )
    const hides = [settings.auth?.password, token].filter((secret) => secret !== undefined)
    const say = ({ command }: Lines.Turn) => conversation.ask({ ...command, hides }, expectation)
    let turn = Lines.begin(name, state)
    let reply = yield* say(turn)
    for (let challenges = 0; reply.code === 334; challenges++) {
      if (challenges === mostChallenges) {
        return yield* channel.loseWith(
          new ProtocolViolation({
            ...channel.origin,
            what: "the challenges of AUTH do not end",
            received: Reply.show(reply)
          })
        )
      }
      turn = yield* Effect.catchTags(Lines.answer(turn, reply.lines, channel.origin), {
        MechanismFailure: (failure) => giveUp(conversation, name, failure),
        ProtocolViolation: (error) => channel.loseWith(error)
      })
      reply = yield* say(turn)
    }
    if (reply.code !== 235) return { reply, detail: turn.state.detail }
    const missing = Lines.missing(turn)
    return missing === undefined
      ? { reply, detail: undefined }
      // The peer has not proved that it knows the password, so it gets no more commands.
      : yield* channel.loseWith(failed(conversation, name, reply, missing))
  })

/** The token, fetched where it is an effect. */
const tokenOf = (
  conversation: Conversation,
  token: Auth["token"],
  mechanism: string
): Effect.Effect<Redacted.Redacted<string> | undefined, AuthenticationFailed> =>
  token === undefined || Redacted.isRedacted(token)
    ? Effect.succeed(token)
    : Effect.mapError(token, (cause) =>
      new AuthenticationFailed({
        protocol: conversation.protocol,
        server: conversation.server,
        phase: "auth",
        command: "AUTH",
        code: 0,
        lines: [],
        mechanism,
        detail: `the token could not be had: ${Bytes.show(cause instanceof Error ? cause.message : String(cause))}`
      }))

export const authenticate = (conversation: Conversation): Effect.Effect<void, Failure> =>
  Effect.gen(function*() {
    const { channel, extensions, isEncrypted, settings } = conversation
    const { auth } = settings
    if (auth === undefined) return
    const [first, ...others] = yield* orFail(
      Mechanisms.choose(settings.mechanisms, {
        protocol: conversation.protocol,
        server: conversation.server,
        offered: extensions.auth,
        isEncrypted,
        allowInsecureAuth: settings.allowInsecureAuth,
        channelBinding: Mechanisms.bindingOf(channel.socket.tls),
        credential: auth.password !== undefined ? "password" : auth.token !== undefined ? "token" : "none"
      })
    )
    let mechanism = first
    let canRenew = auth.token !== undefined && !Redacted.isRedacted(auth.token)
    for (;;) {
      const token = yield* tokenOf(conversation, auth.token, mechanism.name)
      const { detail, reply } = yield* attempt(conversation, mechanism, token)
      if (reply.code === 235) return
      const { enhancedCode } = Answer.of(reply)
      const step = Mechanisms.afterRefusal({ code: reply.code, enhancedCode, canRenew })
      const next = others[0]
      if (step === "stop" || step === "next" && next === undefined) {
        return yield* failed(conversation, mechanism.name, reply, detail)
      }
      if (step === "renew") canRenew = false
      else mechanism = others.shift()!
    }
  })
