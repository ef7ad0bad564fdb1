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
import * as Answers from "../answers.js"
import * as Bytes from "../bytes.js"
import * as Command from "../command.js"
import * as Entry from "../listing/entry.js"
import * as Listing from "../listing/listing.js"
import * as Mlsx from "../listing/mlsx.js"
import * as Reply from "../reply.js"
import type { Core } from "./core.js"
import * as Download from "./download.js"
import { orFail } from "./settings.js"

const raw = (core: Core, path: Path): Uint8Array =>
  typeof path === "string" ? Option.getOrElse(core.settings.codec.encode(path), () => Bytes.empty) : path

/** Reads a listing to its end. It is the session's turn. */
const read = (
  core: Core,
  command: Command.Command,
  path: Path | undefined
): Effect.Effect<ReadonlyArray<Entry.Line>, Failure> =>
  Effect.scoped(Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    const parser = Listing.make({
      command: command.verb as "MLSD" | "LIST" | "NLST",
      now,
      codec: core.settings.codec,
      utcOffsetMinutes: core.settings.utcOffsetMinutes,
      limit: core.settings.listingLimit,
      server: core.server,
      ...(path === undefined ? {} : { directory: raw(core, path) })
    })
    const download = yield* Download.openListing(core, command, path)
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

/** Runs `use` in another directory and comes back. Where that fails, nobody knows where the session is. */
const inDirectory = <A>(core: Core, path: Path, use: Effect.Effect<A, Failure>): Effect.Effect<A, Failure> =>
  Effect.gen(function*() {
    const here = yield* pwd(core)
    const { hasMoved } = core
    const back = Effect.map(core.exec(Command.withPath("CWD", here.rawPath)), () => {
      core.hasMoved = hasMoved
    })
    return yield* Effect.acquireUseRelease(
      core.exec(Command.withPath("CWD", path), { path }),
      () => use,
      () => Effect.catchAll(back, (error) => core.control.lose("the way back to the working directory failed", error))
    )
  })

export const pwd = (core: Core): Effect.Effect<Answers.Pathname, Failure> =>
  Effect.flatMap(core.exec(Command.make("PWD")), (reply) => orFail(Answers.parsePathname(reply, core.settings.codec)))

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
const listAll = (core: Core, path: Path | undefined): Effect.Effect<ReadonlyArray<Entry.Line>, Failure> => {
  const plain = Effect.suspend(() => read(core, Command.withPath("LIST", path), path))
  return Effect.gen(function*() {
    if (core.dotFiles === undefined) {
      const system = yield* core.send(Command.make("SYST"))
      core.dotFiles = system.code === 215 && /unix/i.test(Reply.text(system))
    }
    if (!core.dotFiles) return yield* plain
    const all = yield* ifRefused(read(core, Command.withPath("LIST", path, "-a"), path))
    if (Option.isSome(all) && hasSelf(all.value)) return all.value
    const lines = yield* plain
    core.dotFiles = Option.isSome(all) && all.value.length >= lines.length && lines.length > 0
    return Option.isSome(all) && all.value.length > lines.length ? all.value : lines
  })
}

/** Every line of a directory's listing. */
export const lines = (core: Core, path: Path | undefined): Effect.Effect<ReadonlyArray<Entry.Line>, Failure> => {
  const byList = path !== undefined && isRisky(path)
    ? inDirectory(core, path, Effect.suspend(() => listAll(core, undefined)))
    : listAll(core, path)
  if (!core.features.mlst || core.unknown.has("MLSD")) return byList
  return Effect.catchTag(
    read(core, Command.withPath("MLSD", path), path),
    "NotSupported",
    (error) => error.command.startsWith("MLSD") ? byList : Effect.fail(error)
  )
}

export const children = (all: ReadonlyArray<Entry.Line>): ReadonlyArray<Entry.Entry> =>
  all.filter((line): line is Entry.Entry => line._tag === "Entry" && line.role === "child")

export const names = (core: Core, path: Path | undefined): Effect.Effect<ReadonlyArray<string>, Failure> =>
  read(core, Command.withPath("NLST", path), path).pipe(
    Effect.map((all) => children(all).map(({ name }) => name)),
    // "No files" is a refusal on some servers, and one that differs from "no directory" in nothing but its text.
    Effect.catchTag("NotFound", (error) => {
      if (error.code === 450 || path === undefined) return Effect.succeed([])
      return Effect.flatMap(look(core, path), (found) => found === "exists" ? Effect.succeed([]) : Effect.fail(error))
    })
  )

// ---- one path

const contextOf = (core: Core, now: number): Entry.Context => ({
  codec: core.settings.codec,
  now,
  utcOffsetMinutes: core.settings.utcOffsetMinutes
})

const byHand = (core: Core, path: Path): Effect.Effect<Entry.Entry, Failure> =>
  Effect.gen(function*() {
    const context = contextOf(core, yield* Clock.currentTimeMillis)
    const binary = Bytes.toBinary(raw(core, path))
    const name = binary.replace(/\/+$/, "").replace(/^.*\//s, "") || binary
    const make = (type: Entry.EntryType, known: Entry.Known): Effect.Effect<Entry.Entry, Failure> => {
      const line = Entry.make({ raw: Bytes.fromBinary(binary), binary }, context, "names", name, type, known)
      return line._tag === "Entry" ? Effect.succeed(line) : Effect.dieMessage("a name is an entry")
    }
    const size = yield* core.trySize(path)
    const reply = core.unknown.has("MDTM") ? undefined : yield* core.send(Command.withPath("MDTM", path))
    if (reply?.code === 500 || reply?.code === 502) core.unknown.add("MDTM")
    const modifiedAt = reply?.code === 213
      ? Option.getOrUndefined(Option.getRight(Answers.parseModified(reply)))
      : undefined
    if (Option.isSome(size)) return yield* make("file", { size: size.value, modifiedAt })
    // Directories have no SIZE, and can be entered.
    const entered = yield* ifRefused(inDirectory(core, path, Effect.void))
    if (Option.isSome(entered)) return yield* make("directory", { modifiedAt })
    if (modifiedAt !== undefined) return yield* make("file", { modifiedAt })
    return yield* new FtpError.NotFound({
      server: core.server,
      command: Command.printable(Command.withPath("CWD", path)),
      code: 550,
      lines: ["neither SIZE nor CWD finds it"],
      path: Bytes.show(typeof path === "string" ? path : core.settings.codec.decode(path))
    })
  })

export const stat = (core: Core, path: Path): Effect.Effect<Entry.Entry, Failure> => {
  if (!core.features.mlst || core.unknown.has("MLST")) return byHand(core, path)
  return Effect.gen(function*() {
    const reply = yield* core.exec(Command.withPath("MLST", path), { path })
    return yield* orFail(Mlsx.parseReply(reply, contextOf(core, yield* Clock.currentTimeMillis)))
  }).pipe(Effect.catchTag("NotSupported", () => byHand(core, path)))
}

/** What a look after an ambiguous refusal finds; `undefined` when it finds nothing out. */
export const look = (core: Core, path: Path): Effect.Effect<"exists" | "absent" | undefined, Failure> =>
  Effect.matchEffect(stat(core, path), {
    onSuccess: () => Effect.succeed("exists" as const),
    onFailure: (error) =>
      error._tag === "NotFound"
        ? Effect.succeed("absent" as const)
        : core.control.lost === undefined
        ? Effect.succeed(undefined)
        : Effect.fail(error)
  })

/** The names as the server sends them, for who asks for the bytes of a listing (`;type=d`). */
export const openNames = (
  core: Core,
  path: Path | undefined
): Effect.Effect<Download.Download, Failure, Scope.Scope> =>
  Effect.zipRight(core.scopedTurn, Download.openListing(core, Command.withPath("NLST", path), path))
