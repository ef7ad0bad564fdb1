/** A scope of Effect's own that is made when it is first used. */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"

const makeScope = (): Scope.CloseableScope => Effect.runSync(Scope.make())

/** Shows what Effect's scopes consist of: their methods, and the fields that each of them has for itself. */
const model = makeScope()

/**
 * Most threads never use their scope, so a thread starts without one: the first look at any part of this object gives it
 * the fields of a new scope of Effect's, and from then on it is one. Its methods are those of Effect's scopes from the
 * start. Effect's operations read fields that the interface does not name (`forkIn` does), which is why an object with
 * the interface's methods alone will not do.
 */
class Lazy {
  private isMade = false
  private exit: Exit.Exit<unknown, unknown> | undefined = undefined

  /** Becomes a scope; one that is closed, if its owner has ended without having used it. */
  private become(): void {
    if (this.isMade) return
    this.isMade = true
    const scope = makeScope()
    if (this.exit !== undefined) Effect.runSync(Scope.close(scope, this.exit))
    for (const key of fields) {
      Object.defineProperty(this, key, { ...Object.getOwnPropertyDescriptor(scope, key), configurable: true })
    }
  }

  /** What closing takes; `undefined` if nobody ever used the scope. */
  closing(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> | undefined {
    if (this.isMade) return Scope.close(this as unknown as LazyScope, exit)
    // A fiber that the owner left behind may still have the scope: it finds it closed.
    this.exit = exit
    return undefined
  }

  static {
    const access = (key: PropertyKey): PropertyDescriptor => ({
      configurable: true,
      get(this: Lazy) {
        this.become()
        return Reflect.get(this, key)
      },
      set(this: Lazy, value: unknown) {
        this.become()
        Reflect.set(this, key, value)
      }
    })
    Object.setPrototypeOf(Lazy.prototype, Object.getPrototypeOf(model))
    for (const key of Reflect.ownKeys(model)) Object.defineProperty(Lazy.prototype, key, access(key))
  }
}

const fields = Reflect.ownKeys(model)

export type LazyScope = Lazy & Scope.CloseableScope

export const make = (): LazyScope => new Lazy() as LazyScope
