/** Values that fibers inherit and hand back, which ambient settings do not. */
import type * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import { globalValue } from "effect/GlobalValue"
import type { AnyFiber } from "./fibers.js"

/** A value of each fiber: one that is forked has its parent's, and one that is joined gives its own to `join`. */
export class Inherited<A> {
  private readonly ref: FiberRef.FiberRef<A>

  /** `key` makes it one value for all copies of the library in the process. */
  constructor(key: string, initial: A, join: (own: A, joined: A) => A) {
    this.ref = globalValue(Symbol.for(key), () => FiberRef.unsafeMake(initial, { join }))
  }

  of(fiber: AnyFiber): A {
    return fiber.getFiberRef(this.ref)
  }

  /** Changes the value of the fiber that runs this. */
  update(change: (value: A) => A): Effect.Effect<void> {
    return FiberRef.update(this.ref, change)
  }
}
