/**
 * Connectors through a proxy, for every client of this package: HTTP's CONNECT, SOCKS5 and SOCKS4.
 *
 * @since 0.1.0
 */
import type { ClientContext, ClientOptions } from "@copas/core/TlsContext"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Redacted from "effect/Redacted"
import { type Connector, direct } from "./Connector.js"
import * as NoProxy from "./internal/noProxy.js"
import * as Connectors from "./internal/proxyConnector.js"

export {
  /**
   * A proxy did not connect to the target: see `Connector.ProxyError`.
   *
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
export const http = (proxy: string | URL | Options): Connector => Connectors.make("http", proxy)

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
export const socks5 = (proxy: string | URL | SocksOptions): Connector => Connectors.make("socks5", proxy)

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
export const socks4 = (proxy: string | URL | SocksOptions): Connector => Connectors.make("socks4", proxy)

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
 * `http:`. The parts of `no_proxy` are names (with those below them), addresses and blocks of them, each with a port if that
 * alone is meant, or `*` for all. Addresses are compared by value, and names are not looked up for it.
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
    const proxied = Connectors.ofUrl(url)
    if (Either.isLeft(proxied)) {
      return yield* Effect.fail(ConfigError.InvalidData([proxy.name], `must be ${proxied.left.expected}`))
    }
    return (request) => (isDirect(request.host, request.port) ? direct : proxied.right)(request)
  })
