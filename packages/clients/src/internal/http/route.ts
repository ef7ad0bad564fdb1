/** How requests reach their servers: connectors, proxies, TLS and addresses, as routes that are equal where these are. */
import type { Route, RouteLimits, RouteTarget } from "@copas/core/HttpTransport"
import * as Net from "@copas/core/Net"
import { InvalidOption, type UnsupportedOption } from "@copas/core/SocketError"
import * as Tls from "@copas/core/Tls"
import type { ClientContext, ClientOptions } from "@copas/core/TlsContext"
import type { TlsError } from "@copas/core/TlsError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Connector from "../../Connector.js"
import type { CommonOptions } from "../../HttpRequest.js"
import * as Proxy from "../../Proxy.js"
import { orFail, refuse, textOf } from "../options.js"
import * as Connectors from "../proxyConnector.js"
import * as Addresses from "./addresses.js"

export type ConnectFailure = Effect.Effect.Error<ReturnType<Connector.Connector>>
export type AnyRoute = Route<ConnectFailure>

/** What the routes of several origins have in common. */
export interface Profile extends Omit<AnyRoute, "origin"> {
  /** The address of the connection is that of the URL's host. */
  readonly isDirect: boolean
}

/** The profile for each scheme: the environment may name two proxies. */
export interface Profiles {
  readonly "http:": Profile
  readonly "https:": Profile
}

export const unix = (path: string): Connector.Connector => ({ connectTimeout, permit, timeouts }) =>
  Net.connect({ path, permit, timeouts: { connect: connectTimeout, ...timeouts }, linger: "1 seconds" })

type Wanted = Pick<CommonOptions, "addresses" | "connector" | "http2" | "proxy" | "serverName" | "tls">

const routesKept = 1024
const proxiesKept = 64

/** Forgets the oldest entries past the bound. */
const bound = (map: Map<unknown, unknown>, most: number): void => {
  for (const key of map.keys()) {
    if (map.size <= most) return
    map.delete(key)
  }
}

const variant = (known: WeakMap<Profile, Profile>, profile: Profile, change: Partial<Profile>): Profile => {
  let made = known.get(profile)
  if (made === undefined) {
    made = { ...profile, ...change }
    known.set(profile, made)
  }
  return made
}

export interface Routes {
  /** The profiles that the options ask for; what they leave open is as in `base`. */
  readonly profiles: (
    wanted: Wanted,
    base: Profiles | undefined,
    limits: RouteLimits
  ) => Effect.Effect<Profiles, InvalidOption | UnsupportedOption | TlsError>
  /** The same to public addresses only. */
  readonly guarded: (profile: Profile) => Profile
  /** The same without `serverName`, which is that of the first origin. */
  readonly unnamed: (profile: Profile) => Profile
  readonly route: (profile: Profile, origin: string) => AnyRoute
}

const proxyOf = (url: string): Either.Either<Connector.Connector, InvalidOption> =>
  Either.mapLeft(
    Connectors.ofUrl(url),
    ({ expected, option, value }) => new InvalidOption({ option, value, expected: `"environment", or ${expected}` })
  )

/**
 * Makes what keeps routes. Functions and contexts are made once for what they are made of, because connections are shared
 * by routes of the same ones.
 */
export const make = (net: Net.Service): Routes => {
  const connects = new WeakMap<Connector.Connector, AnyRoute["connect"]>()
  const contexts = new WeakMap<object, ClientContext>()
  const permits = new WeakMap<object, NonNullable<AnyRoute["permit"]>>()
  const proxies = new Map<string, Connector.Connector>()
  const guards = new WeakMap<Profile, Profile>()
  const others = new WeakMap<Profile, Profile>()
  const routes = new WeakMap<Profile, Map<string, AnyRoute>>()
  let last: readonly [Profile, AnyRoute] | undefined
  let environment: { readonly "http:": Connector.Connector; readonly "https:": Connector.Connector } | undefined

  const connectBy = (connector: Connector.Connector): AnyRoute["connect"] => {
    let connect = connects.get(connector)
    if (connect === undefined) {
      connect = ({ connectTimeout, host, permit, port }: RouteTarget) =>
        Effect.provideService(
          connector({ host, port, permit, connectTimeout, purpose: "control", isBulk: false }),
          Net.Net,
          net
        )
      connects.set(connector, connect)
    }
    return connect
  }

  const publicOnly = Either.getOrThrow(Addresses.permitOf("public"))
  const permitOf = (addresses: Wanted["addresses"]): Either.Either<AnyRoute["permit"], InvalidOption> => {
    if (addresses === "public") return Either.right(publicOnly)
    const known = typeof addresses === "function" ? permits.get(addresses) : undefined
    if (known !== undefined) return Either.right(known)
    return Either.map(Addresses.permitOf(addresses), (permit) => {
      if (permit !== undefined && typeof addresses === "function") permits.set(addresses, permit)
      return permit
    })
  }

  const contextOf = (
    tls: ClientContext | ClientOptions
  ): Effect.Effect<ClientContext, InvalidOption | UnsupportedOption | TlsError> =>
    Effect.suspend(() => {
      if (typeof tls !== "object" || tls === null) return refuse("tls", typeof tls, "a context, or the options for one")
      if (Tls.isContext(tls)) return Effect.succeed(tls as ClientContext)
      const known = contexts.get(tls)
      return known !== undefined ? Effect.succeed(known) : Effect.map(
        Effect.provideService(Tls.client(tls), Net.Net, net),
        (context) => {
          // Another request may have been faster.
          const first = contexts.get(tls) ?? context
          contexts.set(tls, first)
          return first
        }
      )
    })

  const fromEnvironment = Effect.suspend(() =>
    environment !== undefined ? Effect.succeed(environment) : Effect.all({
      "http:": Proxy.environment("http"),
      "https:": Proxy.environment("https")
    }).pipe(
      Effect.map((found) => environment = found),
      Effect.mapError((error) =>
        new InvalidOption({ option: "proxy", value: "environment", expected: `variables of proxies: ${String(error)}` })
      )
    )
  )

  const connectorsOf = (
    { connector, proxy }: Wanted
  ): Effect.Effect<readonly [Connector.Connector, Connector.Connector] | undefined, InvalidOption> => {
    if (connector !== undefined) {
      return typeof connector === "function"
        ? Effect.succeed([connector, connector])
        : refuse("connector", typeof connector, "a function")
    }
    if (proxy === undefined) return Effect.succeed(undefined)
    if (proxy === "environment") {
      return Effect.map(fromEnvironment, (found) => [found["http:"], found["https:"]] as const)
    }
    const url = textOf(proxy)
    const known = proxies.get(url)
    if (known !== undefined) return Effect.succeed([known, known])
    return Effect.map(orFail(proxyOf(url)), (made) => {
      proxies.set(url, made)
      bound(proxies, proxiesKept)
      return [made, made] as const
    })
  }

  return {
    profiles: (wanted, base, limits) =>
      Effect.gen(function*() {
        const { addresses, http2, serverName } = wanted
        const connectors = yield* connectorsOf(wanted)
        const tls = wanted.tls === undefined ? base?.["https:"].tls : yield* contextOf(wanted.tls)
        const permit = addresses === undefined ? base?.["https:"].permit : yield* orFail(permitOf(addresses))
        if (http2 !== undefined && http2 !== "never" && http2 !== "prefer") {
          return yield* refuse("http2", http2, `"never" or "prefer"`)
        }
        const of = (scheme: "http:" | "https:"): Profile => {
          const connector = connectors?.[scheme === "http:" ? 0 : 1] ??
            (base === undefined ? Connector.direct : undefined)
          return {
            connect: connector === undefined ? base![scheme].connect : connectBy(connector),
            isDirect: connector === undefined ? base![scheme].isDirect : connector === Connector.direct,
            tls,
            serverName: serverName ?? base?.[scheme].serverName,
            permit,
            http: http2 === undefined ? base?.[scheme].http ?? "1.1" : http2 === "prefer" ? "2" : "1.1",
            limits
          }
        }
        return { "http:": of("http:"), "https:": of("https:") }
      }),
    guarded: (profile) => variant(guards, profile, { permit: publicOnly }),
    unnamed: (profile) =>
      profile.serverName === undefined ? profile : variant(others, profile, { serverName: undefined }),
    route: (profile, origin) => {
      // Most requests are to where the last one was.
      if (last?.[0] === profile && last[1].origin === origin) return last[1]
      let known = routes.get(profile)
      if (known === undefined) {
        known = new Map()
        routes.set(profile, known)
      }
      let route = known.get(origin)
      if (route === undefined) {
        const { isDirect: _, ...rest } = profile
        route = { ...rest, origin }
        known.set(origin, route)
        bound(known, routesKept)
      }
      last = [profile, route]
      return route
    }
  }
}
