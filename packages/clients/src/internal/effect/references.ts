/** Ambient settings: what a fiber inherits from the one that forked it, and has a default. */
import * as Context from "effect/Context"

/** In no fiber's requirements: a setting has a default. */
export interface Ambient<in out A> {
  readonly _A: (value: A) => A
}

export type Reference<A> = Context.Reference<Ambient<A>, A>

/** A setting by its key, which must be the only one of its name in the process. `yield*` it, or provide it as a service. */
export const reference = <A>(key: string, defaultValue: () => A): Reference<A> =>
  Context.Reference<Ambient<A>>()(key, { defaultValue })
