/**
 * Redirects: to one place, or by rules over the path. What a request says never leads to another site, unless that is named.
 *
 * @since 0.2.0
 */
import * as ErrorSummary from "@copas/core/ErrorSummary"
import type { InvalidOption } from "@copas/core/SocketError"
import type * as HttpApp from "@effect/platform/HttpApp"
import { RouteNotFound } from "@effect/platform/HttpServerError"
import { HttpServerRequest } from "@effect/platform/HttpServerRequest"
import * as Respondable from "@effect/platform/HttpServerRespondable"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { invalid } from "./internal/optionValues.js"
import { targetOf } from "./internal/static/path.js"

/**
 * The codes that redirect (RFC 9110, 15.4). 301 and 302 let a client turn POST into GET, 307 and 308 keep method and body, 303
 * is always followed by GET; 301 and 308 may be cached for good.
 *
 * @since 0.2.0
 * @category models
 */
export type Status = 301 | 302 | 303 | 307 | 308

/**
 * A redirect would have led to another site, by what the request said. It is answered 400.
 *
 * @since 0.2.0
 * @category errors
 */
export class RedirectRefused
  extends Schema.TaggedError<RedirectRefused>("@copas/node/Redirect/RedirectRefused")("RedirectRefused", {
    /** Where it would have led, at most 200 characters of it. */
    target: Schema.String
  })
  implements Respondable.Respondable
{
  static {
    ErrorSummary.summarize(this)
  }

  override get message(): string {
    return `the redirect to ${
      JSON.stringify(this.target)
    } leads to another site; name the site in \`origins\`, if it is meant`
  }

  /**
   * The answer of a program that does not handle the error.
   *
   * @since 0.2.0
   */
  [Respondable.symbol](): Effect.Effect<HttpServerResponse.HttpServerResponse> {
    return Effect.succeed(HttpServerResponse.text("This redirect leads to another site.\n", { status: 400 }))
  }
}

/**
 * Which sites a target that comes of the request may lead to.
 *
 * @since 0.2.0
 * @category models
 */
export interface Options {
  /** Origins, such as `"https://accounts.example.test"`, besides the request's own. Default: none. */
  readonly origins?: ReadonlyArray<string>
}

/** A host that no request and no target names: it stands for the request's own, whatever that is. */
const here = "http://here.invalid"

/** What browsers make of a target, resolved against the path that the client asked for; only http and https. */
const resolve = (target: string, request: HttpServerRequest): URL | undefined => {
  const { path, query } = targetOf(request.originalUrl)
  // Not resolved itself: "//evil" would be a host.
  const base = new URL(here)
  base.pathname = path
  base.search = query
  return URL.canParse(target, base.href) ? httpOnly(new URL(target, base)) : undefined
}

const httpOnly = (url: URL): URL | undefined => url.protocol === "http:" || url.protocol === "https:" ? url : undefined

/** A target on the request's own site, as a path. A path of two slashes would be another host. */
const pathOf = ({ hash, pathname, search }: URL): string =>
  `${pathname.startsWith("//") ? "/." : ""}${pathname}${search}${hash}`

const answer = (status: Status, location: string): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.empty({ status, headers: { location } })

const checked = (
  status: Status,
  target: string,
  request: HttpServerRequest,
  origins: ReadonlySet<string>
): Effect.Effect<HttpServerResponse.HttpServerResponse, RedirectRefused> => {
  const url = resolve(target, request)
  if (url?.origin === here) return Effect.succeed(answer(status, pathOf(url)))
  return url !== undefined && origins.has(url.origin)
    ? Effect.succeed(answer(status, url.href))
    : Effect.fail(new RedirectRefused({ target: target.slice(0, 200) }))
}

/** Origins as WHATWG writes them; what is none never matches. */
const originsOf = (origins: ReadonlyArray<string> = []): ReadonlySet<string> =>
  new Set(origins.flatMap((origin) => URL.canParse(origin) ? [new URL(origin).origin] : []))

/** A target that the program wrote: what a field cannot carry is encoded, and the rest is left as it is. */
const written = (target: string): string => target.replace(/[^\x21-\x7e]+/g, encodeURI)

/**
 * Redirects every request.
 *
 * A target that is a string goes out as it is, wherever it leads; it may be relative (`"./new/"`), and the client then
 * resolves it. A target that a function makes of the request is resolved as browsers do it, and must be on the site of the
 * request, or on one of `origins`: `//evil`, `/\evil`, `https:evil` and `javascript:` fail with `RedirectRefused`, which is
 * answered 400 where it is not handled.
 *
 * *Interruption* does nothing: it does not wait.
 *
 * @since 0.2.0
 * @category constructors
 * @example
 * ```ts
 * import { Redirect } from "@copas/node"
 * import { HttpApp, HttpRouter } from "@effect/platform"
 *
 * const router = HttpRouter.empty.pipe(
 *   HttpRouter.get("/old", Redirect.to(301, "/new")),
 *   HttpRouter.get("/login", Redirect.to(302, ({ url }) => new URL(url, "http://here").searchParams.get("then") ?? "/"))
 * )
 * const ask = HttpApp.toWebHandler(router)
 *
 * const paths = ["/old", "/login?then=/account", "/login?then=//evil.test"]
 * Promise.all(paths.map((path) => ask(new Request(`http://localhost${path}`)))).then((answers) =>
 *   console.log(answers.map(({ headers, status }) => headers.get("location") ?? status).join(" ")) // /new /account 400
 * )
 * ```
 */
export const to = <Target extends string | ((request: HttpServerRequest) => string)>(
  status: Status,
  target: Target,
  options: Options = {}
): HttpApp.Default<Target extends string ? never : RedirectRefused> => {
  if (typeof target === "string") return Effect.succeed(answer(status, written(target)))
  const origins = originsOf(options.origins)
  const app: HttpApp.Default<RedirectRefused> = Effect.flatMap(
    HttpServerRequest,
    (request) => checked(status, target(request), request, origins)
  )
  // `Target` is the function's here.
  return app as HttpApp.Default<any>
}

/**
 * A rule: which paths, and where to.
 *
 * @since 0.2.0
 * @category models
 */
export interface Rule {
  /**
   * A whole path; a path that ends with `*`, for all that begin so; or a pattern. They are compared with the path as the app
   * sees it: still encoded, without the query, and without the place of a mount.
   */
  readonly match: string | RegExp
  /** `$1` to `$9` are the groups of the pattern, or what `*` stands for; `$$` is a dollar sign. Groups stay encoded. */
  readonly to: string
  /** Default 302, which no client caches. */
  readonly status?: Status
  /** Passes the query of the request on, unless `to` has one. Default `true`. */
  readonly query?: boolean
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")

const patternOf = (match: string | RegExp): RegExp =>
  typeof match !== "string"
    // `exec` would continue where a pattern with the flag `g` or `y` ended last.
    ? new RegExp(match.source, match.flags.replace(/[gy]/g, ""))
    : match.endsWith("*")
    ? new RegExp(`^${escaped(match.slice(0, -1))}(.*)$`)
    : new RegExp(`^${escaped(match)}$`)

const filled = (to: string, group: (at: number) => string): string =>
  to.replace(/\$([$1-9])/g, (_, at: string) => at === "$" ? "$" : group(Number(at)))

/** The origin that a rule leads to by itself: the same one whatever its groups are, or none. */
const ownOrigin = (to: string): ReadonlyArray<string> => {
  const [one, other] = ["a", "b"].map((text) => filled(to, () => text))
  if (!URL.canParse(one!) || !URL.canParse(other!)) return []
  const origin = new URL(one!).origin
  return origin === new URL(other!).origin ? [origin] : []
}

/**
 * Redirects by the first rule that matches. A path that no rule matches fails with `RouteNotFound`, as a router's does: it is
 * answered 404, or handled by `Effect.catchTag("RouteNotFound", …)`.
 *
 * A rule leads to the site that its `to` names, or to the site of the request. If a group would change the site
 * (`/go/*` to `$1`, `https://$1.example.test`, or `https://example.test$1` without the slash), the request fails with `RedirectRefused`, unless `origins` has it.
 *
 * Fails with `InvalidOption` for a rule without sense. *Interruption* does nothing: it does not wait.
 *
 * @since 0.2.0
 * @category constructors
 * @example
 * ```ts
 * import { Redirect } from "@copas/node"
 * import { HttpApp } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const rules = yield* Redirect.rules([
 *     { match: "/", to: "/index.html" },
 *     { match: "/docs/*", to: "https://docs.example.test/$1", status: 301 },
 *     { match: /^\/user-(\d+)$/, to: "/users/$1" }
 *   ])
 *   const ask = HttpApp.toWebHandler(rules)
 *   const answer = yield* Effect.promise(() => ask(new Request("http://localhost/docs/a/b?c")))
 *   console.log(answer.status, answer.headers.get("location")) // 301 https://docs.example.test/a/b?c
 * })
 *
 * Effect.runPromise(program)
 * ```
 */
export const rules = (
  rules: ReadonlyArray<Rule>,
  options: Options = {}
): Effect.Effect<HttpApp.Default<RouteNotFound | RedirectRefused>, InvalidOption> =>
  Effect.gen(function*() {
    for (const { match, to } of rules) {
      if (typeof match === "string" && !match.startsWith("/")) {
        return yield* invalid("match", match, "a path, or a pattern")
      }
      if (!URL.canParse(filled(to, () => "a"), here) || httpOnly(new URL(filled(to, () => "a"), here)) === undefined) {
        return yield* invalid("to", to, "a URL of http or https, or a path")
      }
    }
    const ready = rules.map((rule) => ({
      ...rule,
      pattern: patternOf(rule.match),
      origins: originsOf([...options.origins ?? [], ...ownOrigin(rule.to)])
    }))
    return Effect.gen(function*() {
      const request = yield* HttpServerRequest
      const { path, query } = targetOf(request.url)
      for (const { origins, pattern, query: passes = true, status = 302, to } of ready) {
        const groups = pattern.exec(path === "" ? "/" : path)
        if (groups === null) continue
        const target = filled(to, (at) => groups[at] ?? "")
        const [before, hash = ""] = target.split(/(?=#)/)
        const whole = passes && !target.includes("?") ? `${before}${query}${hash}` : target
        return yield* checked(status, whole, request, origins)
      }
      return yield* new RouteNotFound({ request })
    })
  })
