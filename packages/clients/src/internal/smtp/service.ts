/**
 * The one-shot calls: each with a session of its own.
 */
import * as Net from "@copas/core/Net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Defaults, Service } from "../../Smtp.js"
import type { PoolOptions } from "../../SmtpPool.js"
import type { ConnectFailure, Session } from "../../SmtpSession.js"
import { orFail } from "../options.js"
import * as Showing from "../showing.js"
import * as Pool from "./pool/pool.js"
import * as Login from "./session/login.js"
import * as Targets from "./target.js"

export const make = (defaults: Defaults, net: Net.Service): Service => {
  const connect = (options: string | URL | Defaults = {}): Effect.Effect<Session, ConnectFailure, Scope.Scope> =>
    Effect.provideService(
      Effect.flatMap(orFail(Targets.session(options, defaults)), Login.connect),
      Net.Net,
      net
    )
  const service: Service & Showing.Shown = {
    ...Showing.of("@copas/clients/Smtp", () => ({})),
    connect,
    pool: (options = {}) =>
      Effect.provideService(
        Effect.flatMap(orFail(Targets.session(options, defaults)), (session) => Pool.make({ ...options, ...session })),
        Net.Net,
        net
      ),
    send: (message, options) => Effect.scoped(Effect.flatMap(connect(), (session) => session.send(message, options))),
    verify: Effect.scoped(Effect.flatMap(connect(), (session) => Effect.as(session.noop, session.extensions)))
  }
  return service
}

/** A client that sends over one pool. */
export const makePooled = (
  options: PoolOptions,
  net: Net.Service
): Effect.Effect<Service, ConnectFailure, Scope.Scope> =>
  Effect.map(
    Effect.provideService(Pool.make(options), Net.Net, net),
    ({ send }) => ({ ...make(options, net), send })
  )
