/**
 * The working directory: where it is, and a visit to another one that ends where it began.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Failure, Path } from "../../../FtpSession.js"
import { orFail } from "../../options.js"
import * as Reply from "../../replies/reply.js"
import * as Answers from "../answers.js"
import * as Command from "../command.js"
import type { Conversation } from "./conversation.js"

export const pwd = (conversation: Conversation): Effect.Effect<Answers.Pathname, Failure> =>
  Effect.flatMap(
    conversation.exec(Command.make("PWD")),
    (reply) => orFail(Answers.parsePathname(reply, conversation.settings.codec))
  )

/** Where the session is, asked once for each place. None from a server that does not tell. */
export const here = (conversation: Conversation): Effect.Effect<Option.Option<Answers.Pathname>, Failure> =>
  Effect.suspend(() =>
    conversation.here !== undefined ? Effect.succeed(conversation.here) : Effect.map(
      conversation.send(Command.make("PWD")),
      (reply) => {
        conversation.here = reply.code === 257
          ? Option.getRight(Answers.parsePathname(reply, conversation.settings.codec))
          : Option.none()
        return conversation.here
      }
    )
  )

/** What became of a visit. */
type Visit<A> =
  | { readonly _tag: "Inside"; readonly value: A }
  /** The server did not let the session in. */
  | { readonly _tag: "Refused"; readonly reply: Reply.Reply }
  /** The server does not tell where the session is, so it would not find back. */
  | { readonly _tag: "NoWayBack" }

/** Runs `use` in another directory and comes back. If that fails, the session's directory is unknown, and it ends. */
export const visit = <A>(
  conversation: Conversation,
  path: Path,
  use: Effect.Effect<A, Failure>
): Effect.Effect<Visit<A>, Failure> =>
  Effect.gen(function*() {
    const origin = yield* here(conversation)
    if (Option.isNone(origin)) return { _tag: "NoWayBack" }
    const { hasMoved } = conversation
    const isBack = (): void => {
      conversation.hasMoved = hasMoved
      conversation.here = origin
    }
    const back = Effect.map(conversation.exec(Command.withPath("CWD", origin.value.rawPath)), isBack)
    return yield* Effect.acquireUseRelease(
      Effect.tap(conversation.send(Command.withPath("CWD", path)), (reply) => {
        const isRefused = Reply.kind(reply) !== "completion"
        if (isRefused) isBack()
        return isRefused && (reply.code === 530 || reply.code === 532)
          ? Effect.fail(conversation.refusal(reply, Command.withPath("CWD", path), { path }))
          : Effect.void
      }),
      (reply): Effect.Effect<Visit<A>, Failure> =>
        Reply.kind(reply) === "completion"
          ? Effect.map(use, (value) => ({ _tag: "Inside", value }))
          : Effect.succeed({ _tag: "Refused", reply }),
      (reply) =>
        Reply.kind(reply) !== "completion"
          ? Effect.void
          : Effect.catchAll(
            back,
            (error) => conversation.control.lose("the way back to the working directory failed", error)
          )
    )
  })
