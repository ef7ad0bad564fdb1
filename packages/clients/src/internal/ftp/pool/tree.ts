/**
 * What copying trees in both directions has in common: a list of work that some workers share, and one progress.
 */
import { suspendCancellable } from "@copas/core/Transport"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as FtpError from "../../../FtpError.js"
import type { Pool, Progress, TreeEvent, TreeFailure, TreeOptions } from "../../../FtpPool.js"
import type { ConnectFailure, Path, Session, Timestamp } from "../../../FtpSession.js"
import * as Causes from "../../effect/causes.js"
import { millisOf } from "../../effect/fibers.js"
import * as Bytes from "../../text/bytes.js"
import type { Settings } from "../session/settings.js"

type Told = TreeEvent extends infer Event ? Event extends TreeEvent ? Omit<Event, "progress"> : never : never

/** No session could be had for a piece of work. */
class Unreachable {
  readonly _tag = "Unreachable"
  readonly error: ConnectFailure
  constructor(error: ConnectFailure) {
    this.error = error
  }
}

export type WorkFailure = TreeFailure | Unreachable

/** Runs `use` with a session of the pool. */
export const borrow = <A, E, R>(
  pool: Pool,
  use: (session: Session) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | Unreachable, Exclude<R, Scope.Scope>> =>
  Effect.scoped(Effect.flatMap(Effect.mapError(pool.session, (error) => new Unreachable(error)), use))

/** One piece of work; it may put more on the list. */
export interface Task<R> {
  readonly path: string
  readonly localPath: string
  readonly isDirectory: boolean
  readonly depth: number
  readonly run: Effect.Effect<void, WorkFailure, R>
}

interface Sample {
  readonly at: number
  readonly moved: number
  readonly files: number
}

/** Over how many milliseconds the rate is taken, and how far its samples lie apart. */
const window = 5000
const between = 250

/** How many files may wait: more of a directory are read as they are taken. */
const mostWaiting = 1000

export class Tree<R> {
  readonly options: TreeOptions
  readonly settings: Settings
  private readonly pool: Pool
  private readonly mailbox: Mailbox.Mailbox<TreeEvent, TreeFailure>
  private readonly directories: Array<Task<R>> = []
  private readonly files: Array<Task<R>> = []
  private active = 0
  private workers = 0
  private saysLimit = true
  private listing = 0
  private entries = 0
  private waiters: Array<() => void> = []
  private readonly counts = { done: 0, skipped: 0, failed: 0, total: 0 }
  private readonly bytes = { moved: 0, done: 0, total: 0 }
  private samples: Array<Sample> = []

  constructor(pool: Pool, options: TreeOptions, settings: Settings, mailbox: Mailbox.Mailbox<TreeEvent, TreeFailure>) {
    this.pool = pool
    this.options = options
    this.settings = settings
    this.mailbox = mailbox
  }

  // ---- counting

  found(size: number): void {
    this.counts.total += 1
    this.bytes.total += size
  }

  readonly moved = (count: number): void => {
    this.bytes.moved += count
    this.bytes.done += count
  }

  /** Bytes that were at their place before. */
  had(count: number): void {
    this.bytes.done += count
  }

  counted(what: "done" | "skipped" | "failed"): void {
    this.counts[what] += 1
  }

  /** An entry that is no file to copy, or may not be copied. */
  leftOut(): void {
    this.counts.total += 1
    this.counts.skipped += 1
  }

  private progress(at: number): Progress {
    const { bytes, counts, samples } = this
    const files = counts.done + counts.skipped + counts.failed
    const last = samples[samples.length - 1]
    if (last === undefined || at - last.at >= between) samples.push({ at, moved: bytes.moved, files })
    while (samples.length > 2 && at - samples[1]!.at >= window) samples.shift()
    const first = samples[0]!
    const millis = at - first.at
    const rate = millis > 0 ? (bytes.moved - first.moved) / millis * 1000 : 0
    const fileRate = millis > 0 ? (files - first.files) / millis * 1000 : 0
    // Small files cost time and hardly any bytes: what takes longer of the two is what is left.
    const left = Math.max(
      rate > 0 ? Math.max(0, bytes.total - bytes.done) / rate : 0,
      fileRate > 0 ? Math.max(0, counts.total - files) / fileRate : 0
    )
    return {
      files: { ...counts },
      bytes: { ...bytes },
      isListing: this.listing > 0,
      rate,
      timeLeft: rate > 0 || fileRate > 0 ? Option.some(Duration.seconds(left)) : Option.none()
    }
  }

  tell(event: Told): Effect.Effect<void> {
    const offer = Effect.clockWith((clock) =>
      Effect.asVoid(
        this.mailbox.offer({ ...event, progress: this.progress(millisOf(clock)) } as TreeEvent)
      )
    )
    if (!this.saysLimit) return offer
    return Effect.flatMap(this.pool.limit, (limit) => {
      if (Option.isNone(limit) || !this.saysLimit) return offer
      this.saysLimit = false
      return Effect.zipRight(this.tell({ _tag: "Limited", sessions: limit.value }), offer)
    })
  }

  // ---- the list of work

  add(task: Task<R>): Effect.Effect<void, FtpError.InvalidArgument> {
    const { maxDepth = 64, maxEntries = 1_000_000 } = this.options
    this.entries += 1
    const bound = (what: string, limit: number, option: string): Effect.Effect<never, FtpError.InvalidArgument> =>
      Effect.fail(
        new FtpError.InvalidArgument({
          protocol: "ftp",
          what: "a tree",
          argument: Bytes.show(task.path),
          reason: `${what} than ${limit}; raise \`${option}\` if that is right`
        })
      )
    if (this.entries > maxEntries) return bound("it has more entries", maxEntries, "maxEntries")
    if (task.depth > maxDepth) return bound("it lies deeper", maxDepth, "maxDepth")
    if (task.isDirectory) {
      this.directories.push(task)
      this.listing += 1
    } else this.files.push(task)
    this.wakeAll()
    return Effect.void
  }

  /** So many files wait that no more of a directory are to be added. */
  get isFull(): boolean {
    return this.files.length >= mostWaiting
  }

  /** Puts the rest of a piece of work on the list. */
  defer(task: Task<R>): void {
    this.directories.push(task)
    this.listing += 1
    this.wakeAll()
  }

  private wakeAll(): void {
    const { waiters } = this
    this.waiters = []
    for (const wake of waiters) wake()
  }

  /** Files go first, so that the list stays short; the last directory before the first, for the same reason. */
  private take(): Task<R> | undefined {
    const task = this.files.pop() ?? this.directories.pop()
    if (task !== undefined) this.active += 1
    return task
  }

  private get worker(): Effect.Effect<void, TreeFailure, R> {
    return Effect.suspend(() => {
      const task = this.take()
      if (task !== undefined) {
        return Effect.flatMap(this.perform(task), (isReached) => isReached ? this.worker : Effect.void)
      }
      if (this.active === 0) return Effect.void
      return Effect.zipRight(
        suspendCancellable<void>((resume) => {
          const wake = (): void => resume(Effect.void)
          this.waiters.push(wake)
          return Effect.sync(() => {
            this.waiters = this.waiters.filter((other) => other !== wake)
          })
        }),
        this.worker
      )
    })
  }

  /** Gives false where no session could be had: the work is on the list again, for the workers that have one. */
  private perform(task: Task<R>): Effect.Effect<boolean, TreeFailure, R> {
    const failed = (error: TreeFailure): Effect.Effect<boolean, TreeFailure> => {
      if (this.options.onFailure !== "continue") return Effect.fail(error)
      if (task.isDirectory) this.counts.total += 1
      this.counted("failed")
      return Effect.as(
        this.tell({ _tag: "Failed", path: task.path, localPath: task.localPath, error }),
        true
      )
    }
    const handled = Effect.matchEffect(task.run, {
      onFailure: (error): Effect.Effect<boolean, TreeFailure> => {
        if (error._tag !== "Unreachable") return failed(error)
        this.workers -= 1
        // Nobody can connect any more, so nothing of what is left can be copied.
        if (this.workers === 0) return Effect.fail(error.error)
        if (task.isDirectory) this.defer(task)
        else this.files.push(task)
        return Effect.succeed(false)
      },
      onSuccess: () => Effect.succeed(true)
    })
    return Effect.ensuring(
      handled,
      Effect.sync(() => {
        this.active -= 1
        if (task.isDirectory) this.listing -= 1
        this.wakeAll()
      })
    )
  }

  private get ticking(): Effect.Effect<never> {
    return Effect.forever(
      Effect.zipRight(Effect.sleep(this.options.progressEvery ?? "500 millis"), this.tell({ _tag: "Moving" }))
    )
  }

  run(first: Task<R>): Effect.Effect<void, TreeFailure, R> {
    this.workers = this.pool.size
    const all = Effect.all(Array.from({ length: this.pool.size }, () => this.worker), {
      concurrency: "unbounded",
      discard: true
    })
    return Effect.zipRight(
      this.add(first),
      Effect.zipRight(Effect.raceFirst(all, Effect.interruptible(this.ticking)), this.tell({ _tag: "Completed" }))
    )
  }
}

/** The stream of a tree's events. Stopping to read it stops the copy. */
export const stream = <R>(
  pool: Pool,
  options: TreeOptions,
  settings: Settings,
  first: (tree: Tree<R>) => Effect.Effect<Task<R>, TreeFailure, R>
): Stream.Stream<TreeEvent, TreeFailure, R> =>
  Stream.unwrapScoped(Effect.gen(function*() {
    const mailbox = yield* Mailbox.make<TreeEvent, TreeFailure>(64)
    const tree = new Tree<R>(pool, options, settings, mailbox)
    const copying = Effect.flatMap(first(tree), (task) => tree.run(task))
    yield* Effect.forkScoped(Effect.matchCauseEffect(copying, {
      onFailure: (cause) => mailbox.failCause(Causes.firstFailure(cause)),
      onSuccess: () => mailbox.end
    }))
    return Mailbox.toStream(mailbox)
  }))

// ---- what both directions need

const slash = Bytes.fromBinary("/")

/** A child's path in bytes, which name it whatever its encoding. */
export const childPath = (directory: Uint8Array, name: Uint8Array): Uint8Array =>
  directory.length === 0
    ? name
    : Bytes.concat(directory[directory.length - 1] === 47 ? [directory, name] : [directory, slash, name])

export const rawPath = (settings: Settings, path: Path): Effect.Effect<Uint8Array, FtpError.InvalidArgument> => {
  if (typeof path !== "string") return Effect.succeed(path)
  return Option.match(settings.codec.encode(path), {
    onNone: () =>
      Effect.fail(
        new FtpError.InvalidArgument({
          protocol: "ftp",
          what: "a path",
          argument: Bytes.show(path),
          reason: `a character of it has no bytes in ${settings.codec.name}`
        })
      ),
    onSome: (bytes) => Effect.succeed(bytes)
  })
}

const units = { millisecond: 1, second: 1000, minute: 60_000, day: 86_400_000 }

/** Whether two times are the same, as exactly as the server gives them. */
export const sameTime = (time: Timestamp, millis: number): boolean => {
  const unit = Math.max(1000, units[time.precision])
  return Math.floor(time.date.getTime() / unit) === Math.floor(millis / unit)
}

/**
 * Behind a file's name while it is not whole. It tells which file it is a part of: another size or time, another part.
 */
export const partSuffix = (size: number, millis: number | undefined): string =>
  `.${size.toString(36)}-${millis === undefined ? "0" : Math.floor(millis / 1000).toString(36)}.part`

/** Smaller files are sent again: looking for a part would take longer. */
export const smallestPart = 256 * 1024

/** A file that was small when it was listed may have grown meanwhile, but not past all measure. */
export const mostSmall = 64 * 1024 * 1024
