/** What services, sessions and pools show of themselves in logs, in JSON and under inspection. */
import { NodeInspectSymbol } from "effect/Inspectable"

export interface Shown {
  readonly toJSON: () => unknown
  readonly [NodeInspectSymbol]: () => unknown
}

/** The properties of an object that shows its identifier and a few words, and nothing that hangs on it. */
export const of = (id: string, words: () => object): Shown => {
  const show = () => ({ _id: id, ...words() })
  return { toJSON: show, [NodeInspectSymbol]: show }
}
