/** The annotations of a thread's log lines: its name, its peer, its server. */
import * as HashMap from "effect/HashMap"
import * as NetAddress from "../../NetAddress.js"
import * as Attributes from "../attributes.js"
import { annotateLate, type LateAnnotations } from "../effect/logAnnotations.js"
import type { DispatcherThread } from "./thread.js"

/**
 * Which thread logs, and on whose behalf it works. Made late: at once it would be a sixth of what serving a short
 * connection costs.
 */
export const annotating = (thread: DispatcherThread, server: string | undefined): LateAnnotations => {
  const remote = thread.socket?.remoteAddress
  return annotateLate((inherited) => {
    const named = HashMap.set(inherited, Attributes.thread, thread.name as unknown)
    if (remote === undefined) return named
    const connected = HashMap.set(named, Attributes.clientAddress, NetAddress.format(remote))
    return server === undefined ? connected : HashMap.set(connected, Attributes.server, server)
  })
}
