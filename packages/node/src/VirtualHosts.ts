/**
 * Several sites on one server, by the host that a request is for.
 *
 * @since 0.2.0
 */
import type { InvalidOption } from "@copas/core/SocketError"
import type * as HttpApp from "@effect/platform/HttpApp"
import { HttpServerRequest } from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import { domainToASCII } from "node:url"
import { isHost } from "./internal/httpServer/rules.js"
import { invalid } from "./internal/optionValues.js"

type Apps = Readonly<Record<string, HttpApp.Default<any, any>>>

/**
 * The sites, and what stands in for a host that is none of them.
 *
 * @since 0.2.0
 * @category models
 */
export interface Options<Hosts extends Apps, Default extends HttpApp.Default<any, any> = never> {
  /**
   * Apps by host: `"example.test"`, `"*.example.test"` (every name below it, and not itself), `"example.test:8080"` (that port
   * alone), `"127.0.0.1"`, `"[::1]"`. Names may have letters of any script.
   */
  readonly hosts: Hosts
  /** For every other host, and for a request of HTTP/1.0 that names none. Without it they are answered 421. */
  readonly default?: Default
}

interface Authority {
  readonly host: string
  /** With its colon, or "". */
  readonly port: string
}

const isName = (name: string): boolean => /^(?!.*\.\.)[^.].*$/.test(name)

/** In the spelling that is compared: lower case, without a dot at its end, addresses as WHATWG writes them. */
const authorityOf = (text: string): Authority | undefined => {
  if (!isHost(text)) return undefined
  const port = /:(\d*)$/.exec(text)
  const name = port === null ? text : text.slice(0, port.index)
  const host = name.startsWith("[") ? new URL(`http://${name}`).hostname : name.toLowerCase().replace(/\.$/, "")
  return { host, port: port === null || port[1] === "" ? "" : `:${Number(port[1])}` }
}

/** What a request is for: the target's authority goes before `:authority` and `Host` (RFC 9112, 3.2.2). */
const wanted = ({ headers, originalUrl }: HttpServerRequest): string | undefined =>
  /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(originalUrl)?.[1] ?? headers[":authority"] ?? headers["host"]

const expected = "a host, such as \"example.test\", \"*.example.test\" or \"example.test:8080\", each of them once"

/** The key of a host in the table: wildcards begin with `*.`. */
const keyOf = (host: string): string | undefined => {
  // `domainToASCII` would drop what comes after them.
  if (/[/?#\\@\s]/.test(host)) return undefined
  const isWild = host.startsWith("*.")
  const name = isWild ? host.slice(2) : host
  const [, label = "", port = ""] = /^(\[[^\]]*\]|[^:]*)(:\d+)?$/.exec(name) ?? []
  const authority = authorityOf((label.startsWith("[") ? label : domainToASCII(label.replace(/\.$/, ""))) + port)
  if (authority === undefined || !isName(authority.host)) return undefined
  // A wildcard of an address matches nothing.
  if (isWild && /^\[|(?:^|\.)\d+$/.test(authority.host)) return undefined
  return `${isWild ? "*." : ""}${authority.host}${authority.port}`
}

const text = (status: number, body: string) => HttpServerResponse.text(body, { status })

/**
 * Gives each request to the app of its host: that of the absolute target, if it has one, of `:authority` (HTTP/2) or `Host`.
 * Case, a dot at the end and the spelling of an IPv6 address do not count. A name with its port goes before the name, a name
 * before a wildcard, and a longer wildcard before a shorter one.
 *
 * A host that is not there gets `default`, or 421 (RFC 9110, 15.5.20); one that is malformed 400. The request is passed on
 * as it is.
 *
 * Fails with `InvalidOption` for a host that is none, or two that are the same one. *Interruption* is the app's.
 *
 * @since 0.2.0
 * @category constructors
 * @example
 * ```ts
 * import { VirtualHosts } from "@copas/node"
 * import { HttpApp, HttpServerResponse } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const sites = yield* VirtualHosts.make({
 *     hosts: {
 *       "example.test": HttpServerResponse.text("the site"),
 *       "*.example.test": HttpServerResponse.text("a shop")
 *     }
 *   })
 *   const ask = HttpApp.toWebHandler(sites)
 *   const answers = yield* Effect.forEach(["example.test", "books.EXAMPLE.test:8080", "other.test"], (host) =>
 *     Effect.promise(async () => {
 *       const answer = await ask(new Request(`http://${host}/`))
 *       return answer.ok ? answer.text() : answer.status
 *     }))
 *   console.log(answers.join(", ")) // the site, a shop, 421
 * })
 *
 * Effect.runPromise(program)
 * ```
 */
export const make = <Hosts extends Apps, Default extends HttpApp.Default<any, any> = never>(
  options: Options<Hosts, Default>
): Effect.Effect<
  HttpApp.Default<
    Effect.Effect.Error<Hosts[keyof Hosts] | Default>,
    Effect.Effect.Context<Hosts[keyof Hosts] | Default>
  >,
  InvalidOption
> =>
  Effect.gen(function*() {
    const apps = new Map<string, HttpApp.Default<any, any>>()
    for (const [host, app] of Object.entries(options.hosts)) {
      const key = keyOf(host)
      if (key === undefined || apps.has(key)) return yield* invalid("hosts", host, expected)
      apps.set(key, app)
    }
    const find = ({ host, port }: Authority): HttpApp.Default<any, any> | undefined => {
      const exact = apps.get(host + port) ?? apps.get(host)
      if (exact !== undefined || host.startsWith("[")) return exact
      for (let dot = host.indexOf("."); dot !== -1; dot = host.indexOf(".", dot + 1)) {
        const below = host.slice(dot)
        const wild = apps.get(`*${below}${port}`) ?? apps.get(`*${below}`)
        if (wild !== undefined) return wild
      }
      return undefined
    }
    const fallback = options.default ?? text(421, "This server does not serve that host.\n")
    return Effect.flatMap(HttpServerRequest, (request): HttpApp.Default<any, any> => {
      const authority = wanted(request)
      if (authority === undefined || authority === "") return fallback
      const read = authorityOf(authority)
      return read === undefined ? text(400, "The host of the request is malformed.\n") : find(read) ?? fallback
    })
  })
