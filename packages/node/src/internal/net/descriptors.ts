/** Notices when the process runs out of file descriptors, and reports it once a second at most. */
import * as Fs from "node:fs"
import type * as NodeNet from "node:net"

/** How near to the limit a descriptor must be before the system is asked whether any are left. */
const margin = 16

/** Running out of descriptors is reported at most this often, and not for every connection. */
const quietMillis = 1000

/** How many descriptors this process may have, if the system says so; read once. */
let limit: number | undefined = undefined
const limitOf = (): number => {
  if (limit === undefined) {
    limit = Infinity
    try {
      const soft = /^Max open files\s+(\d+)/m.exec(Fs.readFileSync("/proc/self/limits", "latin1"))?.[1]
      if (soft !== undefined) limit = Number(soft)
    } catch {
      // Not every system has it.
    }
  }
  return limit
}

const descriptorOf = (socket: NodeNet.Socket): number => {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: number } | null }
  return handle?.fd ?? -1
}

const isOut = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && "code" in error && (error.code === "EMFILE" || error.code === "ENFILE")

let toldAt = -Infinity

/**
 * The error of a process that has no descriptor left, when `socket` got one of the last; once a second.
 *
 * libuv keeps one descriptor in reserve. If no other is left, it accepts each new connection with that one, and closes it.
 * Neither Node nor the program learns of those connections, so this looks while connections still come.
 */
export const exhaustion = (socket: NodeNet.Socket): Error | undefined => {
  if (descriptorOf(socket) < limitOf() - margin) return undefined
  const now = performance.now()
  if (now - toldAt < quietMillis) return undefined
  try {
    Fs.closeSync(Fs.openSync("/dev/null", "r"))
  } catch (error) {
    if (isOut(error)) {
      toldAt = now
      return error
    }
  }
  return undefined
}
