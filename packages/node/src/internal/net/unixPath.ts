/** Files of Unix-domain sockets: length, mode, stale files, removal. */
import * as Fs from "node:fs"
import * as NodeNet from "node:net"
import * as Path from "node:path"
import { isMainThread } from "node:worker_threads"

/** The size of `sun_path` without its NUL: unix(7), and BSD's. Node cuts a longer path, or fails with another error. */
const longest = process.platform === "linux" ? 107 : process.platform === "win32" ? 256 : 103

/** An abstract name (Linux, unix(7)) begins with NUL, and is no file. */
export const isAbstract = (path: string): boolean => path.startsWith("\0")

/** True for what is a file: not an abstract name, not a named pipe. */
const isFile = (path: string): boolean => !isAbstract(path) && process.platform !== "win32"

export const tooLong = (path: string, syscall: "bind" | "connect"): Error | undefined =>
  Buffer.byteLength(path) > longest
    ? Object.assign(new Error(`the path has ${Buffer.byteLength(path)} bytes, and may have ${longest}`), {
      code: "ENAMETOOLONG",
      syscall
    })
    : undefined

/** Why the platform cannot listen on this path with this mode; `undefined` if it can. */
export const unsupported = (
  path: string,
  mode: number | undefined
): { readonly option: "path" | "mode"; readonly why: string } | undefined => {
  if (isAbstract(path) && process.platform !== "linux") return { option: "path", why: "only Linux has abstract names" }
  if (mode === undefined) return undefined
  if (!isFile(path)) return { option: "mode", why: "only a socket that is a file has one" }
  return isMainThread
    ? undefined
    : { option: "mode", why: "a worker thread cannot set it before others could connect; listen in the main thread" }
}

/**
 * Runs `bind`, which creates the file. No process gets more access than `mode` allows, not even for a moment: while the
 * file is created, the mask also forbids the rest, and the mode is set afterwards.
 */
export const withMode = (path: string, mode: number | undefined, bind: () => boolean): void => {
  if (mode === undefined) {
    bind()
    return
  }
  const mask = process.umask()
  process.umask(mask | (0o777 & ~mode))
  let isBound: boolean
  try {
    isBound = bind()
  } finally {
    process.umask(mask)
  }
  if (isBound) Fs.chmodSync(path, mode)
}

const exists = (path: string): boolean => {
  try {
    return Fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined
  } catch {
    return true
  }
}

/** True where something is at the path, through links, that is no socket; or a link that leads nowhere. */
export const isOther = (path: string): boolean => {
  if (!isFile(path)) return false
  try {
    return !Fs.statSync(path).isSocket()
  } catch {
    return exists(path)
  }
}

/** True where the folder in which the file would be is not there. */
export const lacksFolder = (path: string): boolean => {
  if (!isFile(path) || !path.includes("/")) return false
  try {
    return Fs.statSync(path.slice(0, path.lastIndexOf("/") + 1), { throwIfNoEntry: false }) === undefined
  } catch {
    return false
  }
}

const attempt = (action: () => void): boolean => {
  try {
    action()
    return true
  } catch {
    return false
  }
}

/** Asks whether a process listens there. Everything but a clear no counts as yes: a full backlog, or a file of another user. */
const isAlive = (path: string, answer: (alive: boolean) => void): void => {
  const probe = NodeNet.connect({ path })
  probe.once("connect", () => {
    probe.destroy()
    answer(true)
  })
  probe.once(
    "error",
    (error: NodeJS.ErrnoException) => answer(error.code !== "ECONNREFUSED" && error.code !== "ENOENT")
  )
}

let asides = 0

const asideOf = (path: string): string => {
  asides += 1
  return Path.join(Path.dirname(path), `.${process.pid.toString(36)}-${asides}`)
}

/** Identifies the file, to recognize it later: numbers of files are reused, the time of creation is not. */
export const identityOf = (path: string): string | undefined => {
  if (!isFile(path)) return undefined
  try {
    const stat = Fs.lstatSync(path, { bigint: true, throwIfNoEntry: false })
    return stat?.isSocket() === true ? `${stat.dev}:${stat.ino}:${stat.mtimeNs}` : undefined
  } catch {
    return undefined
  }
}

/**
 * Removes a socket file that a process left when it ended, and returns whether the path is free now. A file that is no
 * socket, and one on which a process listens, stay.
 *
 * If two processes find the same stale file, one could remove the other's new one. So the file is moved aside, checked,
 * and moved back if it is not the one that was found.
 */
export const takeOver = (path: string, done: (isFree: boolean) => void): void => {
  const stale = identityOf(path)
  if (stale === undefined) {
    done(false)
    return
  }
  isAlive(path, (alive) => {
    const aside = asideOf(path)
    if (alive || identityOf(path) !== stale || !attempt(() => Fs.renameSync(path, aside))) {
      done(!alive && !exists(path))
      return
    }
    const isStale = identityOf(aside) === stale
    if (!isStale) attempt(() => Fs.linkSync(aside, path))
    attempt(() => Fs.unlinkSync(aside))
    done(isStale)
  })
}

/** Runs `close`, with which Node removes the file at the path; a file that another process created there stays. */
export const closeKeeping = (path: string, identity: string | undefined, close: () => void): void => {
  const aside = asideOf(path)
  const isForeign = identity !== undefined && exists(path) && identityOf(path) !== identity &&
    attempt(() => Fs.linkSync(path, aside))
  close()
  if (isForeign) attempt(() => Fs.renameSync(aside, path))
}
