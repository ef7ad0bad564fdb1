/**
 * Listings: by the machine-readable command where the server has it, and by what else says the same where it has not.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as FtpError from "../../../FtpError.js"
import type { Entries, Failure, Path } from "../../../FtpSession.js"
import { Gathering } from "../../gathering.js"
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

/** What is known of a listing that was read, and its lines. */
export interface Listed {
  readonly lines: Iterable<Entry.Line>
  /** How many lines it has. */
  readonly count: number
  readonly children: number
  /** The first of the children. */
  readonly first: Entry.Entry | undefined
  readonly hasSelf: boolean
  /** How many lines were not understood, and the first of them. */
  readonly unread: number
  readonly firstUnread: Entry.Unparsed | undefined
}

const empty: Listed = {
  lines: [],
  count: 0,
  children: 0,
  first: undefined,
  hasSelf: false,
  unread: 0,
  firstUnread: undefined
}

/**
 * How lines are kept: as they are, or as bytes that are read again when the lines are asked for. A large directory takes a
 * tenth of the memory so, for twice the time.
 */
export type Keep = "lines" | "bytes"

/** What is read again at a time. */
const piece = 64 * 1024

function* parsed(parser: Listing.Parser, bytes: Uint8Array): Iterable<Entry.Line> {
  for (let from = 0; from < bytes.length; from += piece) yield* parser.push(bytes.subarray(from, from + piece)).lines
  yield* parser.end().lines
}

/** Reads a listing to its end. It is the session's turn. */
const read = (
  conversation: Conversation,
  command: Command.Command,
  path: Path | undefined,
  keep: Keep
): Effect.Effect<Listed, Failure> =>
  Effect.scoped(Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    const make = (limits: { readonly memoryLimit?: number; readonly limit?: number }): Listing.Parser =>
      Listing.make({
        command: command.verb as Verb,
        now,
        codec: conversation.settings.codec,
        utcOffsetMinutes: conversation.settings.utcOffsetMinutes,
        parseLine: conversation.settings.parseListing,
        server: conversation.server,
        ...(path === undefined ? {} : { directory: conversation.raw(path) }),
        ...limits
      })
    const parser = make({
      limit: conversation.settings.listingLimit,
      memoryLimit: keep === "lines" ? conversation.settings.listingMemory : Infinity
    })
    const download = yield* Download.openListing(conversation, command, path)
    const gathering = new Gathering(undefined)
    const lines: Array<Entry.Line> = []
    const known = { ...empty } as { -readonly [K in keyof Listed]: Listed[K] }
    const take = (pushed: Listing.Pushed): Effect.Effect<void, FtpError.ListingTooLong> => {
      for (const line of pushed.lines) {
        if (keep === "lines") lines.push(line)
        known.count += 1
        if (line._tag === "Unparsed") {
          known.unread += 1
          known.firstUnread ??= line
        } else if (line.role === "child") {
          known.children += 1
          known.first ??= line
        } else if (line.role === "self") known.hasSelf = true
      }
      return pushed.error === undefined ? Effect.void : Effect.fail(pushed.error)
    }
    const loop: Effect.Effect<void, Failure> = Effect.flatMap(download.receive, (chunk) => {
      if (chunk === undefined) return Effect.void
      if (keep === "bytes") gathering.add(chunk)
      return Effect.zipRight(take(parser.push(chunk)), loop)
    })
    yield* loop
    yield* take(parser.end())
    const bytes = gathering.result
    known.lines = keep === "lines"
      ? lines
      : { [Symbol.iterator]: () => parsed(make({ limit: Infinity, memoryLimit: Infinity }), bytes)[Symbol.iterator]() }
    return known
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

/**
 * LIST leaves out names that begin with a dot, unless it is asked as `ls` is. That is only for servers on Unix, and
 * those that take `-a` for a name are noticed: then the directory itself is not in the list.
 */
const listAll = (
  conversation: Conversation,
  path: Path | undefined,
  keep: Keep
): Effect.Effect<Listed, Failure> => {
  const plain = Effect.suspend(() => read(conversation, Command.withPath("LIST", path), path, keep))
  return Effect.gen(function*() {
    if (conversation.dotFiles === undefined) {
      const system = yield* conversation.send(Command.make("SYST"))
      conversation.dotFiles = system.code === 215 && /unix/i.test(Reply.text(system))
    }
    if (!conversation.dotFiles) return yield* plain
    const all = yield* ifRefused(read(conversation, Command.withPath("LIST", path, "-a"), path, keep))
    if (Option.isSome(all) && all.value.hasSelf) return all.value
    const listed = yield* plain
    // An empty list tells nothing about it.
    if (listed.count > 0) conversation.dotFiles = Option.isSome(all) && all.value.count >= listed.count
    return Option.isSome(all) && all.value.count > listed.count ? all.value : listed
  })
}

const childrenOf = ({ lines }: Listed): ReadonlyArray<Entry.Entry> => {
  const children: Array<Entry.Entry> = []
  for (const line of lines) if (line._tag === "Entry" && line.role === "child") children.push(line)
  return children
}

type Verb = "MLSD" | "LIST" | "NLST"
type Answered = Either.Either<Listed, Presence.Answer>

const readBy = (
  conversation: Conversation,
  verb: Verb,
  path: Path | undefined,
  keep: Keep
): Effect.Effect<Listed, Failure> =>
  Effect.suspend(() =>
    verb === "LIST" ? listAll(conversation, path, keep) : read(conversation, Command.withPath(verb, path), path, keep)
  )

/** The server has shown that this command lists the working directory alone, or this kind of path not. */
const isPathless = (conversation: Conversation, verb: Verb, path: Path): boolean =>
  (verb === "LIST" && isRisky(path)) || conversation.pathless.has(verb) ||
  (hasBlank(path) && conversation.pathless.has(`${verb} `))

/** Some servers answer about a directory that may not be read, and about a file, as `ls -d` would. */
const isNamed = (conversation: Conversation, path: Path, name: Uint8Array): boolean => {
  const asked = Paths.trimmed(Bytes.toBinary(conversation.raw(path)))
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
  path: Path | undefined,
  keep: Keep
): Effect.Effect<Answered, Failure> => {
  const unreadable = Presence.forbidden(conversation, {
    command: Command.printable(Command.withPath(verb, path)),
    code: 550,
    lines: ["it can be entered, and what the server lists of it is not what it lists of directories that can be read"]
  })
  const attempt = (at: Path | undefined): Effect.Effect<Answered, Failure> =>
    Effect.map(readBy(conversation, verb, at, keep), Either.right<Listed>).pipe(
      Effect.catchIf(
        (error): error is Presence.Answer =>
          (verb === "MLSD" && error._tag === "NotSupported") || Presence.isAnswer(error),
        (error) => Effect.succeed(Either.left(error))
      ),
      Effect.tap((listed) => {
        if (Either.isLeft(listed) || !listed.right.hasSelf) return Effect.void
        conversation.showsSelf.add(verb)
        // `ls -a` prints the parent, too: alone it is `ls -d` of what cannot be read.
        return verb === "LIST" && listed.right.count === 1 ? Effect.fail(unreadable) : Effect.void
      })
    )
  const inside = attempt(undefined)
  if (path === undefined) return inside
  return Effect.gen(function*() {
    const first = isPathless(conversation, verb, path) ? undefined : yield* attempt(path)
    const listed = first === undefined || Either.isLeft(first) ? undefined : first.right
    const refusal = first === undefined || Either.isRight(first) ? undefined : first.left
    if (refusal?._tag === "NotSupported" && refusal.code !== 504) return Either.left(refusal)
    const isItself = listed?.children === 1 && isNamed(conversation, path, listed.first!.rawName)
    if (listed !== undefined && listed.count > 0 && (listed.hasSelf || !isItself)) return Either.right(listed)
    // An empty list, a refusal, or the directory itself proves nothing.
    const visit = yield* Directory.visit(conversation, path, listed?.count === 0 ? Effect.succeed(first!) : inside)
    switch (visit._tag) {
      case "Inside":
        if (listed?.count === 0 && conversation.showsSelf.has(verb)) return yield* unreadable
        // It printed itself, and there is no such child in it.
        if (isItself && Either.isRight(visit.value) && visit.value.right.children === 0) return yield* unreadable
        // Where the command itself was refused, what lists within the directory is what lists others, too.
        if (refusal !== undefined && Either.isRight(visit.value) && visit.value.right.count > 0) {
          conversation.pathless.add(hasBlank(path) ? `${verb} ` : verb)
        }
        return visit.value
      case "NoWayBack":
        if (refusal !== undefined) return yield* refusal
        return first ?? (yield* attempt(path))
      case "Refused": {
        const error = refusal ?? conversation.refusal(visit.reply, Command.withPath("CWD", path), { path })
        if (!Presence.isAnswer(error)) return yield* error
        // It was printed itself, so it is there.
        return yield* isItself ? Presence.forbidden(conversation, error) : Presence.shut(conversation, error, path)
      }
    }
  })
}

/** Remembers of a command that it lists what is empty. */
const noted = (conversation: Conversation, verb: Verb, listed: Listed): Listed => {
  // Not of NLST: servers that run `ls` for it refuse what matches nothing, and list nothing, as it comes.
  if (verb !== "NLST" && listed.children === 0 && listed.unread === 0) conversation.listsEmpty.add(verb)
  return listed
}

/** The lines of a directory that `verb` lists, or none if it refuses one that is empty. */
const listOrEmpty = (
  conversation: Conversation,
  verb: Verb,
  path: Path | undefined,
  keep: Keep
): Effect.Effect<Listed, Failure> =>
  Effect.flatMap(listBy(conversation, verb, path, keep), (answered): Effect.Effect<Listed, Failure> => {
    if (Either.isLeft(answered)) {
      const listsEmpty = conversation.listsEmpty.has(verb)
      return Effect.as(Presence.emptyIfAllowed(conversation, answered.left, listsEmpty, path), empty)
    }
    return Effect.succeed(noted(conversation, verb, answered.right))
  })

/** Every line of a directory's listing. */
export const all = (
  conversation: Conversation,
  path: Path | undefined,
  keep: Keep
): Effect.Effect<Listed, Failure> => {
  const byList = listOrEmpty(conversation, "LIST", path, keep)
  if (!conversation.features.mlst || conversation.unknown.has("MLSD")) return byList
  return Effect.flatMap(listBy(conversation, "MLSD", path, keep), (answered) => {
    if (Either.isRight(answered)) return Effect.succeed(noted(conversation, "MLSD", answered.right))
    const { left: refusal } = answered
    const hasListed = conversation.listsEmpty.has("MLSD")
    return Effect.flatMap(byList, (listed) => {
      // What LIST finds MLSD should have found.
      if (listed.children > 0) conversation.unknown.add("MLSD")
      // MLSD lists what is empty, so it refuses for another reason.
      return listed.children === 0 && hasListed && refusal._tag !== "NotSupported"
        ? Effect.fail(Presence.forbidden(conversation, refusal))
        : Effect.succeed(listed)
    })
  })
}

/** The same, but a listing of which nothing was understood is an error: it is no empty directory. */
export const understood = (
  conversation: Conversation,
  path: Path | undefined,
  keep: Keep
): Effect.Effect<Listed, Failure> =>
  Effect.filterOrFail(
    all(conversation, path, keep),
    ({ count, unread }) => unread === 0 || unread < count,
    ({ count, firstUnread }) =>
      new FtpError.ListingNotUnderstood({
        server: conversation.server,
        lines: count,
        first: Bytes.showBytes(firstUnread!.raw)
      })
  )

/** Its children, and how many lines are not among them. */
export const list = (conversation: Conversation, path: Path | undefined): Effect.Effect<Entries, Failure> =>
  Effect.map(understood(conversation, path, "lines"), (listed) => {
    // Not enumerable: they are compared as what they are, a list of entries.
    const entries = Object.defineProperty(childrenOf(listed), "leftOut", { value: listed.unread })
    return entries as unknown as Entries
  })

export const names = (
  conversation: Conversation,
  path: Path | undefined
): Effect.Effect<ReadonlyArray<string>, Failure> =>
  Effect.map(listOrEmpty(conversation, "NLST", path, "lines"), (listed) => childrenOf(listed).map(({ name }) => name))

/** The names as the server sends them, for callers that ask for the bytes of a listing (`;type=d`). */
export const openNames = (
  conversation: Conversation,
  path: Path | undefined
): Effect.Effect<Download.Download, Failure, Scope.Scope> =>
  Effect.zipRight(conversation.turns.scoped, Download.openListing(conversation, Command.withPath("NLST", path), path))
