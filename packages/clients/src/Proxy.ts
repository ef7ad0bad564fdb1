/**
 * Connectors through a proxy, for every client of this package: HTTP's CONNECT, SOCKS5 and SOCKS4.
 *
 * @since 0.1.0
 */
import * as Net from "@copas/core/Net"
import { type Family, familyOf, formatHostPort } from "@copas/core/NetAddress"
import { ConnectError, InvalidOption, type ReceiveError, type SendError } from "@copas/core/SocketError"
import * as Tls from "@copas/core/Tls"
import type { ClientContext, ClientOptions } from "@copas/core/TlsContext"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import { type Connector, type ConnectRequest, direct, ProxyError } from "./Connector.js"
import * as NoProxy from "./internal/noProxy.js"
import { orFail } from "./internal/options.js"
import { inOwnScope } from "./internal/ownScope.js"
import * as Wire from "./internal/proxy.js"
import { hide } from "./internal/replies/command.js"
import { within } from "./internal/within.js"

export {
  /**
   * @since 0.1.0
   * @category errors
   */
  ProxyError
} from "./Connector.js"

/**
 * The address of a proxy, and the user that logs in to it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly host: string
  /** Default 80, with TLS 443; 1080 for SOCKS. */
  readonly port?: number | undefined
  readonly user?: string | undefined
  readonly password?: Redacted.Redacted<string> | undefined
  /** Speak with the proxy itself under TLS, with the platform's authorities or as the context says. Default false. */
  readonly tls?: boolean | ClientContext | ClientOptions | undefined
}

/**
 * A SOCKS proxy.
 *
 * @since 0.2.0
 * @category models
 */
export interface SocksOptions extends Options {
  /**
   * Where the target's name is looked up. Default `"proxy"`, as by `socks5h:` and `socks4a:`; `"here"`, as by `socks5:` and
   * `socks4:`, tells the names to this machine's name servers.
   */
  readonly lookup?: "here" | "proxy" | undefined
}

const encoder = new TextEncoder()

const isPort = (port: number): boolean => Number.isInteger(port) && port > 0 && port < 65_536

type Settings = SocksOptions & { readonly port: number }

const parse = (
  proxy: string | URL | SocksOptions,
  schemes: Readonly<Record<string, number>>,
  otherwise: (options: Options) => number
): Either.Either<Settings, InvalidOption> => {
  const refuse = (value: string, expected: string) =>
    Either.left(new InvalidOption({ option: "proxy", value, expected }))
  const check = (options: SocksOptions): Either.Either<Settings, InvalidOption> => {
    const port = options.port ?? otherwise(options)
    // RFC 7617 has no way to write a colon in the user, and RFC 1929 none to write more than 255 bytes.
    const password = options.password === undefined ? "" : Redacted.value(options.password)
    const isUser = (options.user === undefined || /^[^:\p{Cc}]+$/u.test(options.user)) && !/\p{Cc}/u.test(password) &&
      [options.user ?? "", password].every((text) => encoder.encode(text).length <= 255)
    return options.host === "" || !isPort(port)
      ? refuse(`${options.host}:${port}`, "the host and the port of a proxy")
      : isUser
      ? Either.right({ ...options, port })
      : refuse("a login", "user and password of at most 255 bytes without control characters, the user without a colon")
  }
  if (typeof proxy === "object" && !(proxy instanceof URL)) return check(proxy)
  const expected = `a URL of ${Object.keys(schemes).join(", ")}, such as http://user:password@proxy.example:3128`
  return Either.flatMap(
    Either.try(() => {
      const url = new URL(String(proxy))
      const [user, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)]
      return { url, user, password }
    }).pipe(Either.mapLeft(() => new InvalidOption({ option: "proxy", value: "no URL", expected }))),
    ({ password, url, user }) => {
      const scheme = url.protocol.slice(0, -1)
      const port = Object.hasOwn(schemes, scheme) ? schemes[scheme] : undefined
      if (port === undefined) return refuse(`${scheme}:`, expected)
      return check({
        host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
        port: url.port === "" ? port : Number(url.port),
        tls: scheme === "https",
        ...(scheme === "socks5" || scheme === "socks4" ? { lookup: "here" } : {}),
        ...(user === "" ? {} : { user, password: Redacted.make(password) })
      })
    }
  )
}

/** How one speaks with a kind of proxy. */
interface Kind {
  readonly talk: Wire.Talk
  /** It takes addresses of this family only. */
  readonly family?: Family
}

const kinds = {
  http: { talk: Wire.connect },
  socks5: { talk: Wire.socks5 },
  socks4: { talk: Wire.socks4, family: "IPv4" }
} satisfies Record<string, Kind>

const timedOut = ({ host, port }: ConnectRequest): ConnectError =>
  new ConnectError({ reason: "TimedOut", target: formatHostPort(host, port), attempts: [] })

/** Connects to the proxy, and has it connect to `host`. */
const ask = (
  { host: proxyHost, password, port: proxyPort, tls = false, user }: Settings,
  { talk }: Kind,
  request: ConnectRequest,
  host: string
) =>
  Effect.gen(function*() {
    const socket = yield* direct({ ...request, host: proxyHost, port: proxyPort })
    const proxy = formatHostPort(proxyHost, proxyPort)
    const lost = (error: SendError | ReceiveError) =>
      error._tag === "SocketTimeout"
        ? timedOut(request)
        : new ProxyError({ reason: "BadReply", proxy, detail: `no answer came: ${error.message}`, cause: error })
    if (tls !== false) {
      const context = tls === true ? yield* Tls.client() : Tls.isContext(tls) ? tls : yield* Tls.client(tls)
      yield* Effect.mapError(
        Tls.upgrade(socket, context, { serverName: proxyHost, handshakeTimeout: request.connectTimeout }),
        (error) =>
          error._tag === "TlsError" || error._tag === "InvalidOption" || error._tag === "UnsupportedOption"
            ? error
            : lost(error)
      )
    }
    const credentials = user === undefined
      ? undefined
      : { user, password: password === undefined ? "" : Redacted.value(password) }
    // Some proxies repeat what they were sent.
    const login = credentials === undefined ? "" : `${credentials.user}:${credentials.password}`
    const secrets = [Encoding.encodeBase64(login), credentials?.password ?? ""]
    yield* Effect.mapError(talk(socket, { host, port: request.port }, credentials), (error) => {
      if (error._tag !== "ProxyFailure") return lost(error)
      const { code, detail, reason } = error
      const shown = hide(secrets, detail)
      return new ProxyError({ reason, proxy, detail: shown, ...(code === undefined ? {} : { code }) })
    })
    return socket
  })

const through = (settings: Either.Either<Settings, InvalidOption>, kind: Kind): Connector => (request) => {
  const refuse = (option: string, value: string, expected: string) =>
    Effect.fail(new InvalidOption({ option, value: JSON.stringify(value), expected }))
  const connected = Effect.gen(function*() {
    const proxy = yield* orFail(settings)
    const { permit, port } = request
    const host = Wire.wireHost(request.host)
    if (host === undefined) {
      return yield* refuse("host", request.host, "a name in ASCII or an address: a proxy looks it up")
    }
    if (!isPort(port)) return yield* refuse("port", String(port), "1 to 65535")
    const numeric = familyOf(host)
    if (numeric !== undefined && numeric !== (kind.family ?? numeric)) {
      return yield* refuse("host", host, "a name or an IPv4 address: SOCKS4 knows no IPv6")
    }
    if (numeric === undefined && proxy.lookup !== "here") return yield* ask(proxy, kind, request, host)
    // `permit` is asked about the target where its address is known here.
    const addresses = yield* (yield* Net.Net).lookup({ host: request.host, port, family: kind.family, permit })
    const tryFrom = (at: number): ReturnType<typeof ask> =>
      Effect.catchTag(
        inOwnScope(ask(proxy, kind, request, Wire.wireHost(addresses[at]!.host)!)),
        "ProxyError",
        (error) => at + 1 < addresses.length && mayReachAnother(error) ? tryFrom(at + 1) : Effect.fail(error)
      )
    return yield* tryFrom(0)
  })
  return inOwnScope(within(connected, Duration.toMillis(request.connectTimeout), () => timedOut(request)))
}

/** SOCKS4 has one code for a target that is not reached and everything else. */
const mayReachAnother = ({ code, reason }: ProxyError): boolean => reason === "TargetUnreachable" || code === 91

/**
 * Connects through an HTTP proxy, by CONNECT. `http://` speaks with the proxy in clear, `https://` under TLS; only the
 * proxy receives the user and password (Basic). The proxy looks names up. The connection's own bytes, TLS for example,
 * begin after the proxy's answer, so the proxy sees the target's host and port, and no more.
 *
 * The client's connect time-out bounds all of it, including the proxy's answer. If the proxy does not connect, the
 * connector fails with `ProxyError`; if the URL is not one, with `InvalidOption`.
 * *Interruption* leaves nothing open.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Ftp, Proxy } from "@copas/clients"
 *
 * // FTP's control and data connections both go through the proxy.
 * const layer = Ftp.layer({ host: "ftp.example", connector: Proxy.http("http://proxy.example:3128") })
 * ```
 */
export const http = (proxy: string | URL | Options): Connector => through(httpSettings(proxy), kinds.http)

const httpSettings = (proxy: string | URL | Options): Either.Either<Settings, InvalidOption> =>
  parse(proxy, { http: 80, https: 443 }, ({ tls = false }) => tls === false ? 80 : 443)

/**
 * Connects through a SOCKS5 proxy (RFC 1928), with a user and a password if the proxy requires them (RFC 1929). With
 * `socks5h://` the proxy looks names up, with `socks5://` this machine does: then the proxy is asked for one address after
 * another until it reaches one. See `http`.
 *
 * A request's `permit` is asked about the proxy's address, and about the target's where that is known here: of names with
 * `socks5://`, of numeric addresses always.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Ftp, Proxy } from "@copas/clients"
 * import { Redacted } from "effect"
 *
 * const connector = Proxy.socks5({ host: "proxy.example", user: "me", password: Redacted.make("secret") })
 * const layer = Ftp.layer({ host: "ftp.example", connector })
 * ```
 */
export const socks5 = (proxy: string | URL | SocksOptions): Connector => through(socks5Settings(proxy), kinds.socks5)

const socks5Settings = (proxy: string | URL | SocksOptions): Either.Either<Settings, InvalidOption> =>
  parse(proxy, { socks5: 1080, socks5h: 1080 }, () => 1080)

/**
 * Connects through a SOCKS4 proxy, which takes a user without a password. With `socks4a://` the proxy looks names up, with
 * `socks4://` this machine does. IPv6 addresses are an `InvalidOption`. See `socks5`.
 *
 * @since 0.2.0
 * @category constructors
 * @example
 * ```ts
 * import { Ftp, Proxy } from "@copas/clients"
 *
 * const layer = Ftp.layer({ host: "ftp.example", connector: Proxy.socks4("socks4a://proxy.example") })
 * ```
 */
export const socks4 = (proxy: string | URL | SocksOptions): Connector => through(socks4Settings(proxy), kinds.socks4)

const socks4Settings = (proxy: string | URL | SocksOptions): Either.Either<Settings, InvalidOption> =>
  Either.filterOrLeft(
    parse(proxy, { socks4: 1080, socks4a: 1080 }, () => 1080),
    ({ password }) => password === undefined || Redacted.value(password) === "",
    () => new InvalidOption({ option: "proxy", value: "a login", expected: "a user alone: SOCKS4 knows no password" })
  )

/** The first of these variables that is set and not empty, with its name. */
const variable = (
  names: ReadonlyArray<string>
): Config.Config<{ readonly name: string; readonly value: string } | undefined> =>
  Config.map(
    Config.all(names.map((name) => Config.withDefault(Config.string(name), ""))),
    (values) => {
      const index = values.findIndex((value) => value.trim() !== "")
      return index === -1 ? undefined : { name: names[index]!, value: values[index]!.trim() }
    }
  )

/**
 * The connector that the environment asks for, as curl reads it, through the program's `ConfigProvider`: for the scheme
 * `"https"` the proxy of `https_proxy` or `HTTPS_PROXY`, else of `all_proxy` or `ALL_PROXY`, and `direct` where none is set
 * or `no_proxy` or `NO_PROXY` has the host. The lower case wins. Of `http_proxy` only the lower case is read, because CGI
 * gives a client's header `Proxy` to its program as `HTTP_PROXY` (CVE-2016-5385).
 *
 * A proxy is a URL of `http:`, `https:`, `socks5:`, `socks5h:`, `socks4:` or `socks4a:`, or a host and port, which mean
 * `http:`. The parts of
 * `no_proxy` are names (with those below them), addresses and blocks of them, each with a port if that alone is meant, or
 * `*` for all. Addresses are compared by value, and names are not looked up for it.
 *
 * Fails with `ConfigError` if a variable has no proxy; the error does not show its value, which may have a password.
 * *Interruption* leaves nothing open.
 *
 * @since 0.2.0
 * @category constructors
 * @example
 * ```ts
 * import { Proxy } from "@copas/clients"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const variables = ConfigProvider.fromMap(new Map([
 *   ["https_proxy", "http://proxy.example:3128"],
 *   ["no_proxy", "localhost, .intranet.example, 10.0.0.0/8"]
 * ]))
 *
 * // By default the variables are those of the process.
 * const connector = Proxy.environment("https").pipe(Effect.withConfigProvider(variables))
 * ```
 */
export const environment = (scheme: string): Effect.Effect<Connector, ConfigError.ConfigError> =>
  Effect.gen(function*() {
    const own = scheme.toLowerCase()
    const upper = own === "http" ? [] : [`${own.toUpperCase()}_PROXY`]
    const proxy = yield* variable([`${own}_proxy`, ...upper, "all_proxy", "ALL_PROXY"])
    if (proxy === undefined) return direct
    const isDirect = NoProxy.parse((yield* variable(["no_proxy", "NO_PROXY"]))?.value ?? "")
    const url = /^[a-z][\w+.-]*:\/\//i.test(proxy.value) ? proxy.value : `http://${proxy.value}`
    const kind = /^socks4/i.test(url) ? "socks4" : /^socks/i.test(url) ? "socks5" : "http"
    const settings = { http: httpSettings, socks5: socks5Settings, socks4: socks4Settings }[kind](url)
    if (Either.isLeft(settings)) {
      return yield* Effect.fail(ConfigError.InvalidData([proxy.name], `must be ${settings.left.expected}`))
    }
    const proxied = through(settings, kinds[kind])
    return (request) => (isDirect(request.host, request.port) ? direct : proxied)(request)
  })
