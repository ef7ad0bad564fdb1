/**
 * The options of an HTTP server from the configuration: from the environment, from a file, from wherever its provider takes them.
 *
 * @since 0.2.0
 */
import type { ServerOptions } from "@copas/core/TlsContext"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Limits, ListenOptions, Options, Timeouts, WebSocketOptions } from "./HttpServerOptions.js"
import { limits, timeouts } from "./internal/httpServer/options.js"
import { count, millis } from "./internal/optionValues.js"
import type { ReloadOptions } from "./TlsFiles.js"

/** A value of the configuration, read from its text. */
const read = <A>(
  name: string,
  expected: string,
  of: (text: string) => A | undefined
): Config.Config<Option.Option<A>> =>
  Config.option(Config.mapOrFail(Config.nonEmptyString(name), (given) => {
    const value = of(given.trim())
    return value === undefined
      ? Either.left(ConfigError.InvalidData([name], `${JSON.stringify(given)} is not ${expected}`))
      : Either.right(value)
  }))

const isInfinity = (text: string): boolean => /^(infinity|none|unlimited)$/i.test(text)

const right = <A>(either: Either.Either<A, unknown>): A | undefined => Option.getOrUndefined(Either.getRight(either))

const duration = (name: string) =>
  read(
    name,
    `a duration such as "5 seconds", or "infinity"`,
    (text) => isInfinity(text) ? Infinity : /\d \w/.test(text) ? right(millis(name, text, 1)) : undefined
  )

const number = (name: string) =>
  read(
    name,
    `a whole number, at least 1, or "infinity"`,
    (text) => isInfinity(text) ? Infinity : /^\d+$/.test(text) ? right(count(name, Number(text), 1)) : undefined
  )

const units: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kb: 1000,
  mb: 1000 ** 2,
  gb: 1000 ** 3,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3
}

/** A number of bytes as people write it: `512`, `16 KiB`, `1.5 GB`, `infinity`. */
const bytesOf = (text: string): number | undefined => {
  if (isInfinity(text)) return Infinity
  const [, value, unit] = /^(\d+(?:\.\d+)?) ?([a-z]*)$/i.exec(text) ?? []
  const factor = unit === undefined ? undefined : units[unit.toLowerCase()]
  const bytes = factor === undefined ? Number.NaN : Number(value) * factor
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined
}

const bytes = (name: string) => read(name, `a size such as "16 KiB", or "infinity"`, bytesOf)

const flag = (name: string) =>
  read(
    name,
    "true or false",
    (text) => /^(true|yes|on|1)$/i.test(text) ? true : /^(false|no|off|0)$/i.test(text) ? false : undefined
  )

const oneOf = <A extends string>(name: string, ...values: ReadonlyArray<A>) =>
  read(name, `one of ${values.join(", ")}`, (text) => values.find((value) => value === text))

const list = (text: string): ReadonlyArray<string> =>
  text.split(",").map((part) => part.trim()).filter((part) => part !== "")

/** `maxConnections` is `MAX_CONNECTIONS`. */
const keyOf = (name: string): string => name.replace(/[A-Z]/g, "_$&").toUpperCase()

/** The values that are there. */
const present = <A>(all: Readonly<Record<string, Option.Option<unknown>>>): A =>
  Object.fromEntries(
    Object.entries(all).flatMap(([name, value]) => Option.isSome(value) ? [[name, value.value]] : [])
  ) as A

const group = <A>(
  key: string,
  all: Readonly<Record<string, (name: string) => Config.Config<Option.Option<unknown>>>>
): Config.Config<A> =>
  Config.map(
    Config.nested(
      Config.all(Object.fromEntries(Object.entries(all).map(([name, of]) => [name, of(keyOf(name))]))),
      key
    ),
    (values) => present<A>(values)
  )

/** An address to listen on, before it has its TLS. */
interface Address {
  readonly listen: ListenOptions
  readonly isSecure: boolean
}

const addressOf = (text: string): Address | undefined => {
  const isUnix = /^unix:(.+)$/.exec(text)
  if (isUnix !== null) return { listen: { path: isUnix[1]!.replace(/^@/, "\0") }, isSecure: false }
  const written = /^\d+$/.test(text) ? `http://*:${text}` : text.includes("://") ? text : `http://${text}`
  if (!URL.canParse(written)) return undefined
  const { hash, hostname, password, pathname, port, protocol, search, username } = new URL(written)
  if (
    (protocol !== "http:" && protocol !== "https:") || username + password + search + hash !== "" || pathname !== "/"
  ) {
    return undefined
  }
  const isSecure = protocol === "https:"
  const host = hostname.replace(/^\[(.*)\]$/, "$1")
  const at = { port: port === "" ? (isSecure ? 443 : 80) : Number(port) }
  return { listen: host === "*" ? at : { ...at, host }, isSecure }
}

const addresses = read(
  "LISTEN",
  `addresses such as "http://127.0.0.1:8080,https://[::1]:8443,unix:/run/app.sock"`,
  (text) => {
    const all = list(text).map(addressOf)
    return all.length === 0 || all.includes(undefined) ? undefined : all as ReadonlyArray<Address>
  }
)

const tls: Config.Config<Option.Option<ServerOptions>> = Config.map(
  Config.nested(
    Config.all({
      certificate: Config.option(Config.nonEmptyString("CERTIFICATE")),
      key: Config.option(Config.nonEmptyString("KEY")),
      passphrase: Config.option(Config.redacted("PASSPHRASE")),
      ca: Config.option(Config.nonEmptyString("CA")),
      clientCertificates: oneOf("CLIENT_CERTIFICATES", "none", "request", "require"),
      minVersion: oneOf("MIN_VERSION", "TLSv1.2", "TLSv1.3")
    }),
    "TLS"
  ),
  ({ ca, certificate, clientCertificates, key, minVersion, passphrase }) =>
    Option.map(Option.all({ certificate, key }), ({ certificate, key }): ServerOptions => ({
      identity: { certificate: { path: certificate }, key: { path: key }, ...present({ passphrase }) },
      ...present({ ca: Option.map(ca, (path) => ({ path })), clientCertificates, minVersion })
    }))
)

const trustProxy = read(
  "TRUST_PROXY",
  `false, a number of proxies, or addresses and blocks such as "10.0.0.0/8,::1"`,
  (text): Options["trustProxy"] => text === "false" ? false : /^\d+$/.test(text) ? Number(text) : list(text)
)

const sizes = new Set(["headerSize", "uri", "body"])

/**
 * All options of a server, each of which has its default where the configuration has nothing. In the environment, with
 * `Config.nested(HttpServerConfig.options, "HTTP")`:
 *
 * | | |
 * | --- | --- |
 * | `HTTP_LISTEN` | addresses: `http://127.0.0.1:8080,https://[::1]:8443`, `unix:/run/app.sock`, `8080` (all interfaces). Default `http://127.0.0.1:8080` |
 * | `HTTP_TLS_CERTIFICATE`, `_KEY`, `_CA` | paths; read again when they change (`HTTP_TLS_RELOAD_EVERY`, `_SIGNAL`) |
 * | `HTTP_TLS_PASSPHRASE`, `_CLIENT_CERTIFICATES`, `_MIN_VERSION` | `none`, `request`, `require`; `TLSv1.2`, `TLSv1.3` |
 * | `HTTP_NAME`, `_DRAIN`, `_HTTP2`, `_SERVER_HEADER`, `_TRUST_PROXY` | `true`, `false` or `clear`; `false`, a number, or blocks |
 * | `HTTP_TIMEOUTS_IDLE` … | durations: `75 seconds`, `infinity` |
 * | `HTTP_LIMITS_BODY`, `_LIMITS_MAX_CONNECTIONS` … | sizes (`10 MiB`) and numbers, or `infinity` |
 * | `HTTP_WEB_SOCKET_MAX_PAYLOAD`, `_PING`, `_ORIGINS`, `_DEFLATE` | `same`, `any`, or origins |
 *
 * A value that makes no sense is `ConfigError`, with its name and what would be right.
 *
 * @since 0.2.0
 * @category configuration
 */
export const options: Config.Config<Options> = Config.mapOrFail(
  Config.all({
    addresses,
    tls,
    name: Config.option(Config.nonEmptyString("NAME")),
    drain: duration("DRAIN"),
    http2: read(
      "HTTP2",
      "true, false or clear",
      (text) => text === "clear" ? "clear" as const : text === "true" ? true : text === "false" ? false : undefined
    ),
    serverHeader: Config.option(Config.nonEmptyString("SERVER_HEADER")),
    trustProxy,
    timeouts: group<Timeouts>("TIMEOUTS", Object.fromEntries(Object.keys(timeouts).map((name) => [name, duration]))),
    limits: group<Limits>(
      "LIMITS",
      Object.fromEntries(Object.keys(limits).map((name) => [name, sizes.has(name) ? bytes : number]))
    ),
    webSocket: group<WebSocketOptions>("WEB_SOCKET", {
      maxPayload: bytes,
      ping: duration,
      deflate: flag,
      origins: (name) =>
        read(name, "same, any, or origins", (text) => text === "same" || text === "any" ? text : list(text))
    }),
    tlsReload: Config.nested(
      group<ReloadOptions>("RELOAD", { every: duration, signal: (name) => oneOf(name, "SIGHUP", "SIGUSR2") }),
      "TLS"
    )
  }),
  ({ addresses, limits, timeouts, tls, tlsReload, webSocket, ...others }) => {
    const all = Option.getOrElse(addresses, () => [addressOf("127.0.0.1:8080")!])
    if (Option.isNone(tls) && all.some(({ isSecure }) => isSecure)) {
      return Either.left(ConfigError.MissingData(["TLS"], "an address of https needs TLS_CERTIFICATE and TLS_KEY"))
    }
    return Either.right<Options>({
      ...present<Partial<Options>>(others),
      listen: all.map(({ isSecure, listen }) => isSecure ? { ...listen, tls: Option.getOrThrow(tls) } : listen),
      timeouts,
      limits,
      webSocket,
      tlsReload
    })
  }
)
