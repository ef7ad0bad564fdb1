/**
 * A local directory, to the server.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as PathService from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type { Pool, TreeEvent, TreeFailure, UploadTreeOptions } from "../../../FtpPool.js"
import type { Entry, Path } from "../../../FtpSession.js"
import * as Bytes from "../../text/bytes.js"
import * as Files from "../session/files.js"
import { conversationOf } from "../session/session.js"
import type { Settings } from "../session/settings.js"
import * as Tree from "./tree.js"

type Services = FileSystem.FileSystem | PathService.Path

interface Context {
  readonly tree: Tree.Tree<Services>
  readonly pool: Pool
  readonly options: UploadTreeOptions
  readonly settings: Settings
  /** Directories that were entered, by their real paths: links may go round in circles. */
  readonly entered: Set<string>
}

interface Local {
  readonly path: string
  readonly size: number
  readonly millis: number | undefined
}

/** The server's file is this one, as far as size and time tell. */
const isUnchanged = (entry: Entry | undefined, local: Local, exactTimes: boolean): boolean => {
  if (entry?.size !== local.size || entry.modifiedAt === undefined || local.millis === undefined) return false
  return Tree.sameTime(entry.modifiedAt, local.millis) ||
    // Without MFMT the server's time is that of the upload, which came after.
    (!exactTimes && entry.modifiedAt.date.getTime() > local.millis)
}

const file = (
  context: Context,
  from: Local,
  path: Uint8Array,
  shown: string,
  known: Entry | undefined
): Effect.Effect<void, Tree.WorkFailure, Services> =>
  Effect.gen(function*() {
    const { options, pool, settings, tree } = context
    const resume = options.resume ?? true
    yield* Tree.borrow(pool, (session) =>
      Effect.gen(function*() {
        if (resume && isUnchanged(known, from, session.features.mfmt)) {
          tree.counted("skipped")
          tree.had(from.size)
          return yield* tree.tell({ _tag: "Skipped", path: shown, localPath: from.path, reason: "Unchanged" })
        }
        // A part that this one continues is worth looking for, and a half-written large file is worth hiding.
        const isLarge = resume && from.size >= Tree.smallestPart
        const suffix = Tree.partSuffix(from.size, from.millis)
        const target = isLarge ? Bytes.concat([path, Bytes.fromBinary(suffix)]) : path
        const conversation = conversationOf(session)
        const done = yield* Files.uploadFile(conversation, from.path, target, {
          resume: isLarge,
          onBytes: tree.moved
        })
        const resumedFrom = isLarge ? from.size - done.bytes : 0
        tree.had(resumedFrom)
        if (isLarge) yield* conversation.turns.turn(Files.publish(conversation, target, path))
        if ((options.keepTimes ?? true) && session.features.mfmt && from.millis !== undefined) {
          // Not to be allowed to set a time is no reason to fail.
          yield* Effect.catchTags(session.setModified(path, new Date(from.millis)), {
            FtpReplyError: () => Effect.void,
            NotSupported: () => Effect.void
          })
        }
        tree.counted("done")
        yield* tree.tell({
          _tag: "Transferred",
          path: settings.codec.decode(path),
          localPath: from.path,
          bytes: done.bytes,
          resumedFrom
        })
      }))
  })

/** Makes the directory on the server, and gives what is in it if it was there before. */
const enter = (
  context: Context,
  path: Uint8Array,
  isRoot: boolean
): Effect.Effect<ReadonlyMap<string, Entry>, Tree.WorkFailure> =>
  Tree.borrow(context.pool, (session) =>
    Effect.gen(function*() {
      const made = path.length === 0
        ? false
        : isRoot
        ? yield* Effect.as(session.makeDirectory(path, { recursive: true }), false)
        : yield* Effect.as(session.makeDirectory(path), true).pipe(
          Effect.catchAll(() => Effect.as(session.makeDirectory(path, { recursive: true }), false))
        )
      if (made || context.options.resume === false) return new Map()
      const entries = yield* session.list(path.length === 0 ? undefined : path)
      return new Map(entries.map((entry) => [Bytes.toBinary(entry.rawName), entry]))
    }))

const directory = (
  context: Context,
  localPath: string,
  path: Uint8Array,
  depth: number
): Effect.Effect<void, Tree.WorkFailure, Services> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const local = yield* PathService.Path
    const { options, settings, tree } = context
    const follow = options.followSymbolicLinks ?? false
    if (follow) {
      const real = yield* fs.realPath(localPath)
      if (context.entered.has(real)) return
      context.entered.add(real)
    }
    const names = yield* fs.readDirectory(localPath)
    const known = yield* enter(context, path, depth === 0)
    for (const name of [...names].sort()) {
      const childLocal = local.join(localPath, name)
      const raw = yield* Tree.rawPath(settings, name)
      const childPath = Tree.childPath(path, raw)
      const shown = settings.codec.decode(childPath)
      const skip = (reason: "SymbolicLink" | "Special" | "Filtered"): Effect.Effect<void> => {
        tree.leftOut()
        return tree.tell({ _tag: "Skipped", path: shown, localPath: childLocal, reason })
      }
      if (options.filter !== undefined && !options.filter(childLocal)) {
        yield* skip("Filtered")
        continue
      }
      // Whoever can put a link there could have any file of this machine sent.
      if (!follow && (yield* Effect.isSuccess(fs.readLink(childLocal)))) {
        yield* skip("SymbolicLink")
        continue
      }
      const info = yield* fs.stat(childLocal)
      if (info.type !== "File" && info.type !== "Directory") {
        yield* skip("Special")
        continue
      }
      const isDirectory = info.type === "Directory"
      const from: Local = {
        path: childLocal,
        size: Number(info.size),
        millis: Option.getOrUndefined(Option.map(info.mtime, (mtime) => mtime.getTime()))
      }
      if (!isDirectory) tree.found(from.size)
      yield* tree.add({
        path: shown,
        localPath: childLocal,
        isDirectory,
        depth: depth + 1,
        run: isDirectory
          ? directory(context, childLocal, childPath, depth + 1)
          : file(context, from, childPath, shown, known.get(Bytes.toBinary(raw)))
      })
    }
  })

export const run = (
  pool: Pool,
  settings: Settings,
  localPath: string,
  path: Path,
  options: UploadTreeOptions
): Stream.Stream<TreeEvent, TreeFailure, Services> =>
  Tree.stream<Services>(pool, options, settings, (tree) =>
    Effect.map(Tree.rawPath(settings, path), (raw) => ({
      path: settings.codec.decode(raw),
      localPath,
      isDirectory: true,
      depth: 0,
      run: directory({ tree, pool, options, settings, entered: new Set() }, localPath, raw, 0)
    })))
