/** Log annotations of a thread, which are made when a line is logged. */
import type * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import * as HashMap from "effect/HashMap"
import * as NetAddress from "../../NetAddress.js"
import * as Attributes from "../attributes.js"
import type { DispatcherThread } from "./thread.js"

type Annotations = HashMap.HashMap<string, unknown>
type Entry = readonly [FiberId.Single, Annotations]

/**
 * A fiber reference's entry whose value is made when it is first asked for. Most threads log nothing, and making it at
 * once is a sixth of what serving a short connection costs.
 */
class LateEntry {
  readonly 0: FiberId.Single
  readonly length = 2
  private readonly make: () => Annotations
  private made: Annotations | undefined = undefined

  constructor(fiberId: FiberId.Single, make: () => Annotations) {
    this[0] = fiberId
    this.make = make
  }

  get 1(): Annotations {
    return this.made ??= this.make()
  }

  *[Symbol.iterator](): Generator<FiberId.Single | Annotations> {
    yield this[0]
    yield this[1]
  }
}

/**
 * What a thread logs says which one it is, and on whose behalf it works. For `Runtime.runFork`, which hands over fiber
 * references that nobody else has yet.
 */
export const annotating =
  (thread: DispatcherThread, server: string | undefined) =>
  (refs: FiberRefs.FiberRefs, fiberId: FiberId.Runtime): FiberRefs.FiberRefs => {
    const inherited = FiberRefs.getOrDefault(refs, FiberRef.currentLogAnnotations)
    const remote = thread.socket?.remoteAddress
    const entry = new LateEntry(fiberId, () => {
      const named = HashMap.set(inherited, Attributes.thread, thread.name as unknown)
      if (remote === undefined) return named
      const connected = HashMap.set(named, Attributes.clientAddress, NetAddress.format(remote))
      return server === undefined ? connected : HashMap.set(connected, Attributes.server, server)
    })
    const above = refs.locals.get(FiberRef.currentLogAnnotations) ?? []
    refs.locals.set(FiberRef.currentLogAnnotations, [entry as unknown as Entry, ...above])
    return refs
  }
