/**
 * Several sessions with one server: transfers in parallel, and whole trees with one progress for all of it.
 *
 * At most `size` sessions are open; who wants one more waits. A session that was given up, or that the server has closed
 * while it was idle (`checkAfter`), is replaced. A borrowed session comes in the directory that the login begins in,
 * whoever had it before.
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
 * @since 0.1.0
 * @category models
 */
export interface PoolOptions extends Options {
  /** The most sessions at once. Default 4. Servers limit them, too, and answer 421 or 530 past their limit. */
  readonly size?: number | undefined
  /** A session that was idle for longer is asked (NOOP) before it is given out. Default 10 seconds. */
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
    /** Transferred now. */
    readonly done: number
    readonly skipped: number
    readonly failed: number
    /** Found so far. */
    readonly total: number
  }
  readonly bytes: {
    /** Moved now, over the wire. */
    readonly moved: number
    /** Of the total, those that are at their place: moved now, or there before. */
    readonly done: number
    /** Of the files found so far. */
    readonly total: number
  }
  /** Directories are still being listed, so the totals grow. */
  readonly isListing: boolean
  /** In bytes a second, over the last few seconds. */
  readonly rate: number
  /** For what is left of the total, at this rate. None before there is a rate. */
  readonly timeLeft: Option.Option<Duration.Duration>
}

/**
 * What happens while a tree is copied.
 *
 * - `Transferred`: a file is at its place, verified; `resumedFrom` says how much of it was there before
 * - `Skipped`: it is there already (`Unchanged`), or is no file (`SymbolicLink`, `Special`)
 * - `UnsafeName`: the server's name cannot be a local one; nothing was written for it
 * - `Unreadable`: a line of a listing that is no entry
 * - `Failed`: one file or directory failed, and the rest goes on (`onFailure: "continue"`)
 * - `Moving`: nothing but time went by
 * - `Completed`: the last event of a tree that is through
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
    | { readonly _tag: "Moving" }
    | { readonly _tag: "Completed" }
  )

/**
 * What copying a tree can fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type TreeFailure = ConnectFailure | PlatformError | MessageTooLong

/**
 * @since 0.1.0
 * @category models
 */
export interface TreeOptions {
  /**
   * Leave out what is at its place already (same size, same time), and go on with files that came in part. Default
   * true. A large file stands under its own name only when it is whole: until then it has `.part` behind it. Without
   * `resume` one that goes up has its own name from the beginning.
   */
  readonly resume?: boolean | undefined
  /** `"fail"` (the default) ends the stream with the first failure; `"continue"` tells of it and goes on. */
  readonly onFailure?: "fail" | "continue" | undefined
  /** Give copies the time of their originals: local ones always, those on a server that has MFMT. Default true. */
  readonly keepTimes?: boolean | undefined
  /** How deep directories may lie in each other. Default 64. */
  readonly maxDepth?: number | undefined
  /** The most files and directories in all. Default 1 000 000. */
  readonly maxEntries?: number | undefined
  /** How often `Moving` comes. Default half a second. */
  readonly progressEvery?: Duration.DurationInput | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface DownloadTreeOptions extends TreeOptions {
  /** Which entries to take; directories that are left out are not entered. */
  readonly filter?: ((entry: Entry, path: string) => boolean) | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface UploadTreeOptions extends TreeOptions {
  /** Take what local symbolic links point to. Default false: they are skipped. */
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
  /** A session of one's own for as long as the scope lasts. *Interruption* while waiting takes none. */
  readonly session: Effect.Effect<Session, ConnectFailure, Scope.Scope>
  /** Runs `f` with a session of one's own. */
  readonly use: <A, E, R>(f: (session: Session) => Effect.Effect<A, E, R>) => Effect.Effect<A, E | ConnectFailure, R>
  readonly stats: Effect.Effect<{ readonly open: number; readonly idle: number }>
  /**
   * Copies a directory of the server with all that is in it to a local one, which is made if it is not there. Names
   * that are not safe locally, and links, are told and left out.
   *
   * *Interruption* aborts the transfers under way; what came of them is kept for the next time.
   */
  readonly downloadDirectory: (
    path: Path,
    localPath: string,
    options?: DownloadTreeOptions
  ) => Stream.Stream<TreeEvent, TreeFailure, FileSystem | PathService>
  /** Copies a local directory to the server. Local symbolic links are skipped unless asked for. */
  readonly uploadDirectory: (
    localPath: string,
    path: Path,
    options?: UploadTreeOptions
  ) => Stream.Stream<TreeEvent, TreeFailure, FileSystem | PathService>
}

/**
 * A pool. Nothing is connected until a session is wanted; the options are checked now.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: PoolOptions): Effect.Effect<Pool, ConnectFailure, Net | Scope.Scope> =>
  Pool_.make(options)
