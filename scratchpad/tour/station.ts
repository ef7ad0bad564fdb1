/** What a stop of the tour is. */
import type { Copas, HttpTransport, Net } from "@copas/core"
import type { Effect, Scope } from "effect"

/** What the tour provides. */
export type Services = Copas.Copas | Net.Net | HttpTransport.HttpTransport | Scope.Scope

/** One stop of the tour: does something on the network and says in a few lines what happened. */
export interface Station<R = never> {
  readonly title: string
  /** The lines of the report. It fails when what was promised did not happen. */
  readonly visit: Effect.Effect<ReadonlyArray<string>, unknown, Services | R>
}
