/**
 * Cookie jars for the HTTP client (RFC 6265bis): which cookies an answer may set, and which go with a request.
 *
 * A jar keeps cookies apart by domain, path and `Secure`; refuses those of public suffixes (`co.uk`), of foreign domains, and
 * those whose name says `__Host-` or `__Secure-` without being it; and sends values byte for byte as they came. What servers
 * can make it keep is bounded. Time is Effect's `Clock`.
 *
 * A program has no page that its requests come from, so every request counts as its own (same-site, top level): `SameSite`
 * and `HttpOnly` are kept and listed, and decide nothing.
 *
 * @since 0.2.0
 */
import type { InvalidOption } from "@copas/core/SocketError"
import type { PlatformError } from "@effect/platform/Error"
import { KeyValueStore } from "@effect/platform/KeyValueStore"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Inspectable } from "effect/Inspectable"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { now } from "./internal/effect/fibers.js"
import * as Errors from "./internal/errors.js"
import * as Store from "./internal/http/cookies.js"
import { count, orFail } from "./internal/options.js"
import * as Showing from "./internal/showing.js"
import * as Bytes from "./internal/text/bytes.js"
import * as Url from "./Url.js"

/**
 * The limits of a jar. A cookie that is one too many takes the place of the one that was used the longest ago.
 *
 * @since 0.2.0
 * @category models
 */
export interface Options {
  /** Cookies with the same domain. Default 50 (RFC 6265, section 6.1). */
  readonly maxPerDomain?: number | undefined
  /** Cookies in all: the site that has the most gives one up. Default 3000. */
  readonly maxCookies?: number | undefined
  /** Bytes of a cookie's name and value together; a larger one is refused. Default 4096. */
  readonly maxCookieBytes?: number | undefined
  /** Bytes of all cookies, with 256 for what each costs besides its text. Default 4 MiB. */
  readonly maxBytes?: number | undefined
  /** Take and send Secure cookies on `http:` to this machine (`localhost`, 127.0.0.0/8, ::1) too. Default false. */
  readonly secureOnLocalhost?: boolean | undefined
}

/**
 * A cookie of a jar.
 *
 * @since 0.2.0
 * @category models
 */
export interface Cookie {
  readonly name: string
  /** One character a byte, as the server sent it. */
  readonly value: Redacted.Redacted<string>
  /** In lower case, without a dot before it. */
  readonly domain: string
  /** Only this host gets it, and none below it. */
  readonly isHostOnly: boolean
  readonly path: string
  readonly isSecure: boolean
  readonly isHttpOnly: boolean
  readonly sameSite?: "strict" | "lax" | "none"
  /** In milliseconds since 1970; absent for a session cookie, which ends with the jar. */
  readonly expires?: number
  /** In milliseconds since 1970. */
  readonly created: number
}

/**
 * A cookie that a program sets itself. It is refused where the server's own would be.
 *
 * @since 0.2.0
 * @category models
 */
export interface NewCookie {
  readonly name: string
  readonly value: string | Redacted.Redacted<string>
  /** Default the host of the URL, and that alone. */
  readonly domain?: string | undefined
  /** Default the folder of the URL. */
  readonly path?: string | undefined
  readonly isSecure?: boolean | undefined
  readonly isHttpOnly?: boolean | undefined
  readonly sameSite?: "strict" | "lax" | "none" | undefined
  /** In whole seconds, rounded up. Without it the cookie is one of the session. */
  readonly maxAge?: Duration.DurationInput | undefined
}

/**
 * Which cookies: those for which all of it holds.
 *
 * @since 0.2.0
 * @category models
 */
export interface Which {
  readonly name?: string | undefined
  readonly domain?: string | undefined
  readonly path?: string | undefined
}

/**
 * A cookie cannot be in the jar. Of answers, such cookies are left out and logged at level debug; `jar.set` fails with it.
 *
 * - `Syntax`: no name, or a character that a header cannot have
 * - `TooLarge`: larger than `maxCookieBytes`, or its path than 1024 bytes
 * - `Domain`: the host is not within the domain
 * - `PublicSuffix`: strangers share the domain, as `co.uk` or `github.io`
 * - `Insecure`: `Secure` over `http:`, or it would replace one that is
 * - `Prefix`: `__Secure-` without `Secure`; `__Host-` without `Secure` or `Path=/`, or with a domain
 *
 * @since 0.2.0
 * @category errors
 */
export class CookieRefused extends Errors.define<CookieRefused>("Cookies")("CookieRefused", {
  reason: Schema.Literal("Syntax", "TooLarge", "Domain", "PublicSuffix", "Insecure", "Prefix"),
  /** Made printable. */
  name: Schema.String,
  host: Schema.String
}) {
  override get message(): string {
    return `the cookie ${JSON.stringify(this.name)} of ${this.host} was refused: ${this.reason}: ${advice[this.reason]}`
  }
}

const advice: Readonly<Record<Store.Reason, string>> = {
  Syntax: "it needs a name, and takes no control characters, no `;`, and nothing above U+00FF",
  TooLarge: "name and value, or the path, are longer than the jar takes; see `maxCookieBytes`",
  Domain: "the host is not within its domain",
  PublicSuffix: "its domain is a public suffix; leave Domain out",
  Insecure: "over http: a cookie can neither be Secure nor replace one that is; use https:, or `secureOnLocalhost`",
  Prefix: "__Secure- needs Secure; __Host- needs Secure, Path=/ and no Domain"
}

/**
 * The value of a key of the `KeyValueStore` is no jar that `save` wrote.
 *
 * @since 0.2.0
 * @category errors
 */
export class CookiesUnreadable extends Errors.define<CookiesUnreadable>("Cookies")("CookiesUnreadable", {
  key: Schema.String,
  /** Where, and what is wrong there. Values are not shown. */
  problem: Schema.String
}) {
  override get message(): string {
    return `the cookies under ${
      JSON.stringify(this.key)
    } cannot be read: ${this.problem}; remove the key to begin again`
  }
}

/**
 * Cookies, and what they do. It shows none of them in logs, in JSON and under inspection.
 *
 * @since 0.2.0
 * @category models
 */
export interface Jar extends Pick<Inspectable, "toJSON"> {
  /** The value of the field `Cookie` for a request to this URL; `undefined` where there is none. */
  readonly header: (url: URL) => Effect.Effect<string | undefined>
  /** Stores what the fields `Set-Cookie` of an answer from this URL set. Each field is a value of its own. */
  readonly store: (url: URL, setCookie: ReadonlyArray<string>) => Effect.Effect<void>
  /** Stores a cookie as if this URL had set it: the value of a field `Set-Cookie`, or its parts. */
  readonly set: (url: string | URL, cookie: string | NewCookie) => Effect.Effect<void, CookieRefused | Url.InvalidUrl>
  /** All cookies that have not expired, oldest first. */
  readonly list: Effect.Effect<ReadonlyArray<Cookie>>
  /** How many have not expired. */
  readonly size: Effect.Effect<number>
  /** Removes cookies, and says how many. */
  readonly remove: (which: Which) => Effect.Effect<number>
  /** Removes all cookies. */
  readonly clear: Effect.Effect<void>
  /**
   * Writes the cookies as JSON under a key, values in clear. Session cookies only if `session` is true. *Interruption*
   * leaves the key as the store leaves it: as it was, or written.
   */
  readonly save: (
    key: string,
    options?: { readonly session?: boolean | undefined }
  ) => Effect.Effect<void, PlatformError, KeyValueStore>
  /** Adds the cookies under a key, if there is one. If it is unreadable, nothing is added. */
  readonly load: (key: string) => Effect.Effect<void, PlatformError | CookiesUnreadable, KeyValueStore>
}

const plain = Schema.String.pipe(Schema.filter((text) => !/[;\s]/.test(text) && text.length <= 1024))

const Saved = Schema.parseJson(Schema.Struct({
  version: Schema.Literal(1),
  cookies: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      value: Schema.String,
      // What a URL makes of it is what it is compared with.
      domain: plain.pipe(
        Schema.filter((domain) =>
          Either.getOrUndefined(Either.try(() => new URL(`http://${domain}/`).hostname)) === domain
        )
      ),
      isHostOnly: Schema.Boolean,
      path: plain.pipe(Schema.startsWith("/")),
      isSecure: Schema.Boolean,
      isHttpOnly: Schema.Boolean,
      sameSite: Schema.optionalWith(Schema.Literal("strict", "lax", "none"), { exact: true }),
      expires: Schema.optionalWith(Schema.Finite, { exact: true }),
      created: Schema.Finite
    }).pipe(Schema.filter(({ name, value }) => Store.isPair(name, value)))
  )
}))

const write = (cookie: NewCookie): string | undefined => {
  const { domain, isHttpOnly, isSecure, maxAge, name, path, sameSite } = cookie
  const value = Redacted.isRedacted(cookie.value) ? Redacted.value(cookie.value) : cookie.value
  const attributes = [
    domain === undefined ? "" : `Domain=${domain}`,
    path === undefined ? "" : `Path=${path}`,
    isSecure === true ? "Secure" : "",
    isHttpOnly === true ? "HttpOnly" : "",
    sameSite === undefined ? "" : `SameSite=${sameSite}`,
    maxAge === undefined ? "" : `Max-Age=${Math.min(Math.ceil(Duration.toSeconds(maxAge)), Number.MAX_SAFE_INTEGER)}`
  ]
  const isWhole = Store.isPair(name, value) && !attributes.some((attribute) => attribute.includes(";"))
  return isWhole ? [`${name}=${value}`, ...attributes.filter((attribute) => attribute !== "")].join("; ") : undefined
}

const load = Effect.promise((): Promise<Store.Library> => import("tough-cookie"))

/**
 * Makes an empty jar. Until it has a cookie, it costs a request nothing, and its library is not loaded.
 *
 * Fails with `InvalidOption` if a limit is not a whole number above zero.
 *
 * @since 0.2.0
 * @category constructors
 * @example
 * ```ts
 * import { Cookies } from "@copas/clients"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const jar = yield* Cookies.jar()
 *   yield* jar.store(new URL("https://example.com/login"), ["id=a3f; Path=/; Secure; HttpOnly", "tmp=1; Max-Age=0"])
 *   console.log(yield* jar.header(new URL("https://example.com/"))) // id=a3f
 *   console.log(yield* jar.header(new URL("https://other.example/"))) // undefined
 * })
 *
 * Effect.runPromise(program)
 * ```
 */
export const jar = (options: Options = {}): Effect.Effect<Jar, InvalidOption> =>
  Effect.gen(function*() {
    const limits = {
      maxPerDomain: yield* count("maxPerDomain", options.maxPerDomain, 50, 1),
      maxCookies: yield* count("maxCookies", options.maxCookies, 3000, 1),
      maxCookieBytes: yield* count("maxCookieBytes", options.maxCookieBytes, 4096, 1),
      maxBytes: yield* count("maxBytes", options.maxBytes, 4 * 1024 * 1024, 1)
    }
    return make(new Store.Cookies(limits, options.secureOnLocalhost ?? false))
  })

const nothing: Effect.Effect<string | undefined> = Effect.succeed(undefined)

const make = (cookies: Store.Cookies): Jar => {
  // Before there is a cookie there is no library.
  let library: Store.Library | undefined
  const loaded: Effect.Effect<Store.Library> = Effect.suspend(() =>
    library === undefined
      ? Effect.map(load, (module) => library = module)
      : Effect.succeed(library)
  )
  const set = (url: URL, text: string) =>
    Effect.zipWith(loaded, now, (library, time) => cookies.set(library, url, text, time))
  const refused = (url: URL, name: string, reason: Store.Reason) =>
    new CookieRefused({ reason, name: Bytes.show(name, 60), host: url.hostname })
  /** Nothing where no `=` follows: what stands there may be a value. */
  const nameOf = (text: string): string => /^[ \t]*([^=;]*)=/.exec(text)?.[1] ?? ""
  return {
    ...Showing.of("@copas/clients/Cookies/Jar", () => ({ size: cookies.count })),
    header: (url) =>
      Effect.suspend(() => {
        const known = library
        if (cookies.count === 0 || known === undefined) return nothing
        return Effect.map(now, (time) => cookies.header(known, url, time))
      }),
    store: (url, values) =>
      Effect.forEach(
        values,
        (text) =>
          Effect.flatMap(set(url, text), (reason) =>
            reason === undefined ? Effect.void : Effect.logDebug(refused(url, nameOf(text), reason).message)),
        { discard: true }
      ),
    set: (url, cookie) =>
      Effect.gen(function*() {
        const at = new URL(yield* orFail(Url.absolute(url, "")))
        const text = typeof cookie === "string" ? cookie : write(cookie)
        const reason = text === undefined ? "Syntax" : yield* set(at, text)
        if (reason !== undefined) {
          return yield* refused(at, typeof cookie === "string" ? nameOf(cookie) : cookie.name, reason)
        }
      }),
    list: Effect.map(
      now,
      (time) => cookies.list(time).map(({ value, ...cookie }): Cookie => ({ ...cookie, value: Redacted.make(value) }))
    ),
    size: Effect.map(now, (time) => cookies.list(time).length),
    remove: (which) =>
      Effect.sync(() =>
        cookies.removeIf((cookie) =>
          (which.name ?? cookie.name) === cookie.name && (which.domain ?? cookie.domain) === cookie.domain &&
          (which.path ?? cookie.path) === cookie.path
        )
      ),
    clear: Effect.sync(() => {
      cookies.removeIf(() => true)
    }),
    save: (key, options) =>
      Effect.gen(function*() {
        const kept = cookies.list(yield* now).filter(({ expires }) =>
          options?.session === true || expires !== undefined
        )
        const text = yield* Effect.orDie(Schema.encode(Saved)({ version: 1, cookies: kept }))
        yield* (yield* KeyValueStore).set(key, text)
      }),
    load: (key) =>
      Effect.gen(function*() {
        const text = yield* (yield* KeyValueStore).get(key)
        if (Option.isNone(text)) return
        const saved = yield* Effect.mapError(Schema.decode(Saved)(text.value), (error) => {
          // The messages show what they are about.
          const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
          const where = issue === undefined || issue.path.length === 0 ? "it" : issue.path.map(String).join(".")
          return new CookiesUnreadable({ key, problem: `${where} is not what a jar writes` })
        })
        cookies.restore(yield* loaded, saved.cookies, yield* now)
      })
  }
}

/**
 * A jar whose cookies are kept under a key of the `KeyValueStore`: they are loaded now, and saved when the scope ends. Until
 * then `save` saves them as often as a program wants. They stand there in clear.
 *
 * If they cannot be saved at the end, that is logged as a warning.
 *
 * @since 0.2.0
 * @category constructors
 * @example
 * ```ts
 * import { Cookies } from "@copas/clients"
 * import { KeyValueStore } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const visit = Effect.scoped(Effect.gen(function*() {
 *   const jar = yield* Cookies.persisted("cookies")
 *   console.log(yield* jar.header(new URL("https://example.com/")))
 *   yield* jar.set("https://example.com/", { name: "theme", value: "dark", maxAge: "30 days" })
 * }))
 *
 * // In files: KeyValueStore.layerFileSystem("state") and the platform's FileSystem and Path.
 * Effect.runPromise(Effect.provide(Effect.zipRight(visit, visit), KeyValueStore.layerMemory)) // undefined, theme=dark
 * ```
 */
export const persisted = (
  key: string,
  options: Options & {
    /** Keep session cookies too. Default false. */
    readonly session?: boolean | undefined
  } = {}
): Effect.Effect<Jar, InvalidOption | PlatformError | CookiesUnreadable, KeyValueStore | Scope.Scope> =>
  Effect.gen(function*() {
    const made = yield* jar(options)
    yield* made.load(key)
    return yield* Effect.acquireRelease(
      Effect.succeed(made),
      () =>
        Effect.catchAll(
          made.save(key, options),
          (error) => Effect.logWarning(`the cookies could not be saved under ${JSON.stringify(key)}`, error)
        )
    )
  })
