/**
 * A directory of the server, to the local disk.
 */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as PathService from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type { DownloadTreeOptions, Pool, TreeEvent, TreeFailure } from "../../../FtpPool.js"
import type { Entry, ListingLine, Path } from "../../../FtpSession.js"
import * as Causes from "../../effect/causes.js"
import * as SafeName from "../safeName.js"
import * as Files from "../session/files.js"
import * as Listing from "../session/listing.js"
import { conversationOf } from "../session/session.js"
import type { Settings } from "../session/settings.js"
import * as Tree from "./tree.js"

type Services = FileSystem.FileSystem | PathService.Path
type DownloadingTree = Tree.Tree<Services>

interface Context {
  readonly tree: DownloadingTree
  readonly pool: Pool
  readonly options: DownloadTreeOptions
  readonly settings: Settings
}

const infoOf = (
  fs: FileSystem.FileSystem,
  path: string
): Effect.Effect<Option.Option<FileSystem.File.Info>, PlatformError> =>
  Effect.catchIf(Effect.asSome(fs.stat(path)), Causes.isNotFound, () => Effect.succeedNone)

const isUnchanged = (entry: Entry, info: FileSystem.File.Info): boolean =>
  info.type === "File" && entry.size === Number(info.size) && entry.modifiedAt !== undefined &&
  Option.exists(info.mtime, (mtime) => Tree.sameTime(entry.modifiedAt!, mtime.getTime()))

/**
 * One file. A small one is written at once when it is whole, a large one to a name of its own until it is. `known` has what
 * is in the local directory already.
 */
const file = (
  context: Context,
  entry: Entry,
  path: Uint8Array,
  shown: string,
  name: string,
  localPath: string,
  known: ReadonlySet<string>
): Effect.Effect<void, Tree.WorkFailure, Services> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const { options, pool, tree } = context
    const resume = options.resume ?? true
    const info = resume && known.has(name) ? yield* infoOf(fs, localPath) : Option.none()
    if (Option.exists(info, (info) => isUnchanged(entry, info))) {
      tree.counted("skipped")
      tree.had(entry.size!)
      return yield* tree.tell({ _tag: "Skipped", path: shown, localPath, reason: "Unchanged" })
    }
    const millis = entry.modifiedAt?.date.getTime()
    const sized = entry.size === undefined ? {} : { size: entry.size }
    const isSmall = entry.size !== undefined && entry.size < Tree.smallestPart
    let resumed = 0
    let bytes: number
    if (isSmall) {
      const whole = yield* Tree.borrow(pool, (session) =>
        // The bound is the size that is verified anyway; a server that sends on and on is cut there.
        Files.get(conversationOf(session), path, {
          ...sized,
          onBytes: tree.moved,
          maxBytes: Tree.mostSmall
        }))
      yield* fs.writeFile(localPath, whole)
      bytes = whole.length
    } else {
      // Without size and time it is not known to which file a part belongs.
      const canResume = resume && entry.size !== undefined && millis !== undefined
      const suffix = entry.size === undefined ? ".part" : Tree.partSuffix(entry.size, millis)
      const part = localPath + suffix
      const before = canResume && known.has(name + suffix)
        ? Option.match(yield* infoOf(fs, part), { onNone: () => 0, onSome: (info) => Number(info.size) })
        : 0
      resumed = before <= (entry.size ?? 0) ? before : 0
      const done = yield* Tree.borrow(pool, (session) => {
        tree.had(resumed)
        return Files.downloadFile(conversationOf(session), path, part, {
          resume: resumed > 0,
          onBytes: tree.moved,
          ...sized
        })
      })
      bytes = done.bytes
      yield* fs.rename(part, localPath)
    }
    if ((options.keepTimes ?? true) && millis !== undefined) yield* fs.utimes(localPath, millis / 1000, millis / 1000)
    tree.counted("done")
    yield* tree.tell({ _tag: "Transferred", path: shown, localPath, bytes, resumedFrom: resumed })
  })

const directory = (
  context: Context,
  path: Uint8Array,
  localPath: string,
  depth: number
): Effect.Effect<void, Tree.WorkFailure, Services> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const local = yield* PathService.Path
    const { options, pool, settings, tree } = context
    const shownDirectory = settings.codec.decode(path)
    // The server goes first: no directory is made for one that cannot be listed.
    const listed = yield* Tree.borrow(pool, (session) => {
      const conversation = conversationOf(session)
      const at = path.length === 0 ? undefined : path
      return conversation.turns.turn(Listing.understood(conversation, at, "bytes"))
    })
    yield* fs.makeDirectory(localPath, { recursive: true })
    const known = new Set(yield* fs.readDirectory(localPath))
    const lines = listed.lines[Symbol.iterator]()
    const one = (line: ListingLine): Effect.Effect<void, TreeFailure> => {
      if (line._tag === "Unparsed") {
        return tree.tell({ _tag: "Unreadable", directory: shownDirectory, text: line.text })
      }
      if (line.role !== "child") return Effect.void
      const safe = SafeName.make(line.rawName, { codec: settings.codec, server: settings.server })
      if (Either.isLeft(safe)) {
        tree.leftOut()
        return tree.tell({ _tag: "UnsafeName", directory: shownDirectory, error: safe.left })
      }
      const childPath = Tree.childPath(path, line.rawName)
      const shown = settings.codec.decode(childPath)
      const childLocal = local.join(localPath, safe.right)
      const skip = (reason: "SymbolicLink" | "Special" | "Filtered"): Effect.Effect<void> => {
        tree.leftOut()
        return tree.tell({ _tag: "Skipped", path: shown, localPath: childLocal, reason })
      }
      if (options.filter !== undefined && !options.filter(line, shown)) return skip("Filtered")
      if (line.type === "link") return skip("SymbolicLink")
      if (line.type === "other") return skip("Special")
      const isDirectory = line.type === "directory"
      if (!isDirectory) tree.found(line.size ?? 0)
      return tree.add({
        path: shown,
        localPath: childLocal,
        isDirectory,
        depth: depth + 1,
        run: isDirectory
          ? directory(context, childPath, childLocal, depth + 1)
          : file(context, line, childPath, shown, safe.right, childLocal, known)
      })
    }
    // Line by line, as files are taken off the list: a large directory is never held as a whole.
    const feed: Effect.Effect<void, Tree.WorkFailure, Services> = Effect.suspend(() => {
      if (tree.isFull) {
        tree.defer({ path: shownDirectory, localPath, isDirectory: true, depth, run: feed })
        return Effect.void
      }
      const next = lines.next()
      return next.done === true ? Effect.void : Effect.zipRight(one(next.value), feed)
    })
    yield* feed
  })

export const run = (
  pool: Pool,
  settings: Settings,
  path: Path,
  localPath: string,
  options: DownloadTreeOptions
): Stream.Stream<TreeEvent, TreeFailure, Services> =>
  Tree.stream<Services>(pool, options, settings, (tree) =>
    Effect.map(Tree.rawPath(settings, path), (raw) => ({
      path: settings.codec.decode(raw),
      localPath,
      isDirectory: true,
      depth: 0,
      run: directory({ tree, pool, options, settings }, raw, localPath, 0)
    })))
