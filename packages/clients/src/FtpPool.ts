/**
 * Several sessions with one server: transfers in parallel, and whole trees with one progress for all of it.
 *
 * At most `size` sessions are open; a caller that needs one more waits. The pool replaces a session that has ended, or
 * that the server closed while it was idle (`checkAfter`). A borrowed session is in the directory of the log-in, whatever
 * its last borrower did.
 *
 * @since 0.1.0
 */
import type { Net } from "@copas/core/Net"
import type { MessageTooLong } from "@copas/core/SocketError"
import type { PlatformError } from "@effect/platform/Error"
import type { FileSystem } from "@effect/platform/FileSystem"
import type { Path as PathService } from "@effect/platform/Path"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { UnsafeFileName } from "./FtpError.js"
import type { ConnectFailure, Entry, Options, Path, Session } from "./FtpSession.js"
import * as Pool_ from "./internal/ftp/pool/pool.js"

/**
 * Options of a pool, beside those of its sessions.
 *
 * @since 0.1.0
 * @category models
 */
export interface PoolOptions extends Options {
  /**
   * The most sessions at once. Default 4. Servers limit them too, and answer 421 or 530 past their limit: then the pool
   * continues with the sessions that it has, and says so once (a warning in the log, `limit`, and `Limited` in a tree).
   */
  readonly size?: number | undefined
  /** The pool checks a session that was idle for longer, by NOOP, before it lends it. Default 10 seconds. */
  readonly checkAfter?: Duration.DurationInput | undefined
}

/**
 * How far a whole tree is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Progress {
  readonly files: {
    /** Transferred by this copy. */
    readonly done: number
    readonly skipped: number
    readonly failed: number
    /** Found so far. */
    readonly total: number
  }
  readonly bytes: {
    /** The bytes that this copy has moved over the wire. */
    readonly moved: number
    /** The part of the total that is in place: moved by this copy, or there before. */
    readonly done: number
    /** The bytes of the files found so far. */
    readonly total: number
  }
  /** Directories are still being listed, so the totals grow. */
  readonly isListing: boolean
  /** In bytes a second, over the last few seconds. */
  readonly rate: number
  /** The time for the rest of the total at this rate. None before there is a rate. */
  readonly timeLeft: Option.Option<Duration.Duration>
}

/**
 * An event of a tree that is being copied.
 *
 * - `Transferred`: a file is in place and verified; `resumedFrom` says how much of it was there before
 * - `Skipped`: the file is in place already (`Unchanged`), is not a file (`SymbolicLink`, `Special`), or was left out by
 *   the filter (`Filtered`)
 * - `UnsafeName`: the server's name cannot be a local one; nothing was written for it
 * - `Unreadable`: a line of a listing that is not an entry
 * - `Limited`: the server takes fewer sessions than the pool would open; the copy continues with those
 * - `Failed`: one file or directory failed, and the copy continues (`onFailure: "continue"`)
 * - `Moving`: the progress, at regular times
 * - `Completed`: the last event: the whole tree is copied
 *
 * @since 0.1.0
 * @category models
 */
export type TreeEvent =
  & { readonly progress: Progress }
  & (
    | {
      readonly _tag: "Transferred"
      readonly path: string
      readonly localPath: string
      readonly bytes: number
      readonly resumedFrom: number
    }
    | {
      readonly _tag: "Skipped"
      readonly path: string
      readonly localPath: string
      readonly reason: "Unchanged" | "SymbolicLink" | "Special" | "Filtered"
    }
    | { readonly _tag: "UnsafeName"; readonly directory: string; readonly error: UnsafeFileName }
    | { readonly _tag: "Unreadable"; readonly directory: string; readonly text: string }
    | { readonly _tag: "Failed"; readonly path: string; readonly localPath: string; readonly error: TreeFailure }
    | { readonly _tag: "Limited"; readonly sessions: number }
    | { readonly _tag: "Moving" }
    | { readonly _tag: "Completed" }
  )

/**
 * The errors of copying a tree.
 *
 * @since 0.1.0
 * @category errors
 */
export type TreeFailure = ConnectFailure | PlatformError | MessageTooLong

/**
 * Options of copying a tree, in either direction.
 *
 * @since 0.1.0
 * @category models
 */
export interface TreeOptions {
  /**
   * Skip files that are in place (same size, same time), and continue files of which a part is there. Default true. A
   * large file has the suffix `.part` until it is complete; when uploading, only with `resume`.
   */
  readonly resume?: boolean | undefined
  /**
   * `"fail"` (the default) ends the stream with the first failure; `"continue"` makes it an event. Either way a tree fails
   * when no session can be had any more.
   */
  readonly onFailure?: "fail" | "continue" | undefined
  /** Give copies the time of their originals: local copies always, uploads if the server has MFMT. Default true. */
  readonly keepTimes?: boolean | undefined
  /** How deep directories may be nested. Default 64. */
  readonly maxDepth?: number | undefined
  /** The most files and directories in all. Default 1 000 000. */
  readonly maxEntries?: number | undefined
  /** The time between two `Moving` events. Default half a second. */
  readonly progressEvery?: Duration.DurationInput | undefined
}

/**
 * Options of `downloadDirectory`.
 *
 * @since 0.1.0
 * @category models
 */
export interface DownloadTreeOptions extends TreeOptions {
  /** The entries to copy; directories that are left out are not listed. */
  readonly filter?: ((entry: Entry, path: string) => boolean) | undefined
}

/**
 * Options of `uploadDirectory`.
 *
 * @since 0.1.0
 * @category models
 */
export interface UploadTreeOptions extends TreeOptions {
  /** Copy the targets of local symbolic links. Default false: links are skipped. */
  readonly followSymbolicLinks?: boolean | undefined
  readonly filter?: ((localPath: string) => boolean) | undefined
}

/**
 * A pool of sessions. Its scope closes them all.
 *
 * @since 0.1.0
 * @category models
 */
export interface Pool {
  /** The most sessions at once. */
  readonly size: number
  /** Lends a session for as long as the scope lasts. *Interruption* while waiting takes none. */
  readonly session: Effect.Effect<Session, ConnectFailure, Scope.Scope>
  /** Runs `f` with a session that no other caller has meanwhile. */
  readonly use: <A, E, R>(f: (session: Session) => Effect.Effect<A, E, R>) => Effect.Effect<A, E | ConnectFailure, R>
  /** How many sessions are open, and how many of them are idle. */
  readonly stats: Effect.Effect<{ readonly open: number; readonly idle: number }>
  /** How many sessions the server takes, once it has refused one more; none before. */
  readonly limit: Effect.Effect<Option.Option<number>>
  /**
   * Copies a directory of the server with everything in it to a local directory, and makes that if it does not exist. Names
   * that are not safe locally, and links, are skipped, with an event for each.
   *
   * *Interruption* aborts the transfers under way, and keeps their parts for the next copy.
   */
  readonly downloadDirectory: (
    path: Path,
    localPath: string,
    options?: DownloadTreeOptions
  ) => Stream.Stream<TreeEvent, TreeFailure, FileSystem | PathService>
  /**
   * Copies a local directory to the server. Local symbolic links are skipped unless `followSymbolicLinks` is set.
   *
   * *Interruption* aborts the transfers under way.
   */
  readonly uploadDirectory: (
    localPath: string,
    path: Path,
    options?: UploadTreeOptions
  ) => Stream.Stream<TreeEvent, TreeFailure, FileSystem | PathService>
}

/**
 * Makes a pool. It checks the options now, and connects when a session is needed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: PoolOptions): Effect.Effect<Pool, ConnectFailure, Net | Scope.Scope> =>
  Pool_.make(options)
