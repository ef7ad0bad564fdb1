/**
 * Listings, and looking at one path: by the machine-readable commands where the server has them, and by what else says
 * the same where it has not.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as FtpError from "../../../FtpError.js"
import type { Failure, Path } from "../../../FtpSession.js"
import { orFail } from "../../options.js"
import * as Reply from "../../replies/reply.js"
import * as Bytes from "../../text/bytes.js"
import * as Answers from "../answers.js"
import * as Command from "../command.js"
import * as Entry from "../listing/entry.js"
import * as Listing from "../listing/listing.js"
import * as Mlsx from "../listing/mlsx.js"
import type { Conversation } from "./conversation.js"
import * as Download from "./download.js"

const raw = (conversation: Conversation, path: Path): Uint8Array =>
  typeof path === "string" ? Option.getOrElse(conversation.settings.codec.encode(path), () => Bytes.empty) : path

/** Reads a listing to its end. It is the session's turn. */
const read = (
  conversation: Conversation,
  command: Command.Command,
  path: Path | undefined
): Effect.Effect<ReadonlyArray<Entry.Line>, Failure> =>
  Effect.scoped(Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    const parser = Listing.make({
      command: command.verb as "MLSD" | "LIST" | "NLST",
      now,
      codec: conversation.settings.codec,
      utcOffsetMinutes: conversation.settings.utcOffsetMinutes,
      limit: conversation.settings.listingLimit,
      server: conversation.server,
      ...(path === undefined ? {} : { directory: raw(conversation, path) })
    })
    const download = yield* Download.openListing(conversation, command, path)
    const lines: Array<Entry.Line> = []
    const take = (pushed: Listing.Pushed): Effect.Effect<void, FtpError.ListingTooLong> => {
      for (const line of pushed.lines) lines.push(line)
      return pushed.error === undefined ? Effect.void : Effect.fail(pushed.error)
    }
    const loop: Effect.Effect<void, Failure> = Effect.flatMap(
      download.receive,
      (chunk) => chunk === undefined ? Effect.void : Effect.zipRight(take(parser.push(chunk)), loop)
    )
    yield* loop
    yield* take(parser.end())
    return lines
  }))

/** Runs `use` in another directory and comes back. If that fails, the session's directory is unknown. */
const inDirectory = <A>(
  conversation: Conversation,
  path: Path,
  use: Effect.Effect<A, Failure>
): Effect.Effect<A, Failure> =>
  Effect.gen(function*() {
    const here = yield* pwd(conversation)
    const { hasMoved } = conversation
    const back = Effect.map(conversation.exec(Command.withPath("CWD", here.rawPath)), () => {
      conversation.hasMoved = hasMoved
    })
    return yield* Effect.acquireUseRelease(
      conversation.exec(Command.withPath("CWD", path), { path }),
      () => use,
      () =>
        Effect.catchAll(
          back,
          (error) => conversation.control.lose("the way back to the working directory failed", error)
        )
    )
  })

export const pwd = (conversation: Conversation): Effect.Effect<Answers.Pathname, Failure> =>
  Effect.flatMap(
    conversation.exec(Command.make("PWD")),
    (reply) => orFail(Answers.parsePathname(reply, conversation.settings.codec))
  )

/** None when the server refused. */
const ifRefused = <A>(use: Effect.Effect<A, Failure>): Effect.Effect<Option.Option<A>, Failure> =>
  Effect.asSome(use).pipe(
    Effect.catchTags({
      NotFound: () => Effect.succeedNone,
      FtpReplyError: () => Effect.succeedNone,
      NotSupported: () => Effect.succeedNone
    })
  )

const isGlob = /[*?[\]{}~\\]/
const isRisky = (path: Path): boolean => {
  const text = typeof path === "string" ? path : Bytes.toBinary(path)
  // Behind LIST blanks separate arguments on many servers.
  return isGlob.test(text) || text.includes(" ") || text.startsWith("-")
}

const hasSelf = (lines: ReadonlyArray<Entry.Line>): boolean =>
  lines.some((line) => line._tag === "Entry" && line.role === "self")

/**
 * LIST leaves out names that begin with a dot, unless it is asked as `ls` is. That is only for servers on Unix, and
 * those that take `-a` for a name are noticed: then the directory itself is not in the list.
 */
const listAll = (
  conversation: Conversation,
  path: Path | undefined
): Effect.Effect<ReadonlyArray<Entry.Line>, Failure> => {
  const plain = Effect.suspend(() => read(conversation, Command.withPath("LIST", path), path))
  return Effect.gen(function*() {
    if (conversation.dotFiles === undefined) {
      const system = yield* conversation.send(Command.make("SYST"))
      conversation.dotFiles = system.code === 215 && /unix/i.test(Reply.text(system))
    }
    if (!conversation.dotFiles) return yield* plain
    const all = yield* ifRefused(read(conversation, Command.withPath("LIST", path, "-a"), path))
    if (Option.isSome(all) && hasSelf(all.value)) return all.value
    const lines = yield* plain
    conversation.dotFiles = Option.isSome(all) && all.value.length >= lines.length && lines.length > 0
    return Option.isSome(all) && all.value.length > lines.length ? all.value : lines
  })
}

/** Every line of a directory's listing. */
export const lines = (
  conversation: Conversation,
  path: Path | undefined
): Effect.Effect<ReadonlyArray<Entry.Line>, Failure> => {
  const byList = path !== undefined && isRisky(path)
    ? inDirectory(conversation, path, Effect.suspend(() => listAll(conversation, undefined)))
    : listAll(conversation, path)
  if (!conversation.features.mlst || conversation.unknown.has("MLSD")) return byList
  return Effect.catchTag(
    read(conversation, Command.withPath("MLSD", path), path),
    "NotSupported",
    (error) => error.command.startsWith("MLSD") ? byList : Effect.fail(error)
  )
}

export const children = (all: ReadonlyArray<Entry.Line>): ReadonlyArray<Entry.Entry> =>
  all.filter((line): line is Entry.Entry => line._tag === "Entry" && line.role === "child")

export const names = (
  conversation: Conversation,
  path: Path | undefined
): Effect.Effect<ReadonlyArray<string>, Failure> =>
  read(conversation, Command.withPath("NLST", path), path).pipe(
    Effect.map((all) => children(all).map(({ name }) => name)),
    // "No files" is a refusal on some servers, and one that differs from "no directory" in nothing but its text.
    Effect.catchTag("NotFound", (error) => {
      if (error.code === 450 || path === undefined) return Effect.succeed([])
      return Effect.flatMap(look(conversation, path), (found) =>
        found === "exists" ? Effect.succeed([]) : Effect.fail(error))
    })
  )

// ---- one path

const contextOf = (conversation: Conversation, now: number): Entry.Context => ({
  codec: conversation.settings.codec,
  now,
  utcOffsetMinutes: conversation.settings.utcOffsetMinutes
})

const byHand = (conversation: Conversation, path: Path): Effect.Effect<Entry.Entry, Failure> =>
  Effect.gen(function*() {
    const context = contextOf(conversation, yield* Clock.currentTimeMillis)
    const binary = Bytes.toBinary(raw(conversation, path))
    const name = binary.replace(/\/+$/, "").replace(/^.*\//s, "") || binary
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
    const entered = yield* ifRefused(inDirectory(conversation, path, Effect.void))
    if (Option.isSome(entered)) return yield* make("directory", { modifiedAt })
    if (modifiedAt !== undefined) return yield* make("file", { modifiedAt })
    return yield* new FtpError.NotFound({
      server: conversation.server,
      command: Command.printable(Command.withPath("CWD", path)),
      code: 550,
      lines: ["neither SIZE nor CWD finds it"],
      path: Bytes.show(typeof path === "string" ? path : conversation.settings.codec.decode(path))
    })
  })

export const stat = (conversation: Conversation, path: Path): Effect.Effect<Entry.Entry, Failure> => {
  if (!conversation.features.mlst || conversation.unknown.has("MLST")) return byHand(conversation, path)
  return Effect.gen(function*() {
    const reply = yield* conversation.exec(Command.withPath("MLST", path), { path })
    return yield* orFail(Mlsx.parseReply(reply, contextOf(conversation, yield* Clock.currentTimeMillis)))
  }).pipe(Effect.catchTag("NotSupported", () => byHand(conversation, path)))
}

/** What a look after an ambiguous refusal finds; `undefined` when it finds nothing out. */
export const look = (conversation: Conversation, path: Path): Effect.Effect<"exists" | "absent" | undefined, Failure> =>
  Effect.matchEffect(stat(conversation, path), {
    onSuccess: () => Effect.succeed("exists" as const),
    onFailure: (error) =>
      error._tag === "NotFound"
        ? Effect.succeed("absent" as const)
        : conversation.control.lost === undefined
        ? Effect.succeed(undefined)
        : Effect.fail(error)
  })

/** The names as the server sends them, for callers that ask for the bytes of a listing (`;type=d`). */
export const openNames = (
  conversation: Conversation,
  path: Path | undefined
): Effect.Effect<Download.Download, Failure, Scope.Scope> =>
  Effect.zipRight(conversation.turns.scoped, Download.openListing(conversation, Command.withPath("NLST", path), path))
