/** Opens files below a directory, and proves by the open handle itself that they are below it: no race with whoever changes links. */
import { suspendCancellable } from "@copas/core/Transport"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { promisify } from "node:util"

/** Why a file is not to be had: what the client is answered, and what the log says. */
export class Refusal extends Data.TaggedError("Refusal")<{
  readonly status: 400 | 403 | 404 | 500 | 503
  readonly why: string
  readonly cause?: unknown
}> {}

const statuses: Readonly<Record<string, Refusal["status"]>> = {
  ENOENT: 404,
  ENOTDIR: 404,
  ENAMETOOLONG: 404,
  ELOOP: 404,
  // A socket's file.
  ENXIO: 404,
  EACCES: 403,
  EPERM: 403,
  EMFILE: 503,
  ENFILE: 503,
  ENOMEM: 503
}

const refusalOf = (cause: unknown): Refusal => {
  if (cause instanceof Refusal) return cause
  const code = (cause as NodeJS.ErrnoException).code ?? ""
  return new Refusal({ status: statuses[code] ?? 500, why: code || String(cause), cause })
}

/**
 * Waits for a promise of file operations. If the fiber is interrupted, `drop` gets what the promise still brings, or has
 * brought: nothing stays open.
 */
export const settle = <A>(begin: () => Promise<A>, drop: (value: A) => void): Effect.Effect<A, Refusal> =>
  suspendCancellable<A, Refusal>((resume) => {
    let isLeft = false
    let got: { readonly value: A } | undefined
    begin().then((value) => {
      if (isLeft) return drop(value)
      got = { value }
      resume(Effect.succeed(value))
    }, (cause) => resume(Effect.fail(refusalOf(cause))))
    return Effect.sync(() => {
      isLeft = true
      if (got !== undefined) drop(got.value)
    })
  })

const ignore = (): void => {}

const open = promisify(Fs.open)
const read = promisify(Fs.read)
const stat = promisify(Fs.stat)
const realpath = promisify(Fs.realpath.native)
const fstat = (fd: number): Promise<Fs.BigIntStats> =>
  new Promise((resolve, reject) =>
    Fs.fstat(fd, { bigint: true }, (error, stats) => error === null ? resolve(stats) : reject(error))
  )

/** A file or directory that is open for reading. */
export class Handle {
  readonly fd: number
  /** Where it was when it was opened, without links if it was opened below a root. */
  readonly realPath: string
  readonly stats: Fs.BigIntStats
  private reads = 0
  private isClosed = false

  constructor(fd: number, realPath: string, stats: Fs.BigIntStats) {
    this.fd = fd
    this.realPath = realPath
    this.stats = stats
  }

  /** Reads until there are `length` bytes; fewer come only if the file ends before. */
  readonly read = async (position: number, length: number): Promise<Uint8Array> => {
    // Not of the shared pool: the bytes are handed on.
    const bytes = Buffer.allocUnsafeSlow(length)
    let filled = 0
    this.reads++
    try {
      while (filled < length && !this.isClosed) {
        const { bytesRead } = await read(this.fd, bytes, filled, length - filled, position + filled)
        if (bytesRead === 0) break
        filled += bytesRead
      }
    } finally {
      if (--this.reads === 0 && this.isClosed) Fs.close(this.fd, ignore)
    }
    return filled === length ? bytes : bytes.subarray(0, filled)
  }

  /** Closes it as soon as no read is under way: the number of a closed handle may name another file at once. */
  readonly close = (): void => {
    if (this.isClosed) return
    this.isClosed = true
    if (this.reads === 0) Fs.close(this.fd, ignore)
  }
}

/** A directory whose files are served. */
export interface Root {
  /** As it was given, made absolute. It may be a link that a deploy moves: files are opened through it. */
  readonly path: string
  /** Where `path` led when somebody looked last. */
  real: string
}

/** Looks where the directory is. Fails if it is none. */
export const rootAt = (path: string): Effect.Effect<Root, Refusal> =>
  settle(async () => {
    const absolute = Path.resolve(path)
    const real = await realpath(absolute)
    const stats = await stat(real)
    if (!stats.isDirectory()) throw new Refusal({ status: 404, why: "ENOTDIR" })
    return { path: absolute, real }
  }, ignore)

export const isWithin = (directory: string, path: string): boolean =>
  path === directory || path.startsWith(directory.endsWith(Path.sep) ? directory : directory + Path.sep)

/** Where an open file is: as the kernel says, or the path's own end if that is the very file that is open. */
const realPathOf = async (fd: number, stats: Fs.BigIntStats, path: string): Promise<string> => {
  if (process.platform === "linux") {
    try {
      // The kernel answers from memory.
      return Fs.readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      // No /proc here.
    }
  }
  const real = await realpath(path)
  const there = await stat(real, { bigint: true })
  if (there.dev === stats.dev && there.ino === stats.ino) return real
  throw new Refusal({ status: 404, why: "the path changed while it was opened" })
}

// Opening a FIFO that nobody writes to would wait, and a terminal would become this process's own.
const { O_NOCTTY = 0, O_NONBLOCK = 0, O_RDONLY } = Fs.constants

/** Without a root any place is right. */
const openAt = async (path: string, root?: Root): Promise<Handle> => {
  const fd = await open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY)
  try {
    const stats = await fstat(fd)
    if (root === undefined) return new Handle(fd, path, stats)
    const real = await realPathOf(fd, stats, path)
    if (!isWithin(root.real, real)) {
      root.real = await realpath(root.path)
      if (!isWithin(root.real, real)) throw new Refusal({ status: 404, why: "a link out of the directory" })
    }
    return new Handle(fd, real, stats)
  } catch (cause) {
    Fs.close(fd, ignore)
    throw cause
  }
}

/**
 * Opens what the names lead to below the root: a file, a directory, or something else; see `stats`. Links are followed as
 * long as what they lead to is below the root. Whoever gets the handle closes it: call this where an interruption cannot
 * come between, with only this effect interruptible.
 */
export const openWithin = (root: Root, names: ReadonlyArray<string>): Effect.Effect<Handle, Refusal> =>
  settle(() => openAt(Path.join(root.path, ...names), root), (handle) => handle.close())

/** The same at a path that the program chose. */
export const openFile = (path: string): Effect.Effect<Handle, Refusal> =>
  settle(() => openAt(path), (handle) => handle.close())
