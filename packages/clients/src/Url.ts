/**
 * URLs and their parts: what LuaSocket's `url` module does, by the rules of WHATWG's `URL`, which this package, browsers and
 * the platform's `fetch` follow. Parts are never glued: what would end a part early is encoded or refused.
 *
 * All functions are pure and give an `Either`. FTP's calls parse their URLs by RFC 1738 instead.
 *
 * @since 0.2.0
 */
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Authority from "./internal/authority.js"
import * as Errors from "./internal/errors.js"

/**
 * A text is not a URL, or parts do not make one.
 *
 * @since 0.2.0
 * @category errors
 */
export class InvalidUrl extends Errors.define<InvalidUrl>("Url")("InvalidUrl", {
  /** The URL or path, made printable, without its password and its query. */
  url: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${JSON.stringify(this.url)} cannot be used: ${this.reason}`
  }
}

/**
 * The parts of a URL. A part that is absent is not in it; one that is empty is (`?` without anything after it).
 *
 * @since 0.2.0
 * @category models
 */
export interface Parts {
  /** Lower case, without the colon. */
  readonly scheme: string
  /** Decoded. */
  readonly user?: string
  /** Decoded. */
  readonly password?: Redacted.Redacted<string>
  /** As a connection takes it: in ASCII and lower case, IPv6 without brackets. `mailto:` and the like have none. */
  readonly host?: string
  /** Absent where it is the scheme's own. */
  readonly port?: number
  /** As the URL has it, encoded: see `parsePath`. A `;` and what comes after it are part of it (RFC 3986, section 3.3). */
  readonly path: string
  /** As the URL has it, without the `?`. */
  readonly query?: string
  /** As the URL has it, without the `#`. */
  readonly fragment?: string
}

/**
 * The parts that `build` takes.
 *
 * @since 0.2.0
 * @category models
 */
export interface BuildOptions {
  readonly scheme: string
  /** In clear: it is encoded. */
  readonly user?: string | undefined
  /** In clear: it is encoded. The URL shows it. */
  readonly password?: string | Redacted.Redacted<string> | undefined
  readonly host?: string | undefined
  readonly port?: number | undefined
  /** With its percent-encoding, for example of `buildPath`; `?`, `#`, blanks and controls in it are encoded. Default empty. */
  readonly path?: string | undefined
  /** With its percent-encoding; `#`, blanks and controls in it are encoded. */
  readonly query?: string | undefined
  readonly fragment?: string | undefined
}

/**
 * A path by its segments, which are decoded.
 *
 * @since 0.2.0
 * @category models
 */
export interface Path {
  readonly segments: ReadonlyArray<string>
  /** It begins with `/`. */
  readonly isAbsolute: boolean
  /** It ends with `/`. */
  readonly isDirectory: boolean
}

const refuse = (url: string, reason: string): Either.Either<never, InvalidUrl> =>
  // The password first: it may have a `?` in it.
  Either.left(new InvalidUrl({ url: Authority.hidden(url).replace(/\?[^]*/, "?…"), reason }))

// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const control = /[\u0000-\u001f\u007f]/

/** WHATWG's parser drops tabs and line ends wherever they are, and gives another URL than the one that was written. */
const urlOf = (text: string, base: string | URL | undefined): Either.Either<URL, InvalidUrl> => {
  if (control.test(text)) return refuse(text, "it has a control character in it; write it as %0A, for example")
  const url = Either.try(() => base === undefined ? new URL(text) : new URL(text, base))
  if (Either.isRight(url)) return Either.right(url.right)
  if (base !== undefined) return refuse(text, `it and the base ${Authority.hidden(String(base))} are no URL together`)
  return refuse(
    text,
    /^[a-z][a-z\d+.-]*:/i.test(text)
      ? "its host or port is not one"
      : "it has no scheme; write it as https://host/path, or give a base"
  )
}

// RFC 3986, appendix B. `URL` itself does not tell an empty query or fragment from none.
const shape = /^([^:]+):(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#([^]*))?$/

/**
 * The parts of a URL. A relative one needs `base`, and is resolved by it. Blanks around it are left out, as browsers do.
 *
 * Fails with `InvalidUrl` where `URL` throws, and for control characters, and a user or password that is not UTF-8.
 *
 * @since 0.2.0
 * @category parsing
 * @example
 * ```ts
 * import { Url } from "@copas/clients"
 * import { Either } from "effect"
 *
 * const parts = Either.getOrThrow(Url.parse("https://me@example.com:8443/a%20b/?q=1#top"))
 * console.log(parts.host, parts.port, parts.path, parts.query) // example.com 8443 /a%20b/ q=1
 * ```
 */
export const parse = (text: string | URL, base?: string | URL): Either.Either<Parts, InvalidUrl> =>
  Either.gen(function*() {
    const url = typeof text === "string" ? yield* urlOf(text, base) : text
    const [, , authority, path, query, fragment] = shape.exec(url.href)!
    const login = (part: string) => Either.orElse(Authority.decodeLogin(part), (reason) => refuse(url.href, reason))
    const user = yield* login(url.username)
    const password = yield* login(url.password)
    return {
      scheme: url.protocol.slice(0, -1),
      ...(user === "" && password === "" ? {} : { user }),
      ...(password === "" ? {} : { password: Redacted.make(password) }),
      ...(authority === undefined ? {} : { host: url.hostname.replace(/^\[(.*)\]$/, "$1") }),
      ...(url.port === "" ? {} : { port: Number(url.port) }),
      path: path!,
      ...(query === undefined ? {} : { query }),
      ...(fragment === undefined ? {} : { fragment })
    }
  })

const percent = (character: string): string => {
  let text = ""
  for (const byte of new TextEncoder().encode(character)) text += `%${hexOf(byte)}`
  return text
}

const hexOf = (byte: number): string => byte.toString(16).toUpperCase().padStart(2, "0")

/** Whose `\` is a `/` to WHATWG's parser. */
const special = /^(?:https?|wss?|ftp|file)$/

/**
 * The URL of these parts, as `URL` writes it. `build` and `parse` are inverse to each other, except for what `URL` brings
 * into its normal form: the host's spelling, the scheme's own port, `.` and `..` in the path.
 *
 * Fails with `InvalidUrl` if a part is not one, for example a host with `/`, `@` or a port in it.
 *
 * @since 0.2.0
 * @category building
 * @example
 * ```ts
 * import { Url } from "@copas/clients"
 * import { Either } from "effect"
 *
 * const path = Either.getOrThrow(Url.buildPath({ segments: ["50% off", "a/b"], isAbsolute: true }))
 * const url = Url.build({ scheme: "https", host: "example.com", path, query: "q=1" })
 * console.log(Either.getOrThrow(url)) // https://example.com/50%25%20off/a%2Fb?q=1
 * ```
 */
export const build = (parts: BuildOptions): Either.Either<string, InvalidUrl> => {
  const { fragment, host, password, path = "", port, query, user } = parts
  const scheme = parts.scheme.toLowerCase()
  const bad = (reason: string) => refuse(`${scheme}:${host === undefined ? "" : `//${host}`}`, reason)
  if (!/^[a-z][a-z\d+.-]*$/.test(scheme)) return bad("its scheme is not one")
  if (host === undefined) {
    if (user !== undefined || password !== undefined || port !== undefined) {
      return bad("a user, a password and a port need a host")
    }
    if (path.startsWith("//")) return bad("without a host its path may not begin with //, which begins a host")
    if (special.test(scheme)) return bad("it needs a host")
  } else {
    const isBracketed = host.includes(":")
    // WHATWG's parser would take the host from the path: http:///a is http://a/.
    if (host === "" && special.test(scheme) && scheme !== "file") return bad("its host is empty")
    if (/[\s/?#@\\[\]<>^|]/.test(host) || control.test(host) || (isBracketed && !/^[\da-f:.]+$/i.test(host))) {
      return bad("its host is not one; user and port are parts of their own")
    }
    if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port < 65_536)) {
      return bad("a port is a whole number up to 65535")
    }
    if (path !== "" && !path.startsWith("/")) return bad("after a host its path has to begin with /")
  }
  const secret = Redacted.isRedacted(password) ? Redacted.value(password) : password
  if (control.test(`${user}${secret}`)) return bad("its user or password has a control character in it")
  const login = user === undefined && secret === undefined
    ? ""
    : `${escape(user ?? "")}${secret === undefined ? "" : `:${escape(secret)}`}@`
  const authority = host === undefined
    ? ""
    : `//${login}${host.includes(":") ? `[${host}]` : host}${port === undefined ? "" : `:${port}`}`
  const encode = (part: string, ending: RegExp) => part.replace(ending, percent)
  const text = `${scheme}:${authority}${encode(path, special.test(scheme) ? inSpecialPath : inPath)}${
    query === undefined ? "" : `?${encode(query, inQuery)}`
  }${fragment === undefined ? "" : `#${encode(fragment, inFragment)}`}`
  const url = Either.try(() => new URL(text))
  return Either.isLeft(url) ? bad("its host is not one") : Either.right(url.right.href)
}

/* eslint-disable no-control-regex -- URL drops control characters, and blanks at the ends */
const inSpecialPath = /[\u0000-\u0020\u007f?#\\]/g
const inPath = /[\u0000-\u0020\u007f?#]/g
const inQuery = /[\u0000-\u0020\u007f#]/g
const inFragment = /[\u0000-\u0020\u007f]/g
/* eslint-enable no-control-regex */

/**
 * The meaning of a reference in the page or file of `base` (RFC 3986, section 5): the absolute URL.
 *
 * Fails with `InvalidUrl` if `base` is relative itself, or both are no URL together.
 *
 * @since 0.2.0
 * @category building
 * @example
 * ```ts
 * import { Url } from "@copas/clients"
 * import { Either } from "effect"
 *
 * console.log(Either.getOrThrow(Url.absolute("http://a/b/c/d?q", "../g"))) // http://a/b/g
 * ```
 */
export const absolute = (base: string | URL, relative: string): Either.Either<string, InvalidUrl> =>
  Either.map(
    Either.flatMap(
      typeof base === "string" ? urlOf(base, undefined) : Either.right(base),
      (url) => urlOf(relative, url)
    ),
    (url) => url.href
  )

/**
 * The segments of a path, decoded: a `/` in one was `%2F`. Empty segments are kept.
 *
 * Fails with `InvalidUrl` if the percent-encoding is broken, or is not UTF-8.
 *
 * @since 0.2.0
 * @category parsing
 * @example
 * ```ts
 * import { Url } from "@copas/clients"
 * import { Either } from "effect"
 *
 * const path = Either.getOrThrow(Url.parsePath("/a%2Fb/c/"))
 * console.log(path.segments, path.isAbsolute, path.isDirectory) // [ 'a/b', 'c' ] true true
 * ```
 */
export const parsePath = (path: string): Either.Either<Path, InvalidUrl> => {
  const isAbsolute = path.startsWith("/")
  const isDirectory = path.endsWith("/")
  const rest = path.slice(isAbsolute ? 1 : 0)
  const parts = rest === "" ? [] : rest.slice(0, isDirectory ? -1 : undefined).split("/")
  return Either.map(Either.all(parts.map(unescape)), (segments) => ({ segments, isAbsolute, isDirectory }))
}

// RFC 3986's `pchar`, but `;`, with which older grammars begin parameters.
const notInSegment = /[^A-Za-z0-9\-._~!$&'()*+,=:@]/gu
const loneSurrogate = /[\uD800-\uDFFF]/u

/**
 * The path of these segments. What would end a segment is encoded; so is a `:` where it would end a scheme.
 *
 * Fails with `InvalidUrl` where the path would mean something else in a URL: `.` and `..` in an absolute path, which every
 * reader resolves, encoded or not; an empty segment at the beginning, because `//` begins a host, or at the end of what is
 * no directory; and half of a surrogate pair, which UTF-8 cannot write.
 *
 * @since 0.2.0
 * @category building
 * @example
 * ```ts
 * import { Url } from "@copas/clients"
 * import { Either } from "effect"
 *
 * console.log(Either.getOrThrow(Url.buildPath({ segments: ["eu ", "a/b?"], isAbsolute: true }))) // /eu%20/a%2Fb%3F
 * console.log(Either.isLeft(Url.buildPath({ segments: ["files", ".."], isAbsolute: true }))) // true
 * ```
 */
export const buildPath = (path: {
  readonly segments: ReadonlyArray<string>
  readonly isAbsolute?: boolean | undefined
  readonly isDirectory?: boolean | undefined
}): Either.Either<string, InvalidUrl> => {
  const { isAbsolute = false, isDirectory = false, segments } = path
  const encoded = segments.map((segment) => segment.replace(notInSegment, percent))
  if (!isAbsolute && encoded[0] !== undefined) encoded[0] = encoded[0].replaceAll(":", "%3A")
  const text = `${isAbsolute ? "/" : ""}${encoded.join("/")}`
  if (isAbsolute && segments.some((segment) => segment === "." || segment === "..")) {
    return refuse(text, "no segment of an absolute path can be . or .., not even encoded")
  }
  if (segments[0] === "") return refuse(text, "it begins with an empty segment, and // begins a host")
  if (!isDirectory && segments.at(-1) === "") return refuse(text, "it ends with an empty segment, as a directory does")
  if (segments.some((segment) => loneSurrogate.test(segment))) {
    return refuse(text, "half of a surrogate pair stands in it")
  }
  return Either.right(isDirectory && segments.length > 0 ? `${text}/` : text)
}

/**
 * Text in UTF-8, or bytes, with everything encoded but letters, digits and `-._~` (RFC 3986, section 2.3), so that it means
 * nothing in any part of a URL. Half of a surrogate pair is encoded as U+FFFD.
 *
 * @since 0.2.0
 * @category building
 * @example
 * ```ts
 * import { Url } from "@copas/clients"
 *
 * console.log(Url.escape("/#?; é")) // %2F%23%3F%3B%20%C3%A9
 * ```
 */
export const escape = (content: string | Uint8Array): string => {
  let text = ""
  for (const byte of typeof content === "string" ? new TextEncoder().encode(content) : content) {
    const character = String.fromCharCode(byte)
    text += /[A-Za-z0-9\-._~]/.test(character) ? character : `%${hexOf(byte)}`
  }
  return text
}

/**
 * The text that `escape` encoded. `+` stays one: it is a blank in forms alone.
 *
 * Fails with `InvalidUrl` if a `%` has no two hexadecimal digits after it, or the bytes are not UTF-8.
 *
 * @since 0.2.0
 * @category parsing
 */
export const unescape = (content: string): Either.Either<string, InvalidUrl> =>
  Either.flatMap(
    unescapeBytes(content),
    (bytes) => Either.orElse(Authority.textOf(bytes, "what it encodes"), (reason) => refuse(content, reason))
  )

/**
 * The bytes that `escape` encoded, whatever they are.
 *
 * Fails with `InvalidUrl` if a `%` has no two hexadecimal digits after it.
 *
 * @since 0.2.0
 * @category parsing
 */
export const unescapeBytes = (content: string): Either.Either<Uint8Array, InvalidUrl> =>
  Either.orElse(Authority.decodePercent(content), (reason) => refuse(content, reason))
