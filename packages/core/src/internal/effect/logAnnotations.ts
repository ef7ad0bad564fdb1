/** Log annotations that are made when they are first read: most fibers log nothing. */
import type * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import type * as HashMap from "effect/HashMap"

export type Annotations = HashMap.HashMap<string, unknown>
type Entry = readonly [FiberId.Single, Annotations]

/** A fiber reference's entry whose value is made late. */
class LateEntry {
  readonly 0: FiberId.Single
  readonly length = 2
  private readonly make: (inherited: Annotations) => Annotations
  private readonly inherited: Annotations
  private made: Annotations | undefined = undefined

  constructor(fiberId: FiberId.Single, inherited: Annotations, make: (inherited: Annotations) => Annotations) {
    this[0] = fiberId
    this.inherited = inherited
    this.make = make
  }

  get 1(): Annotations {
    return this.made ??= this.make(this.inherited)
  }

  *[Symbol.iterator](): Generator<FiberId.Single | Annotations> {
    yield this[0]
    yield this[1]
  }
}

/** How a starting fiber gets them. For `Starter.start`, which hands over fiber references that nobody else has yet. */
export type LateAnnotations = (refs: FiberRefs.FiberRefs, fiberId: FiberId.Runtime) => FiberRefs.FiberRefs

/** Annotations that `make` gives, from those that the fiber inherits, when a log line first asks for them. */
export const annotateLate = (make: (inherited: Annotations) => Annotations): LateAnnotations => (refs, fiberId) => {
  const inherited = FiberRefs.getOrDefault(refs, FiberRef.currentLogAnnotations)
  const entry = new LateEntry(fiberId, inherited, make)
  const above = refs.locals.get(FiberRef.currentLogAnnotations) ?? []
  refs.locals.set(FiberRef.currentLogAnnotations, [entry as unknown as Entry, ...above])
  return refs
}
