/** Listeners of one kind of event: the one that `trace` sets, and any number that `observe` adds. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export type Listener<A> = (event: A) => void

const ignore = (): void => {}

/**
 * Calls a listener, and swallows what it throws: it runs inside the platform's event handler, or in the middle of the
 * dispatcher's step, and its mistake must not get between them and the sockets. An `async` listener is such a function
 * too, and its rejection would end the process.
 */
const call = <A>(listener: Listener<A>, event: A): void => {
  try {
    const result: unknown = listener(event)
    if (typeof result === "object" && result !== null && "then" in result && typeof result.then === "function") {
      result.then(ignore, ignore)
    }
  } catch {
    // There is no one to report it to: the listener is what reports.
  }
}

/** The place of one listener: empty once it was removed, also for the event that is being shown just then. */
interface Place<A> {
  listener: Listener<A> | undefined
}

/**
 * A set of listeners. It is replaced when it changes, never changed: a listener may add and remove others, and itself,
 * while an event is shown.
 */
export class Observers<A> {
  private places: ReadonlyArray<Place<A>> = []
  private slot: Place<A> | undefined = undefined

  /** There is no listener, so no event need be made. */
  get isEmpty(): boolean {
    return this.places.length === 0
  }

  /** Sets, or with `undefined` clears, the one listener of `trace`. */
  set(listener: Listener<A> | undefined): void {
    if (this.slot !== undefined) this.remove(this.slot)
    this.slot = listener === undefined ? undefined : this.add(listener)
  }

  add(listener: Listener<A>): Place<A> {
    const place: Place<A> = { listener }
    this.places = [...this.places, place]
    return place
  }

  remove(place: Place<A>): void {
    place.listener = undefined
    this.places = this.places.filter((other) => other !== place)
  }

  show(event: A): void {
    for (const place of this.places) if (place.listener !== undefined) call(place.listener, event)
  }
}

/** Adds `listener` for as long as the scope lasts. */
export const observe = <A>(
  observers: () => Observers<A>,
  listener: Listener<A>
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(Effect.acquireRelease(
    Effect.sync(() => observers().add(listener)),
    (place) => Effect.sync(() => observers().remove(place))
  ))
