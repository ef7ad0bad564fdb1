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
import * as Observing from "./observing.js"
import * as Settings from "./options.js"
import * as Pool from "./pool/pool.js"
import * as Login from "./session/login.js"
import * as Targets from "./target.js"

export const make = (defaults: Defaults, net: Net.Service): Service => {
  const onNet = <A, E, R>(use: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Net.Net>> =>
    Effect.provideService(use, Net.Net, net)
  const settingsOf = (options: string | URL | Defaults): Effect.Effect<Settings.Settings, ConnectFailure> =>
    Effect.flatMap(orFail(Targets.session(options, defaults)), (options) => onNet(Settings.make(options)))
  /** Once: it makes a context of TLS, and SCRAM's keys belong to it. */
  let known: Settings.Settings | undefined
  const usual = Effect.suspend(() =>
    known === undefined
      ? Effect.tap(settingsOf({}), (settings) =>
        Effect.sync(() => {
          known = settings
        }))
      : Effect.succeed(known)
  )
  const open = (settings: Settings.Settings): Effect.Effect<Session, ConnectFailure, Scope.Scope> =>
    onNet(Login.connectWith(settings))
  const service: Service & Showing.Shown = {
    ...Showing.of("@copas/clients/Smtp", () => ({})),
    connect: (options = {}) => Effect.flatMap(settingsOf(options), open),
    pool: (options = {}) =>
      Effect.flatMap(
        orFail(Targets.session(options, defaults)),
        (session) => onNet(Pool.make({ ...options, ...session }))
      ),
    send: (message, options) =>
      Effect.flatMap(usual, (settings) =>
        Observing.send(settings)(
          Effect.scoped(Effect.flatMap(open(settings), (session) => session.send(message, options)))
        )),
    verify: Effect.scoped(
      Effect.flatMap(
        Effect.flatMap(usual, open),
        (session) => Effect.as(session.noop, session.extensions)
      )
    )
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
