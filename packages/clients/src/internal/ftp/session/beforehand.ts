/**
 * What a transfer asks for, what is checked and announced before its command goes out, and how it is refused.
 */
import * as Effect from "effect/Effect"
import type * as FtpError from "../../../FtpError.js"
import type { Failure } from "../../../FtpSession.js"
import { orFail } from "../../options.js"
import * as Reply from "../../replies/reply.js"
import * as Command from "../command.js"
import * as Refusal from "../refusal.js"
import type { Conversation } from "./conversation.js"
import type * as Presence from "./presence.js"

export interface Request {
  readonly direction: "download" | "upload"
  readonly command: Command.Command
  readonly path: Command.Path | undefined
  readonly type: "A" | "I"
  readonly offset: number
  /** Little comes: the data connection needs no large reads. */
  readonly isSmall?: boolean
  /** Each chunk is used up before the next one is received. */
  readonly reuses?: boolean
  /** What is known of the path, or finds it out, should the command be refused. */
  readonly look?: Effect.Effect<Presence.Found, Failure>
}

/** The error of a transfer that was refused before it began, once it was looked whether the path is there. */
export const refused = (
  { look = Effect.succeed(undefined) }: Request,
  reply: Reply.Reply,
  refusal: (found: Presence.Found) => Failure
): Effect.Effect<never, Failure> =>
  Effect.flatMap(
    Refusal.isAmbiguous(reply.code) ? look : Effect.succeed(undefined),
    (found) => Effect.fail(refusal(found))
  )

/** DrFTPD chooses by the file which of its machines has the data connection: it wants to know before PASV. */
export const announce = (conversation: Conversation, request: Request): Effect.Effect<void, Failure> => {
  const { features, settings, unknown } = conversation
  const isPassive = settings.modes.some((mode) => mode === "EPSV" || mode === "PASV")
  if (!features.pret || !isPassive || unknown.has("PRET")) return Effect.void
  const { command, path } = request
  return Effect.flatMap(conversation.send(Command.make("PRET", command.verb, ...command.args)), (reply) => {
    if (Reply.kind(reply) === "completion") return Effect.void
    if (reply.code === 500 || reply.code === 502) {
      unknown.add("PRET")
      return Effect.void
    }
    // It is the answer to the command itself.
    return refused(request, reply, (found) =>
      conversation.refusal(reply, command, {
        ...(found === undefined ? {} : { found }),
        ...(path === undefined ? {} : { path })
      }))
  })
}

/** Fails now if the command cannot be sent, so that the error is not that of a command before it. */
export const checkCommand = (
  conversation: Conversation,
  command: Command.Command
): Effect.Effect<void, FtpError.InvalidArgument> =>
  Effect.asVoid(orFail(Command.encode(command, conversation.settings.codec)))
