/**
 * Listings, and looking at one path: by the machine-readable commands where the server has them, and by what else says
 * the same where it has not.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as FtpError from "../../../FtpError.js"
import type { Failure, Path } from "../../../FtpSession.js"
import * as Reply from "../../replies/reply.js"
import * as Bytes from "../../text/bytes.js"
import * as Command from "../command.js"
import type * as Entry from "../listing/entry.js"
import * as Listing from "../listing/listing.js"
import * as Paths from "../paths.js"
import type { Conversation } from "./conversation.js"
import * as Directory from "./directory.js"
import * as Download from "./download.js"
import * as Presence from "./presence.js"

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
      ...(path === undefined ? {} : { directory: Presence.raw(conversation, path) })
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
const textOf = (path: Path): string => typeof path === "string" ? path : Bytes.toBinary(path)
const hasBlank = (path: Path): boolean => textOf(path).includes(" ")
// Behind LIST blanks separate arguments on many servers.
const isRisky = (path: Path): boolean => isGlob.test(textOf(path)) || hasBlank(path) || textOf(path).startsWith("-")

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
    // An empty list tells nothing about it.
    if (lines.length > 0) conversation.dotFiles = Option.isSome(all) && all.value.length >= lines.length
    return Option.isSome(all) && all.value.length > lines.length ? all.value : lines
  })
}

export const children = (all: ReadonlyArray<Entry.Line>): ReadonlyArray<Entry.Entry> =>
  all.filter((line): line is Entry.Entry => line._tag === "Entry" && line.role === "child")

type Lines = ReadonlyArray<Entry.Line>
type Verb = "MLSD" | "LIST" | "NLST"

const readBy = (
  conversation: Conversation,
  verb: Verb,
  path: Path | undefined
): Effect.Effect<Lines, Failure> =>
  Effect.suspend(() =>
    verb === "LIST" ? listAll(conversation, path) : read(conversation, Command.withPath(verb, path), path)
  )

/** The server has shown that this command lists the working directory alone, or this kind of path not. */
const isPathless = (conversation: Conversation, verb: Verb, path: Path): boolean =>
  (verb === "LIST" && isRisky(path)) || conversation.pathless.has(verb) ||
  (hasBlank(path) && conversation.pathless.has(`${verb} `))

/** Some servers answer about a directory that may not be read, and about a file, as `ls -d` would. */
const isItself = (conversation: Conversation, path: Path, name: Uint8Array): boolean => {
  const asked = Paths.trimmed(Bytes.toBinary(Presence.raw(conversation, path)))
  const given = Paths.trimmed(Bytes.toBinary(name))
  return given === asked || given === Paths.lastOf(asked)
}

/**
 * A listing of `path` by `verb`, by the command itself or within the directory; and none where the command is not known,
 * or refuses what can be entered: then another command may do.
 */
const listBy = (
  conversation: Conversation,
  verb: Verb,
  path: Path | undefined
): Effect.Effect<Either.Either<Lines, Presence.Answer>, Failure> => {
  const unreadable = Presence.forbidden(conversation, {
    command: Command.printable(Command.withPath(verb, path)),
    code: 550,
    lines: ["it can be entered, and what the server lists of it is not what it lists of directories that can be read"]
  })
  const attempt = (at: Path | undefined): Effect.Effect<Either.Either<Lines, Presence.Answer>, Failure> =>
    Effect.map(readBy(conversation, verb, at), Either.right<Lines>).pipe(
      Effect.catchIf(
        (error): error is Presence.Answer =>
          (verb === "MLSD" && error._tag === "NotSupported") || Presence.isAnswer(error),
        (error) => Effect.succeed(Either.left(error))
      ),
      Effect.tap((listed) => {
        if (Either.isLeft(listed) || !hasSelf(listed.right)) return Effect.void
        conversation.showsSelf.add(verb)
        // `ls -a` prints the parent, too: alone it is `ls -d` of what cannot be read.
        return verb === "LIST" && listed.right.length === 1 ? Effect.fail(unreadable) : Effect.void
      })
    )
  const inside = attempt(undefined)
  if (path === undefined) return inside
  return Effect.gen(function*() {
    const first = isPathless(conversation, verb, path) ? undefined : yield* attempt(path)
    if (first !== undefined && Either.isLeft(first) && first.left._tag === "NotSupported" && first.left.code !== 504) {
      return first
    }
    const there = first === undefined || Either.isLeft(first) ? undefined : children(first.right)
    if (there !== undefined && first !== undefined && Either.isRight(first)) {
      const proves = there.length > 1 || hasSelf(first.right) ||
        (there.length === 1 && !isItself(conversation, path, there[0]!.rawName)) ||
        (there.length === 0 && first.right.length > 0)
      if (proves) return first
    }
    const isEmpty = there !== undefined && there.length === 0
    const visit = yield* Directory.visit(conversation, path, isEmpty ? Effect.succeed(first!) : inside)
    switch (visit._tag) {
      case "Inside":
        if (isEmpty && conversation.showsSelf.has(verb)) return yield* unreadable
        // Where the command itself was refused, what lists within the directory is what lists others, too.
        if (
          first !== undefined && Either.isLeft(first) && Either.isRight(visit.value) && visit.value.right.length > 0
        ) {
          conversation.pathless.add(hasBlank(path) ? `${verb} ` : verb)
        }
        return visit.value
      case "NoWayBack":
        if (first !== undefined && Either.isLeft(first)) return yield* first.left
        return first ?? (yield* attempt(path))
      case "Refused": {
        const error = first !== undefined && Either.isLeft(first)
          ? first.left
          : conversation.refusal(visit.reply, Command.withPath("CWD", path), { path })
        if (!Presence.isAnswer(error)) return yield* error
        // It was printed itself, so it is there.
        return yield* there?.length === 1
          ? Presence.forbidden(conversation, error)
          : Presence.shut(conversation, error, path)
      }
    }
  })
}

/** The lines of a directory that `verb` lists, or none if it refuses one that is empty. */
const listOrEmpty = (
  conversation: Conversation,
  verb: Verb,
  path: Path | undefined
): Effect.Effect<Lines, Failure> =>
  Effect.flatMap(listBy(conversation, verb, path), (listed): Effect.Effect<Lines, Failure> => {
    if (Either.isLeft(listed)) {
      return Effect.as(Presence.emptyIfAllowed(conversation, listed.left, conversation.listsEmpty.has(verb), path), [])
    }
    // Not of NLST: servers that run `ls` for it refuse what matches nothing, and list nothing, as it comes.
    if (verb !== "NLST" && children(listed.right).length === 0 && listed.right.every(({ _tag }) => _tag === "Entry")) {
      conversation.listsEmpty.add(verb)
    }
    return Effect.succeed(listed.right)
  })

/** Every line of a directory's listing. */
export const lines = (
  conversation: Conversation,
  path: Path | undefined
): Effect.Effect<Lines, Failure> => {
  const byList = listOrEmpty(conversation, "LIST", path)
  if (!conversation.features.mlst || conversation.unknown.has("MLSD")) return byList
  return Effect.flatMap(listBy(conversation, "MLSD", path), (listed) => {
    if (Either.isRight(listed)) return Effect.succeed(listed.right)
    return Effect.tap(byList, (lines) => {
      // What LIST finds MLSD should have found.
      if (children(lines).length > 0) conversation.unknown.add("MLSD")
      return Effect.void
    })
  })
}

export const names = (
  conversation: Conversation,
  path: Path | undefined
): Effect.Effect<ReadonlyArray<string>, Failure> =>
  Effect.map(listOrEmpty(conversation, "NLST", path), (all) => children(all).map(({ name }) => name))

/** The names as the server sends them, for callers that ask for the bytes of a listing (`;type=d`). */
export const openNames = (
  conversation: Conversation,
  path: Path | undefined
): Effect.Effect<Download.Download, Failure, Scope.Scope> =>
  Effect.zipRight(conversation.turns.scoped, Download.openListing(conversation, Command.withPath("NLST", path), path))
