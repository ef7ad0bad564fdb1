/**
 * Is it there? What a server's answer about a path means: that it exists, that it is missing, that this login may not
 * have it, or nothing at all.
 *
 * Servers answer an empty directory, a missing one and a forbidden one by the same codes, or by the same empty list. So
 * an answer that proves nothing costs a look: MLST where the server has shown that it knows it, else SIZE, MDTM and CWD.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as FtpError from "../../../FtpError.js"
import type { Failure, Path } from "../../../FtpSession.js"
import { orFail } from "../../options.js"
import * as Bytes from "../../text/bytes.js"
import * as Answers from "../answers.js"
import * as Command from "../command.js"
import * as Entry from "../listing/entry.js"
import * as Mlsx from "../listing/mlsx.js"
import * as Paths from "../paths.js"
import * as Refusal from "../refusal.js"
import type { Conversation } from "./conversation.js"
import * as Directory from "./directory.js"

/** A refusal that may be about the path, or about anything else. */
export type Answer = FtpError.FtpReplyError | FtpError.NotFound | FtpError.NotSupported

export const isAnswer = (error: Failure): error is Answer =>
  (error._tag === "FtpReplyError" || error._tag === "NotFound" || error._tag === "NotSupported") &&
  Refusal.isAmbiguous(error.code)

/** A refusal of a command about a path that is not there. */
const absent = (conversation: Conversation, error: Answer, path: Path): FtpError.NotFound => {
  const { code, command, lines } = error
  return new FtpError.NotFound({ server: conversation.server, command, code, lines, path: shown(conversation, path) })
}

/** A refusal of a command about a path that is there. */
export const forbidden = (
  conversation: Conversation,
  { code, command, lines }: Pick<Answer, "code" | "command" | "lines">
): FtpError.FtpReplyError => new FtpError.FtpReplyError({ server: conversation.server, command, code, lines })

const shown = (conversation: Conversation, path: Path): string => Bytes.show(conversation.text(path))

const contextOf = (conversation: Conversation, now: number): Entry.Context => ({
  codec: conversation.settings.codec,
  now,
  utcOffsetMinutes: conversation.settings.utcOffsetMinutes
})

const byHand = (conversation: Conversation, path: Path): Effect.Effect<Entry.Entry, Failure> =>
  Effect.gen(function*() {
    const context = contextOf(conversation, yield* Clock.currentTimeMillis)
    const binary = Bytes.toBinary(conversation.raw(path))
    const name = Paths.lastOf(binary)
    const make = (type: Entry.EntryType, known: Entry.Known): Effect.Effect<Entry.Entry, Failure> => {
      const line = Entry.make({ raw: Bytes.fromBinary(binary), binary }, context, "names", name, type, known)
      return line._tag === "Entry" ? Effect.succeed(line) : Effect.dieMessage("a name is an entry")
    }
    const size = yield* conversation.trySize(path)
    const reply = conversation.unknown.has("MDTM")
      ? undefined
      : yield* conversation.send(Command.withPath("MDTM", path))
    if (reply?.code === 500 || reply?.code === 502) conversation.unknown.add("MDTM")
    const modifiedAt = reply?.code === 213
      ? Option.getOrUndefined(Option.getRight(Answers.parseModified(reply)))
      : undefined
    if (Option.isSome(size)) return yield* make("file", { size: size.value, modifiedAt })
    // Directories have no SIZE, and can be entered.
    const visit = yield* Directory.visit(conversation, path, Effect.void)
    if (visit._tag === "Inside") return yield* make("directory", { modifiedAt })
    if (modifiedAt !== undefined) return yield* make("file", { modifiedAt })
    const { code, lines } = visit._tag === "Refused"
      ? visit.reply
      : { code: 550, lines: ["neither SIZE nor CWD finds it"] }
    return yield* new FtpError.NotFound({
      server: conversation.server,
      command: Command.printable(Command.withPath("CWD", path)),
      code,
      lines,
      path: shown(conversation, path)
    })
  })

/** The entry of one path. */
export const stat = (conversation: Conversation, path: Path): Effect.Effect<Entry.Entry, Failure> => {
  if (!conversation.features.mlst || conversation.unknown.has("MLST")) return byHand(conversation, path)
  return Effect.gen(function*() {
    const reply = yield* conversation.exec(Command.withPath("MLST", path), { path })
    const entry = yield* orFail(Mlsx.parseReply(reply, contextOf(conversation, yield* Clock.currentTimeMillis)))
    conversation.hasMlst = true
    return entry
  }).pipe(
    Effect.catchIf(
      (error): error is Answer => error._tag === "NotSupported" || isAnswer(error),
      (error) => {
        // A server that has answered MLST before says by 550 that there is nothing.
        if (error.code === 550 && conversation.hasMlst) return Effect.fail(absent(conversation, error, path))
        return Effect.tapBoth(byHand(conversation, path), {
          onFailure: () => Effect.void,
          onSuccess: () => Effect.sync(() => conversation.unknown.add("MLST"))
        })
      }
    )
  )
}

/** What a look finds; `undefined` when it finds nothing out. */
export type Found = "exists" | "absent" | undefined

export const look = (conversation: Conversation, path: Path): Effect.Effect<Found, Failure> =>
  Effect.matchEffect(Effect.suspend(() => stat(conversation, path)), {
    onSuccess: () => Effect.succeed("exists" as const),
    onFailure: (error) =>
      error._tag === "NotFound"
        ? Effect.succeed("absent" as const)
        : conversation.control.lost === undefined
        ? Effect.succeed(undefined)
        : Effect.fail(error)
  })

/** Why a command about a directory was refused that the server does not let this session enter. */
export const shut = (
  conversation: Conversation,
  error: Answer,
  path: Path
): Effect.Effect<never, Failure> =>
  Effect.flatMap(
    look(conversation, path),
    (found) => Effect.fail(found === "exists" ? forbidden(conversation, error) : absent(conversation, error, path))
  )

/** Whether MLST says that this login may not list the directory: its `perm` fact lacks the `l` (RFC 3659, section 7.5.5). */
const mayNotList = (conversation: Conversation, path: Path | undefined): Effect.Effect<boolean, Failure> =>
  conversation.features.mlst && !conversation.unknown.has("MLST")
    ? Effect.map(
      conversation.send(path === undefined ? Command.make("MLST") : Command.withPath("MLST", path)),
      (reply) => {
        if (reply.code !== 250) return false
        const entry = Option.getRight(Mlsx.parseReply(reply, contextOf(conversation, 0)))
        const perm = Option.getOrUndefined(entry)?.facts.get("perm")
        return perm !== undefined && !/l/i.test(perm)
      }
    )
    : Effect.succeed(false)

/**
 * What a refusal to list a directory means that can be entered: that it is empty, or that it may not be listed. 450 says
 * "no files" (ProFTPD, wu-ftpd), and so does 550, unless the command has answered an empty directory with an empty list.
 */
export const emptyIfAllowed = (
  conversation: Conversation,
  error: Answer,
  listsEmpty: boolean,
  path: Path | undefined
): Effect.Effect<void, Failure> => {
  if (error.code === 450) return Effect.void
  if (error.code !== 550 || listsEmpty) return Effect.fail(forbidden(conversation, error))
  return Effect.flatMap(
    mayNotList(conversation, path),
    (mayNot) => mayNot ? Effect.fail(forbidden(conversation, error)) : Effect.void
  )
}

/** Whether a directory is there, whatever the server lets this login do with it. */
export const isDirectory = (conversation: Conversation, path: Path): Effect.Effect<boolean, Failure> =>
  Effect.flatMap(
    Directory.visit(conversation, path, Effect.void),
    (visit) =>
      visit._tag === "Inside" ?
        Effect.succeed(true) :
        Effect.map(stat(conversation, path), ({ type }) => type === "directory").pipe(
          Effect.catchTag("NotFound", () => Effect.succeed(false))
        )
  )
