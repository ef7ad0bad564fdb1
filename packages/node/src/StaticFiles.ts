/**
 * Files of a directory over HTTP: conditional requests, ranges, compressed files, listings, and no way out of the directory.
 *
 * @since 0.2.0
 */
import type { InvalidOption } from "@copas/core/SocketError"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { invalid } from "./internal/optionValues.js"
import { rootAt } from "./internal/static/opening.js"
import { Server } from "./internal/static/serving.js"
import { check } from "./internal/static/settings.js"

/**
 * Which files an option is for: a pattern, or a function, of the path below the root, decoded, which begins with a slash
 * (`/assets/app-5f3a.js`).
 *
 * @since 0.2.0
 * @category models
 */
export type Match = RegExp | ((path: string) => boolean)

/**
 * How a directory is served.
 *
 * @since 0.2.0
 * @category models
 */
export interface Options<E = never, R = never> {
  /** The file that stands for its directory, or several, of which the first that exists does. Default `"index.html"`. */
  readonly index?: string | ReadonlyArray<string> | false
  /** Serves names that begin with a dot. Default `false`: only a first `.well-known` (RFC 8615) is served. */
  readonly dotFiles?: boolean
  /**
   * Media types by extension, before those of the `mime-types` package. A file of an unknown extension is
   * `application/octet-stream`.
   */
  readonly types?: Readonly<Record<string, string>>
  /**
   * Serves `page.html.br`, `.zst` or `.gz` for `page.html` to clients that take the coding (RFC 9110, 12.5.3). `true` is all
   * three. Default `false`. The files are yours to make, and to make again with the file. A client that takes none of
   * what there is, not even the file as it is, gets 406.
   */
  readonly precompressed?: boolean | ReadonlyArray<"br" | "zstd" | "gzip">
  /** `Cache-Control` of all files, or of those that match; the first match counts. Default: none. */
  readonly cacheControl?: string | ReadonlyArray<{ readonly match: Match; readonly value: string }>
  /** Files that never change under their name: `public, max-age=31536000, immutable`. It goes before `cacheControl`. */
  readonly immutable?: Match
  /** Files that browsers save under their name, instead of showing them (`Content-Disposition`, RFC 6266). Default `false`. */
  readonly download?: boolean | Match
  /**
   * Lists directories without an index, as a page, or as JSON if `Accept` prefers `application/json`. Default `false`. At
   * most `maxEntries` (1000) are read and shown.
   */
  readonly listing?: boolean | { readonly maxEntries?: number }
  /**
   * The page of a single-page program: served, with status 200, for paths that name no file. Only to requests that accept
   * `text/html`, and only if they name it or the path has no extension: a missing script stays a 404.
   */
  readonly fallback?: string
  /** The answer to a path that names no file: a page below the root, with status 404, or an app. */
  readonly notFound?: string | HttpApp.Default<E, R>
  /**
   * How many files over 64 KiB are sent at the same time; one more is answered 503. Default 512. Smaller ones are read at
   * once, and do not count. Each takes a descriptor and at most 64 KiB.
   */
  readonly maxOpenFiles?: number
}

/** How many files are opened, and small ones read, at the same time; more wait. The system's threads for files are four. */
const openingsAtOnce = 64

/**
 * Serves the files of a directory to GET and HEAD; other methods get 405.
 *
 * - **Paths** are decoded once, name by name. `..`, an encoded slash, a backslash and dot files are 404; NUL and a bad escape
 *   are 400. The file is opened, and then the place of the *open* file is compared with the directory: a link is followed
 *   within the directory, never out of it, and whoever changes links meanwhile gains nothing.
 * - **Directories** are redirected (301) to their path with a slash, and the query is kept.
 * - **Conditions** (RFC 9110, 13): `ETag` of size and time of change, strong once the file has not changed for two seconds;
 *   `If-Match`, `If-None-Match`, `If-Modified-Since`, `If-Unmodified-Since`, `If-Range`.
 * - **Ranges** (RFC 9110, 14): one, or several as `multipart/byteranges`, merged where they overlap. A request for more than
 *   20 gets the whole file.
 * - Files of up to 64 KiB are read at once; larger ones while they are sent, with at most 64 KiB in memory. If a file
 *   becomes shorter meanwhile, the body fails, and the server cuts the connection.
 *
 * If the directory is a link that a deploy moves, its files are those of where it leads.
 *
 * Fails with `InvalidOption` for a wrong option, and if the directory is none or may not be read. A file that cannot be read
 * is 403, one for which there is no descriptor 503, and one that the disk fails to give is 500, with an error in the log.
 *
 * *Interruption* of a request closes what it has opened.
 *
 * @since 0.2.0
 * @category constructors
 * @example
 * ```ts
 * import { StaticFiles } from "@copas/node"
 * import { HttpApp, HttpRouter, HttpServerResponse } from "@effect/platform"
 * import { Effect } from "effect"
 * import * as Fs from "node:fs"
 * import * as Os from "node:os"
 * import * as Path from "node:path"
 *
 * const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "site-"))
 * Fs.writeFileSync(Path.join(folder, "hello.txt"), "0123456789")
 *
 * const program = Effect.gen(function*() {
 *   const files = yield* StaticFiles.make(folder, { immutable: /^\/assets\//, precompressed: true })
 *   const router = HttpRouter.empty.pipe(
 *     HttpRouter.get("/", HttpServerResponse.text("home")),
 *     HttpRouter.mountApp("/static", files)
 *   )
 *   const ask = HttpApp.toWebHandler(router)
 *   const answer = yield* Effect.promise(() =>
 *     ask(new Request("http://localhost/static/hello.txt", { headers: { range: "bytes=-3" } }))
 *   )
 *   console.log(answer.status, yield* Effect.promise(() => answer.text())) // 206 789
 * })
 *
 * Effect.runPromise(program).finally(() => Fs.rmSync(folder, { recursive: true }))
 * ```
 */
export const make = <E = never, R = never>(
  root: string,
  options: Options<E, R> = {}
): Effect.Effect<HttpApp.Default<E, R | Scope.Scope>, InvalidOption> =>
  Effect.gen(function*() {
    const settings = yield* check(options)
    const directory = yield* Effect.mapError(
      rootAt(root),
      ({ why }) => invalid("root", root, `a directory that this process may read (${why})`)
    )
    return new Server(directory, settings, yield* Effect.makeSemaphore(openingsAtOnce)).app
  })
